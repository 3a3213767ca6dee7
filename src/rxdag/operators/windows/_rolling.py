"""Rolling windows: for each item, an aggregate of it and the items just before it."""

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
                f"or pass a number of items"
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
    """Aggregate, for each item, the items in a period up to it, or the last n.

    With a period, as polars' `rolling`: the window of an item is (ts - period, ts] of its key and includes all items of
    the same instant, whereas pandas leaves out those that come after it. The result does not depend on the order of
    arrival. With a number of items, the window is the item and those of its key that arrived before it; the first
    windows are shorter.

    On rows, an item costs the same whatever the length of the window, if the aggregate commutes, as all built-in ones of
    numbers do, or can remove items, as `agg.collect` can; on columns, each batch also costs time for the earlier items
    in its windows. A border cuts a window into two parts: with a period, the last
    multiple of the period since the epoch; with n items, one before every n-th item of a key. Sums of floats add the
    older part from the border backwards, the newer part in order, and then both. They depend on nothing else, so rows,
    columns and a restart give the same bits.

    Emits: a result for each item, or `into(item, result)`, with the item's event time and key. With a period, once the
        watermark has passed the item, by event time, sequence, arrival; with a number, at once.
    Drops: an item that the aggregate refuses goes to port "dead"; with a period, a late item goes to port "late".
    Holds: with a period, the items above the watermark, and for each key those that a later item may need, until the
        watermark is a period past them. With a number, that many items per key; with `ttl`, until the key has been
        silent for `ttl`.
    Ends: when the source ends. Fails: if the aggregate or `into` raises.
    Clock: event time; with a number of items, none. `ttl` uses event time if the stream has it, else processing time;
        `clock` overrides this.

    Args:
        period: A duration, more than 0; or a number of items, 1 or more.
        aggregate: The aggregate to compute. If it neither commutes nor can remove items (`Accumulator.remove`), as
            `agg.fold`, the remaining items are added again when an item leaves.
        closed: Which ends of the window are included: "right", "left", "both", "none". With "left" and "none", the item
            itself is excluded, and the result of an empty window is None.
        into: A function of the item and the result; its return value is emitted instead.
        ttl: How long to keep a key after its last item, more than 0; by default for ever. Only with a number of items;
            with a period, the period decides.
        clock: Clock for `ttl`: "event" or "processing".

    Raises:
        GraphError: If an argument is invalid, or a period is given and the stream has no event time.

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
            "rolling: ttl= and clock= go with a number of items, got a period; with a period, a key expires after "
            f"{shown(period)}"
        )
    return _Rolling[Any, Any](aggregate, positive_ns(period, "rolling: period"), 0, closed, into)
