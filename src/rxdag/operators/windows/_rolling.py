"""Rolling windows: for each item, an aggregate of it and of those just before it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, Self, TypeVar, overload

from rxdag.contract import Aggregate, Duration, Operator, Shape, check_function, positive_ns, whole
from rxdag.errors import GraphError, shown
from rxdag.operators.keyed._by_key import ByKey, ttl_ns
from rxdag.operators.windows._panes import checked_aggregate
from rxdag.operators.windows._rolling_items import RollingItemsKernel
from rxdag.operators.windows._rolling_time import Closed, RollingTimeKernel

A = TypeVar("A")
B = TypeVar("B")
R = TypeVar("R")
Clock = Literal["event", "processing"]

_CLOSED: Final = ("right", "left", "both", "none")


@dataclass(frozen=True)
class _Rolling(ByKey[A, B]):
    aggregate: Aggregate[Any, Any]
    period_ns: int | None
    size: int
    closed: Closed
    into: Callable[[Any, Any], Any] | None
    label = "rolling"

    @property
    def ports(self) -> tuple[str, ...]:
        return ("out", "dead") if self.period_ns is None else ("out", "late", "dead")

    def check(self, shape: Shape, where: str) -> None:
        super().check(shape, where)
        if self.period_ns is not None and not shape.timed:
            raise GraphError(
                f"{where}: a period needs event time, and the stream has none; put ops.event_time(...) before it, "
                f"or give a number of items"
            )
        self.aggregate.check(shape.item_type, f"{where}: {self.aggregate.name}")

    def bound(self, shape: Shape) -> Self:
        return replace(super().bound(shape), aggregate=self.aggregate.bound(shape))

    def kernel(self) -> RollingItemsKernel | RollingTimeKernel:
        if self.period_ns is None:
            return RollingItemsKernel(self.size, self.aggregate, self.into, self.lasting)
        return RollingTimeKernel(self.period_ns, self.closed, self.aggregate, self.into)


@overload
def rolling(
    period: int, aggregate: Aggregate[A, R], /, *, ttl: Duration | None = ..., clock: Clock | None = ...
) -> Operator[A, R]: ...
@overload
def rolling(
    period: Duration, aggregate: Aggregate[A, R], /, *, closed: Literal["right", "both"] = ...
) -> Operator[A, R]: ...
@overload
def rolling(
    period: Duration, aggregate: Aggregate[A, R], /, *, closed: Literal["left", "none"]
) -> Operator[A, R | None]: ...
@overload
def rolling(
    period: Duration | int,
    aggregate: Aggregate[object, R],
    /,
    *,
    closed: Literal["right", "both"] = ...,
    into: Callable[[A, R], B],
    ttl: Duration | None = ...,
    clock: Clock | None = ...,
) -> Operator[A, B]: ...
@overload
def rolling(
    period: Duration | int,
    aggregate: Aggregate[A, R],
    /,
    *,
    closed: Literal["right", "both"] = ...,
    into: Callable[[A, R], B],
    ttl: Duration | None = ...,
    clock: Clock | None = ...,
) -> Operator[A, B]: ...
@overload
def rolling(
    period: Duration,
    aggregate: Aggregate[A, R],
    /,
    *,
    closed: Literal["left", "none"],
    into: Callable[[A, R | None], B],
) -> Operator[A, B]: ...
def rolling(
    period: Any,
    aggregate: Any,
    /,
    *,
    closed: Closed = "right",
    into: Any = None,
    ttl: Duration | None = None,
    clock: Literal["event", "processing"] | None = None,
) -> Any:
    """Aggregate, for each item, the items of its key in a period that ends with it, or the last so many.

    With a period, as polars' `rolling`: the window of an item is (ts - period, ts], and items of one instant are all in it;
    pandas leaves out those that come behind. It does not depend on the order of arrival. With a number of items the
    window is the item and those of its key that came before it; the first ones have fewer.

    Emits: a result for each item, or `into(item, result)`; with the item's event time and key. With a period once the
        watermark has passed the item, by event time, sequence, arrival; with a number at once.
    Drops: an item that the aggregate refuses goes to port "dead"; with a period one that is late to port "late".
    Holds: with a period the items above the watermark, and of each key those that a later one may need, until the
        watermark is a period past; with a number so many items of each key, with `ttl` until nothing has come for the
        key for so long.
    Ends: when the source ends. Fails: when the aggregate or `into` raises.
    Clock: event time; with a number of items none. With `ttl` event time if the stream has it, else processing time;
        `clock` chooses.

    Args:
        period: A duration, more than 0; or a number of items, 1 or more.
        aggregate: What to compute. One that takes items out again (`Accumulator.remove`) is fast: `agg.count`, sums and means of
            whole numbers; of the others what is left is added anew when an item leaves.
        closed: Which ends of the window count: "right", "left", "both", "none". With "left" and "none" the item itself is
            not in it, and the result is None where nothing is.
        into: A function of the item and the result; what it returns is emitted instead.
        ttl: How long a key lasts after its last item, more than 0; by default for ever. Goes with a number of items: with a
            period, that says it.
        clock: Of `ttl`: "event" or "processing".

    Raises:
        GraphError: If an argument is not as above, or a period is given and the stream has no event time.

    Example:
        >>> feed(ops.rolling(2, agg.sum(lambda x: x)), [1, 2, 3])
        [1, 3, 5]
        >>> timed = rxdag.from_source(sources.iterable([1, 2, 4])).pipe(ops.event_time(lambda x: x, unit="s"))
        >>> timed.pipe(ops.rolling("2s", agg.collect())).collect()
        [[1], [1, 2], [4]]
    """
    aggregate = checked_aggregate(aggregate, "rolling")
    if closed not in _CLOSED:
        raise GraphError(f'rolling: closed must be "right", "left", "both" or "none", got {shown(closed)}')
    if into is not None and not callable(into):
        raise GraphError(f"rolling: into must be a function of the item and the result, got {shown(into)}")
    if into is not None:
        check_function(into, "rolling: into", "the item", "the result")
    if isinstance(period, int):
        if closed != "right":
            raise GraphError(
                f"rolling: closed goes with a period of time, got {shown(closed)} with {shown(period)} items"
            )
        return _Rolling[Any, Any](
            *(aggregate, None, whole(period, "rolling: period", least=1), closed, into),
            ttl_ns=ttl_ns(ttl, clock, "rolling"),
            chosen_clock=clock,
        )
    if ttl is not None or clock is not None:
        raise GraphError(
            f"rolling: ttl= and clock= go with a number of items, got a period; a key lasts for {shown(period)} then"
        )
    return _Rolling[Any, Any](aggregate, positive_ns(period, "rolling: period"), 0, closed, into)
