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
    """A best bid and ask as recorded by a feed handler.

    Attributes:
        recv_ns: Time of receipt by the local clock, ns since the epoch.
        event_ms: Time of the quote, ms since the epoch; None if the exchange does not provide it.
        venue: Name of the exchange.
        symbol: Symbol of the instrument.
        update_id: Update number; increases by one within venue and symbol.
        bid: Best price to sell at.
        bid_qty: Quantity bid at that price.
        ask: Best price to buy at.
        ask_qty: Quantity offered at that price.
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
    """Yield two to six quotes for each trade, in order of receipt; a trade is at the bid or the ask."""
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
    no_position = None

    @property
    def is_stored(self) -> bool:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # in real time they are not
        return self.speed is None

    def open(self, context: SourceContext) -> Reader:
        made = _quotes(generate_trades(self.seed, self.quotes, DUPLICATES), self.seed)
        return TimedReader(self.label, self.seed, islice(made, self.quotes), self.quotes, self.speed, context)


def simulated_quotes(seed: int = 0, *, quotes: int = 400_000, speed: float | None = None) -> Source[Quote]:
    """Generate best bids and asks of six feeds, with the disorder of a real capture.

    The feeds are those of `simulated_trades`. Quotes and trades of the same seed belong together: each trade is at the
    bid or at the ask. As in reality, most quotes change only a quantity. Equal seeds give equal sequences. To continue
    at a position, the quotes up to there are generated again: about 4 s for a million.

    Args:
        seed: Seed of the sequence.
        quotes: Number of quotes.
        speed: None for as fast as they are read; 1.0 for real time, 20.0 for twenty times that.

    Raises:
        GraphError: If an argument is out of range.

    Example:
        >>> first = rxdag.from_source(sources.simulated_quotes(seed=7)).head(1)[0]
        >>> first.symbol, first.bid < first.ask
        ('BTCUSDT', True)
    """
    check_feed("simulated_quotes", seed, "quotes", quotes, speed)
    return _SimulatedQuotes(seed, quotes, speed)
