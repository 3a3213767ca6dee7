"""W1 and W18: map, filter, map, sum over ints, by expressions and by functions of several kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import rxdag
from rxdag import element, sinks, sources
from rxdag import operators as ops
from rxdag.sinks import Sink, Writer
from tests.benchmarks import budgets
from tests.benchmarks.data import ints
from tests.benchmarks.loops import double, is_third, successor, w1_calling, w1_loop
from tests.benchmarks.work import Case, Data, Work

Steps = tuple[Any, Any, Any]

EXPRESSIONS: Steps = (element * 2, element % 3 == 0, element + 1)
LAMBDAS: Steps = (lambda x: x * 2, lambda x: x % 3 == 0, lambda x: x + 1)


def _times(x: int, y: int) -> int:
    return x * y


def _rest(x: int, y: int) -> int:
    return x % y


def _plus(x: int, y: int) -> int:
    return x + y


CALLED: Steps = (lambda x: abs(x) * 2, lambda x: abs(x) % 3 == 0, lambda x: abs(x) + 1)
"""What calls a function is no expression: each of these must be called."""
CALLING: Steps = (lambda x: _times(x, 2), lambda x: _rest(x, 3) == 0, lambda x: _plus(x, 1))
"""The same with functions of the user's own inside."""


class _TotalWriter(Writer):
    def __init__(self) -> None:
        self._total = 0

    def write(self, chunk: Any) -> None:
        self._total += sum(chunk.items)

    def close(self, *, ok: bool) -> int:
        return self._total


@dataclass(frozen=True)
class Total(Sink[int, int]):
    """A sink of a user's own, as the documentation shows it."""

    def open(self, context: Any) -> Writer:
        return _TotalWriter()


def w1(source: rxdag.Source[int], steps: Steps) -> rxdag.Stream[int]:
    """Build the stream whose items are summed."""
    doubled, third, one_more = steps
    return rxdag.from_source(source).pipe(ops.map(doubled)).pipe(ops.filter(third)).pipe(ops.map(one_more))


def summed_by_sink(steps: Steps) -> Callable[[Data], int]:
    def run(data: Data) -> int:
        total = w1(sources.iterable(data.rows), steps).to(Total())
        return rxdag.run(total)[total]

    return run


def summed_by_operator(steps: Steps) -> Callable[[Data], int]:
    def run(data: Data) -> int:
        return summed(sources.iterable(data.rows), steps)

    return run


def summed(source: rxdag.Source[int], steps: Steps) -> int:
    """Run W1 with `ops.sum()` at its end."""
    kept = w1(source, steps).pipe(ops.sum()).to(sinks.collect())
    [total] = rxdag.run(kept)[kept]
    return total


def _loop(data: Data) -> int:
    return w1_calling(data.rows)


def _comprehension(data: Data) -> int:
    return sum([y + 1 for x in data.rows if (y := x * 2) % 3 == 0])


def _reactivex(data: Data) -> int:
    import reactivex as rx
    from reactivex import operators as rxops

    total: list[int] = []
    made: Iterable[int] = data.rows
    rx.from_iterable(made).pipe(
        rxops.map(double), rxops.filter(is_third), rxops.map(successor), rxops.reduce(lambda a, b: a + b, 0)
    ).subscribe(total.append)
    return total[0]


WORKS = (
    Work(
        "W1",
        "",
        ints,
        w1_loop,
        (
            Case("as a comprehension", _comprehension),
            Case("as a loop that calls", _loop),
            Case("reactivex", _reactivex),
            Case("expressions", summed_by_sink(EXPRESSIONS), budget=budgets.W1_EXPRESSIONS),
            Case("expressions, ops.sum", summed_by_operator(EXPRESSIONS), budget=budgets.W1_EXPRESSIONS),
        ),
    ),
    Work(
        "W18",
        "",
        ints,
        w1_loop,
        (
            Case("lambdas", summed_by_sink(LAMBDAS), budget=budgets.W1_LAMBDAS),
            Case("lambdas, ops.sum", summed_by_operator(LAMBDAS), budget=budgets.W1_LAMBDAS),
            Case("functions that are called", summed_by_sink(CALLED), budget=budgets.W1_CALLED),
            Case("functions that are called, ops.sum", summed_by_operator(CALLED), budget=budgets.W1_CALLED),
            Case("functions that call functions", summed_by_sink(CALLING)),
        ),
    ),
)
