"""Windows that are emitted once, at their end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final

from mypy_extensions import i64, mypyc_attr

from rxdag.contract import (
    MAX,
    MIN,
    Accumulator,
    Aggregate,
    Assigner,
    Emit,
    Kernel,
    Pane,
    SavedRows,
    snapshots_of,
    take_up,
)
from rxdag.engine import KernelEmit, KernelNode
from rxdag.operators._order import in_order
from rxdag.operators.windows._closing import ClosingKernel
from rxdag.operators.windows._panes import blamed

TAKEN: Final = 0
LATE: Final = 1
UNASSIGNED: Final = 2

_Open = dict[Any, Accumulator[Any, Any]]


class _OpenWindowNode(KernelNode):
    """Adds items to the windows that they belong to; panes go out at watermarks."""

    def bind(self) -> None:
        super().bind()
        kernel = self.kernel
        assert isinstance(kernel, OpenWindowKernel)
        self.windows: OpenWindowKernel = kernel

    def push(self, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        self.came += 1
        if self.is_ended:
            self.unread += 1
            return
        if self.marks.some_idle:
            self.give_out(self.marks.wake(0))
        windows = self.windows
        try:
            if windows.at_start <= ts < windows.at_end:  # the common case
                window = windows.at
                if window is not None:
                    windows.add_to(window, item, ts, sequence, key)
                else:
                    windows.add_to_all(windows.at_all, item, ts, sequence, key)
                return
            how = windows.add(item, ts, sequence, key)
        except BaseException as error:
            self.bury(item, self.blamed(item, error), 1)
            return
        if how == LATE:
            self.late += 1
            self.note_loss()
            self.leave_by("late", item, ts, sequence, key)
        elif how == UNASSIGNED:
            self.unassigned += 1
            self.note_loss()
            self.leave_by("unassigned", item, ts, sequence, key)

    def leave_by(self, port: str, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        """Send an item that no window took out by a side port."""
        exit_ = self.ports.get(port)
        if exit_ is not None:
            self.give(exit_, item, ts, sequence, key)


class _Slice:
    """A span of event time whose items are added once: for one window, or for all windows that cover it."""

    def __init__(self, start: int, end: int, last_end: int) -> None:
        self.start: int = start
        self.end: int = end
        self.last_end: int = last_end
        """End of the last window that contains it."""
        self.first: i64 = max(start, MIN)
        """First event time in it that can occur."""
        self.behind: i64 = min(end, MAX)
        """First event time after it that can occur."""
        self.keys: _Open = {}
        self.n: i64 = 0


@mypyc_attr(allow_interpreted_subclasses=True)
class OpenWindowKernel(ClosingKernel):
    """Holds slices by (end, start), each with its keys, and the open windows, each with its slices.

    By default each window has a slice of its own. If windows overlap and the aggregate commutes, slices are shared: an
    item is added once, to the slice that contains it, and a pane merges the slices of its window.

    Args:
        assigner: Assigns windows to an item.
        aggregate: The aggregate to compute.
        into: Function of the pane, whose result is emitted instead.
    """

    node: ClassVar[Any] = _OpenWindowNode
    state = ("slices", "open", "left")
    derived = (
        "wake",
        "ends",
        "taken",
        "at_start",
        "at_end",
        "at",
        "at_all",
        "_other",
        "is_paused",
        "left_of",
        "_panes",
    )

    def __init__(self, assigner: Assigner, aggregate: Aggregate[Any, Any], into: Callable[[Any], Any] | None) -> None:
        super().__init__()
        self._assigner = assigner
        self._evenly = assigner.evenly
        self._aggregate = aggregate
        self._new: Callable[[], Accumulator[Any, Any]] = aggregate.factory()
        self._overlaps = assigner.overlaps
        self._is_shared = self._overlaps and self._evenly is not None and aggregate.commutes
        self._into = into
        self.slices: dict[tuple[int, int], _Slice] = {}
        self.open: dict[tuple[int, int], list[_Slice]] = {}
        self.taken: i64 = 0
        # An empty range, so that no time matches until a slice is at hand.
        self.at_start: i64 = 1
        self.at_end: i64 = 0
        self.at: _Slice | None = None
        self.at_all: list[_Slice] = []
        self._other: _Slice | None = None
        self._panes: _Open | None = None
        """Panes of the window that has paused; None if they must be merged again."""

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, emit: Emit[Any]) -> None:
        how = self.add(item, ts, sequence, key)
        if how == LATE:
            emit.late(item)
        elif how == UNASSIGNED:
            emit.unassigned(item)

    def add(self, item: Any, ts: i64, sequence: Any, key: Any) -> int:
        """Add an item to its windows; returns TAKEN, LATE or UNASSIGNED."""
        # The slice of the last item, which most items belong to; they need no lookup.
        if self.at_start <= ts < self.at_end:
            if self.at is not None:
                self.add_to(self.at, item, ts, sequence, key)
            else:
                self.add_to_all(self.at_all, item, ts, sequence, key)
            return TAKEN
        other = self._other
        if other is not None and other.first <= ts < other.behind:
            self._at_hand(other)
            self.add_to(other, item, ts, sequence, key)
            return TAKEN
        assigned = self._assigner.assign(ts)
        # A window fires at the watermark end - 1, and accepts no items after that.
        live = [(end, start) for start, end in assigned if end - 1 > self.watermark]
        if not live:
            return LATE if assigned else UNASSIGNED
        stretch = self._stretch(assigned)
        if not self._overlaps or (stretch is not None and self._is_shared):
            slice_ = self._slice(live[0] if stretch is None else stretch, live[-1][0])
            self.add_to(slice_, item, ts, sequence, key)
            self._keep(slice_, live)
            self._at_hand(slice_)
            return TAKEN
        slices = [self._slice(which, which[0]) for which in live]
        self.add_to_all(slices, item, ts, sequence, key)
        for which, slice_ in zip(live, slices, strict=True):
            self._keep(slice_, [which])
        if stretch is not None:
            self._all_at_hand(slices, stretch)
        return TAKEN

    def _stretch(self, assigned: tuple[tuple[int, int], ...]) -> tuple[int, int] | None:
        """Return end and start of the time that is in the same windows, of which there may be several; None if not known."""
        if self._evenly is None or not self._overlaps:
            return None
        slide, first_end, last_start = self._evenly[1], assigned[0][1], assigned[-1][0]
        # Before first_end - slide, the window before the first has not ended.
        return min(last_start + slide, first_end), max(last_start, first_end - slide)

    def _slice(self, which: tuple[int, int], last_end: int) -> _Slice:
        """Return a slice; one that is new is not kept yet."""
        found = self.slices.get(which)
        return _Slice(which[1], which[0], last_end) if found is None else found

    def _keep(self, slice_: _Slice, live: list[tuple[int, int]]) -> None:
        """Keep a slice if it is new, and open its windows."""
        place = (slice_.end, slice_.start)
        if place not in self.slices:
            self.slices[place] = slice_
            for which in live:
                self._add_slice(which, slice_)

    def _add_slice(self, which: tuple[int, int], slice_: _Slice) -> None:
        window = self.open.get(which)
        if window is None:
            self.open[which] = [slice_]
            self.opened(which)
        else:
            window.append(slice_)

    def add_to(self, slice_: _Slice, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        keys = slice_.keys
        accumulator = keys.get(key)
        if accumulator is None:
            # Kept only after it has accepted the item, so that a failed item leaves no empty pane.
            accumulator = self._new()
            accumulator.add_at(item, ts, sequence)
            keys[key] = accumulator
        else:
            accumulator.add_at(item, ts, sequence)
        slice_.n += 1
        self.taken += 1

    def add_to_all(self, slices: list[_Slice], item: Any, ts: i64, sequence: Any, key: Any) -> None:
        """Add an item to several windows; it counts as held once, until the window that ends last is purged."""
        if len(slices) > 1:  # an error in any of them must be raised before the state changes
            self._new().add_at(item, ts, sequence)
            for slice_ in slices:
                accumulator = slice_.keys.get(key)
                if accumulator is not None:
                    accumulator.check(item)
        last = slices[0]
        for slice_ in slices:
            if slice_.end > last.end:
                last = slice_
            accumulator = slice_.keys.get(key)
            if accumulator is None:
                accumulator = self._new()
                accumulator.add_at(item, ts, sequence)
                slice_.keys[key] = accumulator
            else:
                accumulator.add_at(item, ts, sequence)
        last.n += 1
        self.taken += 1

    def _at_hand(self, slice_: _Slice) -> None:
        """Cache a slice and the previous one: items out of order alternate between two slices."""
        self._other = self.at
        self.at = slice_
        self.at_start = slice_.first
        self.at_end = slice_.behind

    def _all_at_hand(self, slices: list[_Slice], stretch: tuple[int, int]) -> None:
        """Cache several slices, for the times around this one that are in the same windows."""
        self._other = self.at = None
        self.at_all = slices
        self.at_start = max(stretch[1], MIN)
        self.at_end = min(stretch[0], MAX)

    def _put_away(self) -> None:
        """Clear the cached slices."""
        self.at_start = 1
        self.at_end = 0
        self.at = None
        self.at_all = []
        self._other = None

    def in_columns(self) -> Kernel | str:
        if self._evenly is None:
            return "its windows are not of one size"
        if self._evenly[0] != self._evenly[1]:
            return "its windows overlap, or leave gaps"
        arrays = self._aggregate.in_columns()
        if isinstance(arrays, str):
            return arrays
        from rxdag.operators.windows._window_columns import WindowColumnsKernel  # it loads numpy

        return WindowColumnsKernel(self._evenly[0], self._evenly[2], self._aggregate, arrays, self._into)

    def blame(self, item: Any, error: Exception) -> Exception:
        return blamed(self._aggregate, item, error)

    def held(self) -> int:
        return int(self.taken)

    def fire(self, window: tuple[int, int], closed_by: Any, emit: Emit[Any]) -> bool:
        # The slice at hand may be freed below; no item may be added to it after that.
        self._put_away()
        slices = self.open[window]
        start: Any = window[1]  # objects, which all its panes share
        end: Any = window[0]
        keys = self._panes
        if keys is None:
            keys = slices[0].keys if len(slices) == 1 else self._merged(slices)
        # The end may exceed MAX, but an event time must stay below it.
        ts: i64 = min(end - 1, MAX - 1)
        # Reversed, so that the next key is popped from the end; a fixed order makes results repeatable.
        left = self.left if self.left_of == window else in_order(keys)[::-1]
        while left:
            key = left.pop()
            pane: Any = Pane(key, start, end, 0, keys[key].result_in(start, end), closed_by)
            made = pane if self._into is None else self._into(pane)
            if isinstance(emit, KernelEmit):
                emit.make(made, ts, key)
                if left and emit.must_pause():
                    self.left, self.left_of, self._panes = left, window, keys
                    return False
            else:
                emit(made, ts=ts, sequence=0, key=key)
        self.left, self.left_of, self._panes = [], None, None
        del self.open[window]
        for slice_ in slices:
            # Overlapping windows share slices: the last window over a slice frees it, and its items count once.
            if slice_.last_end == end:
                del self.slices[slice_.end, slice_.start]
                self.taken -= slice_.n
                emit.absorbed(int(slice_.n))
        return True

    def _merged(self, slices: list[_Slice]) -> _Open:
        """Return the contents of several slices, in order of time; the slices are unchanged."""
        kept: _Open = {}
        merged: _Open = {}
        for slice_ in sorted(slices, key=_start_of):
            for key, part in slice_.keys.items():
                whole = kept.get(key)
                if whole is None:
                    kept[key] = part
                    continue
                # Merged into a new accumulator, since the slice may be part of later windows.
                if key not in merged:
                    first = whole
                    whole = kept[key] = merged[key] = self._new()
                    whole.merge(first)
                whole.merge(part)
        return kept

    def snapshot(self) -> dict[str, Any]:
        rows = [
            [end, start, int(slice_.n), SavedRows(list(slice_.keys), snapshots_of(list(slice_.keys.values())))]
            for (end, start), slice_ in self.slices.items()
        ]
        return {"slices": rows, "open": [list(which) for which in self.open], "left": self.saved_left()}

    def restore(self, saved: dict[str, Any]) -> None:
        self.slices, self.open, self.ends, self.taken, self.wake = {}, {}, [], 0, MAX
        self._panes = None
        self.restore_left(saved["left"])
        live = {(end, start) for end, start in saved["open"]}
        for end, start, n, rows in saved["slices"]:
            windows = [(start, end)]
            if self._is_shared:
                windows = list(self._assigner.assign(max(start, MIN)))
            slice_ = _Slice(start, end, windows[-1][1])
            for key, state in rows:
                slice_.keys[key] = self._new()
                take_up(slice_.keys[key], state)
            slice_.n = n
            self.taken += n
            self._keep(slice_, [(end, start) for start, end in windows if (end, start) in live])
        self._put_away()


def _start_of(slice_: _Slice) -> int:
    return slice_.start
