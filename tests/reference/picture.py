"""The picture of the README: a graph that makes bars, with the numbers of a run."""

from __future__ import annotations

import rxdag
from rxdag import aggregates as agg
from rxdag import market, render, sinks, sources, testing, windows
from rxdag import operators as ops


def picture() -> str:
    """The run as SVG; the same on every machine, for it is in virtual time."""
    trades = rxdag.from_source(sources.simulated_trades(seed=7, trades=50_000), name="trades")
    clean = (
        trades.pipe(ops.event_time("trade_ms", unit="ms", sequence="trade_id", out_of_order="150ms"), name="timed")
        .pipe(ops.filter(market.is_valid), name="valid")
        .pipe(ops.dedupe("venue", "symbol", "trade_id", within="5s"), name="once")
        .pipe(ops.key_by("venue", "symbol"))
    )
    bars = clean.pipe(ops.window(windows.tumbling("1s"), agg.ohlcv("price", "qty")), name="bars")
    newest = trades.pipe(ops.conflate("venue", "symbol"), name="newest")
    dag = rxdag.Dag(
        bars.buffered(max_items=500).to(sinks.null(), name="database"),
        bars.late.to(sinks.null(), name="late"),
        newest.buffered(max_items=64).to(sinks.null(), name="screen"),
        name="bars",
    )
    return render.svg(testing.run_virtual(dag)) + "\n"
