"""Two consumers of one market: every trade is counted, and a slow screen sees the newest quote of each symbol.

The screen takes a millisecond for each quote. What it cannot show is replaced by what is newer, and never waits in a queue; the
trades beside it are not held up.

python examples/conflate_quotes.py [quotes.parquet trades.csv.gz]
"""

import sys
import time

import rxdag
from rxdag import market, sinks, sources
from rxdag import operators as ops

if len(sys.argv) > 2:
    quote_source = sources.parquet(sys.argv[1], market.Quote)
    trade_source = sources.csv(sys.argv[2], market.Trade)
else:
    quote_source = sources.simulated_quotes(seed=7, quotes=40_000)
    trade_source = sources.simulated_trades(seed=7, trades=10_000)

shown: dict[tuple[str, str], int] = {}


def show(quote: market.Quote) -> None:
    """The screen: slow."""
    time.sleep(0.001)
    shown[quote.venue, quote.symbol] = quote.update_id


quotes = rxdag.from_source(quote_source, name="quotes")
screen = quotes.pipe(ops.conflate("venue", "symbol"), name="newest").on("screen").to(sinks.call(show), name="screen")
newest = quotes.pipe(ops.key_by("venue", "symbol")).pipe(ops.count(), name="all_quotes").to(sinks.null(), name="seen")
trades = rxdag.from_source(trade_source, name="trades").to(sinks.null(), name="all_trades")

result = rxdag.run(screen, newest, trades)
nodes = result.stats.nodes
came, dropped = nodes["newest"].arrived, nodes["newest"].dropped.get("conflated", 0)
print(f"{came:,} quotes came, {nodes['screen'].passed:,} were shown, {dropped:,} were replaced by newer ones before")
print(f"{nodes['trades'].made:,} trades came, {result[trades]:,} were counted")
for (venue, symbol), update in sorted(shown.items()):
    print(f"{venue} {symbol}: the screen stands at update {update:,}")
