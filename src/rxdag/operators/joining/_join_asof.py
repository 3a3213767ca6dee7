"""As-of joins: each item of one stream with the last, next or nearest item of another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, overload

from rxdag.contract import Duration, Emit, FanIn, FanInKernel, Shape, duration_ns, flag
from rxdag.errors import GraphError, shown
from rxdag.graph import KeyedStream, Stream, fan_in
from rxdag.operators._arguments import function_or_none
from rxdag.operators.joining._added_fields import AddedFields, Fields, added_fields
from rxdag.operators.joining._asof_kernel import AsofKernel, Strategy

A = TypeVar("A")
B = TypeVar("B")
K = TypeVar("K")
R = TypeVar("R")


class _LatestByKeyKernel(FanInKernel):
    """Each left item with the right one of its key that came last."""

    state = ("rights", "ended")

    def __init__(self, into: Callable[[Any, Any], Any] | None) -> None:
        self._into = into
        self.rights: dict[Any, Any] = {}
        self.ended = False

    def on_item(self, item: Any, key: Any, input: int, emit: Emit[Any]) -> None:
        if input:
            if key in self.rights:
                emit.absorbed(1)
            self.rights[key] = item
            return
        found = self.rights.get(key)
        emit((item, found) if self._into is None else self._into(item, found))

    def on_input_end(self, input: int, emit: Emit[Any]) -> None:
        if input == 0:
            self.ended = True
            self.on_end(emit)

    def is_finished(self) -> bool:
        return self.ended

    def on_end(self, emit: Emit[Any]) -> None:
        emit.absorbed(len(self.rights))
        self.rights = {}

    def held(self) -> int:
        return len(self.rights)

    def snapshot(self) -> dict[str, Any]:
        return {"rights": [[key, item] for key, item in self.rights.items()], "ended": self.ended}

    def restore(self, saved: dict[str, Any]) -> None:
        self.rights, self.ended = {key: item for key, item in saved["rights"]}, saved["ended"]  # noqa: C416  # lists


@dataclass(frozen=True)
class _JoinAsof(FanIn):
    strategy: Strategy
    tolerance_ns: int | None
    exact: bool
    into: Callable[[Any, Any], Any] | None
    clock: str
    label = "join_asof"

    @property
    def ports(self) -> tuple[str, ...]:
        return ("out", "late", "dead") if self.clock == "event" else ("out", "dead")

    @property
    def holds_for_watermarks(self) -> bool:
        return self.clock == "event"

    def merged(self, shapes: tuple[Shape, ...]) -> Shape:
        left, right = shapes
        if left.keyed != right.keyed:
            raise GraphError("join_asof: both streams must have keys, or neither; put ops.key_by(...) before the other")
        timed = left.timed and (right.timed or self.clock == "processing")
        item_type = self.into.item_type(left.item_type, right.item_type) if isinstance(self.into, AddedFields) else None
        return Shape(item_type, timed=timed, keyed=left.keyed, key_names=left.key_names)

    def check(self, shape: Shape, where: str) -> None:
        if self.clock == "event" and not shape.timed:
            raise GraphError(
                f"{where}: needs event time on both streams; put ops.event_time(...) before it, "
                f'or pass clock="processing" to join with the latest item'
            )

    def shape(self, shape: Shape) -> Shape:
        return shape

    def port_shape(self, port: str, shape: Shape) -> Shape:
        return super().port_shape(port, shape) if port in ("dead", "dropped") else shape

    def kernel(self) -> FanInKernel:
        if self.clock == "processing":
            return _LatestByKeyKernel(self.into)
        return AsofKernel(self.strategy, self.tolerance_ns, self.exact, self.into)


@overload
def join_asof(
    left: KeyedStream[K, A],
    right: KeyedStream[K, B],
    /,
    *,
    strategy: Strategy = ...,
    tolerance: Duration | None = ...,
    allow_exact_matches: bool = ...,
    clock: Literal["event", "processing"] = ...,
) -> KeyedStream[K, tuple[A, B | None]]: ...
@overload
def join_asof(
    left: KeyedStream[K, A],
    right: KeyedStream[K, B],
    /,
    *,
    into: Callable[[A, B | None], R],
    strategy: Strategy = ...,
    tolerance: Duration | None = ...,
    allow_exact_matches: bool = ...,
    clock: Literal["event", "processing"] = ...,
) -> KeyedStream[K, R]: ...
@overload
def join_asof(
    left: KeyedStream[K, A],
    right: KeyedStream[K, B],
    /,
    *,
    fields: Fields,
    into: type[R],
    strategy: Strategy = ...,
    tolerance: Duration | None = ...,
    allow_exact_matches: bool = ...,
    clock: Literal["event", "processing"] = ...,
) -> KeyedStream[K, R]: ...
@overload
def join_asof(
    left: KeyedStream[K, A],
    right: KeyedStream[K, B],
    /,
    *,
    fields: Fields,
    strategy: Strategy = ...,
    tolerance: Duration | None = ...,
    allow_exact_matches: bool = ...,
    clock: Literal["event", "processing"] = ...,
) -> KeyedStream[K, dict[str, Any]]: ...
@overload
def join_asof(
    left: Stream[A],
    right: Stream[B],
    /,
    *,
    strategy: Strategy = ...,
    tolerance: Duration | None = ...,
    allow_exact_matches: bool = ...,
    clock: Literal["event", "processing"] = ...,
) -> Stream[tuple[A, B | None]]: ...
@overload
def join_asof(
    left: Stream[A],
    right: Stream[B],
    /,
    *,
    into: Callable[[A, B | None], R],
    strategy: Strategy = ...,
    tolerance: Duration | None = ...,
    allow_exact_matches: bool = ...,
    clock: Literal["event", "processing"] = ...,
) -> Stream[R]: ...
@overload
def join_asof(
    left: Stream[A],
    right: Stream[B],
    /,
    *,
    fields: Fields,
    into: type[R],
    strategy: Strategy = ...,
    tolerance: Duration | None = ...,
    allow_exact_matches: bool = ...,
    clock: Literal["event", "processing"] = ...,
) -> Stream[R]: ...
@overload
def join_asof(
    left: Stream[A],
    right: Stream[B],
    /,
    *,
    fields: Fields,
    strategy: Strategy = ...,
    tolerance: Duration | None = ...,
    allow_exact_matches: bool = ...,
    clock: Literal["event", "processing"] = ...,
) -> Stream[dict[str, Any]]: ...
def join_asof(
    left: Any,
    right: Any,
    /,
    *,
    fields: Any = None,
    into: Any = None,
    strategy: Strategy = "backward",
    tolerance: Duration | None = None,
    allow_exact_matches: bool = True,
    clock: Literal["event", "processing"] = "event",
) -> Any:
    """Join each left item with the last right item of its key at or before its time.

    As `polars.join_asof` and `pandas.merge_asof`, for any order of arrival within the bounds of `out_of_order`: a left
    item waits until, by the watermarks of both streams, its match can no longer change. "forward" takes the first right
    item at or after it, "nearest" the nearer of the two, or the earlier one if both are equally near. Among right items
    of the same time the last wins, by sequence, then arrival; with "forward" the first. A left item without a match is
    paired with None.

    Emits: `(left, right)`, or `into(left, right)`, for every left item, in order of event time; with its time and key.
        With `fields`, a record of all fields of the left item and those of the right one, which are None without a
        match: a dict, or `into(**fields)`.
    Drops: a late item of either stream goes to port "late".
    Holds: left items that the watermark has not passed ("forward" and "nearest": until their match is certain), and for
        each key the right items that a left one may still need: at least one, unless it is older than `tolerance`
        allows.
        While a live source of one stream is silent, the items of the other are held without a bound, unless its
        `ops.event_time` has an `idle_timeout`; such a dag is warned of (GraphWarning).
    Ends: when the left stream has ended and no item waits. Fails: if a stream fails, or `into` raises; with
        `clock="processing"`, errors in `into` are subject to the node's `on_error`.
    Clock: event time; with `clock="processing"`, the right item is the last to arrive, and nothing waits.

    Args:
        left: A stream with event time; with keys if the other has them.
        right: The other stream.
        fields: Names of fields of the right item, or a mapping of a name in the record to the name of the field. With
            them, columns stay columns.
        into: A function of the left item, and of the right item or None; with `fields`, the type of the records.
        strategy: "backward", "forward" or "nearest".
        tolerance: Greatest distance of the right item, inclusive; by default unlimited.
        allow_exact_matches: False to ignore right items of exactly the same time.
        clock: "processing" to join with the last item that arrived.

    Raises:
        GraphError: If an argument is invalid, a stream lacks event time, only one has keys, or a field does not exist
            or has the name of a left one.

    Example:
        >>> trades, quotes = (
        ...     rxdag.from_source(sources.iterable(times)).pipe(ops.event_time(lambda t: t))
        ...     for times in ([3, 7], [1, 5, 6])
        ... )
        >>> rxdag.join_asof(trades, quotes).collect()
        [(3, 1), (7, 6)]
        >>> trades, quotes = (
        ...     rxdag.from_source(sources.iterable(rows)).pipe(ops.event_time("t"))
        ...     for rows in ([{"t": 3, "price": 9.5}], [{"t": 1, "bid": 9.0}])
        ... )
        >>> rxdag.join_asof(trades, quotes, fields=["bid"]).collect()
        [{'t': 3, 'price': 9.5, 'bid': 9.0}]
    """
    if strategy not in ("backward", "forward", "nearest"):
        raise GraphError(f'join_asof: strategy must be "backward", "forward" or "nearest", got {shown(strategy)}')
    if clock not in ("event", "processing"):
        raise GraphError(f'join_asof: clock must be "event" or "processing", got {shown(clock)}')
    flag(allow_exact_matches, "join_asof: allow_exact_matches")
    if clock == "processing" and (strategy != "backward" or tolerance is not None or not allow_exact_matches):
        raise GraphError(
            'join_asof: with clock="processing" there are no times to compare; '
            "leave out strategy, tolerance and allow_exact_matches"
        )
    made = _JoinAsof(
        strategy,
        None if tolerance is None else duration_ns(tolerance, "join_asof: tolerance"),
        allow_exact_matches,
        function_or_none(into, "join_asof: into", "the left item", "the right one")
        if fields is None
        else added_fields(fields, into),
        clock,
    )
    return fan_in(made, (left, right))
