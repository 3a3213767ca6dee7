"""Joins of all pairs of a window."""

from __future__ import annotations

import heapq
import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, TypeVar, overload

from rxdag.contract import MAX, Assigner, Emit, FanInKernel
from rxdag.errors import GraphError, shown
from rxdag.graph import KeyedStream, fan_in
from rxdag.operators._arguments import function_or_none
from rxdag.operators._order import in_order
from rxdag.operators.joining._join_time import Row, TimeJoin

A = TypeVar("A")
B = TypeVar("B")
K = TypeVar("K")
R = TypeVar("R")


@dataclass(slots=True, eq=False)
class _Pane:
    """The items of both inputs in one window of one key."""

    start: int
    end: int
    sides: tuple[list[Row], list[Row]] = field(default_factory=lambda: (list[Row](), list[Row]()))
    is_gone: bool = False


_start_of = attrgetter("start")


class _WindowJoinKernel(FanInKernel):
    """Open windows by key, in order of their starts; a heap finds the one that ends next."""

    state = ("panes", "rows", "wake", "given")
    derived = ("_n", "_ends", "_order", "_left", "_pairs", "is_paused")
    passes = False
    pauses = True

    def __init__(self, assigner: Assigner, into: Callable[[Any, Any], Any] | None) -> None:
        self._assigner = assigner
        self._into = into
        self.panes: dict[Any, list[_Pane]] = {}
        self._ends: list[tuple[int, int, Any, _Pane]] = []
        self._order = itertools.count()
        self._n = 0
        self._left: list[tuple[Any, _Pane]] = []
        """Panes of the current window that are still to be emitted, the next one last."""
        self._pairs: Iterator[tuple[Row, Row]] | None = None
        """Remaining pairs of the current pane; None if none has been emitted yet."""
        self.given = 0
        """Number of its pairs that have been emitted."""

    def on_item(self, item: Any, ts: int, key: Any, input: int, emit: Emit[Any]) -> None:
        windows = self._assigner.assign(ts)
        if not windows:
            return emit.unassigned(item)
        if self._assigner.merges:
            start, end = windows[0]
            met = self._touching(start, end, key)
            windows = ((min([start, *(p.start for p in met)]), max([end, *(p.end for p in met)])),)
        live = [window for window in windows if window[1] - 1 > self.watermark]
        if not live:
            return emit.late(item)
        row = Row(item, ts, input, len(live))
        self._n += 1
        for start, end in live:
            self._pane(key, start, end).sides[input].append(row)
        return None

    def _touching(self, start: int, end: int, key: Any) -> list[_Pane]:
        """Return the sessions of a key that meet a span, the earliest first."""
        panes = self.panes.get(key, [])
        first = behind = bisect_right(panes, end, key=_start_of)
        while first and panes[first - 1].end >= start:
            first -= 1
        return panes[first:behind]

    def _pane(self, key: Any, start: int, end: int) -> _Pane:
        """Return the pane of a window; a new one takes in the sessions inside it."""
        panes = self.panes.setdefault(key, [])
        at = bisect_left(panes, start, key=_start_of)
        if not self._assigner.merges:
            for pane in itertools.takewhile(lambda pane: pane.start == start, itertools.islice(panes, at, None)):
                if pane.end == end:
                    return pane
        made = _Pane(start, end)
        if self._assigner.merges:
            behind = bisect_right(panes, end, key=_start_of)
            for pane in panes[at:behind]:
                pane.is_gone = True
                for side, other in zip(made.sides, pane.sides, strict=True):
                    side += other
            panes[at:behind] = [made]
        else:
            panes.insert(at, made)
        self._await_end(key, made)
        return made

    def _await_end(self, key: Any, pane: _Pane) -> None:
        heapq.heappush(self._ends, (pane.end - 1, next(self._order), key, pane))
        self._set_wake()

    def _set_wake(self) -> None:
        """Wake at the end of the first window that is still there."""
        while self._ends and self._ends[0][3].is_gone:
            heapq.heappop(self._ends)
        self.wake = min(self._ends[0][0], MAX) if self._ends else MAX

    def on_watermark(self, watermark: int, emit: Emit[Any]) -> None:
        while not self.is_paused and (self._left or self._is_due(watermark)):
            if not self._left:
                self._left = self._next_due()
            while self._left and self._close(*self._left[-1], emit):
                self._left.pop()
                if (self._left or self._is_due(watermark)) and emit.must_pause():
                    self.is_paused = True
                    break
        self._set_wake()

    def _is_due(self, watermark: int) -> bool:
        return bool(self._ends) and self._ends[0][0] <= watermark

    def _next_due(self) -> list[tuple[Any, _Pane]]:
        """Return the panes of all windows that end first, by window and key, the first one last."""
        end = self._ends[0][0]
        due: dict[int, dict[Any, _Pane]] = {}
        while self._is_due(end):
            _, _, key, pane = heapq.heappop(self._ends)
            if not pane.is_gone:
                due.setdefault(pane.start, {})[key] = pane
        return [(key, due[start][key]) for start in sorted(due) for key in in_order(due[start])][::-1]

    def _close(self, key: Any, pane: _Pane, emit: Emit[Any]) -> bool:
        """Emit the results of a pane; return False if it pauses with more to emit."""
        lefts, rights = pane.sides
        if self._pairs is None:
            # `given` is above 0 here only after a restart; those pairs were emitted before it.
            self._pairs = itertools.islice(itertools.product(lefts, rights), self.given, None)
        n = len(lefts) * len(rights)
        for left, right in self._pairs:
            left.was_paired = right.was_paired = True
            made = (left.item, right.item) if self._into is None else self._into(left.item, right.item)
            self.given += 1
            emit(made, ts=min(pane.end - 1, MAX - 1), sequence=0, key=key)
            if self.given < n and emit.must_pause():
                self.is_paused = True
                return False
        self._pairs, self.given = None, 0
        pane.is_gone = True
        panes = self.panes[key]
        del panes[next(i for i in range(bisect_left(panes, pane.start, key=_start_of), len(panes)) if panes[i] is pane)]
        if not panes:
            del self.panes[key]
        self._n -= sum(row.let_go(emit) for row in (*lefts, *rights))
        return True

    def on_end(self, emit: Emit[Any]) -> None:
        # Above the end of every window: windows around the last times end above MAX.
        self.on_watermark(2 * MAX, emit)

    def held(self) -> int:
        return self._n

    def snapshot(self) -> dict[str, Any]:
        rows: dict[int, tuple[int, Row]] = {}
        panes: list[Any] = []
        for key, open_panes in self.panes.items():
            for pane in open_panes:
                sides = [[rows.setdefault(id(row), (len(rows), row))[0] for row in side] for side in pane.sides]
                panes.append([key, pane.start, pane.end, *sides])
        plain = [[row.item, row.ts, row.input, row.n, row.was_paired] for _, row in rows.values()]
        return {"rows": plain, "panes": panes, "wake": self.wake, "given": self.given}

    def restore(self, saved: dict[str, Any]) -> None:
        rows = [Row(*row) for row in saved["rows"]]
        self.panes, self._ends = {}, []
        for key, start, end, lefts, rights in saved["panes"]:
            pane = _Pane(start, end, ([rows[i] for i in lefts], [rows[i] for i in rights]))
            self.panes.setdefault(key, []).append(pane)
            self._await_end(key, pane)
        self._n, self.wake, self.given = len(rows), saved["wake"], saved["given"]
        self._left, self._pairs = [], None


