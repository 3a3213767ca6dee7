"""What is there already, as streams: a linear pipeline as it stands, and an RxPY observable; both in one graph.

python examples/wrap_existing.py [trades.csv.gz]
"""

import sys
from collections.abc import AsyncIterator
from typing import Any

import reactivex
from reactivex import operators as rx

import rxdag
from rxdag import market, sinks, sources
from rxdag import operators as ops

path = sys.argv[1] if len(sys.argv) > 1 else None


class Trades:
    """The old pipeline's source: an async generator and close."""

    async def stream(self) -> AsyncIterator[market.Trade]:
        source = sources.csv(path, market.Trade) if path else sources.simulated_trades(seed=7, trades=3000)
        for trade in rxdag.from_source(source):
            yield trade

    async def close(self) -> None:
        print("old pipeline: source closed")


class Notional:
    """Its operator: what a trade was worth; None for nothing."""

    async def handle(self, trade: market.Trade) -> tuple[str, float] | None:
        return (trade.symbol, trade.price * trade.qty) if trade.qty > 0 else None


class Hundreds:
    """Its batcher."""

    def __init__(self) -> None:
        self.held: list[Any] = []

    async def add(self, item: Any) -> list[Any] | None:
        self.held.append(item)
        return await self.flush() if len(self.held) == 100 else None

    async def flush(self) -> list[Any]:
        held, self.held = self.held, []
        return held


class Nowhere:
    """Its sink, which is not written to here: its batches are the stream."""

    async def write(self, batch: list[Any]) -> None:
        raise AssertionError("not here")

    async def close(self) -> None: ...


class OldPipeline:
    """What was there before, unchanged."""

    source, operator, batcher, sink = Trades(), Notional(), Hundreds(), Nowhere()


batches = rxdag.wrap(OldPipeline(), name="old")
worth = batches.pipe(ops.explode(lambda batch: batch), name="worth")

beats = reactivex.of(0.0, 1.0, 2.0, 3.0, 4.0).pipe(
    rx.map(lambda n: ("heartbeat", n))
)  # an observable with RxPY's own operators
both = rxdag.merge(worth, rxdag.from_observable(beats, hot=False, name="beats"))

totals: dict[str, float] = {}


def add(pair: tuple[str, float]) -> None:
    """Sum by symbol."""
    totals[pair[0]] = totals.get(pair[0], 0.0) + pair[1]


result = rxdag.run(both.to(sinks.call(add), name="totals"))
print(f"{result.stats.nodes['worth'].made:,} trades in {result.stats.nodes['old'].made:,} batches of the old pipeline")
for symbol, total in sorted(totals.items()):
    print(f"{symbol:12} {total:18,.2f}")
