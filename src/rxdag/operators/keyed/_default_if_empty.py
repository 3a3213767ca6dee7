"""Default if empty: a value where there was no item."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from rxdag.contract import MIN, Emit, Kernel, Operator, Shape

A = TypeVar("A")
B = TypeVar("B")


class _DefaultKernel(Kernel):
    state = ("is_empty",)

    def __init__(self, value: Any) -> None:
        self._value = value
        self.is_empty = True

    def on_item(self, item: Any, emit: Emit[Any]) -> None:
        self.is_empty = False
        emit(item)

    def on_end(self, emit: Emit[Any]) -> None:
        if self.is_empty:
            self.is_empty = False
            emit.made(self._value, ts=MIN + 1, sequence=0, key=None)


@dataclass(frozen=True)
class _Default(Operator[A, "A | B"], Generic[A, B]):
    value: B
    label = "default_if_empty"

    def shape(self, shape: Shape) -> Shape:
        return replace(shape, item_type=None)

    def kernel(self) -> _DefaultKernel:
        return _DefaultKernel(self.value)


def default_if_empty(value: B, /) -> Operator[A, A | B]:
    """Emit a value if the source ends without an item.

    Emits: every item; if there were none, the value, with the earliest possible event time and the key None.
    Drops: nothing.
    Holds: nothing.
    Ends: when the source ends. Fails: if the source fails.
    Clock: none.

    Args:
        value: The item to emit.

    Example:
        >>> feed(ops.default_if_empty(0), [])
        [0]
    """
    return _Default(value)
