"""The last items of one key, of which a pane is made every few items."""

from __future__ import annotations

from collections import deque
from typing import Any

from rxdag.contract import Accumulator, Pane

Row = tuple[Any, int, int]
"""Item, event time, sequence."""


class CountedRows:
    """The last items of a key, their aggregate, and the bounds of their event times.

    Args:
        accumulator: A new accumulator.
    """

    __slots__ = ("accumulator", "falling", "rising", "rows", "since")

    def __init__(self, accumulator: Accumulator[Any, Any]) -> None:
        self.rows: deque[Row] = deque()
        self.since = 0
        """Number of items since the last pane."""
        self.accumulator: Accumulator[Any, Any] | None = accumulator
        """The aggregate of the items; None if it has to be computed again."""
        self.rising: deque[int] = deque()
        """Event times that no later one is below; the first is the minimum."""
        self.falling: deque[int] = deque()
        """Event times that no later one exceeds; the first is the maximum."""

    def take_in(self, row: Row, size: int) -> Row | None:
        """Take in an item; returns the oldest if that leaves, for there are `size` of them."""
        gone = self.rows[0] if len(self.rows) == size else None
        # None during the update: if user code raises halfway, the aggregate is computed again.
        accumulator, self.accumulator = self.accumulator, None
        if accumulator is not None and _moves_on(accumulator, row, gone):
            self.accumulator = accumulator
        if gone is not None:
            self.rows.popleft()
            if self.rising[0] == gone[1]:
                self.rising.popleft()
            if self.falling[0] == gone[1]:
                self.falling.popleft()
        self.rows.append(row)
        self._bound(row[1])
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

    def give_back(self, gone: Row | None) -> None:
        """Undo the last step: remove the item that came in and restore the one that left."""
        self.rows.pop()
        if gone is not None:
            self.rows.appendleft(gone)
        self.load(self.rows)

    def load(self, rows: deque[Row]) -> None:
        """Replace the held items by these."""
        self.rows = rows
        self.accumulator = None
        self.rising.clear()
        self.falling.clear()
        for _, ts, _ in rows:
            self._bound(ts)

    def pane(self, key: Any, accumulator: Accumulator[Any, Any]) -> Pane[Any, Any]:
        """Return the pane of the items.

        Args:
            key: Of the pane.
            accumulator: A new accumulator, in case the items must be added again.
        """
        whole = self.accumulator
        if whole is None:
            whole = accumulator
            for item, ts, sequence in self.rows:
                whole.add_at(item, ts, sequence)
            self.accumulator = whole
        start, end = self.rising[0], self.falling[0] + 1
        return Pane(key, start, end, 0, whole.result_in(start, end), "count")


def _moves_on(accumulator: Accumulator[Any, Any], row: Row, gone: Row | None) -> bool:
    """Add an item and remove the oldest; False if all items must be added again, which fails where this does."""
    item, ts, sequence = row
    try:
        if gone is not None and not accumulator.remove(gone[0]):
            return False
        accumulator.add_at(item, ts, sequence)
    except Exception:
        return False
    return True
