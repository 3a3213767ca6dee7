"""The items of one rolling window, and their aggregate."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from rxdag.contract import Accumulator, Aggregate

Row = tuple[int, int, Any]
"""Event time, sequence, item."""


class RollingRows:
    """The items of one window, oldest first, and their accumulator."""

    __slots__ = ("accumulator", "rows")

    def __init__(self, accumulator: Accumulator[Any, Any]) -> None:
        self.rows: deque[Row] = deque()
        self.accumulator = accumulator

    def add(self, row: Row) -> None:
        """Take in one more."""
        ts, sequence, item = row
        self.accumulator.add_at(item, ts, sequence)
        self.rows.append(row)

    def let_go(self, n: int, make: Callable[[], Accumulator[Any, Any]]) -> None:
        """Take out the oldest."""
        is_exact = True
        for _ in range(n):
            _, _, item = self.rows.popleft()
            is_exact = is_exact and self.accumulator.remove(item)
        if not is_exact:
            self.accumulator = make()
            self._add_anew()

    def _add_anew(self) -> None:
        for ts, sequence, item in self.rows:
            self.accumulator.add_at(item, ts, sequence)

    def give_back(self, row: Row, gone: Row | None, make: Callable[[], Accumulator[Any, Any]]) -> None:
        """Undo the last step: remove the row that came in and restore the one that left."""
        # By identity, since the step may have failed before either change.
        if self.rows and self.rows[-1] is row:
            self.rows.pop()
        if gone is not None and (not self.rows or self.rows[0] is not gone):
            self.rows.appendleft(gone)
        self.accumulator = make()
        self._add_anew()


def restored(aggregate: Aggregate[Any, Any], rows: list[list[Any]]) -> RollingRows:
    """Return a window of those items."""
    window = RollingRows(aggregate.accumulator())
    for ts, sequence, item in rows:
        window.add((ts, sequence, item))
    return window


def result_of(into: Callable[[Any, Any], Any] | None, item: Any, window: RollingRows, start: int, end: int) -> Any:
    """Return the output for an item."""
    value = window.accumulator.result_in(start, end) if window.rows else None
    return value if into is None else into(item, value)
