"""One value of those in a pane: the least, the greatest, the first, the last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

from rxdag.aggregates._by_factory import ByFactory
from rxdag.aggregates.accumulators import First, Last, Max, Min
from rxdag.contract import Accumulator, Aggregate, ColumnsAggregate, ItemT, Shape, ValueT, finite
from rxdag.expressions import Field, bound, called, check_field, why_opaque


@dataclass(frozen=True)
class _Picked(ByFactory[ItemT, Any]):
    value: Field[ItemT, Any]

    def check(self, item_type: Any, where: str) -> None:
        check_field(self.value, item_type, f"{where}: value")

    def bound(self, shape: Shape) -> Self:
        return replace(self, value=bound(self.value, shape.item_type))


@dataclass(frozen=True)
class _MinOf(_Picked[ItemT]):
    def factory(self) -> Callable[[], Min]:
        return partial(Min, called(self.value))

    def in_columns(self) -> ColumnsAggregate | str:
        return _extreme(self.value, "min")


@dataclass(frozen=True)
class _MaxOf(_Picked[ItemT]):
    def factory(self) -> Callable[[], Max]:
        return partial(Max, called(self.value))

    def in_columns(self) -> ColumnsAggregate | str:
        return _extreme(self.value, "max")


@dataclass(frozen=True)
class _FirstOf(_Picked[ItemT]):
    def factory(self) -> Callable[[], First]:
        return partial(First, called(self.value))

    def in_columns(self) -> ColumnsAggregate | str:
        return _each(self.value, First)


@dataclass(frozen=True)
class _LastOf(_Picked[ItemT]):
    def factory(self) -> Callable[[], Last]:
        return partial(Last, called(self.value))

    def in_columns(self) -> ColumnsAggregate | str:
        return _each(self.value, Last)


def _each(value: Any, make: Callable[[Callable[[Any], Any]], Accumulator[Any, Any]]) -> ColumnsAggregate | str:
    """Return an accumulator of values for each pane, or the reason why there is none."""
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


def min(value: Field[ItemT, float], /) -> Aggregate[ItemT, float]:
    """Return the smallest value; of equal ones, the first to arrive.

    Args:
        value: A finite number per item: a field name, `col.<name>` or a function. Other values go to port "dead".

    Example:
        >>> aggregate(agg.min(lambda x: x), [2, 1, 3])
        1
    """
    check_field(value, None, "min: value")
    return _MinOf(value)


def max(value: Field[ItemT, float], /) -> Aggregate[ItemT, float]:
    """Return the largest value; of equal ones, the first to arrive.

    Args:
        value: A finite number per item: a field name, `col.<name>` or a function. Other values go to port "dead".

    Example:
        >>> aggregate(agg.max(lambda x: x), [2, 1, 3])
        3
    """
    check_field(value, None, "max: value")
    return _MaxOf(value)


def first(value: Field[ItemT, ValueT], /) -> Aggregate[ItemT, ValueT]:
    """Return the value of the first item by (event time, sequence, arrival).

    Args:
        value: Any value of the item: a field name, `col.<name>` or a function.

    Example:
        >>> aggregate(agg.first(lambda x: x), "abc")
        'a'
    """
    check_field(value, None, "first: value")
    return _FirstOf(value)


def last(value: Field[ItemT, ValueT], /) -> Aggregate[ItemT, ValueT]:
    """Return the value of the last item by (event time, sequence, arrival).

    Args:
        value: Any value of the item: a field name, `col.<name>` or a function.

    Example:
        >>> aggregate(agg.last(lambda x: x), "abc")
        'c'
    """
    check_field(value, None, "last: value")
    return _LastOf(value)
