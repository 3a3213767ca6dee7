"""Flat bars of trades."""

from __future__ import annotations

from typing import Final

import msgspec

from rxdag.aggregates import Ohlcv
from rxdag.contract import Pane, iso_utc
from rxdag.expressions import col

BAR_COLUMNS: Final = (
    "venue", "symbol", "start", "end", "open", "high", "low", "close", "volume", "vwap", "count",
)  # fmt: skip


class Bar(msgspec.Struct, frozen=True):
    """A flat bar of trades.

    Attributes:
        venue: Name of the exchange.
        symbol: Symbol of the instrument.
        start: First instant, ISO 8601 UTC.
        end: First instant after the bar, ISO 8601 UTC.
        open: First price by (trade time, trade id).
        high: Highest price.
        low: Lowest price.
        close: Last price by (trade time, trade id).
        volume: Sum of quantities.
        vwap: Volume-weighted average price; None if the volume is 0.
        count: Number of trades.
    """

    venue: str
    symbol: str
    start: str
    end: str
    open: float
    high: float
    low: float
    close: float
    volume: float
    vwap: float | None
    count: int


def as_bar(pane: Pane[tuple[str, str], Ohlcv]) -> Bar:
    """Convert the pane of a window to a flat bar.

    Example:
        >>> trades = rxdag.from_source(sources.simulated_trades(trades=1_000), name="trades")
        >>> timed = trades.pipe(ops.event_time("trade_ms", unit="ms", out_of_order="1s"))
        >>> panes = timed.pipe(ops.key_by("venue", "symbol")).pipe(
        ...     ops.window(windows.tumbling("1s"), agg.ohlcv("price", "qty"))
        ... )
        >>> panes.pipe(ops.map(market.as_bar)).head(1)[0].start
        '2024-08-08T23:54:14Z'
    """
    bar, (venue, symbol) = pane.value, pane.key
    return Bar(
        venue, symbol, iso_utc(pane.start), iso_utc(pane.end),
        bar.open, bar.high, bar.low, bar.close, bar.volume, bar.vwap, bar.count,
    )  # fmt: skip


is_valid: Final = (col.price > 0) & (col.price < float("inf")) & (col.qty > 0) & (col.qty < float("inf"))
"""True for a trade with a price and a quantity above 0, both finite."""