@dataclass(frozen=True)
class _WindowJoin(TimeJoin):
    assigner: Assigner
    label = "join_window"

    def kernel(self) -> _WindowJoinKernel:
        return _WindowJoinKernel(self.assigner, self.into)


@overload
def join_window(
    left: KeyedStream[K, A], right: KeyedStream[K, B], window: Assigner, /
) -> KeyedStream[K, tuple[A, B]]: ...
@overload
def join_window(
    left: KeyedStream[K, A], right: KeyedStream[K, B], window: Assigner, /, *, into: Callable[[A, B], R]
) -> KeyedStream[K, R]: ...
def join_window(left: Any, right: Any, window: Assigner, /, *, into: Any = None) -> Any:
    """Join the items of two streams by key and window of event time.

    Emits: `(left, right)`, or `into(left, right)`, for each pair, when the watermark of both streams reaches the end of
        their window, as in `ops.window`; with event time end - 1, and their key. Left items are in order of arrival,
        and so are the right items of each.
    Drops: an item whose windows are all closed goes to port "late"; one without a partner in any window is counted as
        dropped, reason "unmatched"; one that falls between windows is counted as `unassigned`.
    Holds: the items of the open windows.
        While a live source of one stream is silent, the items of the other are held without a bound, unless its
        `ops.event_time` has an `idle_timeout`; such a dag is warned of (GraphWarning).
    Ends: when both streams have ended, after the last pairs. Fails: if a stream fails, or `into` raises.
    Clock: event time.

    Args:
        left: A stream with event time and keys.
        right: The other stream.
        window: Windows of time from `rxdag.windows`; not `windows.count`.
        into: A function of both items.

    Raises:
        GraphError: If a stream lacks event time or keys, or an argument is invalid.

    Example:
        >>> a, b = (
        ...     rxdag.from_source(sources.iterable(x))
        ...     .pipe(ops.event_time(lambda t: t))
        ...     .pipe(ops.key_by(lambda t: "all"))
        ...     for x in ([1, 12], [3, 4])
        ... )
        >>> rxdag.join_window(a, b, windows.tumbling("10ns")).collect()
        [(1, 3), (1, 4)]
    """
    given: object = window
    if not isinstance(given, Assigner) or given.counts is not None:
        raise GraphError(f"join_window: takes windows of time, as windows.tumbling(...), got {shown(window)}")
    return fan_in(
        _WindowJoin(function_or_none(into, "join_window: into", "the left item", "the right one"), window),
        (left, right),
    )
