"""Each trade beside the quote that stood when it happened: effective spreads, and a rolling VWAP of each symbol.

python examples/spreads.py [trades.csv.gz quotes.parquet]
"""

import sys
from statistics import mean, median
from typing import NamedTuple

import rxdag
from rxdag import aggregates as agg
from rxdag import market, sinks, sources
from rxdag import operators as ops


class Fill(NamedTuple):
    """A trade and the middle of the quote before it."""

    key: str
    price: float
    qty: float
    mid: float


def fill(trade: market.Trade, quote: market.Quote | None) -> Fill | None:
    """A trade at its quote; None if there was none yet."""
    if quote is None:
        return None
    return Fill(f"{trade.venue} {trade.symbol}", trade.price, trade.qty, (quote.bid + quote.ask) / 2)


if len(sys.argv) > 2:
    trade_source = sources.csv(sys.argv[1], market.Trade)
    quote_source = sources.parquet(sys.argv[2], market.Quote)
else:
    trade_source = sources.simulated_trades(seed=7, trades=10_000)
    quote_source = sources.simulated_quotes(seed=7, quotes=40_000)

trades = (
    rxdag.from_source(trade_source, name="trades")
    .pipe(ops.event_time("trade_ms", unit="ms", sequence="trade_id", out_of_order="250ms"))
    .pipe(ops.filter(market.is_valid), name="valid")
    .pipe(ops.dedupe("venue", "symbol", "trade_id", within="5s"))
    .pipe(ops.key_by("venue", "symbol"))
)
quotes = (
    rxdag.from_source(quote_source, name="quotes")
    .pipe(ops.filter(lambda quote: quote.event_ms is not None), name="dated")  # Binance does not say when on spot
    .pipe(ops.event_time("event_ms", unit="ms", sequence="update_id", out_of_order="300ms"))
    .pipe(ops.key_by("venue", "symbol"))
)
fills = (
    rxdag.join_asof(trades, quotes, tolerance="60s", into=fill)
    .pipe(ops.explode(lambda each: [] if each is None else [each]), name="quoted")
    .pipe(ops.key_by(lambda each: each.key))
)
vwap = fills.pipe(
    ops.rolling("10s", agg.vwap("price", "qty"), into=lambda each, price: (each.key, price)), name="vwap_10s"
)

spreads: dict[str, list[float]] = {}
last: dict[str, float | None] = {}
result = rxdag.run(
    fills.to(
        sinks.call(lambda each: spreads.setdefault(each.key, []).append(2 * abs(each.price - each.mid) / each.mid))
    ),
    vwap.to(sinks.call(lambda pair: last.__setitem__(*pair)), name="last"),
)
print(f"{result.stats.nodes['quoted'].arrived:,} trades, {sum(map(len, spreads.values())):,} with a quote before them")
print(f"{'symbol':24} {'trades':>8} {'effective spread, bp: median':>28} {'mean':>8} {'last 10 s VWAP':>16}")
for key, found in sorted(spreads.items()):
    print(f"{key:24} {len(found):8,} {1e4 * median(found):28.4f} {1e4 * mean(found):8.4f} {last[key] or 0:16,.2f}")
