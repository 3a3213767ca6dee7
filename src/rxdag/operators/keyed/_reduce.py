"""Reduce: the items combined so far, along the stream or along each key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeVar

from rxdag.contract import Duration, Operator
from rxdag.operators._arguments import function
from rxdag.operators.keyed._by_key import ttl_ns
from rxdag.operators.keyed._expiring import ABSENT
from rxdag.operators.keyed._scan import Scan

A = TypeVar("A")


def reduce(
    fn: Callable[[A, A], A],
    /,
    *,
    ttl: Duration | None = None,
    clock: Literal["event", "processing"] | None = None,
) -> Operator[A, A]:
    """Combine each item with what its predecessors made; on a keyed stream those of its key.

    As reduce in Flink and Kafka Streams, which gives out every step; for the last one alone, as in RxPY and Python, put
    `ops.last()` behind it.

    Emits: the first item itself, then `fn(value, item)` for each, which is the next value; with its event time and key.
    Drops: nothing.
    Holds: one value, or one for each key; with `ttl` until nothing has come for so long, and it begins anew.
    Ends: when the source ends. Fails: when `fn` raises, by the node's `on_error`; the value stays as it was.
    Clock: none; with `ttl` event time if the stream has it, else processing time; `clock` chooses.

    Args:
        fn: A function of the value and the item that returns the next value.
        ttl: How long a key lasts after its last item, more than 0; by default for ever.
        clock: Of `ttl`: "event" or "processing".

    Raises:
        GraphError: If an argument is not as above.

    Example:
        >>> feed(ops.reduce(lambda a, b: a * 10 + b), [1, 2, 3])
        [1, 12, 123]
    """
    return Scan(
        ABSENT,
        function(fn, "reduce: fn", "what it returned before", "the item"),
        "reduce",
        ttl_ns=ttl_ns(ttl, clock, "reduce"),
        chosen_clock=clock,
    )
