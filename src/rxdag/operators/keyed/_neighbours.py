"""Operators that look at an item and the one before it, or at there being none."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Generic, Self, TypeVar

from rxdag.contract import MIN, Emit, Kernel, Operator, Shape
from rxdag.expressions import Field, Reader, bound, check_field, getter, why_opaque
from rxdag.operators._arguments import field_or_none, whole
from rxdag.operators._compact import pop_first

A = TypeVar("A")
B = TypeVar("B")


class _PairwiseKernel(Kernel):
    state = ("kept",)
    passes = False

    def __init__(self) -> None:
        self.kept: list[Any] = []

    def on_item(self, item: Any, ts: int, sequence: int, emit: Emit[Any]) -> None:
        before, self.kept = self.kept, [item, ts, sequence]
        if not before:
            return
        emit.absorbed(1)
        newer = (ts, sequence) >= (before[1], before[2])
        emit((before[0], item), ts=ts if newer else before[1], sequence=sequence if newer else before[2])

    def held(self) -> int:
        return 1 if self.kept else 0

    def on_end(self, emit: Emit[Any]) -> None:
        if self.kept:
            self.kept = []
            emit.absorbed(1)


@dataclass(frozen=True)
class _Pairwise(Operator[A, "tuple[A, A]"], Generic[A]):
    label = "pairwise"

    def kernel(self) -> _PairwiseKernel:
        return _PairwiseKernel()


def pairwise() -> Operator[A, tuple[A, A]]:
    """Put each item together with the one before it.

    Emits: (item before, item) for each item but the first, with the later event time of the two, and the key of the item.
    Drops: nothing; every item is counted as `absorbed`.
    Holds: one item.
    Ends: when the source ends. Fails: when the source fails.
    Clock: none.

    Example:
        >>> feed(ops.pairwise(), [1, 2, 4])
        [(1, 2), (2, 4)]
    """
    return _Pairwise()


class _ChangedKernel(Kernel):
    """The last value of each key; of a stream without keys, of the one key None."""

    state = ("values",)

    def __init__(self, value_of: Callable[[Any], Any] | None, max_keys: int | None) -> None:
        self._value_of = value_of
        self._max_keys = max_keys
        self.values: dict[Any, Any] = {} if max_keys is None else OrderedDict()

    def on_item(self, item: Any, key: Any, emit: Emit[Any]) -> None:
        value = item if self._value_of is None else self._value_of(item)
        values = self.values
        if key in values and values[key] == value:
            return emit.dropped(item, "unchanged")
        if self._max_keys is not None:
            values.pop(key, None)
        values[key] = value
        if self._max_keys is not None and len(values) > self._max_keys:
            pop_first(values)
        emit(item)
        return None

    def in_columns(self) -> Kernel | str:
        if self._value_of is None:
            return "it compares whole items"
        if not isinstance(self._value_of, Reader):
            return why_opaque(self._value_of) or ""
        if self._max_keys is not None:
            return "max_keys is counted item by item"
        from rxdag.operators.keyed._changed_columns import ChangedColumnsKernel  # it loads numpy

        return ChangedColumnsKernel(self._value_of)

    def snapshot(self) -> dict[str, Any]:
        return {"values": [[key, value] for key, value in self.values.items()]}

    def restore(self, saved: dict[str, Any]) -> None:
        self.values.clear()
        self.values.update({key: value for key, value in saved["values"]})  # noqa: C416  # the rows are lists


@dataclass(frozen=True)
class _Changed(Operator[A, A], Generic[A]):
    value: Field[A, Any] | None
    max_keys: int | None
    label = "distinct_until_changed"

    def check(self, shape: Shape, where: str) -> None:
        if self.value is not None:
            check_field(self.value, shape.item_type, f"{where}: value")

    def bound(self, shape: Shape) -> Self:
        return replace(self, value=bound(self.value, shape.item_type))

    def shape(self, shape: Shape) -> Shape:
        return shape

    def kernel(self) -> _ChangedKernel:
        return _ChangedKernel(None if self.value is None else getter(self.value), self.max_keys)


def distinct_until_changed(value: Field[A, Any] | None = None, /, *, max_keys: int | None = None) -> Operator[A, A]:
    """Pass an item only if it is not equal to the one before it; on a keyed stream, to the one before it of its key.

    Emits: the first item, and every item whose value is not equal to that of the last.
    Drops: every other item, counted as dropped, reason "unchanged". NaN is equal to nothing, so it passes.
    Holds: one value; on a keyed stream one for each key, with `max_keys` no more than that many: the key that has not
        changed for longest goes first, and its next item passes.
    Ends: when the source ends. Fails: when `value` or the comparison raises, by the node's `on_error`.
    Clock: none.

    Args:
        value: What to compare: a function of the item, a field's name, or an expression; None for the item itself.
        max_keys: Most keys to remember, 1 or more; None for all that there are.

    Raises:
        GraphError: If an argument is not as above.

    Example:
        >>> feed(ops.distinct_until_changed(), [1, 1, 2, 2, 1])
        [1, 2, 1]
    """
    if max_keys is not None:
        whole(max_keys, "distinct_until_changed: max_keys", least=1)
    return _Changed(field_or_none(value, "distinct_until_changed: value"), max_keys)


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
    """Give out a value if the source ends without an item.

    Emits: every item; or the value, with the earliest event time there is and the key None, if there was none.
    Drops: nothing.
    Holds: nothing.
    Ends: when the source ends. Fails: when the source fails.
    Clock: none.

    Args:
        value: What to give out.

    Example:
        >>> feed(ops.default_if_empty(0), [])
        [0]
    """
    return _Default(value)
