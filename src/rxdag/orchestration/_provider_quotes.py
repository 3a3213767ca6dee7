"""Quotes of providers, and a provider of simulated ones."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from rxdag.errors import GraphError, shown


class ProviderQuote(msgspec.Struct, frozen=True):
    """A quote of a provider: its last price, with the best bid and ask.

    The fields are those of market-data-pipeline's Quote.

    Attributes:
        symbol: Symbol of the instrument.
        timestamp: Time of the quote, aware, UTC.
        price: Last price, in quote currency.
        size: Size of the last trade, in base currency or contracts.
        bid: Best bid.
        ask: Best ask.
        bid_size: Size at the best bid.
        ask_size: Size at the best ask.
        source: Name of the source.
    """

    symbol: str
    timestamp: datetime
    price: Decimal
    size: Decimal
    bid: Decimal | None = None
    ask: Decimal | None = None
    bid_size: Decimal | None = None
    ask_size: Decimal | None = None
    source: str = "synthetic"


class SimulatedProvider:
    """A provider of simulated quotes, which follow random walks, one symbol after the other.

    Args:
        symbols: Symbols of one or more instruments.
        ticks_per_sec: Quotes per second, over all symbols.
        seed: Seed of the walks.

    Raises:
        GraphError: If there are no symbols, or the rate is not above 0.

    Example:
        >>> provider = rxdag.orchestration.SimulatedProvider(["BTC"], ticks_per_sec=1_000, seed=1)
        >>> [quote.symbol for quote in rxdag.from_source(sources.async_iterable(provider.stream)).head(2)]
        ['BTC', 'BTC']
    """

    def __init__(self, symbols: Sequence[str], ticks_per_sec: float = 10, seed: int = 0) -> None:
        if isinstance(symbols, str) or not symbols:
            raise GraphError(f"SimulatedProvider: symbols must be a list with one symbol or more, got {shown(symbols)}")
        if not ticks_per_sec > 0:
            raise GraphError(f"SimulatedProvider: ticks_per_sec must be more than 0, got {shown(ticks_per_sec)}")
        self.symbols = list(symbols)
        self.ticks_per_sec = ticks_per_sec
        self._random = random.Random(seed)
        self._prices = {symbol: Decimal(str(round(self._random.uniform(50, 500), 2))) for symbol in self.symbols}
        self._is_closed = False

    async def stream(self) -> AsyncIterator[ProviderQuote]:
        """Yield quotes until the source is closed."""
        while not self._is_closed:
            for symbol in self.symbols:
                yield self._next(symbol)
                await asyncio.sleep(1 / self.ticks_per_sec)

    def _next(self, symbol: str) -> ProviderQuote:
        cent = Decimal("0.01")
        move = Decimal(str(self._random.uniform(-0.001, 0.001)))
        price = self._prices[symbol] = max(cent, (self._prices[symbol] * (1 + move)).quantize(cent))
        half = max(cent, (price * Decimal("0.0005")).quantize(cent))
        sizes = [Decimal(self._random.randint(1, 500)) for _ in range(3)]
        return ProviderQuote(symbol, datetime.now(UTC), price, sizes[0], price - half, price + half, sizes[1], sizes[2])

    async def close(self) -> None:
        """Stop the quotes."""
        self._is_closed = True
