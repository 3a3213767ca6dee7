"""What a workload is: its data, the loop it is measured against, and the ways to do it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tests.benchmarks.budgets import Budget
from tests.benchmarks.measure import Figure, pairs, same


@dataclass(frozen=True)
class Case:
    """A way to do a workload.

    Attributes:
        name: What it is, for people.
        run: Takes the `Data`, and returns the result.
        answer: Makes that result comparable; not timed.
        budget: The most that its ratio may be; None if it has no budget.
        loop: What it is measured against, of the `Data`; by default the workload's loop over the rows.
        expected: Makes the result of `loop` comparable; not timed.
    """

    name: str
    run: Callable[[Data], Any]
    answer: Callable[[Any], Any] = same
    budget: Budget | None = None
    loop: Callable[[Data], Any] | None = None
    expected: Callable[[Any], Any] = same


@dataclass(frozen=True)
class Work:
    """A workload.

    Attributes:
        name: "W1" to "W19", or "columns".
        about: What distinguishes it from others of that name.
        rows: Makes its items, from a number of them.
        loop: The plain loop over them.
        cases: The ways to do it.
        columns: The same items as columns; None if no case reads them.
        share: Part of the items of a benchmark that it works on: less where a run takes long.
    """

    name: str
    about: str
    rows: Callable[[int], list[Any]]
    loop: Callable[[list[Any]], Any]
    cases: tuple[Case, ...]
    columns: Callable[[list[Any]], Any] | None = None
    share: float = 1.0

    def data(self, items: int) -> Data:
        """Make the data of a benchmark of so many items; what it needs is made before the clock starts."""
        return Data(self.rows(max(1, int(items * self.share))), self.columns)

    def title(self, case: Case) -> str:
        """Return the name of the figure of a case."""
        return f"{self.name} {self.about}, {case.name}" if self.about else f"{self.name} {case.name}"

    def measure(self, case: Case, data: Data, count: int) -> Figure:
        """Measure a case, in so many pairs."""
        loop, rows = case.loop, data.rows
        return pairs(
            self.title(case),
            (lambda: self.loop(rows)) if loop is None else (lambda: loop(data)),
            lambda: case.run(data),
            len(rows),
            count,
            answer=case.answer,
            expected=case.expected,
        )


class Data:
    """The items of a workload, as rows and as columns."""

    def __init__(self, rows: list[Any], to_columns: Callable[[list[Any]], Any] | None) -> None:
        self.rows = rows
        self._to_columns = to_columns
        if to_columns is not None:
            _ = self.columns

    @cached_property
    def columns(self) -> Any:
        """The items as an array or an Arrow table."""
        assert self._to_columns is not None
        return self._to_columns(self.rows)
