"""Aggregates of numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Self, TypeVar

from rxdag.contract import Accumulator, Aggregate, BadItem, ColumnsAggregate, Shape, finite
from rxdag.errors import shown
from rxdag.expressions import Field, bound, check_field, getter, why_opaque

A = TypeVar("A")

_INF: Final = float("inf")


class _Count(Accumulator[object, int]):
    __slots__ = ("n",)
    state = ("n",)

    def __init__(self) -> None:
        self.n = 0

    def add(self, item: object, /) -> None:
        self.n += 1

    def remove(self, item: object, /) -> bool:
        self.n -= 1
        return True

    def result(self) -> int:
        return self.n

    def merge(self, other: _Count, /) -> None:
        self.n += other.n


@dataclass(frozen=True)
class _CountOf(Aggregate[object, int]):
    def accumulator(self) -> _Count:
        return _Count()

    def in_columns(self) -> ColumnsAggregate:
        from rxdag.aggregates._arrays import ArrayCount  # it loads numpy

        return ArrayCount()


def count() -> Aggregate[object, int]:
    """How many items.

    Example:
        >>> aggregate(agg.count(), "abc")
        3
    """
    return _CountOf()


class _Sum(Accumulator[Any, float]):
    __slots__ = ("_get", "total")
    state = ("total",)

    def __init__(self, get: Callable[[Any], float]) -> None:
        self._get = get
        self.total: float = 0

    def check(self, item: Any, /) -> None:
        finite(self._get(item), "sum: value")

    def add(self, item: Any, /) -> None:
        self.total += finite(self._get(item), "sum: value")

    def remove(self, item: Any, /) -> bool:
        if type(self.total) is not int:  # floats that are added and taken away leave rounding behind
            return False
        self.total -= self._get(item)
        return True

    def result(self) -> float:
        return self.total

    def merge(self, other: _Sum, /) -> None:
        self.total += other.total


@dataclass(frozen=True)
class _SumOf(Aggregate[A, float]):
    value: Field[A, float]

    def check(self, item_type: Any, where: str) -> None:
        check_field(self.value, item_type, f"{where}: value")

    def bound(self, shape: Shape) -> Self:
        return replace(self, value=bound(self.value, shape.item_type))

    def accumulator(self) -> _Sum:
        return _Sum(getter(self.value))

    def in_columns(self) -> ColumnsAggregate | str:
        reason = why_opaque(self.value)
        if reason is not None:
            return reason
        from rxdag.aggregates._arrays import ArraySum  # it loads numpy

        return ArraySum(self.value, lambda value: finite(value, "sum: value"))


def sum(value: Field[A, float], /) -> Aggregate[A, float]:
    """Sum of a value, added in order of arrival.

    Args:
        value: A finite number of each item: a field's name, `col.<name>` or a function. Others go to port "dead".

    Example:
        >>> aggregate(agg.sum(lambda x: x), [1, 2, 3])
        6
    """
    check_field(value, None, "sum: value")
    return _SumOf(value)


class _Vwap(Accumulator[Any, "float | None"]):
    __slots__ = ("_price", "_qty", "turnover", "volume")
    state = ("turnover", "volume")

    def __init__(self, price: Callable[[Any], float], qty: Callable[[Any], float]) -> None:
        self._price = price
        self._qty = qty
        self.turnover = 0.0
        self.volume: float = 0

    def check(self, item: Any, /) -> None:
        priced(self._price(item), self._qty(item), "vwap")

    def add(self, item: Any, /) -> None:
        price, qty = priced(self._price(item), self._qty(item), "vwap")
        self.turnover += price * qty
        self.volume += qty

    def result(self) -> float | None:
        return self.turnover / self.volume if self.volume else None

    def merge(self, other: _Vwap, /) -> None:
        self.turnover += other.turnover
        self.volume += other.volume


def priced(price: Any, qty: Any, where: str) -> tuple[Any, Any]:
    """Return price and quantity if they make a trade, else raise BadItem."""
    finite(price, f"{where}: price")
    finite(qty, f"{where}: qty")
    if qty < 0:
        raise BadItem(f"{where}: qty must be 0 or more, got {shown(qty)}")
    return price, qty


@dataclass(frozen=True)
class _VwapOf(Aggregate[A, "float | None"]):
    price: Field[A, float]
    qty: Field[A, float]

    def check(self, item_type: Any, where: str) -> None:
        check_field(self.price, item_type, f"{where}: price")
        check_field(self.qty, item_type, f"{where}: qty")

    def bound(self, shape: Shape) -> Self:
        return replace(self, price=bound(self.price, shape.item_type), qty=bound(self.qty, shape.item_type))

    def accumulator(self) -> _Vwap:
        return _Vwap(getter(self.price), getter(self.qty))

    def in_columns(self) -> ColumnsAggregate | str:
        reason = why_opaque(self.price, self.qty)
        if reason is not None:
            return reason
        from rxdag.aggregates._arrays import ArrayVwap  # it loads numpy

        return ArrayVwap(self.price, self.qty, lambda price, qty: priced(price, qty, "vwap"))


def vwap(price: Field[A, float], qty: Field[A, float]) -> Aggregate[A, float | None]:
    """Volume-weighted average price; None where nothing was traded.

    Args:
        price: Finite price of each item: a field's name, `col.<name>` or a function.
        qty: Quantity of each item, finite, 0 or more. Items for which this does not hold go to port "dead".

    Example:
        >>> aggregate(agg.vwap(lambda t: t[0], lambda t: t[1]), [(10.0, 1), (20.0, 3)])
        17.5
    """
    check_field(price, None, "vwap: price")
    check_field(qty, None, "vwap: qty")
    return _VwapOf(price, qty)
