"""A bar."""

from __future__ import annotations

import msgspec


class Ohlcv(msgspec.Struct, frozen=True, gc=False):
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
