"""Simulated quotes: the best bid and ask around the simulated trades of the same seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import msgspec

from rxdag.contract import Reader, Shape, Source, SourceContext
from rxdag.sources._simulated import DUPLICATES, TimedReader, Trade, check_feed, generate_trades


class Quote(msgspec.Struct, frozen=True):
    """A best bid and ask as a feed handler records it.

    Attributes:
        recv_ns: When it was received, by the local clock, ns since the epoch.
        event_ms: When it was so, ms since the epoch; None where the exchange does not say.
        venue: Of the exchange.
        symbol: Of the instrument.
        update_id: Rising by one within venue and symbol.
        bid: Best price to sell at.
        bid_qty: How much is bid for there.
        ask: Best price to buy at.
        ask_qty: How much is offered there.
    """

    recv_ns: int
    event_ms: int | None
    venue: str
    symbol: str
    update_id: int
    bid: float
    bid_qty: float
    ask: float
    ask_qty: float


def _quotes(trades: Iterator[Trade], seed: int) -> Iterator[Quote]:
    """Two to six quotes for each trade, in the order in which the trades are received; a trade is at the bid or the ask."""
    rng = random.Random(seed ^ 0x5EED)
    ids: dict[tuple[str, str], int] = {}
    newest: dict[tuple[str, str], int] = {}
    for trade in trades:
        key = trade.venue, trade.symbol
        if trade.trade_id <= newest.get(key, -1):
            continue  # it comes again
        newest[key] = trade.trade_id
        tick = 0.1 if trade.price > 10_000 else 0.01
        for _ in range(2 + rng.randrange(5)):
            wide = tick * (1 + (rng.random() < 0.1) * rng.randrange(1, 5))
            bid = trade.price if trade.buyer_is_maker else trade.price - wide
            ids[key] = ids.get(key, 0) + 1
            yield Quote(
                trade.recv_ns,
                trade.trade_ms,
                *key,
                ids[key],
                round(bid, 2),
                round(rng.expovariate(1.0), 3),
                round(bid + wide, 2),
                round(rng.expovariate(1.0), 3),
            )


@dataclass(frozen=True)
class _SimulatedQuotes(Source[Quote]):
    seed: int
    quotes: int
    speed: float | None
    label = "simulated_quotes"
    shape = Shape(Quote)

    @property
    def is_stored(self) -> bool:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # in real time they are not
        return self.speed is None

    def open(self, context: SourceContext) -> Reader:
        made = _quotes(generate_trades(self.seed, self.quotes, DUPLICATES), self.seed)
        return TimedReader(islice(made, self.quotes), self.quotes, self.speed, context)


def simulated_quotes(seed: int = 0, *, quotes: int = 400_000, speed: float | None = None) -> Source[Quote]:
    """Best bids and asks of the six feeds of `simulated_trades`, with the disorder of a real capture.

    Those of one seed go with the trades of that seed: each trade is at the bid or at the ask. Most change nothing but a quantity,
    as in life. One seed gives one sequence.

    Args:
        seed: Of the sequence.
        quotes: How many.
        speed: None for as fast as asked; 1.0 for real time, 20.0 for twenty times that.

    Raises:
        GraphError: If an argument is out of range.

    Example:
        >>> first = rxdag.from_source(sources.simulated_quotes(seed=7)).head(1)[0]
        >>> first.symbol, first.bid < first.ask
        ('BTCUSDT', True)
    """
    check_feed("simulated_quotes", seed, "quotes", quotes, speed)
    return _SimulatedQuotes(seed, quotes, speed)
