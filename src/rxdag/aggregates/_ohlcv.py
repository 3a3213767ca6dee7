"""A bar."""

from __future__ import annotations

import msgspec


class Ohlcv(msgspec.Struct, frozen=True, gc=False):
    """A bar.

    Attributes:
        open: Price of the first trade by (event time, sequence, arrival).
        high: Highest price.
        low: Lowest price.
        close: Price of the last trade by (event time, sequence, arrival).
        volume: Sum of quantities, added in order of arrival.
        vwap: Volume-weighted average price; None if the volume is 0.
        count: Number of trades, including those of quantity 0.
    """

    open: float
    high: float
    low: float
    close: float
    volume: float
    vwap: float | None
    count: int
