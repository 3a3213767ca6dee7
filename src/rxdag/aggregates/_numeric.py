"""Aggregates of numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

from rxdag.aggregates._by_factory import ByFactory
from rxdag.aggregates.accumulators import Count, Sum, Vwap
from rxdag.contract import Aggregate, ColumnsAggregate, ItemT, Shape
from rxdag.expressions import Field, bound, called, check_field, check_number, why_opaque


@dataclass(frozen=True)
class _CountOf(ByFactory[object, int]):
    def factory(self) -> Callable[[], Count]:
        return Count

    def in_columns(self) -> ColumnsAggregate:
        from rxdag.aggregates._arrays import ArrayCount  # it loads numpy

        return ArrayCount()


def count() -> Aggregate[object, int]:
    """Count the items.

    Example:
        >>> aggregate(agg.count(), "abc")
        3
    """
    return _CountOf()


@dataclass(frozen=True)
class _SumOf(ByFactory[ItemT, float]):
    value: Field[ItemT, float]

    def check(self, item_type: Any, where: str) -> None:
        check_number(self.value, item_type, f"{where}: value")

    def bound(self, shape: Shape) -> Self:
        return replace(self, value=bound(self.value, shape.item_type))

    def factory(self) -> Callable[[], Sum]:
        return partial(Sum, called(self.value))

    def in_columns(self) -> ColumnsAggregate | str:
        reason = why_opaque(self.value)
        if reason is not None:
            return reason
        from rxdag.aggregates._arrays import ArraySum  # it loads numpy

        return ArraySum(self.value, "sum: value")


def sum(value: Field[ItemT, float], /) -> Aggregate[ItemT, float]:
    """Sum a value in order of arrival.

    Overlapping windows sum each stretch of time in order of arrival, and then the stretches in order.

    Args:
        value: A finite number per item: a field name, `col.<name>` or a function. Other values go to port "dead".

    Example:
        >>> aggregate(agg.sum(lambda x: x), [1, 2, 3])
        6
    """
    check_field(value, None, "sum: value")
    return _SumOf(value)


@dataclass(frozen=True)
class _VwapOf(ByFactory[ItemT, "float | None"]):
    price: Field[ItemT, float]
    qty: Field[ItemT, float]

    def check(self, item_type: Any, where: str) -> None:
        check_number(self.price, item_type, f"{where}: price")
        check_number(self.qty, item_type, f"{where}: qty")

    def bound(self, shape: Shape) -> Self:
        return replace(self, price=bound(self.price, shape.item_type), qty=bound(self.qty, shape.item_type))

    def factory(self) -> Callable[[], Vwap]:
        return partial(Vwap, called(self.price), called(self.qty))

    def in_columns(self) -> ColumnsAggregate | str:
        reason = why_opaque(self.price, self.qty)
        if reason is not None:
            return reason
        from rxdag.aggregates._arrays import ArrayVwap  # it loads numpy

        return ArrayVwap(self.price, self.qty, "vwap")


def vwap(price: Field[ItemT, float], qty: Field[ItemT, float]) -> Aggregate[ItemT, float | None]:
    """Compute the volume-weighted average price; None if the volume is 0.

    Args:
        price: Finite price of each item: a field name, `col.<name>` or a function.
        qty: Quantity of each item, finite, 0 or more. Items with an invalid price or quantity go to port "dead".

    Example:
        >>> aggregate(agg.vwap(lambda t: t[0], lambda t: t[1]), [(10.0, 1), (20.0, 3)])
        17.5
    """
    check_field(price, None, "vwap: price")
    check_field(qty, None, "vwap: qty")
    return _VwapOf(price, qty)
