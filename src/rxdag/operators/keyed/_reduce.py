"""Reduce: one value of all items, or one of those of each key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar, overload

from rxdag.contract import LEFT_OUT, Duration, Operator
from rxdag.operators.keyed._by_key import ByKey, ttl_ns
from rxdag.operators.keyed._expiring import ABSENT
from rxdag.operators.keyed._expiring_total_kernel import ExpiringTotalKernel
from rxdag.operators.keyed._first_value import first_value
from rxdag.operators.keyed._fold_kernel import Combined, FoldKernel, KeyedFoldKernel, begun

A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True)
class _Reduce(ByKey[A, B], Generic[A, B]):
    initial: Any
    fn: Callable[[Any, Any], Any]
    label = "reduce"
    keeps_order = False

    def kernel(self) -> FoldKernel | KeyedFoldKernel | ExpiringTotalKernel:
        has_none = self.initial is ABSENT
        fn = Combined(self.fn) if has_none else self.fn
        if self.ttl_ns is not None:
            return ExpiringTotalKernel(self.initial, fn, self.lasting, by_key=self.by_key)
        if self.by_key:
            return KeyedFoldKernel(self.initial, fn)
        return FoldKernel(begun(self.initial), fn)


@overload
def reduce(
    fn: Callable[[A, A], A],
    /,
    *,
    ttl: Duration | None = None,
    clock: Literal["event", "processing"] | None = None,
) -> Operator[A, A]: ...
@overload
def reduce(
    initial: B,
    fn: Callable[[B, A], B],
    /,
    *,
    ttl: Duration | None = None,
    clock: Literal["event", "processing"] | None = None,
) -> Operator[A, B]: ...
def reduce(
    initial: Any,
    fn: Callable[[Any, Any], Any] = LEFT_OUT,
    /,
    *,
    ttl: Duration | None = None,
    clock: Literal["event", "processing"] | None = None,
) -> Operator[Any, Any]:
    """Reduce all items to one value; on a keyed stream, one per key.

    Works as functools.reduce. RxPY takes `initial` last. In Flink and Kafka Streams, reduce emits every step: use
    `ops.scan` for that.

    Emits: when the source ends, `fn(... fn(fn(initial, item), item) ..., item)`; without `initial`, the first item
        takes its place. For an empty stream without keys: `initial`, or nothing if there is none. Keys are emitted in
        key order, with the largest event time of the stream. With `ttl`, the value of a key is emitted once the key has
        been silent for `ttl`, with that time; the key then starts again.
    Drops: nothing; every item is counted as `absorbed`.
    Holds: one value, or one per key, which starts as a copy of `initial`; with `ttl`, until the key has been silent for
        `ttl`.
    Ends: when the source ends. Fails: if `fn` raises, subject to the node's `on_error`; the value stays as it was.
    Clock: none. `ttl` uses event time if the stream has it, else processing time; `clock` overrides this.

    Args:
        initial: Initial value, which must work with `copy.deepcopy`; by default the first item.
        fn: A function of the value and the item that returns the next value.
        ttl: How long to keep a key after its last item, more than 0; by default until the source ends.
        clock: Clock for `ttl`: "event" or "processing".

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> feed(ops.reduce(lambda a, b: a * 10 + b), [1, 2, 3])
        [123]
        >>> feed(ops.reduce(0, lambda total, x: total + x), [1, 2, 3])
        [6]
    """
    value, combine = first_value(initial, fn, "reduce")
    return _Reduce(value, combine, ttl_ns=ttl_ns(ttl, clock, "reduce"), chosen_clock=clock)
