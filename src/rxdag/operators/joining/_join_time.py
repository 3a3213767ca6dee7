"""Joins by nearness in time: all pairs of a window, all pairs within an interval."""

from __future__ import annotations

import heapq
import itertools
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable
from dataclasses import dataclass, field
from operator import attrgetter, itemgetter
from typing import Any, TypeVar, overload

from rxdag.contract import MAX, Assigner, Duration, Emit, FanIn, Kernel, Shape, signed_ns
from rxdag.errors import GraphError, shown
from rxdag.graph import KeyedStream, fan_in
from rxdag.operators._arguments import function_or_none
from rxdag.operators._order import in_order
from rxdag.operators.joining._combine import common_shape

A = TypeVar("A")
B = TypeVar("B")
K = TypeVar("K")
R = TypeVar("R")


@dataclass(slots=True, eq=False)
class _Row:
    """An item that waits for partners; in `n` windows still, and whether it was in an output."""

    item: Any
    ts: int
    input: int
    n: int = 1
    was_paired: bool = False

    def let_go(self, emit: Emit[Any]) -> int:
        """Leave one window; 1 if that was the last."""
        self.n -= 1
        if self.n:
            return 0
        if self.was_paired:
            emit.absorbed(1)
        else:
            emit.dropped(self.item, "unmatched")
        return 1


@dataclass(slots=True, eq=False)
class _Pane:
    """The items of both inputs in one window of one key."""

    start: int
    end: int
    sides: tuple[list[_Row], list[_Row]] = field(default_factory=lambda: (list[_Row](), list[_Row]()))
    is_gone: bool = False


_start_of = attrgetter("start")


class _WindowJoinKernel(Kernel):
    """Open windows by key, in order of their starts; a heap says which one ends next."""

    state = ("panes", "rows", "wake")
    derived = ("_n", "_ends", "_order")
    passes = False

    def __init__(self, assigner: Assigner, into: Callable[[Any, Any], Any] | None) -> None:
        self._assigner = assigner
        self._into = into
        self.panes: dict[Any, list[_Pane]] = {}
        self._ends: list[tuple[int, int, Any, _Pane]] = []
        self._order = itertools.count()
        self._n = 0

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
        row = _Row(item, ts, input, len(live))
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
        """Return the pane of a window; one that is new takes in the sessions that lie in it."""
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
        due: dict[tuple[int, int], dict[Any, _Pane]] = {}
        while self._ends and self._ends[0][0] <= watermark:
            _, _, key, pane = heapq.heappop(self._ends)
            if not pane.is_gone:
                due.setdefault((pane.end, pane.start), {})[key] = pane
        for window in sorted(due):
            for key in in_order(due[window]):
                self._close(key, due[window][key], emit)
        self._set_wake()

    def _close(self, key: Any, pane: _Pane, emit: Emit[Any]) -> None:
        lefts, rights = pane.sides
        for left, right in itertools.product(lefts, rights):
            left.was_paired = right.was_paired = True
            made = (left.item, right.item) if self._into is None else self._into(left.item, right.item)
            emit(made, ts=min(pane.end - 1, MAX - 1), sequence=0, key=key)
        pane.is_gone = True
        panes = self.panes[key]
        del panes[next(i for i in range(bisect_left(panes, pane.start, key=_start_of), len(panes)) if panes[i] is pane)]
        if not panes:
            del self.panes[key]
        self._n -= sum(row.let_go(emit) for row in (*lefts, *rights))

    def on_end(self, emit: Emit[Any]) -> None:
        self.on_watermark(2 * MAX, emit)

    def held(self) -> int:
        return self._n

    def snapshot(self) -> dict[str, Any]:
        rows: dict[int, tuple[int, _Row]] = {}
        panes: list[Any] = []
        for key, open_panes in self.panes.items():
            for pane in open_panes:
                sides = [[rows.setdefault(id(row), (len(rows), row))[0] for row in side] for side in pane.sides]
                panes.append([key, pane.start, pane.end, *sides])
        plain = [[row.item, row.ts, row.input, row.n, row.was_paired] for _, row in rows.values()]
        return {"rows": plain, "panes": panes, "wake": self.wake}

    def restore(self, saved: dict[str, Any]) -> None:
        rows = [_Row(*row) for row in saved["rows"]]
        self.panes, self._ends = {}, []
        for key, start, end, lefts, rights in saved["panes"]:
            pane = _Pane(start, end, ([rows[i] for i in lefts], [rows[i] for i in rights]))
            self.panes.setdefault(key, []).append(pane)
            self._await_end(key, pane)
        self._n, self.wake = len(rows), saved["wake"]


