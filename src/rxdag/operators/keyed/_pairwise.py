"""Pairwise: each item together with the one before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from rxdag.contract import Duration, Emit, Operator
from rxdag.operators.keyed._by_key import ByKey, KeyedKernel, ttl_ns
from rxdag.operators.keyed._expiring import Kept

A = TypeVar("A")


class _PairwiseKernel(KeyedKernel):
    """The last item of each key: [item, ts, sequence]."""

    passes = False
    gives_at_end = True

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, now: int, emit: Emit[Any]) -> None:
        at = now if self.by_clock else ts
        kept = self.found(key, at)
        if kept is None:
            self.begin(key, [item, ts, sequence], at, emit)
            return
        before, before_ts, before_sequence = kept.value
        self.keep(key, [item, ts, sequence], at)
        emit.absorbed(1)
        if (ts, sequence) >= (before_ts, before_sequence):
            emit((before, item), ts=ts, sequence=sequence)
        else:
            emit((before, item), ts=before_ts, sequence=before_sequence)

    def end_key(self, key: Any, kept: Kept, emit: Emit[Any]) -> None:
        emit.absorbed(1)

    def held(self) -> int:
        return len(self.keys)

    def pack(self, value: Any) -> Any:
        return list(value)


@dataclass(frozen=True)
class _Pairwise(ByKey[A, "tuple[A, A]"], Generic[A]):
    label = "pairwise"

    def kernel(self) -> _PairwiseKernel:
        return _PairwiseKernel(self.lasting)


def pairwise(
    *, ttl: Duration | None = None, clock: Literal["event", "processing"] | None = None
) -> Operator[A, tuple[A, A]]:
    """Pair each item with the one before it; on a keyed stream, per key.

    Emits: (previous item, item) for each item but the first, with the later event time of the two and the key of the
        item.
    Drops: nothing; every item is counted as `absorbed`.
    Holds: one item, or one per key. With `ttl`, a key is forgotten after a silence of `ttl`, and its next item counts
        as the first again.
    Ends: when the source ends. Fails: if the source fails.
    Clock: none. `ttl` uses event time if the stream has it, else processing time; `clock` overrides this.

    Args:
        ttl: How long to keep a key after its last item, more than 0; by default for ever.
        clock: Clock for `ttl`: "event" or "processing".

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> feed(ops.pairwise(), [1, 2, 4])
        [(1, 2), (2, 4)]
    """
    return _Pairwise(ttl_ns=ttl_ns(ttl, clock, "pairwise"), chosen_clock=clock)
