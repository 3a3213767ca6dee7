"""Merges: items of several streams in one, in order of arrival, with bounded drift, or sorted."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar, overload

from rxdag.contract import (
    FLUSHED,
    MAX,
    MIN,
    ColumnsEmit,
    Duration,
    Emit,
    FanIn,
    FanInKernel,
    Kernel,
    Shape,
    positive_ns,
    whole,
)
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


class _MergeKernel(FanInKernel):
    node = MergeNode

    def on_item(self, item: Any, emit: Emit[Any]) -> None:
        emit(item)

    def in_columns(self) -> Kernel:
        return self

    def on_columns(self, columns: Columns, emit: ColumnsEmit) -> None:
        emit(columns)


class _DriftKernel(FanInKernel):
    """Stops reading an input that is too far ahead of the slowest; the slowest is never held back.

    The place of an input is its newest event time or its watermark, whichever is later. It never goes back, so a heap
    finds the slowest, and its entries are updated when they reach the top.
    """

    state = ("newest",)
    derived = ("_places", "_placed", "_ahead", "_waits", "_rejoined")
    may_park = True

    def __init__(self, n: int, max_drift: int) -> None:
        self._max_drift = max_drift
        self.newest = [MIN] * n
        self._places = [(MIN, input) for input in range(n)]
        """Places of the inputs that count; a place may be out of date."""
        self._placed = [True] * n
        self._ahead: list[tuple[int, int]] = []
        """Place and number of each input that is held back."""
        self._waits = [False] * n
        self._rejoined = False
        """True if an input counts again that had been idle or had ended."""

    def want_from(self, input: int, now: int) -> int | None:
        own = max(self.newest[input], self.inputs.of[input])
        # An idle input was removed from the heap, and is now added again.
        if not self._placed[input] and self._counts(input):
            heapq.heappush(self._places, (own, input))
            self._placed[input] = self._rejoined = True
        if own == MIN or own - self._slowest(own) <= self._max_drift:
            return 1  # the next one may be far ahead
        if not self._waits[input]:
            self._waits[input] = True
            heapq.heappush(self._ahead, (own, input))
        return 0

    def changed_wants(self) -> list[int] | None:
        if self._rejoined:
            self._rejoined = False
            return None
        return self._caught_up() if self._ahead else []

    def _caught_up(self) -> list[int]:
        """Return the inputs that are no longer held back, or were further ahead than their marks show."""
        ahead = self._ahead
        changed: list[int] = []
        limit = self._slowest(MAX - self._max_drift) + self._max_drift
        while ahead and ahead[0][0] <= limit:
            input = heapq.heappop(ahead)[1]
            self._waits[input] = False
            changed.append(input)
        return changed

    def _slowest(self, default: int) -> int:
        """Return the place of the slowest input that is waited for."""
        places, marks = self._places, self.inputs.of
        while places:
            place, input = places[0]
            if not self._counts(input):
                heapq.heappop(places)
                self._placed[input] = False
                continue
            current = max(self.newest[input], marks[input])
            if current == place:
                return place
            # Places never go back, so an outdated one is too low, and reaches the top before it matters.
            heapq.heapreplace(places, (current, input))
        return default

    def _counts(self, input: int) -> bool:
        """Return True if an input is waited for: it has not ended and is not idle."""
        return self.inputs.of[input] < FLUSHED and not self.inputs.is_idle(input)

    def on_item(self, item: Any, ts: int, input: int, emit: Emit[Any]) -> None:
        if ts > self.newest[input]:
            self.newest[input] = ts
        emit(item)


class _SortedKernel(FanInKernel):
    """Items above the watermark, in a heap of (ts, sequence, input, order of arrival).

    Since the output is in order, each item is followed by a watermark of its own, ts - 1. The watermark of the inputs
    cannot be used: the item that raised it may still rest here, and no watermark may precede the item that raises it.
    """

    state = ("rows", "arrived", "wake", "last")
    derived = ("counts", "_ahead", "_waits", "_gave")
    may_park = True

    def __init__(self, n: int, max_items: int) -> None:
        self._max_items = max_items
        self.rows: list[tuple[int, int, int, int, Any]] = []
        self.counts = [0] * n
        self._ahead: list[tuple[int, int]] = []
        """Watermark and number of each input that is held back; the watermark may be out of date."""
        self._waits = [False] * n
        self._gave: list[int] = []
        """Inputs that were full and from which an item has left since `changed_wants` was last asked."""
        self.arrived = 0
        self.last = MIN
        """Largest event time emitted."""

    def want_from(self, input: int, now: int) -> int | None:
        mark = self.inputs.of[input]
        if mark <= self.watermark:
            return None  # the other inputs wait for it, or may do so later
        room = max(0, self._max_items - self.counts[input])
        if not room and not self._waits[input]:
            self._waits[input] = True
            heapq.heappush(self._ahead, (mark, input))
        return room

    def changed_wants(self) -> list[int]:
        changed, self._gave = self._gave, []
        while self._ahead and self._ahead[0][0] <= self.watermark:
            input = heapq.heappop(self._ahead)[1]
            self._waits[input] = False
            changed.append(input)
        return changed

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
        """Emit the first item; return its event time."""
        ts, sequence, input, _, item = heapq.heappop(self.rows)
        # The input was full until this item left, so its demand must be asked again.
        if self.counts[input] == self._max_items:
            self._gave.append(input)
        self.counts[input] -= 1
        emit(item, ts=ts, sequence=sequence)
        return ts

    def on_end(self, emit: Emit[Any]) -> None:
        while self.rows:  # a flush moves no event time
            self._give_first(emit)
        self.wake = MAX

    def low(self) -> int:
        # The item that raised the watermark rests here, and no mark may precede that item.
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
    """The common part of the merges."""

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
    """Merge several streams into one.

    Each input keeps its order. There is no order between inputs, except that inputs that branch from one stream in one
    segment are emitted in the order of that stream. The output has no key. Its watermark is the minimum over the inputs
    that have not ended and are not idle; if there are none, the maximum over all inputs.

    Emits: every item of every input; with its event time, if all inputs have it.
    Drops: nothing.
    Holds: nothing.
    Ends: when all inputs have ended. Fails: if an input fails.
    Clock: none.

    Args:
        streams: Two or more streams; a single one is allowed.
        max_drift: How far an input may be ahead of the slowest in event time. An input that is further ahead is not
            read until the slowest has caught up, so that later nodes need not hold its items. Idle inputs are not
            waited for.

    Raises:
        GraphError: If there are no streams, or `max_drift` is given and a stream has no event time.

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
    """Merge several streams into one, sorted by event time.

    The watermark of the output follows the emitted items, 1 ns behind the last one.

    Emits: every item once the watermark of all inputs has passed it, by event time, sequence, input, arrival.
    Drops: an item that arrives after the watermark has passed it goes to port "late".
    Holds: the items that the watermark has not passed, up to `max_items` of each input but the slowest; beyond that,
        inputs are not read.
    Ends: when all inputs have ended. Fails: if an input fails.
    Clock: event time.

    Args:
        streams: One or more streams; the items of a single stream are sorted too.
        max_items: Maximum number of items of an input that wait for slower inputs, 1 or more.

    Raises:
        GraphError: If there are no streams, or one has no event time.

    Example:
        >>> a, b = (rxdag.from_source(sources.iterable(x)).pipe(ops.event_time(lambda t: t)) for x in ([1, 4], [2, 3]))
        >>> rxdag.merge_sorted(a, b).collect()
        [1, 2, 3, 4]
    """
    if not streams:
        raise GraphError("merge_sorted: takes one stream or more, got none")
    return fan_in(_MergeSorted(len(streams), whole(max_items, "merge_sorted: max_items", least=1)), streams)
