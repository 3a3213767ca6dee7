"""Operators that make one value of the whole stream, or one of each key: count, sum, min and max."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, Literal, Self, TypeVar

from rxdag.contract import Duration, Kernel, Operator, Shape
from rxdag.expressions import Field, FieldReader, bound, called, check_field, check_number, element, why_opaque
from rxdag.operators._arguments import field_or_none
from rxdag.operators.keyed._by_key import ByKey, ttl_ns
from rxdag.operators.keyed._expiring import ABSENT
from rxdag.operators.keyed._expiring_total_kernel import ExpiringTotalKernel
from rxdag.operators.keyed._fold_kernel import FoldKernel, KeyedFoldKernel, added, counted, greater, lesser

A = TypeVar("A")
B = TypeVar("B")


class _TotalKernel(FoldKernel):
    """Spends all items in one number."""

    def __init__(self, name: str, initial: Any, step: Callable[[Any, Any], Any], field: Any) -> None:
        super().__init__(initial, step, None if field is None else called(field))
        self._name = name
        self._field = bound(element, Any) if field is None else field

    def in_columns(self) -> Kernel | str:
        if not isinstance(self._field, FieldReader):
            return why_opaque(self._field) or ""
        from rxdag.operators.keyed._totals_columns import TotalColumnsKernel  # it loads numpy

        return TotalColumnsKernel(self._name, self.value, self.fn, self._field)


@dataclass(frozen=True)
class _Total(ByKey[A, B], Generic[A, B]):
    """A total over a field."""

    value: Field[A, B] | None
    name: str
    keeps_order = False

    def __repr__(self) -> str:
        return f"{self.name}({'' if self.value is None else repr(self.value)})"

    @property
    def label(self) -> str:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # one class, several operators
        return self.name

    def check(self, shape: Shape, where: str) -> None:
        super().check(shape, where)
        if self.value is not None:
            check = check_number if self.name == "sum" else check_field
            check(self.value, shape.item_type, f"{where}: value")

    def bound(self, shape: Shape) -> Self:
        return replace(super().bound(shape), value=bound(self.value, shape.item_type))

    def kernel(self) -> FoldKernel | KeyedFoldKernel | ExpiringTotalKernel:
        initial, step = _STEPS[self.name]
        value_of = None if self.value is None else called(self.value)
        if self.ttl_ns is not None:
            return ExpiringTotalKernel(initial, step, self.lasting, by_key=self.by_key, value_of=value_of)
        if self.by_key:
            return KeyedFoldKernel(initial, step, value_of)
        return _TotalKernel(self.name, initial, step, self.value)


_STEPS: Final[dict[str, tuple[Any, Callable[[Any, Any], Any]]]] = {
    "count": (0, counted),
    "sum": (0, added),
    "min": (ABSENT, lesser),
    "max": (ABSENT, greater),
}


def count(*, ttl: Duration | None = None, clock: Literal["event", "processing"] | None = None) -> Operator[Any, int]:
    """Count the items; on a keyed stream, per key.

    Emits: the count, when the source ends; 0 for an empty stream without keys. Keys are emitted in key order, with the
        largest event time of the stream. With `ttl`, the count of a key is emitted once the key has been silent for
        `ttl`, with that time; the key then starts again.
    Drops: nothing; every item is counted as `absorbed`.
    Holds: one number, or one per key; with `ttl`, until the key has been silent for `ttl`.
    Ends: when the source ends. Fails: if the source fails.
    Clock: none. `ttl` uses event time if the stream has it, else processing time; `clock` overrides this.

    Args:
        ttl: How long to keep a key after its last item, more than 0; by default until the source ends.
        clock: Clock for `ttl`: "event" or "processing".

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> feed(ops.count(), "abc")
        [3]
    """
    return _Total[Any, int](None, "count", ttl_ns=ttl_ns(ttl, clock, "count"), chosen_clock=clock)


def sum(
    value: Field[A, Any] | None = None,
    /,
    *,
    ttl: Duration | None = None,
    clock: Literal["event", "processing"] | None = None,
) -> Operator[A, Any]:
    """Sum the items, or a value of each; on a keyed stream, per key.

    Values are added in order of arrival.

    Emits: the sum, when the source ends; 0 for an empty stream without keys. Keys are emitted in key order, with the
        largest event time of the stream. With `ttl`, the sum of a key is emitted once the key has been silent for
        `ttl`, with that time; the key then starts again.
    Drops: nothing; every item is counted as `absorbed`.
    Holds: one number, or one per key; with `ttl`, until the key has been silent for `ttl`.
    Ends: when the source ends. Fails: if a value cannot be read or added, subject to the node's `on_error`.
    Clock: none. `ttl` uses event time if the stream has it, else processing time; `clock` overrides this.

    Args:
        value: A function of the item, a field name, or an expression; None for the item itself.
        ttl: How long to keep a key after its last item, more than 0; by default until the source ends.
        clock: Clock for `ttl`: "event" or "processing".

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> feed(ops.sum(), [1, 2, 3])
        [6]
    """
    return _Total(field_or_none(value, "sum: value"), "sum", ttl_ns=ttl_ns(ttl, clock, "sum"), chosen_clock=clock)


def min(
    value: Field[A, B] | None = None,
    /,
    *,
    ttl: Duration | None = None,
    clock: Literal["event", "processing"] | None = None,
) -> Operator[A, Any]:
    """Return the smallest item, or the smallest value; on a keyed stream, per key.

    Emits: the minimum, when the source ends; nothing for an empty stream, where RxPY's `min` fails. Of equal ones, the
        first. Keys are emitted in key order, with the largest event time of the stream. With `ttl`, the minimum of a
        key is emitted once the key has been silent for `ttl`, with that time; the key then starts again.
    Drops: NaN and None, which have no order, go to port "dead"; every other item is counted as `absorbed`.
    Holds: one value, or one per key; with `ttl`, until the key has been silent for `ttl`.
    Ends: when the source ends. Fails: if a value cannot be read or compared, subject to the node's `on_error`.
    Clock: none. `ttl` uses event time if the stream has it, else processing time; `clock` overrides this.

    Args:
        value: A function of the item, a field name, or an expression; None for the item itself.
        ttl: How long to keep a key after its last item, more than 0; by default until the source ends.
        clock: Clock for `ttl`: "event" or "processing".

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> feed(ops.min(), [2, 1, 3])
        [1]
    """
    return _Total(field_or_none(value, "min: value"), "min", ttl_ns=ttl_ns(ttl, clock, "min"), chosen_clock=clock)


def max(
    value: Field[A, B] | None = None,
    /,
    *,
    ttl: Duration | None = None,
    clock: Literal["event", "processing"] | None = None,
) -> Operator[A, Any]:
    """Return the largest item, or the largest value; on a keyed stream, per key.

    Emits: the maximum, when the source ends; nothing for an empty stream, where RxPY's `max` fails. Of equal ones, the
        first. Keys are emitted in key order, with the largest event time of the stream. With `ttl`, the maximum of a
        key is emitted once the key has been silent for `ttl`, with that time; the key then starts again.
    Drops: NaN and None, which have no order, go to port "dead"; every other item is counted as `absorbed`.
    Holds: one value, or one per key; with `ttl`, until the key has been silent for `ttl`.
    Ends: when the source ends. Fails: if a value cannot be read or compared, subject to the node's `on_error`.
    Clock: none. `ttl` uses event time if the stream has it, else processing time; `clock` overrides this.

    Args:
        value: A function of the item, a field name, or an expression; None for the item itself.
        ttl: How long to keep a key after its last item, more than 0; by default until the source ends.
        clock: Clock for `ttl`: "event" or "processing".

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> feed(ops.max(), [2, 1, 3])
        [3]
    """
    return _Total(field_or_none(value, "max: value"), "max", ttl_ns=ttl_ns(ttl, clock, "max"), chosen_clock=clock)
