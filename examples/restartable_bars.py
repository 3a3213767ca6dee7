"""Bars of simulated trades, as a job that survives `kill -9`: `rxdag run restartable_bars.py --checkpoints bars.state`."""

import rxdag
from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag import sinks, sources, windows

trades = rxdag.from_source(sources.simulated_trades(seed=7, trades=200_000), name="trades")
bars = (
    trades.pipe(ops.event_time("trade_ms", unit="ms", sequence="trade_id", out_of_order="100ms"), name="time")
    .pipe(ops.dedupe("venue", "symbol", "trade_id", within="5s"), name="once")
    .pipe(ops.key_by("venue", "symbol"))
    .pipe(ops.window(windows.tumbling("1s"), agg.ohlcv("price", "qty")), name="bars")
)
dag = rxdag.Dag(
    bars.to(sinks.csv("bars.csv"), name="file"),
    bars.late.to(sinks.jsonl("late.jsonl"), name="late"),
    name="bars",
)

if __name__ == "__main__":
    print(rxdag.run(dag))
