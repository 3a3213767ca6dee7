"""Tumbling windows over columns: one place in the arrays of the aggregate for each open pane."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rxdag.columns import Coded, Columns, Groups, distinct, first_rows, values_of
from rxdag.contract import MAX, Aggregate, ColumnsAggregate, ColumnsEmit, Emit, Pane, SavedRows, migrated, with_versions
from rxdag.engine import KernelEmit
from rxdag.operators._order import in_order
from rxdag.operators.windows._closing import ClosingKernel
from rxdag.operators.windows._live import add_live, results_of
from rxdag.operators.windows._panes import blamed
from rxdag.operators.windows._places import Places

_LONG: Final = (1 << 63) - 1
_TURN: Final = 1024
"""Most panes that are emitted without a look at signals."""
_READ: Final = 4096
"""Number of panes from which on no further window is read together with the others."""

_Window = tuple[int, int]
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
    derived = ("wake", "counts", "ends", "_arrays", "_places", "is_paused", "left_of", "_due", "_until")
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
        self._due: dict[_Window, tuple[list[Any], list[Any]]] = {}
        """Keys still to be emitted, and results, of windows whose results have been read; short if one of them fails."""
        self._until = 0
        """Watermark up to which windows are being closed."""

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
        add_live(self._aggregate, self._arrays, columns, is_live, self, emit)

    def _behind(self, columns: Columns, ts: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """Return how far each item is behind the watermark, -1 if it is not; None if none is."""
        before: Any = self.watermark if columns.before is None else columns.before
        is_behind = ts <= before
        if not is_behind.any():
            return None
        gap = np.minimum((before - ts).view(np.uint64), np.uint64(_LONG)).view(np.int64)  # it may not fit into an int64
        return np.where(is_behind, gap, -1)

    def add(self, columns: Columns, ts: NDArray[np.int64], values: Any) -> None:
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
        rows = first_rows(group, len(found))
        places = self._places_of(found // names, group, windows, rows, values_of(key[rows]))
        self._arrays.add(values, Groups(places, group, ts, columns.sequence))

    def _places_of(
        self,
        window: NDArray[np.int64],
        group: NDArray[np.intp],
        windows: Sequence[int],
        rows: NDArray[np.intp],
        keys: list[Any],
    ) -> NDArray[np.intp]:
        """Return the cell of the pane of each group, including new panes.

        Args:
            window: shape (groups,), ascending: index into `windows`.
            group: shape (rows,): group of each row.
            windows: Indices of the windows.
            rows: shape (groups,): first row of each group.
            keys: Key of that row, which its pane shows.
        """
        # In each window by arrival, which is the order of keys that cannot be sorted.
        order = np.argsort(window * len(group) + rows)
        names = [keys[place] for place in order.tolist()]
        starts = np.flatnonzero(np.diff(window, prepend=-1))
        counts = np.add.reduceat(np.bincount(group, minlength=len(rows)), starts).tolist()
        bounds = [*starts.tolist(), len(rows)]
        places: list[int] = []
        fresh: list[int] = []
        indices: list[int] = window[starts].tolist()
        for i, (index, n) in enumerate(zip(indices, counts, strict=True)):
            which, opened = self._window(windows[index])
            self.counts[which] += n
            here = names[bounds[i] : bounds[i + 1]]
            new = [key for key in here if key not in opened] if opened else here
            taken = self._places.reserve(len(new))
            opened.update(zip(new, taken, strict=True))
            fresh += taken
            places += map(opened.__getitem__, here)
        if fresh:
            self._arrays.clear(np.array(fresh, np.intp))
        made = np.empty(len(rows), np.intp)
        made[order] = places
        return made

    def pane_of(self, ts: int, key: Any) -> tuple[Any, int | None]:
        index = (ts - self._offset) // self._size
        start = index * self._size + self._offset
        return (index, key), self.open.get((start + self._size, start), {}).get(key)

    def fill(self, pane: Any, state: list[Any], n: int, latest: int) -> None:
        index, key = pane
        which, opened = self._window(index)
        if key not in opened:
            opened[key] = self._places.take()
        self.counts[which] += n
        self._arrays.restore(opened[key], state)

    def _window(self, index: int) -> tuple[_Window, _Open]:
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

    def _close(self, watermark: int, closed_by: Any, emit: Emit[Any]) -> None:
        self._until = watermark
        super()._close(watermark, closed_by, emit)

    def _read(self) -> None:
        """Read the results of several windows that are to be closed at once, the earliest first."""
        keys: dict[_Window, list[Any]] = {}
        places: list[int] = []
        for window in sorted(window for window in self.ends if window[0] - 1 <= self._until):
            keys[window] = self.left[::-1] if self.left_of == window else in_order(self.open[window])
            places += map(self.open[window].__getitem__, keys[window])
            if len(places) >= _READ:
                break
        values = results_of(self._arrays, places)
        at = 0
        for window, each in keys.items():
            if at < len(values):
                self._due[window] = each, values[at : at + len(each)]
            at += len(each)

    def fire(self, window: _Window, closed_by: Any, emit: Emit[Any]) -> bool:
        if window not in self._due:
            self._read()
        keys, values = self._due.pop(window)
        at = 0
        while at < len(keys):
            if at == len(values):  # the result of the next pane fails
                self.left, self.left_of = keys[at:][::-1], window
                return self.fire(window, closed_by, emit)
            at += self._give(window, keys[: len(values)], values, at, closed_by, emit)
            if at < len(keys) and emit.must_pause():
                self.left, self.left_of = keys[at:][::-1], window
                self._due[window] = keys[at:], values[at:]
                return False
        self.left, self.left_of = [], None
        self._places.give_back(self.open.pop(window).values())
        emit.absorbed(self.counts.pop(window))
        return True

    def _give(
        self, window: _Window, keys: list[Any], values: list[Any], at: int, closed_by: Any, emit: Emit[Any]
    ) -> int:
        """Emit panes from an index on; return how many."""
        end, start = window
        ts = min(end - 1, MAX - 1)
        if self._into is None and isinstance(emit, KernelEmit):
            some = keys[at : at + _TURN]
            fields = repeat(start), repeat(end), repeat(0), values[at : at + _TURN], repeat(closed_by)
            return emit.make_some(list(map(Pane, some, *fields)), ts, some)
        pane: Any = Pane(keys[at], start, end, 0, values[at], closed_by)
        emit(pane if self._into is None else self._into(pane), ts=ts, sequence=0, key=keys[at])
        return 1

    def snapshot(self) -> dict[str, Any]:
        rows: list[Any] = []
        kind = type(self._aggregate.accumulator())
        for end, start in self.open:
            opened = self.open[end, start]
            states = self._arrays.snapshot(np.array(list(opened.values()), np.intp))
            rows.append([end, start, self.counts[end, start], SavedRows(list(opened), with_versions(kind, states))])
        return {"slices": rows, "open": [list(window) for window in self.open], "left": self.saved_left()}

    def restore(self, saved: dict[str, Any]) -> None:
        self.open, self.counts, self._due = {}, {}, {}
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
