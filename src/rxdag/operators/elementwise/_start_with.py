"""Start with: items before those of a stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from rxdag.contract import Emit, Kernel, Operator, Shape
from rxdag.errors import GraphError

A = TypeVar("A")


class _StartWithKernel(Kernel):
    def __init__(self, items: tuple[Any, ...]) -> None:
        self._items = items

    def on_start(self, now: int, emit: Emit[Any]) -> None:
        for item in self._items:
            emit.made(item, ts=0, sequence=0, key=None)

    def on_item(self, item: Any, emit: Emit[Any]) -> None:
        emit(item)


@dataclass(frozen=True)
class _StartWith(Operator[A, A], Generic[A]):
    items: tuple[A, ...]
    label = "start_with"

    def check(self, shape: Shape, where: str) -> None:
        if shape.timed or shape.keyed:
            what, before = ("a key", "key_by") if shape.keyed else ("event time", "event_time")
            raise GraphError(f"{where}: its items have no {what.split()[-1]}; put start_with before ops.{before}(...)")

    def shape(self, shape: Shape) -> Shape:
        return shape

    def kernel(self) -> _StartWithKernel:
        return _StartWithKernel(self.items)


def start_with(*items: A) -> Operator[A, A]:
    """Emit some items before those of the stream.

    Emits: the items given, when the run starts; then every item.
    Drops: nothing.
    Holds: nothing.
    Ends: when the source ends. Fails: if the source fails.
    Clock: none.

    Args:
        items: One or more items to emit first.

    Raises:
        GraphError: If there are no items, or the stream has event time or keys, which these items would lack.

    Example:
        >>> feed(ops.start_with(0), [1, 2])
        [0, 1, 2]
    """
    if not items:
        raise GraphError("start_with: takes one item or more, got none")
    return _StartWith(items)
