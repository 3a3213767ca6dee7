"""Several streams into one, by arrival: pairs, the latest of each, one after the other."""

from __future__ import annotations

import builtins
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from rxdag.contract import Emit, FanIn, FanInKernel, Shape, whole
from rxdag.errors import GraphError
from rxdag.graph import Stream, fan_in
from rxdag.operators._least_time import LeastTime

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")


def common_shape(shapes: tuple[Shape, ...], item_type: Any = None) -> Shape:
    """Return the shape of a combined stream: it has event time if all inputs have."""
    return Shape(item_type, timed=all(shape.timed for shape in shapes))


class _ZipKernel(FanInKernel):
    state = ("queues", "ended")
    derived = ("_empty", "_times", "_has_given", "_finished")
    passes = False
    may_park = True

    def __init__(self, n: int, max_items: int) -> None:
        self._max_items = max_items
        self.queues: list[deque[list[Any]]] = [deque() for _ in range(n)]
        self.ended = [False] * n
        self._empty = n
        """Number of empty queues."""
        self._times = LeastTime()
        self._has_given = False
        """True if items have left the queues since `changed_wants` was last asked."""
        self._finished = False

    def want_from(self, input: int, now: int) -> int | None:
        return self._max_items - len(self.queues[input])

    def changed_wants(self) -> list[int] | None:
        if self._has_given:
            self._has_given = False
            return None
        return []

    def on_item(self, item: Any, ts: int, sequence: int, input: int, emit: Emit[Any]) -> None:
        queue = self.queues[input]
        if not queue:
            self._empty -= 1
        queue.append([item, ts, sequence])
        self._times.add(ts)
        if not self._empty:
            self._give_first(emit)

    def _give_first(self, emit: Emit[Any]) -> None:
        """Emit the first items of all queues together."""
        rows = [queue.popleft() for queue in self.queues]
        self._has_given = True
        for input, (queue, row) in enumerate(builtins.zip(self.queues, rows, strict=True)):
            self._times.remove(row[1])
            if not queue:
                self._empty += 1
                # No tuple can follow once an ended input has no items left.
                self._finished = self._finished or self.ended[input]
        last = max(rows, key=lambda row: (row[1], row[2]))
        emit.absorbed(len(rows))
        emit(tuple(row[0] for row in rows), ts=last[1], sequence=last[2])

    def on_input_end(self, input: int, emit: Emit[Any]) -> None:
        self.ended[input] = True
        if not self.queues[input]:
            self._finished = True
        if self._finished:
            self._let_go(emit)

    def _let_go(self, emit: Emit[Any]) -> None:
        for queue in self.queues:
            while queue:
                emit.dropped(queue.popleft()[0], "unmatched")
        self._empty = len(self.queues)
        self._has_given = True
        self._times.clear()

    def is_finished(self) -> bool:
        return self._finished

    def on_end(self, emit: Emit[Any]) -> None:
        self.ended = [True] * len(self.ended)
        self._finished = True
        self._let_go(emit)

    def held(self) -> int:
        return sum(len(queue) for queue in self.queues)

    def low(self) -> int:
        return self._times.least

    def snapshot(self) -> dict[str, Any]:
        return {"queues": [[list(row) for row in queue] for queue in self.queues], "ended": list(self.ended)}

    def restore(self, saved: dict[str, Any]) -> None:
        self.queues = [deque(list(row) for row in queue) for queue in saved["queues"]]
        self.ended = list(saved["ended"])
        self._times.clear()
        for queue in self.queues:
            for row in queue:
                self._times.add(row[1])
        self._empty = sum(1 for queue in self.queues if not queue)
        self._finished = any(not queue and ended for queue, ended in builtins.zip(self.queues, self.ended, strict=True))


