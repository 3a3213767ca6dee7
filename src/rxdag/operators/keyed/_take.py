"""Take: the first items, or the first of each key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from rxdag.contract import Duration, Emit, Kernel, Operator, Shape, whole
from rxdag.operators.keyed._by_key import ByKey, KeyedKernel, Lasting, ttl_ns

A = TypeVar("A")


class _TakeKernel(Kernel):
    state = ("left",)

    def __init__(self, max_items: int) -> None:
        self.left = max_items

    def want(self, now: int) -> int | None:
        return self.left

    def is_finished(self) -> bool:
        return self.left == 0

    def on_item(self, item: Any, emit: Emit[Any]) -> None:
        self.left -= 1
        emit(item)


class _KeyedTakeKernel(KeyedKernel):
    """Passes the first items of each key."""

    def __init__(self, max_items: int, lasting: Lasting) -> None:
        super().__init__(lasting)
        self._max_items = max_items

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, now: int, emit: Emit[Any]) -> None:
        at = now if self.by_clock else ts
        kept = self.found(key, at)
        n: int = 0 if kept is None else kept.value
        passes = n < self._max_items
        if passes:
            n += 1
        if kept is None:
            self.begin(key, n, at, emit)
        else:
            self.keep(key, n, at)
        if passes:
            emit(item)
            return None
        return emit.filtered(item)


@dataclass(frozen=True)
class _Take(ByKey[A, A]):
    max_items: int
    label = "take"

    def shape(self, shape: Shape) -> Shape:
        return shape

    def kernel(self) -> _TakeKernel | _KeyedTakeKernel:
        if self.by_key or self.ttl_ns is not None:
            return _KeyedTakeKernel(self.max_items, self.lasting)
        return _TakeKernel(self.max_items)


def take(
    max_items: int,
    /,
    *,
    ttl: Duration | None = None,
    clock: Literal["event", "processing"] | None = None,
) -> Operator[A, A]:
    """Pass the first items; on a keyed stream, the first of each key.

    Without keys, the stream ends with the last of them, and the source is asked for no more items than pass. On a keyed
    stream, or with `ttl`, a new key may always come, so the source is read to its end. To count the items of all keys
    together, put `ops.unkey()` before it.

    Emits: the first `max_items` items, or the first `max_items` of each key.
    Drops: on a keyed stream the other items, counted as `filtered`. Without keys nothing: later items that are already
        under way are counted as `unread`.
    Holds: one number, or one per key. With `ttl`, a key is forgotten after a silence of `ttl` and starts again.
    Ends: with the last item that passes, or when the source ends; on a keyed stream, or with `ttl`, only when the
        source ends. Fails: if the source fails.
    Clock: none. `ttl` uses event time if the stream has it, else processing time; `clock` overrides this.

    Args:
        max_items: Number of items to pass, 0 or more.
        ttl: How long to keep a key after its last item, more than 0; by default for ever.
        clock: Clock for `ttl`: "event" or "processing".

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> feed(ops.take(2), "abcd")
        ['a', 'b']
        >>> keyed = rxdag.from_source(sources.iterable(list("aAbaB"))).pipe(ops.key_by(str.lower))
        >>> keyed.pipe(ops.take(1)).collect()
        ['a', 'b']
    """
    return _Take(whole(max_items, "take: max_items"), ttl_ns=ttl_ns(ttl, clock, "take"), chosen_clock=clock)
