"""Windows that each come out once, at their end."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any, ClassVar, Final

from mypy_extensions import i64, mypyc_attr

from rxdag.contract import MAX, MIN, Accumulator, Aggregate, Assigner, Emit, Kernel, Pane
from rxdag.engine import KernelEmit, KernelNode
from rxdag.operators._order import in_order
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
            if windows.at_start <= ts < windows.at_end:  # by far the most
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
            self.leave_by("late", item, ts, sequence, key)
        elif how == UNASSIGNED:
            self.unassigned += 1
            self.leave_by("unassigned", item, ts, sequence, key)

    def leave_by(self, port: str, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        """Send an item that no window took out by a side port."""
        exit_ = self.ports.get(port)
        if exit_ is not None:
            self.give(exit_, item, ts, sequence, key)


class _Window:
    """A window that is open: its span, its keys, and the items that it holds."""

    def __init__(self, start: int, end: int) -> None:
        self.start: int = start
        self.end: int = end
        self.first: i64 = max(start, MIN)
        """The first event time in it, of those that there are."""
        self.behind: i64 = min(end, MAX)
        """The first behind it."""
        self.keys: _Open = {}
        self.n: i64 = 0


@mypyc_attr(allow_interpreted_subclasses=True)
class OpenWindowKernel(Kernel):
    """Open windows by (end, start), each with its keys; a heap says which one ends next.

    Args:
        assigner: Which windows an item belongs to.
        aggregate: What to compute.
        into: What becomes of a pane.
    """

    node: ClassVar[Any] = _OpenWindowNode
    state = ("open",)
    derived = ("wake", "_ends", "taken", "at_start", "at_end", "at", "at_all", "_other")
    passes = False

    def __init__(self, assigner: Assigner, aggregate: Aggregate[Any, Any], into: Callable[[Any], Any] | None) -> None:
        self._assigner = assigner
        self._overlaps = assigner.overlaps
        self._aggregate = aggregate
        self._new: Callable[[], Accumulator[Any, Any]] = aggregate.factory()
        self._into = into
        self.open: dict[tuple[int, int], _Window] = {}
        self._ends: list[tuple[int, int]] = []
        self.wake = MAX
        self.taken: i64 = 0
        self.at_start: i64 = 1
        self.at_end: i64 = 0
        self.at: _Window | None = None
        self.at_all: list[_Window] = []
        self._other: _Window | None = None

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, emit: Emit[Any]) -> None:
        how = self.add(item, ts, sequence, key)
        if how == LATE:
            emit.late(item)
        elif how == UNASSIGNED:
            emit.unassigned(item)

    def add(self, item: Any, ts: i64, sequence: Any, key: Any) -> int:
        """Add an item to its windows; tells if it is late or unassigned."""
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
        live = self._live(assigned)
        if not live:
            return LATE if assigned else UNASSIGNED
        if self._overlaps:
            self.add_to_all(live, item, ts, sequence, key)
            self._open(live)
            self._all_at_hand(live, assigned)
        else:
            self.add_to(live[0], item, ts, sequence, key)
            self._open(live)
            self._at_hand(live[0])
        return TAKEN

    def add_to(self, window: _Window, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        keys = window.keys
        accumulator = keys.get(key)
        if accumulator is None:
            accumulator = self._new()
            accumulator.add_at(item, ts, sequence)
            keys[key] = accumulator
        else:
            accumulator.add_at(item, ts, sequence)
        window.n += 1
        self.taken += 1

    def _at_hand(self, window: _Window) -> None:
        """Keep a window at hand, and the one before it beside: out of order, items fall into now this one, now that."""
        self._other = self.at
        self.at = window
        self.at_start = window.first
        self.at_end = window.behind

    def _all_at_hand(self, live: list[_Window], assigned: tuple[tuple[int, int], ...]) -> None:
        """Keep several windows at hand, for the times about this one that are in the same windows."""
        evenly = self._assigner.evenly
        if evenly is not None:
            slide, first_end, last_start = evenly[1], assigned[0][1], assigned[-1][0]
            self.at = None
            self.at_all = live
            self.at_start = max(
                last_start, first_end - slide, MIN
            )  # before that the window before the first has not ended
            self.at_end = min(last_start + slide, first_end, MAX)

    def _live(self, assigned: tuple[tuple[int, int], ...]) -> list[_Window]:
        """Return the windows of a time that are not closed; those that are new are not open yet."""
        found: list[_Window] = []
        for start, end in assigned:
            if end - 1 > self.watermark:
                window = self.open.get((end, start))
                found.append(_Window(start, end) if window is None else window)
        return found

    def _open(self, live: list[_Window]) -> None:
        """Open those windows that are new."""
        for window in live:
            which = (window.end, window.start)
            if which not in self.open:
                self.open[which] = window
                heapq.heappush(self._ends, which)
                if window.end - 1 < self.wake:
                    self.wake = window.end - 1

    def add_to_all(self, live: list[_Window], item: Any, ts: i64, sequence: Any, key: Any) -> None:
        """Add an item to several windows; it is held once, until the last of them is purged: the one that ends last."""
        if len(live) > 1:  # what the item raises in one of them it must raise before anything has changed
            self._new().add_at(item, ts, sequence)
            for window in live:
                accumulator = window.keys.get(key)
                if accumulator is not None:
                    accumulator.check(item)
        last = live[0]
        for window in live:
            if window.end > last.end:
                last = window
            accumulator = window.keys.get(key)
            if accumulator is None:
                accumulator = self._new()
                accumulator.add_at(item, ts, sequence)
                window.keys[key] = accumulator
            else:
                accumulator.add_at(item, ts, sequence)
        last.n += 1
        self.taken += 1

    def in_columns(self) -> Kernel | str:
        evenly = self._assigner.evenly
        if evenly is None:
            return "its windows are not of one size"
        arrays = self._aggregate.in_columns()
        if isinstance(arrays, str):
            return arrays
        from rxdag.operators.windows._window_columns import WindowColumnsKernel  # it loads numpy

        return WindowColumnsKernel(evenly, self._aggregate, arrays, self._into)

    def blame(self, item: Any, error: Exception) -> Exception:
        return blamed(self._aggregate, item, error)

    def held(self) -> int:
        return int(self.taken)

    def on_watermark(self, watermark: int, emit: Emit[Any]) -> None:
        self._put_away()
        ends = self._ends
        while ends and ends[0][0] - 1 <= watermark:
            self._fire(heapq.heappop(ends), "watermark", emit)
        self.wake = ends[0][0] - 1 if ends else MAX

    def on_end(self, emit: Emit[Any]) -> None:
        self._put_away()
        ends = self._ends
        while ends:
            self._fire(heapq.heappop(ends), "end", emit)
        self.wake = MAX

    def _put_away(self) -> None:
        """Forget what is at hand."""
        self.at_start = 1
        self.at_end = 0
        self.at = None
        self.at_all = []
        self._other = None

    def _fire(self, which: tuple[int, int], closed_by: Any, emit: Emit[Any]) -> None:
        window = self.open.pop(which)
        end, start = which
        keys = window.keys
        ts = min(end - 1, MAX - 1)
        for key in in_order(keys):
            pane: Any = Pane(key, start, end, 0, keys[key].result_in(start, end), closed_by)
            made = pane if self._into is None else self._into(pane)
            if isinstance(emit, KernelEmit):
                emit.make(made, ts, key)
            else:
                emit(made, ts=ts, sequence=0, key=key)
        self.taken -= window.n
        emit.absorbed(int(window.n))

    def snapshot(self) -> dict[str, Any]:
        rows = [
            [end, start, int(window.n), [[key, kept.snapshot()] for key, kept in window.keys.items()]]
            for (end, start), window in self.open.items()
        ]
        return {"open": rows}

    def restore(self, saved: dict[str, Any]) -> None:
        self.open, self._ends, self.taken = {}, [], 0
        for end, start, n, rows in saved["open"]:
            window = self.open[end, start] = _Window(start, end)
            window.n = n
            self.taken += n
            heapq.heappush(self._ends, (end, start))
            for key, state in rows:
                window.keys[key] = self._new()
                window.keys[key].restore(state)
        self.wake = self._ends[0][0] - 1 if self._ends else MAX
        self._put_away()
