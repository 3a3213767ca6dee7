"""Bars over columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

import numpy as np

from rxdag.aggregates._arrays import ArrayCount, traded, turnover
from rxdag.aggregates._cells import Cells, Chosen, Highest, Lowest, Total, is_plain
from rxdag.aggregates.accumulators import bars, vwap_within
from rxdag.columns import Array, Columns, Groups, Places, Spans, each_rolled, is_array
from rxdag.contract import MAX, MIN, ColumnsAggregate, SavedRows


class ArrayBar(ColumnsAggregate):
    """Bars as arrays.

    Args:
        price: Reader of the price.
        qty: Reader of the quantity.
        where: Name of the aggregate, for messages.
        make: Makes a bar from open, high, low, close, volume, vwap and count.
    """

    def __init__(self, price: Any, qty: Any, where: str, make: Callable[..., Any]) -> None:
        self._price = price
        self._qty = qty
        self._where = where
        self._make = make
        self._count = ArrayCount()
        self._open, self._close = Chosen(0.0), Chosen(0.0)
        self._high, self._low = Highest(), Lowest()
        self._turnover, self._volume = Total(), Total()
        self._first_ts, self._last_ts = Chosen(MAX), Chosen(MIN)
        self._first_seq, self._last_seq = Chosen(), Chosen()

    @property
    def _cells(self) -> tuple[Any, ...]:
        """In the order of the state of an accumulator."""
        return (
            self._open, self._high, self._low, self._close, self._volume, self._turnover, self._count, self._first_ts,
            self._first_seq, self._last_ts, self._last_seq,
        )  # fmt: skip

    def read(self, columns: Columns) -> tuple[Array, Array]:
        return traded(columns, self._price, self._qty, self._where)

    def reserve(self, size: int) -> None:
        for cells in self._cells:
            cells.reserve(size)

    def clear(self, places: Places) -> None:
        for cells in self._cells:
            cells.clear(places)

    def can_add(self, values: Any) -> bool:
        return all(map(is_plain, values)) and all(each.is_plain for each in self._cells if isinstance(each, Cells))

    def add(self, values: Any, groups: Groups) -> None:
        prices, quantities = values
        empty = self._count.empty
        self._high.add(prices, groups, empty)
        self._low.add(prices, groups, empty)
        self._open_with(groups, prices)
        self._close_with(groups, prices)
        self._volume.add(quantities, groups, empty)
        self._turnover.add(turnover(prices, quantities), groups, empty)
        self._count.add(None, groups)

    def _open_with(self, groups: Groups, prices: Array) -> None:
        rows, places, empty = groups.first(), groups.places, self._count.empty
        known, ts = self._first_ts.fit(groups.ts[rows], empty)
        is_earlier = (ts < known[places]) | (self._count.n[places] == 0)
        if groups.sequence is not None:
            seqs, sequence = self._first_seq.fit(groups.sequence[rows], empty)
            is_earlier |= (ts == known[places]) & (sequence < seqs[places]).astype(np.bool_)
            self._first_seq.replace(places[is_earlier], sequence[is_earlier], empty)
        chosen = rows[is_earlier]
        self._open.replace(places[is_earlier], prices[chosen], empty)
        self._first_ts.replace(places[is_earlier], groups.ts[chosen], empty)

    def _close_with(self, groups: Groups, prices: Array) -> None:
        rows, places, empty = groups.last(), groups.places, self._count.empty
        known, ts = self._last_ts.fit(groups.ts[rows], empty)
        is_later = (ts > known[places]) | (self._count.n[places] == 0)
        if groups.sequence is None:
            is_later |= ts == known[places]
        else:
            seqs, sequence = self._last_seq.fit(groups.sequence[rows], empty)
            is_later |= (ts == known[places]) & (sequence >= seqs[places]).astype(np.bool_)
            self._last_seq.replace(places[is_later], sequence[is_later], empty)
        chosen = rows[is_later]
        self._close.replace(places[is_later], prices[chosen], empty)
        self._last_ts.replace(places[is_later], groups.ts[chosen], empty)

    def results(self, places: Places) -> list[Any]:
        prices = [cells.at(places) for cells in (self._open, self._high, self._low, self._close)]
        counts = self._count.results(places)
        return list(map(self._make, *prices, self._volume.at(places), self._vwaps(places), counts))

    def _vwaps(self, places: Places) -> list[Any]:
        """Return the average price of each bar, as `vwap_within` does."""
        cells = (self._turnover, self._volume, self._low, self._high)
        chosen: list[Any] = [None if each.array is None else each.array[places] for each in cells]
        total, volume, low, high = chosen
        if not all(is_array(each, "f") for each in chosen) or not volume.all():
            return list(map(vwap_within, *(each.at(places) for each in cells)))
        with np.errstate(all="ignore"):  # an overflow gives infinity, as in Python
            vwap: Array = total / volume
        capped: Array = np.where(vwap > high, high, vwap)
        within: Array = np.where(vwap < low, low, capped)
        return within.tolist()  # type: ignore[no-any-return]

    def rolled(self, values: Any, spans: Spans) -> list[Any]:
        prices, quantities = values
        trades = list(zip(prices.tolist(), quantities.tolist(), strict=True))
        return each_rolled(bars(itemgetter(0), itemgetter(1)), trades, spans)

    def snapshot(self, places: Places) -> Sequence[list[Any]]:
        columns = [c.results(places) if isinstance(c, ArrayCount) else c.at(places) for c in self._cells]
        return SavedRows(*columns)

    def restore(self, place: int, saved: list[Any]) -> None:
        for cells, value in zip(self._cells, saved, strict=True):
            if isinstance(cells, ArrayCount):
                cells.restore(place, [value])
            else:
                cells.put(place, value, self._count.empty)
