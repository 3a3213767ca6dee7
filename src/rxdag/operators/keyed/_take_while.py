"""Take while: items until one does not meet a condition, in the stream or in each key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from rxdag.contract import Duration, Emit, Kernel, Operator, first_call, flag
from rxdag.expressions import Field
from rxdag.operators._arguments import field_of
from rxdag.operators.keyed._by_key import KeyedKernel, Lasting, ttl_ns
from rxdag.operators.keyed._predicated import Predicated

A = TypeVar("A")


class _TakeWhileKernel(Kernel):
    state = ("is_over",)

    def __init__(self, fn: Callable[[Any], Any], *, inclusive: bool) -> None:
        self._fn = first_call(fn, "take_while: predicate", self, "_fn")
        self._inclusive = inclusive
        self.is_over = False

    def is_finished(self) -> bool:
        return self.is_over

    def on_item(self, item: Any, emit: Emit[Any]) -> None:
        if not self._fn(item):
            self.is_over = True
            if not self._inclusive:
                return emit.filtered(item)
        emit(item)
        return None


class _KeyedTakeWhileKernel(KeyedKernel):
    """The keys that are over."""

    def __init__(self, fn: Callable[[Any], Any], lasting: Lasting, *, inclusive: bool) -> None:
        super().__init__(lasting)
        self._fn = first_call(fn, "take_while: predicate", self, "_fn")
        self._inclusive = inclusive

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, now: int, emit: Emit[Any]) -> None:
        at = now if self.by_clock else ts
        if self.found(key, at) is not None:
            self.keep(key, True, at)
            return emit.filtered(item)
        if not self._fn(item):
            self.begin(key, True, at, emit)
            if not self._inclusive:
                return emit.filtered(item)
        emit(item)
        return None


@dataclass(frozen=True)
class _TakeWhile(Predicated[A]):
    inclusive: bool
    label = "take_while"

    def kernel(self) -> _TakeWhileKernel | _KeyedTakeWhileKernel:
        if self.by_key or self.ttl_ns is not None:
            return _KeyedTakeWhileKernel(self.fn(), self.lasting, inclusive=self.inclusive)
        return _TakeWhileKernel(self.fn(), inclusive=self.inclusive)


def take_while(
    predicate: Field[A, bool],
    /,
    *,
    inclusive: bool = False,
    ttl: Duration | None = None,
    clock: Literal["event", "processing"] | None = None,
) -> Operator[A, A]:
    """Pass items until one does not meet a condition.

    Without keys, the stream ends there. On a keyed stream each key ends separately, and the source is read to its end.

    Emits: the items before the first for which `predicate` is false, or those of each key; with `inclusive`, that item
        too.
    Drops: the item for which it is false, counted as `filtered`; on a keyed stream also later items of that key.
        Without keys, later items that are already under way are counted as `unread`.
    Holds: nothing; on a keyed stream each key that has ended. With `ttl`, such a key is forgotten after a silence of
        `ttl` and starts again.
    Ends: with that item, or when the source ends; on a keyed stream, or with `ttl`, only when the source ends. Fails:
        if `predicate` raises, subject to the node's `on_error`.
    Clock: none. `ttl` uses event time if the stream has it, else processing time; `clock` overrides this.

    Args:
        predicate: A function of the item, a field name, or an expression.
        inclusive: True to pass the first item that does not meet the condition.
        ttl: How long to keep a key that has ended after its last item, more than 0; by default for ever.
        clock: Clock for `ttl`: "event" or "processing".

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> feed(ops.take_while(lambda x: x < 3), [1, 2, 3, 1])
        [1, 2]
    """
    return _TakeWhile(
        field_of(predicate, "take_while: predicate"),
        flag(inclusive, "take_while: inclusive"),
        ttl_ns=ttl_ns(ttl, clock, "take_while"),
        chosen_clock=clock,
    )
