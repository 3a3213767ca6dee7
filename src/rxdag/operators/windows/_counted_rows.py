"""The last items of one key, of which a pane is made every few items."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from rxdag.contract import Accumulator, Pane
from rxdag.operators.windows._rolling_rows import RollingAccumulators, RollingRows, Row


class CountedRows(RollingRows):
    """The last items of a key, their aggregate, and the bounds of their event times.

    Args:
        how: How to compute the aggregate.
    """

    __slots__ = ("falling", "rising", "since")

    def __init__(self, how: RollingAccumulators) -> None:
        super().__init__(how)
        self.since = 0
        """Number of items since the last pane."""
        self.rising: deque[int] = deque()
        """Event times that no later one is below; the first is the minimum."""
        self.falling: deque[int] = deque()
        """Event times that no later one exceeds; the first is the maximum."""

    def take_in(self, row: Row, part: Accumulator[Any, Any], size: int) -> Row | None:
        """Take in an item; returns the oldest if that leaves, for there are `size` of them."""
        gone = self.rows[0] if len(self.rows) == size else None
        try:
            if gone is not None:
                self.let_go(1, is_border=self.n_older == 0)
            self.add(row, part)
        except Exception:  # the pane is then computed from its items, which fails where this does
            self.rows.append(row)
        if gone is not None:
            if self.rising[0] == gone[0]:
                self.rising.popleft()
            if self.falling[0] == gone[0]:
                self.falling.popleft()
        self._bound(row[0])
        return gone

    def _bound(self, ts: int) -> None:
        """Take in an event time."""
        # Equal times have one entry each, so that take_in() can remove the entry of the leaving item.
        while self.rising and self.rising[-1] > ts:
            self.rising.pop()
        self.rising.append(ts)
        while self.falling and self.falling[-1] < ts:
            self.falling.pop()
        self.falling.append(ts)

    def give_back(self, row: Row, gone: Row | None, n_older: int) -> None:
        super().give_back(row, gone, n_older)
        self._bound_all()

    def load(self, rows: Iterable[Iterable[Any]], n_older: int) -> None:
        super().load(rows, n_older)
        self._bound_all()

    def _bound_all(self) -> None:
        """Compute the bounds again."""
        self.rising.clear()
        self.falling.clear()
        for ts, _, _ in self.rows:
            self._bound(ts)

    def pane(self, key: Any) -> Pane[Any, Any]:
        """Return the pane of the items."""
        start, end = self.rising[0], self.falling[0] + 1
        return Pane(key, start, end, 0, self.result(start, end), "count")
