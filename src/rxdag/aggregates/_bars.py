"""Open, high, low, close, volume."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

from rxdag.aggregates._by_factory import ByFactory
from rxdag.aggregates._ohlcv import Ohlcv
from rxdag.aggregates.accumulators import Bar, bars
from rxdag.contract import Aggregate, ColumnsAggregate, ItemT, Shape
from rxdag.expressions import Field, bound, called, check_field, check_number, why_opaque


@dataclass(frozen=True)
class _OhlcvOf(ByFactory[ItemT, Ohlcv]):
    price: Field[ItemT, float]
    qty: Field[ItemT, float]

    def check(self, item_type: Any, where: str) -> None:
        check_number(self.price, item_type, f"{where}: price")
        check_number(self.qty, item_type, f"{where}: qty")

    def bound(self, shape: Shape) -> Self:
        return replace(self, price=bound(self.price, shape.item_type), qty=bound(self.qty, shape.item_type))

    def factory(self) -> Callable[[], Bar]:
        return bars(called(self.price), called(self.qty))

    def in_columns(self) -> ColumnsAggregate | str:
        reason = why_opaque(self.price, self.qty)
        if reason is not None:
            return reason
        from rxdag.aggregates._array_bar import ArrayBar  # it loads numpy

        return ArrayBar(self.price, self.qty, "ohlcv", Ohlcv)


def ohlcv(price: Field[ItemT, float], qty: Field[ItemT, float]) -> Aggregate[ItemT, Ohlcv]:
    """Compute open, high, low, close, volume, VWAP and count of trades.

    Open and close are by (event time, sequence, arrival). A trade of quantity 0 counts for prices and count, but not
    for the average.

    Args:
        price: Finite price of each item: a field name, `col.<name>` or a function.
        qty: Quantity of each item, finite, 0 or more. Items with an invalid price or quantity go to port "dead".

    Example:
        >>> bar = aggregate(agg.ohlcv(lambda t: t[0], lambda t: t[1]), [(10.0, 1), (12.0, 2), (11.0, 1)])
        >>> bar.open, bar.high, bar.low, bar.close, bar.volume, bar.vwap, bar.count
        (10.0, 12.0, 10.0, 11.0, 4, 11.25, 3)
    """
    check_field(price, None, "ohlcv: price")
    check_field(qty, None, "ohlcv: qty")
    return _OhlcvOf(price, qty)
