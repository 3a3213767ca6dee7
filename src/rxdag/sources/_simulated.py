"""Simulated trades: six merged feeds with the disorder of real ones."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import msgspec

from rxdag.contract import END, Chunk, Read, Reader, Shape, Source, SourceContext, positive, share, whole
from rxdag.errors import SourceError
from rxdag.sources._iterable import check_length


class Trade(msgspec.Struct, frozen=True):
    """A trade as recorded by a feed handler.

    Attributes:
        recv_ns: Time of receipt by the local clock, ns since the epoch.
        event_ms: Time at which the exchange sent it, ms since the epoch.
        trade_ms: Time of the trade, ms since the epoch.
        venue: Name of the exchange.
        symbol: Symbol of the instrument.
        trade_id: Trade number; increases by one within venue and symbol.
        price: Price in quote currency.
        qty: Quantity in base currency, or contracts.
        buyer_is_maker: True if the seller was the aggressor.
    """

    recv_ns: int
    event_ms: int
    trade_ms: int
    venue: str
    symbol: str
    trade_id: int
    price: float
    qty: float
    buyer_is_maker: bool


@dataclass(frozen=True)
class _Feed:
    venue: str
    symbol: str
    weight: float
    price: float
    tick: float
    qty: float
    latency_ms: float
    jitter_ms: float
    stall: float


# Shares, sizes and delays of six real feeds captured at once; a stall holds a feed back, then lets it catch up.
_FEEDS: Final = (
    _Feed("sim_spot", "BTCUSDT", 0.21, 61_837.0, 0.01, 0.0006, 2.0, 2.0, 0.034),
    _Feed("sim_spot", "ETHUSDT", 0.13, 2_683.0, 0.01, 0.0088, 1.0, 2.0, 0.022),
    _Feed("sim_usdm", "BTCUSDT", 0.34, 61_800.0, 0.1, 0.016, 3.0, 1.0, 0.002),
    _Feed("sim_usdm", "ETHUSDT", 0.22, 2_681.0, 0.01, 0.071, 3.0, 1.0, 0.002),
    _Feed("sim_cm", "BTCUSD_PERP", 0.05, 61_804.0, 0.1, 4.0, 16.0, 8.0, 0.004),
    _Feed("sim_cm", "ETHUSD_PERP", 0.05, 2_682.0, 0.01, 40.0, 14.0, 8.0, 0.004),
)
_START_MS: Final = 1_723_161_254_000
_SKEW_MS: Final = -1_275.0  # the local clock is behind the exchanges'
_STALL_MAX_MS: Final = 205.0
DUPLICATES: Final = 0.02
"""Default share of the trades that are repeated."""
_LEAST_LATENCY_MS: Final = min(feed.latency_ms for feed in _FEEDS)


def generate_trades(seed: int, trades: int, duplicates: float) -> Iterator[Trade]:
    """Yield trades in order of receipt."""
    rng = random.Random(seed)
    state = _Market(rng, duplicates)
    given = 0
    while given < trades:
        state.burst()
        for trade in state.received():
            given += 1
            yield trade
            if given == trades:
                return


class _Market:
    """Bursts of trades at market times, and those under way to the receiver."""

    def __init__(self, rng: random.Random, duplicates: float) -> None:
        self._rng = rng
        self._duplicates = duplicates
        self._now = float(_START_MS)
        self._mood = 0.0
        self._ids = [1_000_000 * (i + 1) for i in range(len(_FEEDS))]
        self._prices = [feed.price for feed in _FEEDS]
        self._received = [0.0] * len(_FEEDS)
        self._stalled_until = [0.0] * len(_FEEDS)
        self._last_ms = [0] * len(_FEEDS)
        self._under_way: list[tuple[float, int, Trade]] = []
        self._order = 0

    def burst(self) -> None:
        """Simulate one market event: a leader trades, others follow within milliseconds."""
        rng = self._rng
        # Busy spells come and go; within one, gaps have a heavy tail: mostly a few ms, seldom half a second.
        self._mood = 0.998 * self._mood + rng.gauss(0.0, 0.045)
        self._now += min(rng.lognormvariate(2.55 - self._mood, 1.15), 520.0)
        leader = rng.choices(range(len(_FEEDS)), [feed.weight for feed in _FEEDS])[0]
        self._trades(leader, self._now)
        for i, feed in enumerate(_FEEDS):
            if i != leader and rng.random() < 0.7 * feed.weight:
                self._trades(i, self._now + rng.expovariate(0.5))

    def _trades(self, i: int, at_ms: float) -> None:
        rng, feed = self._rng, _FEEDS[i]
        trade_ms = max(int(at_ms), self._last_ms[i])
        self._last_ms[i] = trade_ms
        n = min(int(rng.paretovariate(1.22)), 735)
        if rng.random() < feed.stall:
            self._stalled_until[i] = at_ms + _STALL_MAX_MS * math.sqrt(rng.random())
        buyer_is_maker = rng.random() < 0.5
        for k in range(n):
            if rng.random() < 0.36:
                step = max(1, round(rng.expovariate(0.3))) * feed.tick
                self._prices[i] = round(self._prices[i] + (step if rng.random() < 0.5 else -step), 2)
            latency = feed.latency_ms + rng.expovariate(1 / feed.jitter_ms)
            # In order within a feed, as over TCP.
            arrival = max(at_ms + latency, self._stalled_until[i], self._received[i] + 0.001)
            self._received[i] = arrival
            self._ids[i] += 1
            self._send(i, trade_ms, arrival, buyer_is_maker, first=k == 0)

    def _send(self, i: int, trade_ms: int, arrival_ms: float, buyer_is_maker: bool, *, first: bool) -> None:
        rng, feed = self._rng, _FEEDS[i]
        qty = max(feed.qty * math.exp(rng.gauss(0.0, 1.6)), feed.qty / 100) if first else feed.qty
        trade = Trade(
            recv_ns=int((arrival_ms + _SKEW_MS) * 1_000_000),
            event_ms=trade_ms + (1 if rng.random() < 0.5 else 0),
            trade_ms=trade_ms,
            venue=feed.venue,
            symbol=feed.symbol,
            trade_id=self._ids[i],
            price=self._prices[i],
            qty=round(qty, 6),
            buyer_is_maker=buyer_is_maker,
        )
        self._push(arrival_ms, trade)
        if self._duplicates and rng.random() < self._duplicates:
            again = arrival_ms + rng.uniform(0.0, 2_000.0)
            self._push(again, msgspec.structs.replace(trade, recv_ns=int((again + _SKEW_MS) * 1_000_000)))

    def _push(self, arrival_ms: float, trade: Trade) -> None:
        self._order += 1
        heapq.heappush(self._under_way, (arrival_ms, self._order, trade))

    def received(self) -> Iterator[Trade]:
        """Yield the trades that no later burst can precede."""
        while self._under_way and self._under_way[0][0] < self._now + _LEAST_LATENCY_MS:
            yield heapq.heappop(self._under_way)[2]


class TimedReader(Reader):
    """Delivers items at their recorded pace, or a multiple of it.

    Args:
        label: Name of the source, for messages.
        seed: Seed of the items.
        items: Items with `recv_ns`, in order of receipt.
        n: Number of items.
        speed: Multiple of the recorded pace; None for as fast as they are read.
        context: Context of the source.
    """

    def __init__(
        self, label: str, seed: int, items: Iterator[Any], n: int, speed: float | None, context: SourceContext
    ) -> None:
        self._label = label
        self._seed = seed
        self._items = items
        self._n = n
        self._given = 0
        self._speed = speed
        self._context = context
        self._began = context.clock.now()
        self._first: int | None = None
        self._next: Any = None

    def _due(self, trade: Any) -> int:
        if self._speed is None:
            return self._began
        received: int = trade.recv_ns
        if self._first is None:
            self._first = received
        return self._began + round((received - self._first) / self._speed)

    def read(self, max_items: int) -> Read:
        items: list[Any] = []
        now = self._context.clock.now()
        while len(items) < max_items:
            trade = self._next if self._next is not None else next(self._items, None)
            self._next = None
            if trade is None:
                break
            due = self._due(trade)
            if due > now:
                self._next = trade
                if items:
                    break
                self._context.wake_at(due)
                return None
            items.append(trade)
        self._given += len(items)
        return Chunk(items) if items else END

    def position(self) -> dict[str, int]:
        return {"seed": self._seed, "items": self._given}

    def seek(self, position: dict[str, int]) -> None:
        if position["seed"] != self._seed:
            raise SourceError(
                f"{self._label}: seed must be {position['seed']}, as when the checkpoint was taken, got {self._seed}; pass "
                "that seed, or start without the checkpoint"
            )
        check_length(sum(1 for _ in islice(self._items, position["items"])), position["items"], self._label)
        self._given = position["items"]

    def progress(self) -> float:
        return min(1.0, self._given / max(1, self._n))


@dataclass(frozen=True)
class _SimulatedTrades(Source[Trade]):
    seed: int
    trades: int
    duplicates: float
    speed: float | None
    label = "simulated_trades"
    shape = Shape(Trade)
    no_position = None

    @property
    def is_stored(self) -> bool:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # in real time they are not
        return self.speed is None

    def open(self, context: SourceContext) -> Reader:
        made = generate_trades(self.seed, self.trades, self.duplicates)
        return TimedReader(self.label, self.seed, made, self.trades, self.speed, context)


def check_feed(where: str, seed: int, what: str, n: int, speed: float | None) -> None:
    """Raise GraphError if a feed cannot be of that seed, length and speed."""
    whole(seed, f"{where}: seed", least=-(1 << 63))
    whole(n, f"{where}: {what}")
    if speed is not None:
        positive(speed, f"{where}: speed")


def simulated_trades(
    seed: int = 0, *, trades: int = 100_000, duplicates: float = DUPLICATES, speed: float | None = None
) -> Source[Trade]:
    """Generate trades of six feeds, with the disorder of a real capture.

    The feeds are merged by time of receipt. Each feed is in order by itself. About a third of the trades are behind the
    largest trade time seen: most by a few ms, some by 200 ms, none by 250 ms. Most trades share their millisecond with
    another one, and the local clock is 1.27 s behind the clocks of the exchanges. Equal seeds give equal sequences. To
    continue at a position, the trades up to there are generated again: about 3 s for a million.

    Args:
        seed: Seed of the sequence.
        trades: Number of trades, including duplicates.
        duplicates: Share of the trades that are repeated, up to 2 s later, from 0 to 1.
        speed: None for as fast as they are read; 1.0 for real time, 20.0 for twenty times that.

    Raises:
        GraphError: If an argument is out of range.

    Example:
        >>> first = rxdag.from_source(sources.simulated_trades(seed=7)).head(1)[0]
        >>> first.venue, first.symbol
        ('sim_usdm', 'BTCUSDT')
    """
    check_feed("simulated_trades", seed, "trades", trades, speed)
    share(duplicates, "simulated_trades: duplicates")
    return _SimulatedTrades(seed, trades, duplicates, speed)
