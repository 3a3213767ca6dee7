"""Bars of trades that exchanges bust and correct afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final, Literal

import msgspec

from rxdag import operators as ops
from rxdag.aggregates import Ohlcv
from rxdag.aggregates import accumulators as acc
from rxdag.contract import Accumulator, Aggregate, Assigner, BadItem, Duration, Pane, finite
from rxdag.errors import shown
from rxdag.graph import Stream, WindowedStream
from rxdag.market._bar import Bar, as_bar, is_valid
from rxdag.operators.joining import merge
from rxdag.sources import Trade

_NAN: Final = float("nan")
_NO_TRADES: Final = Ohlcv(_NAN, _NAN, _NAN, _NAN, 0, None, 0)
_new_bar: Final = acc.bars(itemgetter(0), itemgetter(1))

Reason = Literal["bust", "correction", "late"]


class Correction(msgspec.Struct, frozen=True):
    """A trade that the exchange has busted or corrected.

    Attributes:
        venue: Name of the exchange.
        symbol: Symbol of the instrument.
        trade_id: Number of the trade.
        trade_ms: Time of the trade, ms since the epoch; it decides in which bar the trade is.
        correction_id: Number of the correction; if there are several of one trade, the largest counts.
        price: The right price; None for a bust.
        qty: The right quantity; None for a bust.
    """

    venue: str
    symbol: str
    trade_id: int
    trade_ms: int
    correction_id: int
    price: float | None = None
    qty: float | None = None


class RevisedBar(Bar, frozen=True):
    """A flat bar of trades that may be emitted again.

    If all its trades were busted, it has count 0, and NaN as prices.

    Attributes:
        revision: 0 for the first bar of an interval, 1 more for each later one.
        reason: Cause of the revision: "bust", "correction" or "late"; None for the first bar.
    """

    revision: int = 0
    reason: Reason | None = None


class _Corrected(Accumulator[Any, "tuple[Ohlcv, Reason]"]):
    """Trades and corrections of one bar, by trade id."""

    state = ("trades", "corrections", "reason")

    def __init__(self) -> None:
        self.trades: dict[int, tuple[int, float, float]] = {}
        self.corrections: dict[int, tuple[int, float | None, float | None]] = {}
        self.reason: Reason = "late"

    def check(self, item: Trade | Correction, /) -> None:
        if not isinstance(item, Correction) or item.price is item.qty is None:
            return
        price, qty = finite(item.price, "trade_bars: corrected price"), finite(item.qty, "trade_bars: corrected qty")
        if price <= 0 or qty <= 0:
            raise BadItem(
                f"trade_bars: a correction must have a price and a qty above 0, got {shown(price)}, {shown(qty)}; "
                "leave out both for a bust"
            )

    def add(self, item: Trade | Correction, /) -> None:
        self.check(item)
        if isinstance(item, Correction):
            known = self.corrections.get(item.trade_id)
            if known is None or item.correction_id >= known[0]:
                self.corrections[item.trade_id] = item.correction_id, item.price, item.qty
            self.reason = "bust" if item.price is None else "correction"
        else:
            self.trades.setdefault(item.trade_id, (item.trade_ms, item.price, item.qty))
            self.reason = "late"

    def result(self) -> tuple[Ohlcv, Reason]:
        bar = _new_bar()
        for trade_id, (ts, *as_traded) in sorted(self.trades.items(), key=lambda row: (row[1][0], row[0])):
            _, price, qty = self.corrections.get(trade_id, (0, *as_traded))
            if price is not None:
                bar.add_at((price, qty), ts, trade_id)
        return (bar.result() if bar.count else _NO_TRADES), self.reason

    def snapshot(self) -> list[Any]:
        rows = ([[trade_id, *row] for trade_id, row in by_id.items()] for by_id in (self.trades, self.corrections))
        return [*rows, self.reason]

    def restore(self, saved: list[Any]) -> None:
        trades, corrections, self.reason = saved
        self.trades = {trade_id: (ts, price, qty) for trade_id, ts, price, qty in trades}
        self.corrections = {trade_id: (number, price, qty) for trade_id, number, price, qty in corrections}


@dataclass(frozen=True)
class _CorrectedOf(Aggregate[Any, "tuple[Ohlcv, Reason]"]):
    def accumulator(self) -> _Corrected:
        return _Corrected()


def _as_revised(pane: Pane[tuple[str, str], tuple[Ohlcv, Reason]]) -> RevisedBar:
    value, reason = pane.value
    bar = as_bar(Pane(pane.key, pane.start, pane.end, pane.revision, value, pane.closed_by))
    return RevisedBar(**msgspec.structs.asdict(bar), revision=pane.revision, reason=reason if pane.revision else None)


def _identity(item: Trade | Correction) -> tuple[Any, ...]:
    return msgspec.structs.astuple(item) if isinstance(item, Correction) else (item.venue, item.symbol, item.trade_id)


def corrected_bars(
    trades: Stream[Trade],
    corrections: Stream[Correction],
    name: str,
    *,
    window: Assigner,
    out_of_order: Duration,
    dedupe_within: Duration,
    keep: Duration,
) -> WindowedStream[Trade | Correction, RevisedBar]:
    """Build the bars of `trade_bars` with corrections.

    A correction has the time of its trade, so it falls into the bar of that trade, and is late for it as a trade is.
    """
    # One event_time for both: a silent stream of corrections must not hold the watermark of the trades back.
    valid = trades.pipe(ops.filter(is_valid), name=f"{name}_valid")
    return (
        merge(valid, corrections)
        .pipe(ops.event_time("trade_ms", unit="ms", sequence="trade_id", out_of_order=out_of_order), name=f"{name}_timed")
        .pipe(ops.dedupe(_identity, within=dedupe_within), name=f"{name}_once")
        .pipe(ops.key_by("venue", "symbol"))
        .pipe(
            ops.window(window, _CorrectedOf(), into=_as_revised, allowed_lateness=keep), name=name
        )
    )  # fmt: skip
