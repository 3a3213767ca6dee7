"""The common part of joins by distance in time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rxdag.contract import Emit, FanIn, Shape
from rxdag.errors import GraphError
from rxdag.operators.joining._combine import common_shape


@dataclass(slots=True, eq=False)
class Row:
    """An item that waits for partners; in `n` windows still, and whether it was in an output."""

    item: Any
    ts: int
    input: int
    n: int = 1
    was_paired: bool = False

    def let_go(self, emit: Emit[Any]) -> int:
        """Leave one window; 1 if that was the last."""
        self.n -= 1
        if self.n:
            return 0
        if self.was_paired:
            emit.absorbed(1)
        else:
            emit.dropped(self.item, "unmatched")
        return 1


@dataclass(frozen=True)
class TimeJoin(FanIn):
    """The common part of the two time joins."""

    into: Callable[[Any, Any], Any] | None
    needs_event_time = True

    @property
    def holds_for_watermarks(self) -> bool:
        return True

    @property
    def ports(self) -> tuple[str, ...]:
        return ("out", "late", "dead")

    def merged(self, shapes: tuple[Shape, ...]) -> Shape:
        left, right = shapes
        if not left.keyed or not right.keyed:
            raise GraphError(f"{self.label}: both streams must have keys; put ops.key_by(...) before each")
        shape = common_shape(shapes)
        return Shape(None, timed=shape.timed, keyed=True, key_names=left.key_names)

    def shape(self, shape: Shape) -> Shape:
        return shape