class _Waiting:
    """The items of one input and key that wait for partners, in order of time: the first of them is the first to leave."""

    __slots__ = ("_first", "_rows")

    def __init__(self) -> None:
        self._rows: list[tuple[int, int, _Row]] = []
        """(event time, order of arrival, row), those that have left in front."""
        self._first = 0

    def __len__(self) -> int:
        return len(self._rows) - self._first

    def add(self, order: int, row: _Row) -> None:
        insort(self._rows, (row.ts, order, row), lo=self._first)

    def between(self, low: int, high: int) -> list[_Row]:
        """Return those of a stretch of time, both ends included, in order of arrival."""
        begin = bisect_left(self._rows, (low,), lo=self._first)
        end = bisect_left(self._rows, (high + 1,), lo=begin)
        return [row for _, _, row in sorted(self._rows[begin:end], key=itemgetter(1))]

    def leave(self) -> None:
        """Let the first one go."""
        self._first += 1
        if 2 * self._first > len(self._rows):
            del self._rows[: self._first]
            self._first = 0


class _IntervalJoinKernel(Kernel):
    """Items of both inputs by key, in order of time; those that are past leave by a heap of (watermark, order, key)."""

    state = ("rows", "wake")
    derived = ("_leave", "_order")
    passes = False

    def __init__(self, lower: int, upper: int, into: Callable[[Any, Any], Any] | None) -> None:
        self._lower = lower
        self._upper = upper
        self._into = into
        self.rows: dict[Any, tuple[_Waiting, _Waiting]] = {}
        self._leave: list[tuple[int, int, Any, _Row]] = []
        self._order = itertools.count()

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, input: int, emit: Emit[Any]) -> None:
        if ts <= self.watermark:
            return emit.late(item)
        row = _Row(item, ts, input)
        known = self.rows.get(key)
        met: list[_Row] = []
        if known is not None and input == 0:
            met = known[1].between(ts + self._lower, ts + self._upper)
        elif known is not None:
            met = known[0].between(ts - self._upper, ts - self._lower)
        made = [self._made(row, other) for other in met]
        self._wait(key, row)
        for other, out in zip(met, made, strict=True):
            row.was_paired = other.was_paired = True
            emit(out, ts=max(row.ts, other.ts), sequence=sequence)
        return None

    def _made(self, row: _Row, other: _Row) -> Any:
        left, right = (row, other) if row.input == 0 else (other, row)
        return (left.item, right.item) if self._into is None else self._into(left.item, right.item)

    def _wait(self, key: Any, row: _Row) -> None:
        """Keep an item until no partner can come any more."""
        order = next(self._order)
        sides = self.rows.get(key)
        if sides is None:
            sides = self.rows[key] = (_Waiting(), _Waiting())
        sides[row.input].add(order, row)
        last = row.ts + self._upper if row.input == 0 else row.ts - self._lower
        heapq.heappush(self._leave, (max(last, row.ts), order, key, row))
        self.wake = self._leave[0][0]

    def on_watermark(self, watermark: int, emit: Emit[Any]) -> None:
        while self._leave and self._leave[0][0] <= watermark:
            _, _, key, row = heapq.heappop(self._leave)
            sides = self.rows[key]
            sides[row.input].leave()
            if not any(sides):
                del self.rows[key]
            row.let_go(emit)
        self.wake = self._leave[0][0] if self._leave else MAX

    def on_end(self, emit: Emit[Any]) -> None:
        self.on_watermark(2 * MAX, emit)

    def held(self) -> int:
        return len(self._leave)

    def snapshot(self) -> dict[str, Any]:
        rows = [
            [key, row.item, row.ts, row.input, row.n, row.was_paired]
            for _, _, key, row in sorted(self._leave, key=itemgetter(1))
        ]
        return {"rows": rows, "wake": self.wake}

    def restore(self, saved: dict[str, Any]) -> None:
        self.rows, self._leave = {}, []
        for key, *row in saved["rows"]:
            self._wait(key, _Row(*row))
        self.wake = saved["wake"]


@dataclass(frozen=True)
class _TimeJoin(FanIn):
    """What the two have in common."""

    into: Callable[[Any, Any], Any] | None
    needs_event_time = True

    @property
    def ports(self) -> tuple[str, ...]:
        return ("out", "late", "dead")

    def merged(self, shapes: tuple[Shape, ...]) -> Shape:
        left, right = shapes
        if not left.keyed or not right.keyed:
            raise GraphError(f"{self.label}: both streams must have keys; put ops.key_by(...) before each")
        shape = common_shape(shapes)
        return Shape(None, timed=shape.timed, keyed=True, key_names=left.key_names)

    def shape(self, shape: Shape) -> Shape:
        return shape


