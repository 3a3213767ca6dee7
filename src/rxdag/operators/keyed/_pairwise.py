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
    """Put each item together with the one before it; on a keyed stream with the one before it of its key.

    Emits: (item before, item) for each item but the first, with the later event time of the two, and the key of the item.
    Drops: nothing; every item is counted as `absorbed`.
    Holds: one item, or one for each key; with `ttl` until nothing has come for the key for so long, and its next item is the
        first again.
    Ends: when the source ends. Fails: when the source fails.
    Clock: none; with `ttl` event time if the stream has it, else processing time; `clock` chooses.

    Args:
        ttl: How long a key lasts after its last item, more than 0; by default for ever.
        clock: Of `ttl`: "event" or "processing".

    Raises:
        GraphError: If an argument is not as above.

    Example:
        >>> feed(ops.pairwise(), [1, 2, 4])
        [(1, 2), (2, 4)]
    """
    return _Pairwise(ttl_ns=ttl_ns(ttl, clock, "pairwise"), chosen_clock=clock)
