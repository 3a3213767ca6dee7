"""Operators that make one value of the whole stream."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, Self, TypeVar

from rxdag.contract import MIN, Emit, Kernel, Shape, Unkeyed
from rxdag.expressions import Field, bound, check_field, getter
from rxdag.operators._arguments import field_or_none
from rxdag.operators.keyed._expiring import ABSENT

A = TypeVar("A")
B = TypeVar("B")


class FoldKernel(Kernel):
    """Spends all items in one value, which comes out at the end."""

    state = ("value", "n", "ts", "sequence")
    passes = False

    def __init__(self, initial: Any, fn: Callable[[Any, Any], Any]) -> None:
        self.value = initial
        self._fn = fn
        self.n = 0
        self.ts = MIN + 1
        self.sequence = 0

    def on_item(self, item: Any, ts: int, sequence: int, emit: Emit[Any]) -> None:
        self.value = self._fn(self.value, item)
        self.n += 1
        if ts >= self.ts:
            self.ts = ts
            self.sequence = sequence

    def held(self) -> int:
        return self.n

    def on_end(self, emit: Emit[Any]) -> None:
        emit.absorbed(self.n)
        self.n = 0
        if self.value is not ABSENT:
            emit(self.value, ts=self.ts, sequence=self.sequence, key=None)

    def snapshot(self) -> dict[str, Any]:
        return {**super().snapshot(), "value": [] if self.value is ABSENT else [self.value]}

    def restore(self, saved: dict[str, Any]) -> None:
        super().restore(saved)
        self.value = saved["value"][0] if saved["value"] else ABSENT


def _counted(n: int, _: Any) -> int:
    return n + 1


def _added(total: Any, value: Any) -> Any:
    return total + value


def _lesser(least: Any, value: Any) -> Any:
    return value if least is ABSENT or value < least else least


def _greater(most: Any, value: Any) -> Any:
    return value if most is ABSENT or value > most else most


class _Of:
    """A step of a fold over a field of the items."""

    def __init__(self, step: Callable[[Any, Any], Any], value_of: Callable[[Any], Any]) -> None:
        self._step = step
        self._value_of = value_of

    def __call__(self, total: Any, item: Any) -> Any:
        return self._step(total, self._value_of(item))


@dataclass(frozen=True)
class _FoldField(Unkeyed[A, B], Generic[A, B]):
    """A fold over a field."""

    value: Field[A, B] | None
    name: str

    def __repr__(self) -> str:
        return f"{self.name}({'' if self.value is None else repr(self.value)})"

    @property
    def label(self) -> str:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # one class, several operators
        return self.name

    def check(self, shape: Shape, where: str) -> None:
        if self.value is not None:
            check_field(self.value, shape.item_type, f"{where}: value")

    def bound(self, shape: Shape) -> Self:
        return replace(self, value=bound(self.value, shape.item_type))

    def kernel(self) -> FoldKernel:
        initial, step = _STEPS[self.name]
        return FoldKernel(initial, step if self.value is None else _Of(step, getter(self.value)))


_STEPS: Final[dict[str, tuple[Any, Callable[[Any, Any], Any]]]] = {
    "count": (0, _counted),
    "sum": (0, _added),
    "min": (ABSENT, _lesser),
    "max": (ABSENT, _greater),
}


def count() -> Unkeyed[Any, int]:
    """Count the items.

    Emits: how many there were, when the source ends; 0 of an empty stream. Its event time is the largest.
    Drops: nothing; every item is counted as `absorbed`.
    Holds: one number.
    Ends: when the source ends. Fails: when the source fails.
    Clock: none.

    Example:
        >>> feed(ops.count(), "abc")
        [3]
    """
    return _FoldField[Any, int](None, "count")


def sum(value: Field[A, Any] | None = None, /) -> Unkeyed[A, Any]:
    """Add up the items, or a value of each, in order of arrival.

    Emits: the sum, when the source ends; 0 of an empty stream. Its event time is the largest.
    Drops: nothing; every item is counted as `absorbed`.
    Holds: one number.
    Ends: when the source ends. Fails: when a value cannot be had or added, by the node's `on_error`.
    Clock: none.

    Args:
        value: A function of the item, a field's name, or an expression; None for the item itself.

    Raises:
        GraphError: If `value` is none of these.

    Example:
        >>> feed(ops.sum(), [1, 2, 3])
        [6]
    """
    return _FoldField(field_or_none(value, "sum: value"), "sum")


def min(value: Field[A, B] | None = None, /) -> Unkeyed[A, Any]:
    """Find the least item, or the least value of all.

    Emits: it, when the source ends; nothing of an empty stream, where RxPY's `min` fails. Of equal ones the first. Its
        event time is the largest of the stream.
    Drops: nothing; every item is counted as `absorbed`.
    Holds: one value.
    Ends: when the source ends. Fails: when a value cannot be had or compared, by the node's `on_error`.
    Clock: none.

    Args:
        value: A function of the item, a field's name, or an expression; None for the item itself.

    Raises:
        GraphError: If `value` is none of these.

    Example:
        >>> feed(ops.min(), [2, 1, 3])
        [1]
    """
    return _FoldField(field_or_none(value, "min: value"), "min")


def max(value: Field[A, B] | None = None, /) -> Unkeyed[A, Any]:
    """Find the greatest item, or the greatest value of all.

    Emits: it, when the source ends; nothing of an empty stream, where RxPY's `max` fails. Of equal ones the first. Its
        event time is the largest of the stream.
    Drops: nothing; every item is counted as `absorbed`.
    Holds: one value.
    Ends: when the source ends. Fails: when a value cannot be had or compared, by the node's `on_error`.
    Clock: none.

    Args:
        value: A function of the item, a field's name, or an expression; None for the item itself.

    Raises:
        GraphError: If `value` is none of these.

    Example:
        >>> feed(ops.max(), [2, 1, 3])
        [3]
    """
    return _FoldField(field_or_none(value, "max: value"), "max")
