"""First: the first item, or the first of each key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from rxdag.contract import Duration, Emit, Kernel, Operator, first_call
from rxdag.expressions import Field
from rxdag.operators._arguments import field_or_none
from rxdag.operators.keyed._by_key import KeyedKernel, Lasting, ttl_ns
from rxdag.operators.keyed._predicated import Predicated

A = TypeVar("A")


class _FirstKernel(Kernel):
    state = ("is_found",)

    def __init__(self, fn: Callable[[Any], Any] | None) -> None:
        self._fn = first_call(fn, "first: predicate", self, "_fn")
        self.is_found = False

    def is_finished(self) -> bool:
        return self.is_found

    def on_item(self, item: Any, emit: Emit[Any]) -> None:
        if self._fn is not None and not self._fn(item):
            return emit.filtered(item)
        self.is_found = True
        emit(item)
        return None


class _KeyedFirstKernel(KeyedKernel):
    """The keys whose first item has passed."""

    def __init__(self, fn: Callable[[Any], Any] | None, lasting: Lasting) -> None:
        super().__init__(lasting)
        self._fn = first_call(fn, "first: predicate", self, "_fn")

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, now: int, emit: Emit[Any]) -> None:
        at = now if self.by_clock else ts
        if self.found(key, at) is not None:
            self.keep(key, True, at)
            return emit.filtered(item)
        if self._fn is not None and not self._fn(item):
            return emit.filtered(item)
        self.begin(key, True, at, emit)
        emit(item)
        return None


@dataclass(frozen=True)
class _First(Predicated[A]):
    label = "first"

    def kernel(self) -> _FirstKernel | _KeyedFirstKernel:
        if self.by_key or self.ttl_ns is not None:
            return _KeyedFirstKernel(self.fn_or_none(), self.lasting)
        return _FirstKernel(self.fn_or_none())


def first(
    predicate: Field[A, bool] | None = None,
    /,
    *,
    ttl: Duration | None = None,
    clock: Literal["event", "processing"] | None = None,
) -> Operator[A, A]:
    """Pass the first item, or the first that meets a condition; per key if keyed.

    Without keys, the stream ends with that item. On a keyed stream, the first item of each key passes and the source is
    read to its end. If no item qualifies, nothing is emitted, where RxPY's `first` fails; use `default_if_empty` for a
    default.

    Emits: that item, or one per key.
    Drops: the items before it, counted as `filtered`; on a keyed stream also later items of the same key. Without keys,
        later items that are already under way are counted as `unread`.
    Holds: nothing; on a keyed stream each key whose first item has passed. With `ttl`, a key is forgotten after a
        silence of `ttl` and starts again.
    Ends: with that item, or when the source ends; on a keyed stream, or with `ttl`, only when the source ends. Fails:
        if `predicate` raises, subject to the node's `on_error`.
    Clock: none. `ttl` uses event time if the stream has it, else processing time; `clock` overrides this.

    Args:
        predicate: A function of the item, a field name, or an expression; None for any item.
        ttl: How long to keep a key after its last item, more than 0; by default for ever.
        clock: Clock for `ttl`: "event" or "processing".

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> feed(ops.first(lambda x: x > 1), [1, 2, 3])
        [2]
    """
    return _First(field_or_none(predicate, "first: predicate"), ttl_ns=ttl_ns(ttl, clock, "first"), chosen_clock=clock)
