"""Bars from trades: the main job, as one function of streams."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag import windows
from rxdag.aggregates import Ohlcv
from rxdag.contract import Duration, Pane, iso_utc
from rxdag.expressions import col
from rxdag.graph import Stream, WindowedStream, checked_stream
from rxdag.sources import Trade

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


def trade_bars(
    trades: Stream[Trade],
    *,
    size: Duration = "1s",
    out_of_order: Duration = "250ms",
    dedupe_within: Duration = "5s",
) -> WindowedStream[Trade, Bar]:
    """Build bars of trades by (venue, symbol), correct for any order of receipt.

    Args:
        trades: Trades in order of receipt, with repeats.
        size: Length of a bar.
        out_of_order: How far a trade may be behind the largest trade time and still count.
        dedupe_within: How long a (venue, symbol, trade_id) is remembered.

    Returns:
        The bars, by start, venue and symbol; `.late` has the trades that arrived too late.

    Example:
        >>> trades = rxdag.from_source(sources.simulated_trades(trades=1_000), name="trades")
        >>> bars = market.trade_bars(trades, size="10s").collect()
        >>> sum(bar.count for bar in bars) > 900
        True
    """
    return (
        trades
        .pipe(ops.event_time("trade_ms", unit="ms", sequence="trade_id", out_of_order=out_of_order))
        .pipe(ops.filter(is_valid), name="valid")
        .pipe(ops.dedupe("venue", "symbol", "trade_id", within=dedupe_within))
        .pipe(ops.key_by("venue", "symbol"))
        .pipe(ops.window(windows.tumbling(size), agg.ohlcv("price", "qty"), into=as_bar), name="bars")
    )  # fmt: skip


def by_venue(bars: Stream[Bar], venues: Iterable[str]) -> dict[str, Stream[Bar]]:
    """Split bars by venue; those of unlisted venues are under "other".

    Example:
        >>> trades = rxdag.from_source(sources.simulated_trades(trades=1_000), name="trades")
        >>> bars = market.by_venue(market.trade_bars(trades), ["binance"])
        >>> list(bars)
        ['binance', 'other']
    """
    checked_stream(bars, "by_venue")
    names = tuple(venues)
    routes = bars.pipe(ops.route({name: _is_of(name) for name in names}, default="other"), name="by_venue")
    return {name: routes[name] for name in (*names, "other")}


class _is_of:  # noqa: N801  # stands for a function
    """A predicate with a name that `describe` can show."""

    def __init__(self, venue: str) -> None:
        self._venue = venue
        self.__name__ = f"venue_is_{venue}"

    def __call__(self, bar: Bar) -> bool:
        return bar.venue == self._venue
