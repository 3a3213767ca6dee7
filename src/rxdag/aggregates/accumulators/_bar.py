"""The accumulator of bars."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, Final

from mypy_extensions import i64

from rxdag.aggregates._ohlcv import Ohlcv
from rxdag.aggregates.accumulators._totals import priced, turnover_of, vwap_within
from rxdag.contract import MAX, MIN, Accumulator, BadItem, SavedRows, columns_of, plus
from rxdag.errors import shown

_INF: Final = float("inf")
# Objects, which a new bar takes as they are.
_NO_HIGH: Final[Any] = -_INF
_NO_LOW: Final[Any] = _INF
_FLOATS: Final = {"high": "_highest", "low": "_lowest", "volume": "_volume", "turnover": "_turnover"}
"""Attributes with the state of bars whose prices and quantities are floats."""


class Bar(Accumulator[Any, Ohlcv]):
    """A bar of trades; open and close go by (event time, sequence, arrival).

    While all prices and quantities are floats, the state is kept in machine numbers. The first value of another type
    moves it to Python objects, so that ints stay ints.
    """

    __slots__ = (
        "_highest", "_is_float", "_lowest", "_price", "_qty", "_turnover", "_volume", "close", "count", "first_seq",
        "first_ts", "high", "last_seq", "last_ts", "low", "open", "turnover", "volume",
    )  # fmt: skip
    state = (
        "open", "high", "low", "close", "volume", "turnover", "count", "first_ts", "first_seq", "last_ts", "last_seq",
    )  # fmt: skip

    def __init__(self, price: Callable[[Any], Any], qty: Callable[[Any], Any]) -> None:
        self._price = price
        self._qty = qty
        self.count: i64 = 0
        self.open: Any = 0.0
        self.close: Any = 0.0
        self.high: Any = _NO_HIGH
        self.low: Any = _NO_LOW
        self.volume: Any = 0
        self.turnover: Any = 0
        self.first_ts: i64 = MAX
        self.last_ts: i64 = MIN
        self.first_seq: Any = 0
        self.last_seq: Any = 0
        self._is_float = True
        self._highest = -_INF
        self._lowest = _INF
        self._volume = 0.0
        self._turnover = 0.0

    def check(self, item: Any, /) -> None:
        price, qty = priced(self._price(item), self._qty(item), "ohlcv")
        if not (self._is_float and type(price) is float and type(qty) is float):
            self._sums_with(price, qty)

    def add(self, item: Any, /) -> None:
        self.add_at(item, max(self.last_ts, MIN + 1), self.last_seq)

    def add_at(self, item: Any, ts: i64, sequence: Any, /) -> None:
        price = self._price(item)
        qty = self._qty(item)
        if self._is_float and type(price) is float and type(qty) is float:
            p = price
            q = qty
            if not 0.0 <= q < _INF:
                raise _bad_quantity(qty)
            # A price within the range of the prices so far, which are finite, needs no test of its own.
            if not self._lowest <= p <= self._highest:
                if not -_INF < p < _INF:
                    raise _bad_price(price)
                if self.count == 0:
                    self._begin(price, ts, sequence)
                if p > self._highest:
                    self._highest = p
                if p < self._lowest:
                    self._lowest = p
            self._volume += q
            self._turnover += p * q
        else:
            price, qty = priced(price, qty, "ohlcv")
            self._add_objects(price, qty, ts, sequence)
        # The first item closes here and opens in _begin(); a later one cannot do both.
        if ts > self.last_ts or (ts == self.last_ts and sequence >= self.last_seq):
            self.last_ts = ts
            self.last_seq = sequence
            self.close = price
        elif ts < self.first_ts or (ts == self.first_ts and sequence < self.first_seq):
            self.first_ts = ts
            self.first_seq = sequence
            self.open = price
        self.count += 1

    def _begin(self, price: Any, ts: i64, sequence: Any) -> None:
        """Open with the first price."""
        self.open = price
        self.first_ts = ts
        self.first_seq = sequence

    def _add_objects(self, price: Any, qty: Any, ts: i64, sequence: Any) -> None:
        volume, turnover = self._sums_with(price, qty)
        if not self.low <= price <= self.high:
            if not -_INF < price < _INF:
                raise _bad_price(price)
            if self.count == 0:
                self._begin(price, ts, sequence)
            if price > self.high:
                self.high = price
            if price < self.low:
                self.low = price
        self._is_float = False
        self.volume, self.turnover = volume, turnover

    def _sums_with(self, price: Any, qty: Any) -> tuple[Any, Any]:
        """Return volume and turnover with a trade that is not of floats, or after one that was not."""
        self._settle()
        volume = plus(self.volume, qty, "ohlcv: qty")
        return volume, plus(self.turnover, turnover_of(price, qty, "ohlcv: price"), "ohlcv: price")

    def _settle(self) -> None:
        """Take the machine numbers over into the objects."""
        if self._is_float and self.count:
            self.high = self._highest
            self.low = self._lowest
            self.volume = self._volume
            self.turnover = self._turnover

    def result(self) -> Ohlcv:
        self._settle()
        vwap = vwap_within(self.turnover, self.volume, self.low, self.high)
        return Ohlcv(self.open, self.high, self.low, self.close, self.volume, vwap, int(self.count))

    def merge(self, other: Bar, /) -> None:
        if other.count == 0:
            return
        if self.count == 0:
            self.restore(other.snapshot())
            return
        self._settle()
        other._settle()
        volume = plus(self.volume, other.volume, "ohlcv: qty")
        turnover = plus(self.turnover, other.turnover, "ohlcv: price")
        self.high, self.low = max(self.high, other.high), min(self.low, other.low)
        if (other.last_ts, other.last_seq) >= (self.last_ts, self.last_seq):
            self.last_ts, self.last_seq, self.close = other.last_ts, other.last_seq, other.close
        if (other.first_ts, other.first_seq) < (self.first_ts, self.first_seq):
            self.first_ts, self.first_seq, self.open = other.first_ts, other.first_seq, other.open
        self.volume, self.turnover = volume, turnover
        self.count += other.count
        self._take_up()

    def _take_up(self) -> None:
        """Switch to machine numbers if all objects are floats."""
        kept = (self.high, self.low, self.volume, self.turnover)
        self._is_float = self.count == 0 or all(type(value) is float for value in kept)
        if self._is_float:
            self._highest, self._lowest = self.high, self.low
            self._volume, self._turnover = self.volume, self.turnover

    def snapshot(self) -> list[Any]:
        self._settle()
        return super().snapshot()

    @classmethod
    def snapshots(cls, accumulators: list[Any]) -> Sequence[list[Any]]:
        names = ["_is_float", *(_FLOATS.get(name, name) for name in cls.state)]
        are_float, *columns = columns_of(accumulators, names)
        by_name = dict(zip(cls.state, columns, strict=True))
        if not (all(are_float) and all(by_name["count"])):
            return [each.snapshot() for each in accumulators]
        # Prices are numbers, which do not change; a sequence is whatever the user takes from the item.
        sequences = chain(by_name["first_seq"], by_name["last_seq"])
        return SavedRows(*columns, is_frozen={int}.issuperset(map(type, sequences)))

    def restore(self, saved: list[Any]) -> None:
        super().restore(saved)
        self._take_up()


def bars(price: Callable[[Any], Any], qty: Callable[[Any], Any]) -> Callable[[], Bar]:
    """Return the factory of accumulators that make bars of trades with these readers."""

    def new() -> Bar:
        return Bar(price, qty)

    return new


def _bad_price(price: Any) -> BadItem:
    return BadItem(f"ohlcv: price must be a finite number, got {shown(price)}")


def _bad_quantity(qty: Any) -> BadItem:
    return BadItem(f"ohlcv: qty must be 0 or more and finite, got {shown(qty)}")
