"""Aggregates of trades: prices weighted by their duration, volume by aggressor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

from rxdag.aggregates import Accumulator, Aggregate
from rxdag.contract import MAX, BadItem, ItemT, Shape, finite, plus
from rxdag.errors import shown
from rxdag.expressions import Field, bound, check_field, check_number, getter


class _Twap(Accumulator[Any, float]):
    """The last price of each instant, with its sequence."""

    __slots__ = ("_price", "instants")

    def __init__(self, price: Callable[[Any], float]) -> None:
        self._price = price
        self.instants: dict[int, tuple[int, float]] = {}

    def check(self, item: Any, /) -> None:
        finite(self._price(item), "twap: price")

    def add(self, item: Any, /) -> None:
        self.add_at(item, max(self.instants, default=0), 0)

    def add_at(self, item: Any, ts: int, sequence: int, /) -> None:
        price = finite(self._price(item), "twap: price")
        known = self.instants.get(ts)
        if known is None or sequence >= known[0]:
            self.instants[ts] = sequence, price

    def result(self) -> float:
        return self.result_in(min(self.instants), max(self.instants))

    def result_in(self, start: int, end: int, /) -> float:
        times = sorted(self.instants)
        last = self.instants[times[-1]][1]
        until = end if end < MAX else times[-1]
        if until <= times[0]:
            return last
        total: Any = 0
        for i, ts in enumerate(times):
            following = times[i + 1] if i + 1 < len(times) else max(until, ts)
            total += self.instants[ts][1] * (following - ts)
        average: float = total / (max(until, times[-1]) - times[0])
        return average

    def merge(self, other: _Twap, /) -> None:
        for ts, (sequence, price) in other.instants.items():
            known = self.instants.get(ts)
            if known is None or sequence >= known[0]:
                self.instants[ts] = sequence, price

    def snapshot(self) -> list[Any]:
        return [[ts, sequence, price] for ts, (sequence, price) in self.instants.items()]

    def restore(self, saved: list[Any]) -> None:
        self.instants = {ts: (sequence, price) for ts, sequence, price in saved}


@dataclass(frozen=True)
class _TwapOf(Aggregate[ItemT, float]):
    price: Field[ItemT, float]

    def check(self, item_type: Any, where: str) -> None:
        check_number(self.price, item_type, f"{where}: price")

    def bound(self, shape: Shape) -> Self:
        return replace(self, price=bound(self.price, shape.item_type))

    def accumulator(self) -> _Twap:
        return _Twap(getter(self.price))


def twap(price: Field[ItemT, float], /) -> Aggregate[ItemT, float]:
    """Compute the time-weighted average price.

    Each price counts for as long as it stood. A price stands from its item to the next one by (event time, sequence);
    the last one until the end of the window. The price before the first item is unknown to the window and does not
    count. Holds one price per instant.

    Args:
        price: A finite number per item: a field name, `col.<name>` or a function. Other values go to port "dead".

    Example:
        >>> trades = rxdag.from_source(sources.iterable([(0, 10.0), (6, 20.0)])).pipe(
        ...     ops.event_time(lambda t: t[0], unit="s")
        ... )
        >>> trades.pipe(ops.window_all(windows.tumbling("10s"), market.twap(lambda t: t[1]))).collect()[0].value
        14.0
    """
    check_field(price, None, "twap: price")
    return _TwapOf(price)


class _Imbalance(Accumulator[Any, "float | None"]):
    __slots__ = ("_qty", "_sign", "signed", "total")
    state = ("signed", "total")

    def __init__(self, qty: Callable[[Any], float], sign: Callable[[Any], float]) -> None:
        self._qty = qty
        self._sign = sign
        self.signed: float = 0
        self.total: float = 0

    def _of(self, item: Any) -> tuple[float, float]:
        qty, sign = finite(self._qty(item), "imbalance: qty"), self._sign(item)
        if qty < 0:
            raise BadItem(f"imbalance: qty must be 0 or more, got {shown(qty)}")
        try:
            is_sign = sign in (1, 0, -1)
        except ArithmeticError:  # a signaling Decimal NaN
            is_sign = False
        if not is_sign:
            raise BadItem(f"imbalance: sign must be 1, 0 or -1, got {shown(sign)}")
        return qty, int(sign)

    def check(self, item: Any, /) -> None:
        self._of(item)

    def add(self, item: Any, /) -> None:
        qty, sign = self._of(item)
        self.total = plus(self.total, qty, "imbalance: qty")
        self.signed += sign * qty

    def remove(self, item: Any, /) -> bool:
        if type(self.total) is not int or type(self.signed) is not int:
            return False
        qty, sign = self._of(item)
        self.signed -= sign * qty
        self.total -= qty
        return True

    def result(self) -> float | None:
        return self.signed / self.total if self.total else None

    def merge(self, other: _Imbalance, /) -> None:
        signed = plus(self.signed, other.signed, "imbalance: qty")
        self.total = plus(self.total, other.total, "imbalance: qty")
        self.signed = signed


@dataclass(frozen=True)
class _ImbalanceOf(Aggregate[ItemT, "float | None"]):
    qty: Field[ItemT, float]
    sign: Field[ItemT, float]

    def check(self, item_type: Any, where: str) -> None:
        check_number(self.qty, item_type, f"{where}: qty")
        check_number(self.sign, item_type, f"{where}: sign")

    def bound(self, shape: Shape) -> Self:
        return replace(self, qty=bound(self.qty, shape.item_type), sign=bound(self.sign, shape.item_type))

    def accumulator(self) -> _Imbalance:
        return _Imbalance(getter(self.qty), getter(self.sign))


def imbalance(qty: Field[ItemT, float], sign: Field[ItemT, float], /) -> Aggregate[ItemT, float | None]:
    """Compute the trade imbalance, from -1 to 1; None without volume.

    It is the volume initiated by buyers less that initiated by sellers, divided by the total volume.

    Args:
        qty: A finite number per item, 0 or more: a field name, `col.<name>` or a function. Other values go to port
            "dead".
        sign: 1 for a trade initiated by a buyer, -1 by a seller, 0 if unknown: from `market.tick_rule`, or from the
            exchange's flag, as `lambda t: -1 if t.buyer_is_maker else 1`.

    Example:
        >>> aggregate(market.imbalance(lambda t: t[0], lambda t: t[1]), [(3, 1), (1, -1)])
        0.5
    """
    check_field(qty, None, "imbalance: qty")
    check_field(sign, None, "imbalance: sign")
    return _ImbalanceOf(qty, sign)
