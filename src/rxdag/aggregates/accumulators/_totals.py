"""Accumulators of counts and sums."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import Any

from rxdag.aggregates.accumulators._one_number import OneNumber
from rxdag.contract import Accumulator, BadItem, finite, plus
from rxdag.errors import shown


class Count(Accumulator[object, int]):
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

    def merge(self, other: Count, /) -> None:
        self.n += other.n


class Sum(OneNumber[float]):
    __slots__ = ("total",)
    state = ("total",)

    def __init__(self, get: Callable[[Any], Any]) -> None:
        super().__init__(get, "sum: value")
        self.total: Any = 0

    def check_number(self, value: Any, /) -> None:
        plus(self.total, value, "sum: value")

    def add_number(self, value: Any, /) -> None:
        self.total = plus(self.total, value, "sum: value")

    def result(self) -> Any:
        return self.total

    def merge(self, other: Sum, /) -> None:
        self.total = plus(self.total, other.total, "sum: value")


class Vwap(Accumulator[Any, "float | None"]):
    __slots__ = ("_price", "_qty", "turnover", "volume")
    state = ("turnover", "volume")

    def __init__(self, price: Callable[[Any], Any], qty: Callable[[Any], Any]) -> None:
        self._price = price
        self._qty = qty
        self.turnover: Any = 0
        self.volume: Any = 0

    def check(self, item: Any, /) -> None:
        self._with(item)

    def _with(self, item: Any) -> tuple[Any, Any]:
        """Return turnover and volume with an item."""
        price, qty = priced(self._price(item), self._qty(item), "vwap")
        turnover = plus(self.turnover, turnover_of(price, qty, "vwap: price"), "vwap: price")
        return turnover, plus(self.volume, qty, "vwap: qty")

    def add(self, item: Any, /) -> None:
        self.turnover, self.volume = self._with(item)

    def result(self) -> Any:
        return self.turnover / self.volume if self.volume else None

    def merge(self, other: Vwap, /) -> None:
        turnover = plus(self.turnover, other.turnover, "vwap: price")
        self.volume = plus(self.volume, other.volume, "vwap: qty")
        self.turnover = turnover


def priced(price: Any, qty: Any, where: str) -> tuple[Any, Any]:
    """Return price and quantity as Python numbers if they make a trade, else raise BadItem."""
    price = finite(price, f"{where}: price")
    qty = finite(qty, f"{where}: qty")
    if qty < 0:
        raise BadItem(f"{where}: qty must be 0 or more, got {shown(qty)}")
    return price, qty


def turnover_of(price: Any, qty: Any, what: str) -> Any:
    """Return price times quantity, a float unless of another type such as Decimal."""
    try:
        product = price * qty
    except TypeError:
        raise BadItem(
            f"{what} must be of a type that can be multiplied by its qty, got {shown(price)} and {shown(qty)}; cast "
            "both to one type"
        ) from None
    return float(product) if isinstance(product, Integral) else product


def vwap_within(turnover: Any, volume: Any, low: Any, high: Any) -> Any:
    """Return the average price of a bar, which rounding does not take out of its range; None where nothing was traded."""
    if not volume:
        return None
    vwap = turnover / volume
    bound = low if vwap < low else high if vwap > high else vwap
    if type(bound) is float:  # the common case; a test for Integral takes longer than all the rest
        return bound
    return float(bound) if isinstance(bound, Integral) else bound