@dataclass(frozen=True)
class _WindowJoin(_TimeJoin):
    assigner: Assigner
    label = "join_window"

    def kernel(self) -> _WindowJoinKernel:
        return _WindowJoinKernel(self.assigner, self.into)


@dataclass(frozen=True)
class _IntervalJoin(_TimeJoin):
    lower_ns: int
    upper_ns: int
    label = "join_interval"

    def kernel(self) -> _IntervalJoinKernel:
        return _IntervalJoinKernel(self.lower_ns, self.upper_ns, self.into)


@overload
def join_window(
    left: KeyedStream[K, A], right: KeyedStream[K, B], assigner: Assigner, /
) -> KeyedStream[K, tuple[A, B]]: ...
@overload
def join_window(
    left: KeyedStream[K, A], right: KeyedStream[K, B], assigner: Assigner, /, *, into: Callable[[A, B], R]
) -> KeyedStream[K, R]: ...
def join_window(left: Any, right: Any, assigner: Assigner, /, *, into: Any = None) -> Any:
    """Join the items of two streams that have the same key and fall into the same window of event time.

    Emits: `(left, right)`, or `into(left, right)`, for each pair, when the watermark of both streams reaches the end of
        their window, as ops.window does; with event time end - 1, and their key. Left items come in order of arrival,
        the right ones of each too.
    Drops: an item whose windows are all closed goes to port "late"; one without a partner in any window is counted as
        dropped, reason "unmatched"; one that falls between windows as `unassigned`.
    Holds: the items of the open windows.
    Ends: when both streams have ended, after the last pairs. Fails: when one fails, or `into` raises.
    Clock: event time.

    Args:
        left: A stream with event time and keys.
        right: The other one.
        assigner: Windows of time, of `rxdag.windows`; not windows.count.
        into: A function of both items.

    Raises:
        GraphError: If a stream lacks event time or keys, or an argument is not as above.

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
    given: object = assigner
    if not isinstance(given, Assigner) or given.counts is not None:
        raise GraphError(f"join_window: takes windows of time, as windows.tumbling(...), got {shown(assigner)}")
    return fan_in(
        _WindowJoin(function_or_none(into, "join_window: into", "the left item", "the right one"), assigner),
        (left, right),
    )


@overload
def join_interval(
    left: KeyedStream[K, A], right: KeyedStream[K, B], /, *, lower: Duration, upper: Duration
) -> KeyedStream[K, tuple[A, B]]: ...
@overload
def join_interval(
    left: KeyedStream[K, A],
    right: KeyedStream[K, B],
    /,
    *,
    lower: Duration,
    upper: Duration,
    into: Callable[[A, B], R],
) -> KeyedStream[K, R]: ...
def join_interval(left: Any, right: Any, /, *, lower: Duration, upper: Duration, into: Any = None) -> Any:
    """Join items of one key whose times are so near: left + lower <= right <= left + upper.

    Emits: `(left, right)`, or `into(left, right)`, for each pair as soon as both are there; with the later event time of
        the two, and their key.
    Drops: an item that the watermark has passed goes to port "late"; one that found no partner is counted as dropped,
        reason "unmatched".
    Holds: each item until the watermark says that no partner can come.
    Ends: when both streams have ended. Fails: when one fails, or `into` raises, by the node's `on_error`.
    Clock: event time.

    Args:
        left: A stream with event time and keys.
        right: The other one.
        lower: Least distance of the right item, as "-5s" for one that is up to 5 s older.
        upper: Greatest distance; not below `lower`.
        into: A function of both items.

    Raises:
        GraphError: If a stream lacks event time or keys, or an argument is not as above.

    Example:
        >>> orders, fills = (
        ...     rxdag.from_source(sources.iterable(x))
        ...     .pipe(ops.event_time(lambda t: t))
        ...     .pipe(ops.key_by(lambda t: "all"))
        ...     for x in ([10, 20], [12, 29])
        ... )
        >>> rxdag.join_interval(orders, fills, lower="0ns", upper="5ns").collect()
        [(10, 12)]
    """
    low = signed_ns(lower, "join_interval: lower")
    high = signed_ns(upper, "join_interval: upper")
    if low > high:
        raise GraphError(f"join_interval: upper must not be below lower, got {shown(upper)} and {shown(lower)}")
    checked = function_or_none(into, "join_interval: into", "the left item", "the right one")
    return fan_in(_IntervalJoin(checked, low, high), (left, right))
