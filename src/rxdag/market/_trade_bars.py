"""Bars from trades: the main job, as one function of streams."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, overload

from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag import windows
from rxdag.contract import Duration, duration_ns
from rxdag.graph import Stream, WindowedStream, checked_stream
from rxdag.market._bar import Bar, as_bar, is_valid
from rxdag.market._corrected_bars import Correction, RevisedBar, corrected_bars
from rxdag.market._session import Session, checked_session
from rxdag.sources import Trade


@overload
def trade_bars(
    trades: Stream[Trade],
    *,
    size: Duration = ...,
    session: Session | None = ...,
    out_of_order: Duration = ...,
    dedupe_within: Duration = ...,
    name: str = ...,
) -> WindowedStream[Trade, Bar]: ...
@overload
def trade_bars(
    trades: Stream[Trade],
    *,
    size: Duration = ...,
    session: Session | None = ...,
    out_of_order: Duration = ...,
    dedupe_within: Duration = ...,
    corrections: Stream[Correction],
    keep: Duration = ...,
    name: str = ...,
) -> WindowedStream[Trade | Correction, RevisedBar]: ...
def trade_bars(
    trades: Stream[Trade],
    *,
    size: Duration = "1s",
    session: Session | None = None,
    out_of_order: Duration = "250ms",
    dedupe_within: Duration = "5s",
    corrections: Stream[Correction] | None = None,
    keep: Duration = "1d",
    name: str = "bars",
) -> Any:
    """Build bars of trades by (venue, symbol), correct for any order of receipt.

    With `corrections`, each one emits its bar again, if that was emitted, with its revision increased by one and the
    reason "bust" or "correction"; so does a late trade, with the reason "late". The last revisions are the bars of the
    corrected trades. A correction may come before its trade. If no trade is left, the bar has count 0. Trades and
    corrections are then held for `keep`.

    Args:
        trades: Trades in order of receipt, with repeats.
        size: Length of a bar.
        session: Trading sessions of all venues: bars are those of `session.windows(size)`, and trades outside of
            sessions are unassigned. By default, bars are aligned to the epoch.
        out_of_order: How far a trade may be behind the largest trade time and still count.
        dedupe_within: How long a (venue, symbol, trade_id) is remembered.
        corrections: Busts and corrections of trades, in any order.
        keep: How long after its end a bar accepts corrections and late trades.
        name: Name of the node of the bars, with which the names of the nodes before it begin. Each call in a graph needs
            another one.

    Returns:
        The bars, by start, venue and symbol; `.late` has the trades and corrections that arrived too late. With
        `corrections`, the bars are of type `market.RevisedBar`.

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> trades = rxdag.from_source(sources.simulated_trades(trades=1_000), name="trades")
        >>> bars = market.trade_bars(trades, size="10s").collect()
        >>> sum(bar.count for bar in bars) > 900
        True
    """
    window = windows.tumbling(size) if session is None else checked_session(session, "trade_bars").windows(size)
    if corrections is not None:
        checked_stream(corrections, "trade_bars: corrections")
        duration_ns(keep, "trade_bars: keep")
        return corrected_bars(
            trades, corrections, name, window=window, out_of_order=out_of_order, dedupe_within=dedupe_within, keep=keep
        )
    return (
        trades
        .pipe(ops.event_time("trade_ms", unit="ms", sequence="trade_id", out_of_order=out_of_order), name=f"{name}_timed")
        .pipe(ops.filter(is_valid), name=f"{name}_valid")
        .pipe(ops.dedupe("venue", "symbol", "trade_id", within=dedupe_within), name=f"{name}_once")
        .pipe(ops.key_by("venue", "symbol"))
        .pipe(ops.window(window, agg.ohlcv("price", "qty"), into=as_bar), name=name)
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
