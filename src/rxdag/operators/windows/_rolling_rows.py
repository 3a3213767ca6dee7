"""The items of one rolling window, and their aggregate."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from rxdag.contract import Accumulator, Aggregate, ColumnsAggregate

Row = tuple[int, int, Any]
"""Event time, sequence, item."""


class RollingAccumulators:
    """Accumulators of the windows of one kernel: by `remove`, by merging two parts, or by adding all items again.

    Args:
        aggregate: The aggregate to compute.
    """

    __slots__ = ("merges", "new", "removes")

    def __init__(self, aggregate: Aggregate[Any, Any]) -> None:
        self.new: Callable[[], Accumulator[Any, Any]] = aggregate.factory()
        self.removes = self.new().can_remove()
        self.merges = not self.removes and aggregate.commutes


class RollingRows:
    """The items of one window, oldest first, and their aggregate.

    If the aggregate merges, a border cuts the items into two parts. The older part has an accumulator for each of its
    items: of that item and those after it, up to the border. An item that leaves takes only its own accumulator along.
    The result merges the first of them with the accumulator of the newer part. Each item is therefore added twice at
    most, and a sum depends only on the items and the border (van Herk, Pattern Recognition Letters 13, 1992).

    Args:
        how: How to compute the aggregate.
    """

    __slots__ = ("_how", "_is_known", "n_older", "newer", "older", "rows")

    def __init__(self, how: RollingAccumulators) -> None:
        self._how = how
        self.rows: deque[Row] = deque()
        self.n_older = 0
        """Number of items before the border."""
        self.older: list[Accumulator[Any, Any]] = []
        """Accumulators of the items before the border, the oldest item last."""
        self.newer = how.new()
        self._is_known = True
        """False if the accumulators must be computed again: at a border, and where user code has failed halfway."""

    def add(self, row: Row) -> None:
        """Take in one more."""
        if self._is_known:
            ts, sequence, item = row
            try:
                self.newer.add_at(item, ts, sequence)
            except Exception:
                # Raised by `result` if a window has both this item and one that it does not add to.
                self._is_known = False
        self.rows.append(row)

    def let_go(self, n: int, *, is_border: bool) -> None:
        """Take out the oldest `n`; at a border, all others become the older part."""
        is_known, self._is_known = self._is_known, False
        gone = [self.rows.popleft() for _ in range(n)]
        if not self._how.merges:
            self._is_known = is_known and all(self.newer.remove(item) for _, _, item in gone)
        elif is_border:
            self.n_older = len(self.rows)
        else:
            self.n_older -= n
            del self.older[self.n_older :]
            self._is_known = is_known

    def give_back(self, row: Row, gone: Row | None, n_older: int) -> None:
        """Undo the last step: remove the row that came in, restore the one that left and the border."""
        # By identity, since the step may have failed before either change.
        if self.rows and self.rows[-1] is row:
            self.rows.pop()
        if gone is not None and (not self.rows or self.rows[0] is not gone):
            self.rows.appendleft(gone)
        self.n_older = n_older
        self._is_known = False

    def load(self, rows: Iterable[Iterable[Any]], n_older: int) -> None:
        """Replace the items, of which the first ones are the older part."""
        self.rows = deque((ts, sequence, item) for ts, sequence, item in rows)
        self.n_older = n_older if self._how.merges else 0
        self._is_known = False

    def _compute(self) -> None:
        """Compute the accumulators of both parts."""
        new, rows = self._how.new, list(self.rows)
        older: list[Accumulator[Any, Any]] = []
        for ts, sequence, item in reversed(rows[: self.n_older]):
            part = new()
            part.add_at(item, ts, sequence)
            if older:
                part.merge(older[-1])
            older.append(part)
        newer = new()
        for ts, sequence, item in rows[self.n_older :]:
            newer.add_at(item, ts, sequence)
        self.older, self.newer, self._is_known = older, newer, True

    def result(self, start: int, end: int) -> Any:
        """Return the result of the window; None if it is empty."""
        if not self._is_known:
            self._compute()
        if not self.rows:
            return None
        if not self.older:
            return self.newer.result_in(start, end)
        # Merged into a new accumulator, since both parts remain.
        whole = self._how.new()
        whole.merge(self.older[-1])
        if self.n_older < len(self.rows):
            whole.merge(self.newer)
        return whole.result_in(start, end)


def result_of(into: Callable[[Any, Any], Any] | None, item: Any, window: RollingRows, start: int, end: int) -> Any:
    """Return the output for an item."""
    value = window.result(start, end)
    return value if into is None else into(item, value)


def rolling_in_columns(aggregate: Aggregate[Any, Any]) -> ColumnsAggregate | str:
    """Return the aggregate over columns, or the reason why there is none for rolling windows."""
    arrays = aggregate.in_columns()
    if isinstance(arrays, str) or arrays.can_roll():
        return arrays
    return f"the aggregate {aggregate.name} has no method rolled over columns"
