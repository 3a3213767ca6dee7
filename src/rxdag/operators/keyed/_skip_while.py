"""Skip while: the items from the first on that does not meet a condition, in the stream or in each key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from rxdag.contract import Duration, Emit, Kernel, Operator, first_call
from rxdag.expressions import Field
from rxdag.operators._arguments import field_of
from rxdag.operators.keyed._by_key import KeyedKernel, Lasting, ttl_ns
from rxdag.operators.keyed._predicated import Predicated

A = TypeVar("A")


class _SkipWhileKernel(Kernel):
    state = ("is_open",)

    def __init__(self, fn: Callable[[Any], Any]) -> None:
        self._fn = first_call(fn, "skip_while: predicate", self, "_fn")
        self.is_open = False

    def on_item(self, item: Any, emit: Emit[Any]) -> None:
        if not self.is_open:
            if self._fn(item):
                return emit.filtered(item)
            self.is_open = True
        emit(item)
        return None


class _KeyedSkipWhileKernel(KeyedKernel):
    """The keys that are open."""

    def __init__(self, fn: Callable[[Any], Any], lasting: Lasting) -> None:
        super().__init__(lasting)
        self._fn = first_call(fn, "skip_while: predicate", self, "_fn")

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, now: int, emit: Emit[Any]) -> None:
        at = now if self.by_clock else ts
        if self.found(key, at) is not None:
            self.keep(key, True, at)
        elif self._fn(item):
            return emit.filtered(item)
        else:
            self.begin(key, True, at, emit)
        emit(item)
        return None


@dataclass(frozen=True)
class _SkipWhile(Predicated[A]):
    label = "skip_while"

    def kernel(self) -> _SkipWhileKernel | _KeyedSkipWhileKernel:
        if self.by_key or self.ttl_ns is not None:
            return _KeyedSkipWhileKernel(self.fn(), self.lasting)
        return _SkipWhileKernel(self.fn())


def skip_while(
    predicate: Field[A, bool],
    /,
    *,
    ttl: Duration | None = None,
    clock: Literal["event", "processing"] | None = None,
) -> Operator[A, A]:
    """Skip items until one does not meet a condition; on a keyed stream, per key.

    Emits: the first item for which `predicate` is false, and every item after it; on a keyed stream, per key.
    Drops: the items before it, counted as `filtered`.
    Holds: nothing; on a keyed stream each key that already passes items. With `ttl`, such a key is forgotten after a
        silence of `ttl` and starts again.
    Ends: when the source ends. Fails: if `predicate` raises, subject to the node's `on_error`.
    Clock: none. `ttl` uses event time if the stream has it, else processing time; `clock` overrides this.

    Args:
        predicate: A function of the item, a field name, or an expression.
        ttl: How long to keep a key that passes items after its last item, more than 0; by default for ever.
        clock: Clock for `ttl`: "event" or "processing".

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> feed(ops.skip_while(lambda x: x < 3), [1, 2, 3, 1])
        [3, 1]
    """
    return _SkipWhile(
        field_of(predicate, "skip_while: predicate"), ttl_ns=ttl_ns(ttl, clock, "skip_while"), chosen_clock=clock
    )
