"""Tumbling windows over columns: one place in the arrays of the aggregate for each open pane."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rxdag.columns import Coded, Columns, Groups, distinct, first_rows
from rxdag.contract import MAX, Aggregate, ColumnsAggregate, ColumnsEmit, Emit, Pane, SavedRows, migrated, with_versions
from rxdag.operators._order import in_order
from rxdag.operators.windows._closing import ClosingKernel
from rxdag.operators.windows._live import read_live
from rxdag.operators.windows._panes import blamed
from rxdag.operators.windows._places import Places

_LONG: Final = (1 << 63) - 1

_Open = dict[Any, int]


class WindowColumnsKernel(ClosingKernel):
    """Holds open windows by (end, start), each with the indices of its keys.

    Args:
        size: Of the windows, ns.
        offset: Of their starts, ns.
        aggregate: The definition, for messages.
        arrays: The same over columns.
        into: Function of the pane, whose result is emitted instead.
    """

    state = ("slices", "open", "left")
    derived = ("wake", "counts", "ends", "_arrays", "_places", "is_paused", "left_of", "_values")
    gives_columns = False

    def __init__(
        self,
        size: int,
        offset: int,
        aggregate: Aggregate[Any, Any],
        arrays: ColumnsAggregate,
        into: Callable[[Any], Any] | None,
    ) -> None:
        super().__init__()
        self._size = size
        self._offset = offset
        self._aggregate = aggregate
        self._arrays = arrays
        self._into = into
        self.open: dict[tuple[int, int], _Open] = {}
        self.counts: dict[tuple[int, int], int] = {}
        self._places = Places(arrays)
        self._values: list[Any] = []
        """Results of the keys in `left`; empty if they must be computed again."""

    def on_item(self, item: Any, ts: int, key: Any, emit: Emit[Any]) -> None:
        raise TypeError("window: must get columns here")

    def blame(self, item: Any, error: Exception) -> Exception:
        return blamed(self._aggregate, item, error)

    def on_columns(self, columns: Columns, emit: ColumnsEmit) -> None:
        ts = columns.ts
        if ts is None:
            raise TypeError("window: must have event times to work on columns")
        gap = self._behind(columns, ts)
        # Live if the watermark is below end - 1; both are measured from ts, since end may not fit into an int64.
        is_live = None if gap is None else gap < self._size - 1 - (ts - self._offset) % self._size
        kept, values = read_live(self._arrays, columns, is_live, emit)
        if kept.ts is not None and kept.n:
            self._add(kept, kept.ts, values)

    def _behind(self, columns: Columns, ts: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """Return how far each item is behind the watermark, -1 if it is not; None if none is."""
        before: Any = self.watermark if columns.before is None else columns.before
        is_behind = ts <= before
        if not is_behind.any():
            return None
        gap = np.minimum((before - ts).view(np.uint64), np.uint64(_LONG)).view(np.int64)  # it may not fit into an int64
        return np.where(is_behind, gap, -1)

    def _add(self, columns: Columns, ts: NDArray[np.int64], values: Any) -> None:
        """Add each row to its window."""
        window = (ts - self._offset) // self._size
        key = columns.key or Coded(np.zeros(columns.n, np.int64), [None])
        first = int(window.min())
        span = int(window.max()) - first + 1
        windows: Sequence[int] = range(first, first + span)
        # distinct() is fast only for few codes, so sparse windows are numbered consecutively.
        if span <= columns.n:
            window -= first
        else:
            some, window = np.unique(window, return_inverse=True)
            windows = some.tolist()
        names = len(key.names) + 1
        found, group = distinct(window * names + key.codes + 1, len(windows) * names)  # a null is 0
        counts = np.bincount(group, minlength=len(found)).tolist()
        places = self._places_of(found.tolist(), counts, windows, key.names, group)
        self._arrays.add(values, Groups(places, group, ts, columns.sequence))

    def _places_of(
        self,
        found: list[int],
        counts: list[int],
        windows: Sequence[int],
        keys: Sequence[Any],
        group: NDArray[np.intp],
    ) -> NDArray[np.intp]:
        """Return the cell of the pane of each window and key, including new panes."""
        fresh: list[tuple[int, _Open, Any, int]] = []
        places: list[int] = []
        at, opened, bounds = -1, dict[Any, int](), (0, 0)
        for number, (code, n) in enumerate(zip(found, counts, strict=True)):
            index, name = divmod(code, len(keys) + 1)
            if index != at:
                at = index
                bounds, opened = self._window(windows[index])
            key = keys[name - 1] if name else None
            place = opened.get(key)
            if place is None:
                place = self._places.reserve()
                fresh.append((number, opened, key, place))
            places.append(place)
            self.counts[bounds] += n
        if fresh:
            self._arrays.clear(np.array([place for *_, place in fresh], np.intp))
            came = first_rows(group, len(found)).tolist()
            for _, opened, key, place in sorted(fresh, key=lambda each: came[each[0]]):
                opened[key] = place  # in order of arrival, which is the order of keys that cannot be sorted
        return np.array(places, np.intp)

    def _window(self, index: int) -> tuple[tuple[int, int], _Open]:
        start = index * self._size + self._offset
        window = (start + self._size, start)
        opened = self.open.get(window)
        if opened is None:
            opened = self.open[window] = {}
            self.counts[window] = 0
            self.opened(window)
        return window, opened

    def held(self) -> int:
        return sum(self.counts.values())

    def fire(self, window: tuple[int, int], closed_by: Any, emit: Emit[Any]) -> bool:
        end, start = window
        opened = self.open[window]
        left = self.left if self.left_of == window else in_order(opened)[::-1]
        # In the same order as `left`, since both are popped from the end.
        values = self._values or list(self._arrays.results(np.array([opened[key] for key in left], np.intp)))
        while left:
            key = left.pop()
            pane: Any = Pane(key, start, end, 0, values.pop(), closed_by)
            made = pane if self._into is None else self._into(pane)
            emit(made, ts=min(end - 1, MAX - 1), sequence=0, key=key)
            if left and emit.must_pause():
                self.left, self.left_of, self._values = left, window, values
                return False
        self.left, self.left_of, self._values = [], None, []
        del self.open[window]
        self._places.give_back(opened.values())
        emit.absorbed(self.counts.pop(window))
        return True

    def snapshot(self) -> dict[str, Any]:
        rows: list[Any] = []
        kind = type(self._aggregate.accumulator())
        for end, start in self.open:
            opened = self.open[end, start]
            states = self._arrays.snapshot(np.array(list(opened.values()), np.intp))
            rows.append([end, start, self.counts[end, start], SavedRows(list(opened), with_versions(kind, states))])
        return {"slices": rows, "open": [list(window) for window in self.open], "left": self.saved_left()}

    def restore(self, saved: dict[str, Any]) -> None:
        self.open, self.counts = {}, {}
        self._values = []
        blank = self._aggregate.accumulator()
        self.restore_left(saved["left"])
        for end, start, n, rows in saved["slices"]:
            self.counts[end, start] = n
            opened = self.open[end, start] = {}
            for key, state in rows:
                place = opened[key] = self._places.take()
                self._arrays.restore(place, migrated(blank, state))
        self.ends = sorted(self.open)
        self.wake = self.ends[0][0] - 1 if self.ends else MAX
