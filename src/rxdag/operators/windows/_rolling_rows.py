"""The items of one rolling window, and their aggregate."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from rxdag.contract import Accumulator, Aggregate, ColumnsAggregate

Row: TypeAlias = tuple[Any, ...]
"""Event time, sequence, item. As a tuple of fixed length it would not be the same object in the compiled form."""


class RollingAccumulators:
    """Accumulators of the windows of one kernel: by `remove`, by merging parts, or by adding all items again.

    Args:
        aggregate: The aggregate to compute.
    """

    __slots__ = ("merges", "new", "removes")

    def __init__(self, aggregate: Aggregate[Any, Any]) -> None:
        self.new: Callable[[], Accumulator[Any, Any]] = aggregate.factory()
        self.removes = self.new().can_remove()
        self.merges = not self.removes and aggregate.commutes

    def of(self, row: Row) -> Accumulator[Any, Any]:
        """Return the accumulator of one item; any error of the item is raised here."""
        ts, sequence, item = row
        part = self.new()
        part.add_at(item, ts, sequence)
        return part


class RollingRows:
    """The items of one window, oldest first, and their aggregate.

    If the aggregate merges, a border cuts the items into two parts. The older part has an accumulator for each of its
    items: of that item and those after it, up to the border. An item that leaves takes only its own accumulator along.
    The result merges the first of them with the accumulator of the newer part. Each item is therefore added twice at
    most, and a sum depends only on the items and the border (van Herk, Pattern Recognition Letters 13, 1992).

    Args:
        how: How to compute the aggregate.
    """

    __slots__ = ("_how", "_is_known", "_parts", "n_older", "newer", "older", "rows")

    def __init__(self, how: RollingAccumulators) -> None:
        self._how = how
        self.rows: deque[Row] = deque()
        self.n_older = 0
        """Number of items before the border."""
        self.older: list[Accumulator[Any, Any]] = []
        """Accumulators of the items before the border, the oldest item last."""
        self.newer = how.new()
        self._parts: list[Accumulator[Any, Any]] = []
        """Accumulators of the items after the border, each of its item alone."""
        self._is_known = True
        """False if the accumulators must be computed again: where user code has failed halfway."""

    def add(self, row: Row, part: Accumulator[Any, Any] | None) -> None:
        """Take in one more, with the accumulator of it alone if that is known; it is changed later."""
        if self._is_known:
            ts, sequence, item = row
            try:
                self.newer.add_at(item, ts, sequence)
            except Exception:
                # Raised by `result` if a window has both this item and one that it does not add to.
                self._is_known = False
            if self._how.merges:
                self._parts.append(self._how.of(row) if part is None else part)
        self.rows.append(row)

    def let_go(self, n: int, *, is_border: bool) -> None:
        """Take out the oldest `n`; at a border, which all of the older part have left, the others become that part."""
        is_known, self._is_known = self._is_known, False
        gone = [self.rows.popleft() for _ in range(n)]
        if not self._how.merges:
            self._is_known = is_known and all(self.newer.remove(item) for _, _, item in gone)
            return
        n_newer = n - self.n_older
        self.n_older = len(self.rows) if is_border else -n_newer
        if not is_known:
            return
        if is_border:
            parts, self._parts = self._parts, []
            try:
                self.older = suffixes(parts[n_newer:])
            except Exception:  # as in `add`
                return
            self.newer = self._how.new()
        else:
            del self.older[self.n_older :]
        self._is_known = True

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
        rows, of = list(self.rows), self._how.of
        older = suffixes([of(row) for row in rows[: self.n_older]])
        newer = self._how.new()
        for ts, sequence, item in rows[self.n_older :]:
            newer.add_at(item, ts, sequence)
        self._parts = [of(row) for row in rows[self.n_older :]] if self._how.merges else []
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


def suffixes(parts: list[Accumulator[Any, Any]]) -> list[Accumulator[Any, Any]]:
    """Merge into each accumulator all those after it; returns them with the first one last."""
    out: list[Accumulator[Any, Any]] = []
    for part in parts[::-1]:
        if out:
            part.merge(out[-1])
        out.append(part)
    return out


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