class _LatestKernel(FanInKernel):
    """The last item of each input: [item, ts, sequence, True if it was in an output], or nothing."""

    state = ("last", "is_barren")
    passes = False

    def __init__(self, n: int) -> None:
        self.last: list[list[Any]] = [[] for _ in range(n)]
        self.is_barren = False
        """True once an input has ended without an item, after which nothing can be emitted."""

    def is_finished(self) -> bool:
        return self.is_barren

    def on_input_end(self, input: int, emit: Emit[Any]) -> None:
        if not self.last[input]:
            self.is_barren = True

    def on_item(self, item: Any, ts: int, sequence: int, input: int, emit: Emit[Any]) -> None:
        self._let_go(input, "replaced", emit)
        self.last[input] = [item, ts, sequence, False]
        if not all(self.last):
            return
        for row in self.last:
            row[3] = True
        newest = max(self.last, key=lambda row: (row[1], row[2]))
        emit(tuple(row[0] for row in self.last), ts=newest[1], sequence=newest[2])

    def _let_go(self, input: int, reason: str, emit: Emit[Any]) -> None:
        row = self.last[input]
        if row:
            self.last[input] = []
            if row[3]:
                emit.absorbed(1)
            else:
                emit.dropped(row[0], reason)

    def on_end(self, emit: Emit[Any]) -> None:
        for input in range(len(self.last)):
            self._let_go(input, "unmatched", emit)

    def held(self) -> int:
        return sum(1 for row in self.last if row)

    def snapshot(self) -> dict[str, Any]:
        return {"last": [list(row) for row in self.last], "is_barren": self.is_barren}


class _WithLatestKernel(FanInKernel):
    """The first input's items, each with the last of every other."""

    state = ("last", "ended")

    def __init__(self, n: int) -> None:
        self.last: list[list[Any]] = [[] for _ in range(n - 1)]
        self.ended = False

    def on_item(self, item: Any, input: int, emit: Emit[Any]) -> None:
        if input:
            if self.last[input - 1]:
                emit.absorbed(1)
            self.last[input - 1] = [item]
        elif all(self.last):
            emit((item, *(row[0] for row in self.last)))
        else:
            emit.dropped(item, "unmatched")

    def on_input_end(self, input: int, emit: Emit[Any]) -> None:
        if input == 0:
            self.ended = True
            self.on_end(emit)

    def is_finished(self) -> bool:
        return self.ended

    def on_end(self, emit: Emit[Any]) -> None:
        emit.absorbed(self.held())
        self.last = [[] for _ in self.last]

    def held(self) -> int:
        return sum(1 for row in self.last if row)

    def snapshot(self) -> dict[str, Any]:
        return {"last": [list(row) for row in self.last], "ended": self.ended}


@dataclass(frozen=True)
class _Combine(FanIn):
    """Combines streams into one; `kind` defines how, and labels the node."""

    kind: str
    make: Callable[[], FanInKernel]
    n: int
    keeps_type: bool = False

    @property
    def label(self) -> str:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # of the kind
        return self.kind

    @property
    def ports(self) -> tuple[str, ...]:
        return ("out",)

    def merged(self, shapes: tuple[Shape, ...]) -> Shape:
        item_types = {shape.item_type for shape in shapes}
        kept = item_types.pop() if self.keeps_type and len(item_types) == 1 else None
        return common_shape(shapes, kept)

    def shape(self, shape: Shape) -> Shape:
        return shape

    def kernel(self) -> FanInKernel:
        return self.make()


def combined(kind: str, make: Callable[[], FanInKernel], streams: tuple[Any, ...], *, keeps_type: bool = False) -> Any:
    if len(streams) < 2:
        raise GraphError(f"{kind}: takes two streams or more, got {len(streams)}")
    return fan_in(_Combine(kind, make, len(streams), keeps_type), streams)


