"""Skip: all but the first items, or but the first of each key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from rxdag.contract import Duration, Emit, Kernel, Operator, Shape, whole
from rxdag.operators.keyed._by_key import ByKey, KeyedKernel, Lasting, ttl_ns

A = TypeVar("A")


class _SkipKernel(Kernel):
    state = ("left",)

    def __init__(self, n: int) -> None:
        self.left = n

    def on_item(self, item: Any, emit: Emit[Any]) -> None:
        if self.left > 0:
            self.left -= 1
            return emit.filtered(item)
        emit(item)
        return None


class _KeyedSkipKernel(KeyedKernel):
    """Skips the first items of each key."""

    def __init__(self, n: int, lasting: Lasting) -> None:
        super().__init__(lasting)
        self._n = n

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, now: int, emit: Emit[Any]) -> None:
        at = now if self.by_clock else ts
        kept = self.found(key, at)
        left: int = self._n if kept is None else kept.value
        following = left - 1 if left else 0
        if kept is None:
            self.begin(key, following, at, emit)
        else:
            self.keep(key, following, at)
        if left:
            return emit.filtered(item)
        emit(item)
        return None


@dataclass(frozen=True)
class _Skip(ByKey[A, A]):
    n: int
    label = "skip"

    def shape(self, shape: Shape) -> Shape:
        return shape

    def kernel(self) -> _SkipKernel | _KeyedSkipKernel:
        if self.by_key or self.ttl_ns is not None:
            return _KeyedSkipKernel(self.n, self.lasting)
        return _SkipKernel(self.n)


def skip(
    n: int, /, *, ttl: Duration | None = None, clock: Literal["event", "processing"] | None = None
) -> Operator[A, A]:
    """Skip the first items; on a keyed stream, the first of each key.

    Emits: every item but the first `n`, or the first `n` of each key.
    Drops: the first `n` items, or the first `n` of each key, counted as `filtered`.
    Holds: one number, or one per key. With `ttl`, a key is forgotten after a silence of `ttl` and starts again.
    Ends: when the source ends. Fails: if the source fails.
    Clock: none. `ttl` uses event time if the stream has it, else processing time; `clock` overrides this.

    Args:
        n: Number of items to skip, 0 or more.
        ttl: How long to keep a key after its last item, more than 0; by default for ever.
        clock: Clock for `ttl`: "event" or "processing".

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> feed(ops.skip(2), "abcd")
        ['c', 'd']
    """
    return _Skip(whole(n, "skip: n"), ttl_ns=ttl_ns(ttl, clock, "skip"), chosen_clock=clock)
