"""One value of those in a pane: the least, the greatest, the first, the last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self, TypeVar

from rxdag.contract import MAX, MIN, Accumulator, Aggregate, ColumnsAggregate, Shape, finite
from rxdag.expressions import Field, bound, check_field, getter, why_opaque

A = TypeVar("A")
V = TypeVar("V")

_INF = float("inf")


class _Min(Accumulator[Any, float]):
    __slots__ = ("_get", "least")
    state = ("least",)

    def __init__(self, get: Callable[[Any], float]) -> None:
        self._get = get
        self.least = _INF

    def check(self, item: Any, /) -> None:
        finite(self._get(item), "min: value")

    def add(self, item: Any, /) -> None:
        value = finite(self._get(item), "min: value")
        if value < self.least:
            self.least = value

    def remove(self, item: Any, /) -> bool:
        return bool(self._get(item) > self.least)

    def result(self) -> float:
        return self.least

    def merge(self, other: _Min, /) -> None:
        if other.least < self.least:
            self.least = other.least


class _Max(Accumulator[Any, float]):
    __slots__ = ("_get", "most")
    state = ("most",)

    def __init__(self, get: Callable[[Any], float]) -> None:
        self._get = get
        self.most = -_INF

    def check(self, item: Any, /) -> None:
        finite(self._get(item), "max: value")

    def add(self, item: Any, /) -> None:
        value = finite(self._get(item), "max: value")
        if value > self.most:
            self.most = value

    def remove(self, item: Any, /) -> bool:
        return bool(self._get(item) < self.most)

    def result(self) -> float:
        return self.most

    def merge(self, other: _Max, /) -> None:
        if other.most > self.most:
            self.most = other.most


class _First(Accumulator[Any, Any]):
    __slots__ = ("_get", "sequence", "ts", "value")
    state = ("ts", "sequence", "value")

    def __init__(self, get: Callable[[Any], Any]) -> None:
        self._get = get
        self.ts = MAX
        self.sequence = 0
        self.value: Any = None

    def check(self, item: Any, /) -> None:
        self._get(item)

    def add(self, item: Any, /) -> None:
        if self.ts == MAX:
            self.add_at(item, 0, 0)

    def add_at(self, item: Any, ts: int, sequence: int, /) -> None:
        value = self._get(item)
        if self.ts == MAX or ts < self.ts or (ts == self.ts and sequence < self.sequence):
            self.ts = ts
            self.sequence = sequence
            self.value = value

    def result(self) -> Any:
        return self.value

    def merge(self, other: _First, /) -> None:
        if (other.ts, other.sequence) < (self.ts, self.sequence):
            self.ts, self.sequence, self.value = other.ts, other.sequence, other.value


class _Last(Accumulator[Any, Any]):
    __slots__ = ("_get", "sequence", "ts", "value")
    state = ("ts", "sequence", "value")

    def __init__(self, get: Callable[[Any], Any]) -> None:
        self._get = get
        self.ts = MIN
        self.sequence = 0
        self.value: Any = None

    def check(self, item: Any, /) -> None:
        self._get(item)

    def add(self, item: Any, /) -> None:
        self.add_at(item, self.ts if self.ts > MIN else MIN + 1, self.sequence)

    def add_at(self, item: Any, ts: int, sequence: int, /) -> None:
        value = self._get(item)
        if self.ts == MIN or ts > self.ts or (ts == self.ts and sequence >= self.sequence):
            self.ts = ts
            self.sequence = sequence
            self.value = value

    def result(self) -> Any:
        return self.value

    def merge(self, other: _Last, /) -> None:
        if (other.ts, other.sequence) >= (self.ts, self.sequence):
            self.ts, self.sequence, self.value = other.ts, other.sequence, other.value


@dataclass(frozen=True)
class _Picked(Aggregate[A, Any]):
    value: Field[A, Any]

    def check(self, item_type: Any, where: str) -> None:
        check_field(self.value, item_type, f"{where}: value")

    def bound(self, shape: Shape) -> Self:
        return replace(self, value=bound(self.value, shape.item_type))


@dataclass(frozen=True)
class _MinOf(_Picked[A]):
    def accumulator(self) -> _Min:
        return _Min(getter(self.value))

    def in_columns(self) -> ColumnsAggregate | str:
        return _extreme(self.value, "min")


@dataclass(frozen=True)
class _MaxOf(_Picked[A]):
    def accumulator(self) -> _Max:
        return _Max(getter(self.value))

    def in_columns(self) -> ColumnsAggregate | str:
        return _extreme(self.value, "max")


@dataclass(frozen=True)
class _FirstOf(_Picked[A]):
    def accumulator(self) -> _First:
        return _First(getter(self.value))

    def in_columns(self) -> ColumnsAggregate | str:
        return _each(self.value, _First)


@dataclass(frozen=True)
class _LastOf(_Picked[A]):
    def accumulator(self) -> _Last:
        return _Last(getter(self.value))

    def in_columns(self) -> ColumnsAggregate | str:
        return _each(self.value, _Last)


def _each(value: Any, make: Callable[[Callable[[Any], Any]], Accumulator[Any, Any]]) -> ColumnsAggregate | str:
    """An accumulator of values for each pane; or why there is none."""
    reason = why_opaque(value)
    if reason is not None:
        return reason
    from rxdag.aggregates._each import EachValue, itself  # it loads numpy

    return EachValue(value, None, lambda: make(itself))


def _extreme(value: Any, which: str) -> ColumnsAggregate | str:
    reason = why_opaque(value)
    if reason is not None:
        return reason
    from rxdag.aggregates._arrays import ArrayExtreme  # it loads numpy

    return ArrayExtreme(value, lambda given: finite(given, f"{which}: value"), is_max=which == "max")


def min(value: Field[A, float], /) -> Aggregate[A, float]:
    """The least value; of equal ones the first that came.

    Args:
        value: A finite number of each item: a field's name, `col.<name>` or a function. Others go to port "dead".

    Example:
        >>> aggregate(agg.min(lambda x: x), [2, 1, 3])
        1
    """
    check_field(value, None, "min: value")
    return _MinOf(value)


def max(value: Field[A, float], /) -> Aggregate[A, float]:
    """The greatest value; of equal ones the first that came.

    Args:
        value: A finite number of each item: a field's name, `col.<name>` or a function. Others go to port "dead".

    Example:
        >>> aggregate(agg.max(lambda x: x), [2, 1, 3])
        3
    """
    check_field(value, None, "max: value")
    return _MaxOf(value)


def first(value: Field[A, V], /) -> Aggregate[A, V]:
    """The value of the first item by (event time, sequence, arrival).

    Args:
        value: Anything of each item: a field's name, `col.<name>` or a function.

    Example:
        >>> aggregate(agg.first(lambda x: x), "abc")
        'a'
    """
    check_field(value, None, "first: value")
    return _FirstOf(value)


def last(value: Field[A, V], /) -> Aggregate[A, V]:
    """The value of the last item by (event time, sequence, arrival).

    Args:
        value: Anything of each item: a field's name, `col.<name>` or a function.

    Example:
        >>> aggregate(agg.last(lambda x: x), "abc")
        'c'
    """
    check_field(value, None, "last: value")
    return _LastOf(value)
