"""Merges: items of several streams in one, as they come, in step, or sorted."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar, overload

from rxdag.contract import FLUSHED, MAX, MIN, ColumnsEmit, Duration, Emit, FanIn, Kernel, Shape, positive_ns, whole
from rxdag.engine import MergeNode
from rxdag.errors import GraphError
from rxdag.graph import Stream, fan_in
from rxdag.operators.joining._combine import common_shape

if TYPE_CHECKING:
    from rxdag.columns import Columns

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")


class _MergeKernel(Kernel):
    node = MergeNode

    def on_item(self, item: Any, emit: Emit[Any]) -> None:
        emit(item)

    def in_columns(self) -> Kernel:
        return self

    def on_columns(self, columns: Columns, emit: ColumnsEmit) -> None:
        emit(columns)


class _DriftKernel(Kernel):
    """Takes nothing from an input that is too far ahead of the slowest; the slowest is never held back."""

    state = ("newest",)
    may_park = True

    def __init__(self, n: int, max_drift: int) -> None:
        self._max_drift = max_drift
        self.newest = [MIN] * n

    def want_from(self, input: int, now: int) -> int | None:
        marks = self.inputs.of
        places = [
            max(newest, mark)
            for i, (newest, mark) in enumerate(zip(self.newest, marks, strict=True))
            if mark < FLUSHED and not self.inputs.is_idle(i)
        ]
        own = max(self.newest[input], marks[input])
        if own == MIN or own - min(places, default=own) <= self._max_drift:
            return 1  # the next one may be far ahead
        return 0

    def on_item(self, item: Any, ts: int, input: int, emit: Emit[Any]) -> None:
        if ts > self.newest[input]:
            self.newest[input] = ts
        emit(item)


class _SortedKernel(Kernel):
    """Items above the watermark, in a heap of (ts, sequence, input, order of arrival).

    What leaves is in order, so each item raises a watermark of its own, ts - 1, behind it: the item that has raised the
    watermark of the inputs may rest here yet, and no watermark may come before the item that raises it.
    """

    state = ("rows", "arrived", "wake", "last")
    derived = ("counts",)
    may_park = True

    def __init__(self, n: int, max_items: int) -> None:
        self._max_items = max_items
        self.rows: list[tuple[int, int, int, int, Any]] = []
        self.counts = [0] * n
        self.arrived = 0
        self.last = MIN
        """Largest event time that has left."""

    def want_from(self, input: int, now: int) -> int | None:
        marks = self.inputs.of
        if marks[input] <= min((mark for mark in marks if mark < FLUSHED), default=MIN):
            return None  # the others wait for it
        return self._max_items - self.counts[input]

    def on_item(self, item: Any, ts: int, sequence: int, input: int, emit: Emit[Any]) -> None:
        if ts <= self.watermark:
            return emit.late(item)
        self.arrived += 1
        self.counts[input] += 1
        heapq.heappush(self.rows, (ts, sequence, input, self.arrived, item))
        self.wake = self.rows[0][0]
        return None

    def on_watermark(self, watermark: int, emit: Emit[Any]) -> None:
        while self.rows and self.rows[0][0] <= watermark:
            ts = self._give_first(emit)
            if ts > self.last:
                self.last = ts
                emit.watermark(ts - 1)
        self.wake = self.rows[0][0] if self.rows else MAX

    def _give_first(self, emit: Emit[Any]) -> int:
        """Give out the first item; returns its event time."""
        ts, sequence, input, _, item = heapq.heappop(self.rows)
        self.counts[input] -= 1
        emit(item, ts=ts, sequence=sequence)
        return ts

    def on_end(self, emit: Emit[Any]) -> None:
        while self.rows:  # a flush moves no event time
            self._give_first(emit)
        self.wake = MAX

    def low(self) -> int:
        if self.rows and self.rows[0][0] == self.watermark + 1 and not self._is_idle():
            return self.last
        return self.watermark

    def _is_idle(self) -> bool:
        """Return True if no input brings anything for a while."""
        inputs = self.inputs
        return all(inputs.is_idle(input) for input, mark in enumerate(inputs.of) if mark < FLUSHED)

    def held(self) -> int:
        return len(self.rows)

    def snapshot(self) -> dict[str, Any]:
        return {**super().snapshot(), "rows": [list(row) for row in self.rows]}

    def restore(self, saved: dict[str, Any]) -> None:
        super().restore(saved)
        self.rows = [tuple(row) for row in saved["rows"]]
        self.counts = [sum(1 for row in self.rows if row[2] == input) for input in range(len(self.counts))]


class _Fused(FanIn):
    """What the merges have in common."""

    def merged(self, shapes: tuple[Shape, ...]) -> Shape:
        item_types = {shape.item_type for shape in shapes}
        return common_shape(shapes, item_types.pop() if len(item_types) == 1 else None)

    def shape(self, shape: Shape) -> Shape:
        return shape


@dataclass(frozen=True)
class _Merge(_Fused):
    label = "merge"

    @property
    def ports(self) -> tuple[str, ...]:
        return ("out",)

    def kernel(self) -> _MergeKernel:
        return _MergeKernel()


@dataclass(frozen=True)
class _MergeInStep(_Fused):
    n: int
    max_drift_ns: int
    label = "merge"

    @property
    def ports(self) -> tuple[str, ...]:
        return ("out",)

    def check(self, shape: Shape, where: str) -> None:
        if not shape.timed:
            raise GraphError(f"{where}: max_drift needs event time on all streams; put ops.event_time(...) before it")

    def kernel(self) -> _DriftKernel:
        return _DriftKernel(self.n, self.max_drift_ns)


@dataclass(frozen=True)
class _MergeSorted(_Fused):
    n: int
    max_items: int
    label = "merge_sorted"
    needs_event_time = True

    @property
    def ports(self) -> tuple[str, ...]:
        return ("out", "late")

    def shape(self, shape: Shape) -> Shape:
        return replace(shape, ordered=True)

    def kernel(self) -> _SortedKernel:
        return _SortedKernel(self.n, self.max_items)


@overload
def merge(a: Stream[A], b: Stream[B], /, *, max_drift: Duration | None = ...) -> Stream[A | B]: ...
@overload
def merge(a: Stream[A], b: Stream[B], c: Stream[C], /, *, max_drift: Duration | None = ...) -> Stream[A | B | C]: ...
@overload
def merge(
    a: Stream[A], b: Stream[B], c: Stream[C], d: Stream[D], /, *, max_drift: Duration | None = ...
) -> Stream[A | B | C | D]: ...
@overload
def merge(
    a: Stream[A], b: Stream[B], c: Stream[C], d: Stream[D], e: Stream[E], /, *, max_drift: Duration | None = ...
) -> Stream[A | B | C | D | E]: ...
@overload
def merge(*streams: Stream[A], max_drift: Duration | None = ...) -> Stream[A]: ...
def merge(*streams: Any, max_drift: Duration | None = None) -> Any:
    """Make one stream of several.

    Each input keeps its order; between inputs there is none, but where they come from one stream in one segment items
    leave in the order of that stream. Keys end here. The watermark is the minimum over the inputs that have not ended and
    are not idle; once there are none of them, the maximum over all inputs.

    Emits: every item of every input; with its event time, if all inputs have it.
    Drops: nothing.
    Holds: nothing.
    Ends: when all inputs have ended. Fails: when one fails.
    Clock: none.

    Args:
        streams: Two or more; one is allowed.
        max_drift: How far an input may be ahead of the slowest in event time; one that is further is not read until
            the slowest has caught up, so that what is behind need not hold its items. An idle input is not waited for.

    Raises:
        GraphError: If there is no stream, or `max_drift` is given and one has no event time.

    Example:
        >>> numbers = rxdag.from_source(sources.range(3))
        >>> sorted(rxdag.merge(numbers, numbers.pipe(ops.map(lambda x: -x))).collect())
        [-2, -1, 0, 0, 1, 2]
    """
    if not streams:
        raise GraphError("merge: takes one stream or more, got none")
    if max_drift is None:
        return fan_in(_Merge(), streams)
    return fan_in(_MergeInStep(len(streams), positive_ns(max_drift, "merge: max_drift")), streams)


def merge_sorted(*streams: Stream[A], max_items: int = 65_536) -> Stream[A]:
    """Make one stream of several, sorted by event time.

    What comes out is in order of event time; its watermark follows the items that leave, 1 ns behind the last one.

    Emits: every item once the watermark of all inputs has passed it, by event time, sequence, input, arrival.
    Drops: an item that comes after the watermark has passed it goes to port "late".
    Holds: the items that the watermark has not passed, up to `max_items` of each input but the slowest; more are not read.
    Ends: when all inputs have ended. Fails: when one fails.
    Clock: event time.

    Args:
        streams: One or more; the items of one stream are sorted too.
        max_items: Most items of an input that wait for slower ones, 1 or more.

    Raises:
        GraphError: If there is no stream, or one has no event time.

    Example:
        >>> a, b = (rxdag.from_source(sources.iterable(x)).pipe(ops.event_time(lambda t: t)) for x in ([1, 4], [2, 3]))
        >>> rxdag.merge_sorted(a, b).collect()
        [1, 2, 3, 4]
    """
    if not streams:
        raise GraphError("merge_sorted: takes one stream or more, got none")
    return fan_in(_MergeSorted(len(streams), whole(max_items, "merge_sorted: max_items", least=1)), streams)
