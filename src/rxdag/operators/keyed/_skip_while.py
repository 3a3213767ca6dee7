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
    """Leave out items until one does not meet a condition.

    On a keyed stream each key begins to pass with such an item of its own.

    Emits: the first item for which `predicate` is false, and every item behind it; on a keyed stream those of its key.
    Drops: the items before it, counted as `filtered`.
    Holds: nothing; on a keyed stream each key that is open, with `ttl` until nothing has come for it for so long, and it
        begins anew.
    Ends: when the source ends. Fails: when `predicate` raises, by the node's `on_error`.
    Clock: none; with `ttl` event time if the stream has it, else processing time; `clock` chooses.

    Args:
        predicate: A function of the item, a field's name, or an expression.
        ttl: How long a key that is open lasts after its last item, more than 0; by default for ever.
        clock: Of `ttl`: "event" or "processing".

    Raises:
        GraphError: If an argument is not as above.

    Example:
        >>> feed(ops.skip_while(lambda x: x < 3), [1, 2, 3, 1])
        [3, 1]
    """
    return _SkipWhile(
        field_of(predicate, "skip_while: predicate"), ttl_ns=ttl_ns(ttl, clock, "skip_while"), chosen_clock=clock
    )