@overload
def zip(a: Stream[A], b: Stream[B], /, *, max_items: int = ...) -> Stream[tuple[A, B]]: ...
@overload
def zip(a: Stream[A], b: Stream[B], c: Stream[C], /, *, max_items: int = ...) -> Stream[tuple[A, B, C]]: ...
@overload
def zip(
    a: Stream[A], b: Stream[B], c: Stream[C], d: Stream[D], /, *, max_items: int = ...
) -> Stream[tuple[A, B, C, D]]: ...
def zip(*streams: Any, max_items: int = 1024) -> Any:
    """Pair the first items of several streams, then the second items, and so on.

    Emits: a tuple as soon as every stream has provided one more item, with the largest event time of its parts.
    Drops: items without partners once a stream has ended, reason "unmatched"; the rest are counted as `absorbed`.
    Holds: up to `max_items` items of each stream; a stream that is further ahead is not read.
    Ends: when a stream has ended and its items are used up; the others are detached. Fails: if a stream fails.
    Clock: none.

    Args:
        streams: Two or more streams.
        max_items: Maximum number of items of a stream that wait for partners, 1 or more.

    Raises:
        GraphError: If there are fewer than two streams.

    Example:
        >>> numbers = rxdag.from_source(sources.range(3))
        >>> rxdag.zip(numbers, numbers.pipe(ops.map(lambda x: x * 10))).collect()
        [(0, 0), (1, 10), (2, 20)]
    """
    most = whole(max_items, "zip: max_items", least=1)
    return combined("zip", lambda: _ZipKernel(len(streams), most), streams)


@overload
def combine_latest(a: Stream[A], b: Stream[B], /) -> Stream[tuple[A, B]]: ...
@overload
def combine_latest(a: Stream[A], b: Stream[B], c: Stream[C], /) -> Stream[tuple[A, B, C]]: ...
@overload
def combine_latest(a: Stream[A], b: Stream[B], c: Stream[C], d: Stream[D], /) -> Stream[tuple[A, B, C, D]]: ...
def combine_latest(*streams: Any) -> Any:
    """Emit the latest items of several streams whenever one of them has a new item.

    Emits: a tuple for each item, once every stream has emitted one, with the largest event time of its parts.
    Drops: an item replaced before every stream has emitted one, reason "replaced" ("unmatched" at the end); all others
        are counted as `absorbed`.
    Holds: one item of each stream.
    Ends: when all streams have ended, or as soon as one ends without an item, since no tuple can follow. Fails: if a
        stream fails.
    Clock: order of arrival.

    Args:
        streams: Two or more streams.

    Raises:
        GraphError: If there are fewer than two streams.

    Example:
        >>> numbers = rxdag.from_source(sources.range(2))
        >>> rxdag.combine_latest(numbers, numbers.pipe(ops.map(lambda x: x * 10))).collect()
        [(0, 0), (0, 10), (1, 10)]
    """
    return combined("combine_latest", lambda: _LatestKernel(len(streams)), streams)


@overload
def with_latest_from(a: Stream[A], b: Stream[B], /) -> Stream[tuple[A, B]]: ...
@overload
def with_latest_from(a: Stream[A], b: Stream[B], c: Stream[C], /) -> Stream[tuple[A, B, C]]: ...
@overload
def with_latest_from(a: Stream[A], b: Stream[B], c: Stream[C], d: Stream[D], /) -> Stream[tuple[A, B, C, D]]: ...
def with_latest_from(*streams: Any) -> Any:
    """Combine each item of the first stream with the latest items of the others.

    Which item is the latest depends on the speed of the streams; use `join_asof` to combine by event time.

    Emits: a tuple for each item of the first stream, with its event time, once all others have emitted an item.
    Drops: an item of the first stream that arrives before that, reason "unmatched".
    Holds: one item of each other stream.
    Ends: when the first stream has ended; the others are detached. Fails: if a stream fails.
    Clock: order of arrival.

    Args:
        streams: Two or more streams.

    Raises:
        GraphError: If there are fewer than two streams.

    Example:
        >>> numbers = rxdag.from_source(sources.range(3))
        >>> rxdag.with_latest_from(numbers, numbers.pipe(ops.map(lambda x: x * 10))).collect()
        [(0, 0), (1, 10), (2, 20)]
    """
    return combined("with_latest_from", lambda: _WithLatestKernel(len(streams)), streams)
