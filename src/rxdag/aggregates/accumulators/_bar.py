"""Accumulators of bars."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from mypy_extensions import i64

from rxdag.aggregates._ohlcv import Ohlcv
from rxdag.aggregates.accumulators._totals import priced
from rxdag.contract import MAX, MIN, Accumulator, BadItem
from rxdag.errors import shown

_INF: Final = float("inf")


class Bar(Accumulator[Any, Ohlcv]):
    __slots__ = (
        "_price", "_qty", "close", "count", "first_seq", "first_ts", "high", "last_seq", "last_ts", "low", "open",
        "turnover", "volume",
    )  # fmt: skip
    state = (
        "open", "high", "low", "close", "volume", "turnover", "count", "first_ts", "first_seq", "last_ts", "last_seq",
    )  # fmt: skip

    def __init__(self, price: Callable[[Any], Any], qty: Callable[[Any], Any]) -> None:
        self._price = price
        self._qty = qty
        self.count = 0
        self.open: Any = 0.0
        self.close: Any = 0.0
        self.high: Any = -_INF
        self.low: Any = _INF
        self.volume: Any = 0
        self.turnover: Any = 0.0
        self.first_ts: i64 = MAX
        self.last_ts: i64 = MIN
        self.first_seq: Any = 0
        self.last_seq: Any = 0

    def check(self, item: Any, /) -> None:
        priced(self._price(item), self._qty(item), "ohlcv")

    def add(self, item: Any, /) -> None:
        self.add_at(item, max(self.last_ts, MIN + 1), self.last_seq)

    def add_at(self, item: Any, ts: i64, sequence: Any, /) -> None:
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

    def tie(self, price: Any, ts: i64, sequence: Any) -> None:
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

    def merge(self, other: Bar, /) -> None:
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


class BarByArrival(Bar):
    """A bar of trades without a sequence: of equal times the one that came first opens, the last one closes."""

    # The same statements but for the ties: a shared method would cost one more call for each trade.

    __slots__ = ()

    def add_at(self, item: Any, ts: i64, sequence: Any, /) -> None:
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
