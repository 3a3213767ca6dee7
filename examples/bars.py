"""Trades to bars: event time, dedupe, 1 s OHLCV by venue and symbol, routed by venue and merged again.

python examples/bars.py [trades.csv.gz [out]]
"""

import sys

import rxdag
from rxdag import aggregates as agg
from rxdag import market, sinks, sources, windows
from rxdag import operators as ops

path, out = (*sys.argv[1:], "", "out")[:2] if len(sys.argv) < 3 else sys.argv[1:3]
source = sources.csv(path, market.Trade) if path else sources.simulated_trades(seed=7, trades=50_000)

trades = rxdag.from_source(source, name="trades")
bars = (
    trades
    .pipe(ops.event_time("trade_ms", unit="ms", sequence="trade_id", out_of_order="250ms"))
    .pipe(ops.filter(market.is_valid), name="valid")
    .pipe(ops.dedupe("venue", "symbol", "trade_id", within="5s"))
    .pipe(ops.key_by("venue", "symbol"))
    .pipe(ops.window(windows.tumbling("1s"), agg.ohlcv("price", "qty"), into=market.as_bar), name="bars")
)  # fmt: skip
spot = bars.pipe(ops.route({"spot": lambda bar: bar.venue.endswith("spot")}, default="futures"), name="by_venue")
merged = rxdag.merge(spot["spot"], spot["futures"])

saved = merged.to(sinks.csv(f"{out}/bars.csv", columns=market.BAR_COLUMNS), name="bars_csv")
late = bars.late.to(sinks.jsonl(f"{out}/late.jsonl"), name="late_jsonl")
result = rxdag.run(saved, late)
print(result)
print(f"{result[saved]:,} bars in {out}/bars.csv, {result[late]:,} late trades in {out}/late.jsonl")
