"""Open, high, low, close, volume."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Self, TypeVar

from rxdag.aggregates._numeric import priced
from rxdag.contract import MAX, MIN, Accumulator, Aggregate, BadItem, ColumnsAggregate, Shape
from rxdag.errors import shown
from rxdag.expressions import Field, bound, check_field, getter, why_opaque

A = TypeVar("A")

_INF: Final = float("inf")


@dataclass(frozen=True, slots=True)
class Ohlcv:
    """A bar.

    Attributes:
        open: Price of the first trade by (event time, sequence, arrival).
        high: Largest price.
        low: Least price.
        close: Price of the last trade by (event time, sequence, arrival).
        volume: Sum of quantities, added in order of arrival.
        vwap: Volume-weighted average price; None where nothing was traded.
        count: Trades, those of quantity 0 included.
    """

    open: float
    high: float
    low: float
    close: float
    volume: float
    vwap: float | None
    count: int


class _Bar(Accumulator[Any, Ohlcv]):
    __slots__ = (
        "_price", "_qty", "close", "count", "first_seq", "first_ts", "high", "last_seq", "last_ts", "low", "open",
        "turnover", "volume",
    )  # fmt: skip
    shared = ("_price", "_qty")
    state = (
        "open", "high", "low", "close", "volume", "turnover", "count", "first_ts", "first_seq", "last_ts", "last_seq",
    )  # fmt: skip

    def __init__(self, price: Callable[[Any], float], qty: Callable[[Any], float]) -> None:
        self._price = price
        self._qty = qty
        self.count = 0
        self.open = self.close = 0.0
        self.high, self.low = -_INF, _INF
        self.volume: float = 0
        self.turnover = 0.0
        self.first_ts, self.last_ts = MAX, MIN
        self.first_seq = self.last_seq = 0

    def check(self, item: Any, /) -> None:
        priced(self._price(item), self._qty(item), "ohlcv")

    def add(self, item: Any, /) -> None:
        self.add_at(item, max(self.last_ts, MIN + 1), self.last_seq)

    def add_at(self, item: Any, ts: int, sequence: int, /) -> None:
        price = self._price(item)
        qty = self._qty(item)
        if not 0.0 <= qty < _INF:
            raise BadItem(f"ohlcv: qty must be 0 or more and finite, got {shown(qty)}")
        # 0.0 above, for Python compares two floats twice as fast as an int and a float. Inside the range of the prices so
        # far, which are finite, a price is finite: no test of its own.
        if not self.low <= price <= self.high:
            if not -_INF < price < _INF:
                raise BadItem(f"ohlcv: price must be a finite number, got {shown(price)}")
            if self.count == 0:
                self.open = self.close = price
                self.first_ts = self.last_ts = ts
                self.first_seq = self.last_seq = sequence
            if price > self.high:
                self.high = price
            if price < self.low:
                self.low = price
        if ts > self.last_ts:
            self.last_ts = ts
            self.last_seq = sequence
            self.close = price
        elif ts < self.first_ts:
            self.first_ts = ts
            self.first_seq = sequence
            self.open = price
        elif ts == self.last_ts or ts == self.first_ts:
            self.tie(price, ts, sequence)
        self.volume += qty
        self.turnover += price * qty
        self.count += 1

    def tie(self, price: float, ts: int, sequence: int) -> None:
        """A trade at the first or last instant: the sequence decides, then arrival; the later one closes."""
        if ts == self.last_ts and sequence >= self.last_seq:
            self.last_seq = sequence
            self.close = price
        if ts == self.first_ts and sequence < self.first_seq:
            self.first_seq = sequence
            self.open = price

    def result(self) -> Ohlcv:
        vwap = self.turnover / self.volume if self.volume else None
        return Ohlcv(self.open, self.high, self.low, self.close, self.volume, vwap, self.count)

    def merge(self, other: _Bar, /) -> None:
        if other.count == 0:
            return
        if self.count == 0:
            self.restore(other.snapshot())
            return
        self.high, self.low = max(self.high, other.high), min(self.low, other.low)
        if (other.last_ts, other.last_seq) >= (self.last_ts, self.last_seq):
            self.last_ts, self.last_seq, self.close = other.last_ts, other.last_seq, other.close
        if (other.first_ts, other.first_seq) < (self.first_ts, self.first_seq):
            self.first_ts, self.first_seq, self.open = other.first_ts, other.first_seq, other.open
        self.volume += other.volume
        self.turnover += other.turnover
        self.count += other.count


class _BarByArrival(_Bar):
    """A bar of trades without a sequence: of equal times the one that came first opens, the last one closes."""

    # The same statements but for the ties, since they are written into loops: a shared part would be a call a trade.

    __slots__ = ()

    def add_at(self, item: Any, ts: int, sequence: int, /) -> None:
        price = self._price(item)
        qty = self._qty(item)
        if not 0.0 <= qty < _INF:
            raise BadItem(f"ohlcv: qty must be 0 or more and finite, got {shown(qty)}")
        if not self.low <= price <= self.high:
            if not -_INF < price < _INF:
                raise BadItem(f"ohlcv: price must be a finite number, got {shown(price)}")
            if self.count == 0:
                self.open = price
                self.first_ts = ts
                self.last_ts = ts
            if price > self.high:
                self.high = price
            if price < self.low:
                self.low = price
        if ts >= self.last_ts:
            self.last_ts = ts
            self.close = price
        elif ts < self.first_ts:
            self.first_ts = ts
            self.open = price
        self.volume += qty
        self.turnover += price * qty
        self.count += 1


@dataclass(frozen=True)
class _OhlcvOf(Aggregate[A, Ohlcv]):
    price: Field[A, float]
    qty: Field[A, float]
    by_arrival: bool = False
    """True if no sequence breaks ties, so that arrival does: known when the dag is made."""

    def check(self, item_type: Any, where: str) -> None:
        check_field(self.price, item_type, f"{where}: price")
        check_field(self.qty, item_type, f"{where}: qty")

    def bound(self, shape: Shape) -> Self:
        return replace(
            self,
            price=bound(self.price, shape.item_type),
            qty=bound(self.qty, shape.item_type),
            by_arrival=not shape.sequenced,
        )

    def accumulator(self) -> _Bar:
        kind = _BarByArrival if self.by_arrival else _Bar
        return kind(getter(self.price), getter(self.qty))

    def in_columns(self) -> ColumnsAggregate | str:
        reason = why_opaque(self.price, self.qty)
        if reason is not None:
            return reason
        from rxdag.aggregates._array_bar import ArrayBar  # it loads numpy

        return ArrayBar(self.price, self.qty, lambda price, qty: priced(price, qty, "ohlcv"), Ohlcv)


def ohlcv(price: Field[A, float], qty: Field[A, float]) -> Aggregate[A, Ohlcv]:
    """Open, high, low, close, volume, volume-weighted average price and count of trades.

    Open and close go by (event time, sequence, arrival). A trade of quantity 0 counts for prices and count, not for
    the average.

    Args:
        price: Finite price of each item: a field's name, `col.<name>` or a function.
        qty: Quantity of each item, finite, 0 or more. Items for which this does not hold go to port "dead".

    Example:
        >>> bar = aggregate(agg.ohlcv(lambda t: t[0], lambda t: t[1]), [(10.0, 1), (12.0, 2), (11.0, 1)])
        >>> bar.open, bar.high, bar.low, bar.close, bar.volume, bar.vwap, bar.count
        (10.0, 12.0, 10.0, 11.0, 4, 11.25, 3)
    """
    check_field(price, None, "ohlcv: price")
    check_field(qty, None, "ohlcv: qty")
    return _OhlcvOf(price, qty)
