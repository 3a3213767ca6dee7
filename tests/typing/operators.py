"""The type of each operator and aggregate, as both checkers must infer it. Never run: checked only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, assert_type

import msgspec

import rxdag
from rxdag import KeyedStream, Pane, Stream, market, sources, windows
from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag.aggregates import Ohlcv
from rxdag.expressions import Expr
from rxdag.graph import KeyedRoutes, Routes, WindowedStream
from rxdag.operators import Gap, KeyedProcess, ProcessContext, Timestamped


class Trade(msgspec.Struct, frozen=True):
    ts_ms: int
    symbol: str
    price: float
    qty: float


class Quote(NamedTuple):
    symbol: str
    bid: float


class Stats(NamedTuple):
    n: int
    high: float


trades = rxdag.from_source(sources.csv("trades.csv", Trade))
quotes = rxdag.from_source(sources.iterable([Quote("A", 1.0)]))
keyed = trades.pipe(ops.key_by(lambda t: t.symbol))
keyed_quotes = quotes.pipe(ops.key_by(lambda q: q.symbol))
second = windows.tumbling("1s")

# ---- one value after the other
assert_type(keyed.pipe(ops.scan(0.0, lambda total, t: total + t.qty, ttl="1m")), KeyedStream[str, float])
assert_type(keyed.pipe(ops.reduce(0.0, lambda total, t: total + t.qty)), KeyedStream[str, float])
assert_type(keyed.pipe(ops.reduce(lambda a, b: a if a.price > b.price else b)), KeyedStream[str, Trade])
assert_type(trades.pipe(ops.sum(lambda t: t.qty)), Stream[Any])
assert_type(trades.pipe(ops.min(lambda t: t.qty)), Stream[Any])
assert_type(trades.pipe(ops.start_with(Trade(1, "A", 1.0, 1.0))), Stream[Trade])
assert_type(keyed.pipe(ops.timestamp()), KeyedStream[str, Timestamped[Trade]])
assert_type(keyed.pipe(ops.take_until(quotes)), KeyedStream[str, Trade])
assert_type(trades.pipe(ops.skip_until(quotes)), Stream[Trade])


# ---- items that become streams, and calls
def levels(trade: Trade) -> Sequence[float]:
    return [trade.price, trade.qty]


async def fetch(symbol: str) -> Quote:
    return Quote(symbol, 1.0)


def edge(trade: Trade, quote: Quote) -> float:
    return trade.price - quote.bid


async def price_of(trade: Trade) -> float:
    return trade.price


assert_type(keyed.pipe(ops.flat_map(levels, concurrency=3)), KeyedStream[str, float])
assert_type(trades.pipe(ops.concat_map(levels)), Stream[float])
assert_type(trades.pipe(ops.switch_map(lambda t: sources.iterable([t.symbol]))), Stream[str])
assert_type(keyed.pipe(ops.map_async(price_of, concurrency=8, timeout="1s")), KeyedStream[str, float])
assert_type(trades.pipe(ops.lookup(fetch, key=lambda t: t.symbol)), Stream[tuple[Trade, Quote]])
assert_type(trades.pipe(ops.lookup(fetch, key=lambda t: t.symbol, into=edge)), Stream[float])
assert_type(trades.pipe(ops.lookup(fetch, key=lambda t: t.symbol, into=edge, timeout="1s")), Stream[float])

# ---- time
assert_type(keyed.pipe(ops.audit("1s")), KeyedStream[str, Trade])
assert_type(keyed.pipe(ops.sample("1s")), KeyedStream[str, Trade])
assert_type(keyed.pipe(ops.throttle_first("1s")), KeyedStream[str, Trade])
assert_type(keyed.pipe(ops.throttle_latest("1s")), KeyedStream[str, Trade])
assert_type(trades.pipe(ops.throttle(5, key=lambda t: t.symbol)), Stream[Trade])
assert_type(keyed.pipe(ops.batch(5, skip=2)), KeyedStream[str, list[Trade]])

# ---- keys and windows
assert_type(keyed.pipe(ops.conflate()), KeyedStream[str, Trade])
assert_type(keyed.pipe(ops.conflate(per="instant", keep="list")), KeyedStream[str, list[Trade]])
assert_type(keyed.pipe(ops.top_n(5, lambda t: t.qty, unique="symbol")), KeyedStream[str, list[Trade]])
assert_type(keyed.pipe(ops.rolling(20, agg.mean(lambda t: t.price))), KeyedStream[str, float])
assert_type(keyed.pipe(ops.rolling("5s", agg.mean(lambda t: t.price))), KeyedStream[str, float])
assert_type(trades.pipe(ops.rolling("5s", agg.count(), closed="left")), Stream[int | None])
assert_type(trades.pipe(ops.rolling("5s", agg.count(), into=lambda t, n: (t.symbol, n))), Stream[tuple[str, int]])
assert_type(keyed.pipe(ops.window(second, agg.count(), early=100)), WindowedStream[Trade, Pane[str, int]])
assert_type(
    keyed.pipe(ops.window(windows.global_(), agg.count(), early="1m", into=lambda p: p.value)),
    WindowedStream[Trade, int],
)
assert_type(trades.pipe(ops.window_all(second, agg.count())), Stream[Pane[None, int]])
assert_type(trades.pipe(ops.window_all(second, agg.count(), into=lambda p: p.value)), Stream[int])


class Idle(KeyedProcess[str, Trade, str, int]):
    ports = ("odd",)

    def initial(self) -> int:
        return 0

    def on_item(self, ctx: ProcessContext[str, str], state: int, item: Trade, /) -> int:
        ctx.set_timer(ctx.ts + 1)
        ctx.emit(ctx.key + item.symbol)
        return state + 1

    def on_timer(self, ctx: ProcessContext[str, str], state: int, name: str, /) -> int:
        ctx.emit_to("odd", state)
        return 0


processed = keyed.pipe(ops.process(Idle(), ttl="1h"))
assert_type(processed, WindowedStream[Trade, str])
assert_type(processed.side("odd", of=int), Stream[int])


# ---- aggregates
def value(aggregate: agg.Aggregate[Trade, float]) -> agg.Aggregate[Trade, float]:
    return aggregate


value(agg.sum(lambda t: t.price))
value(agg.mean(lambda t: t.price))
value(agg.min(lambda t: t.price))
value(agg.max(lambda t: t.price))
value(agg.quantile(lambda t: t.price, 0.5))
value(market.twap(lambda t: t.price))
assert_type(keyed.pipe(ops.window(second, agg.collect())), WindowedStream[Trade, Pane[str, list[Trade]]])
assert_type(keyed.pipe(ops.window(second, agg.first(lambda t: t.symbol))), WindowedStream[Trade, Pane[str, str]])
assert_type(keyed.pipe(ops.window(second, agg.last(lambda t: t.price))), WindowedStream[Trade, Pane[str, float]])
assert_type(keyed.pipe(ops.window(second, agg.std(lambda t: t.price))), WindowedStream[Trade, Pane[str, float | None]])
assert_type(keyed.pipe(ops.window(second, agg.var(lambda t: t.price))), WindowedStream[Trade, Pane[str, float | None]])
assert_type(
    keyed.pipe(ops.window(second, agg.count_distinct(lambda t: t.price))), WindowedStream[Trade, Pane[str, int]]
)
assert_type(
    keyed.pipe(ops.window(second, agg.reduce(lambda a, b: a if a.price > b.price else b))),
    WindowedStream[Trade, Pane[str, Trade]],
)
assert_type(
    keyed.pipe(ops.window(second, agg.fold("", lambda text, t: text + t.symbol))),
    WindowedStream[Trade, Pane[str, str]],
)
assert_type(
    keyed.pipe(ops.window(second, agg.named(Stats, n=agg.count(), high=agg.max("price")))),
    WindowedStream[Trade, Pane[str, Stats]],
)

# ---- several streams
assert_type(rxdag.zip(trades, quotes), Stream[tuple[Trade, Quote]])
assert_type(rxdag.combine_latest(trades, quotes), Stream[tuple[Trade, Quote]])
assert_type(rxdag.with_latest_from(trades, quotes), Stream[tuple[Trade, Quote]])
assert_type(rxdag.concat(trades, trades), Stream[Trade])
assert_type(rxdag.catch(trades, trades), Stream[Trade])
assert_type(rxdag.merge_sorted(trades, trades), Stream[Trade])
assert_type(rxdag.join_asof(keyed, keyed_quotes), KeyedStream[str, tuple[Trade, Quote | None]])
assert_type(
    rxdag.join_asof(trades, quotes, into=lambda t, q: None if q is None else q.bid - t.price), Stream[float | None]
)
assert_type(rxdag.join_window(keyed, keyed_quotes, second), KeyedStream[str, tuple[Trade, Quote]])
assert_type(rxdag.join_interval(keyed, keyed_quotes, lower="-1s", upper="1s"), KeyedStream[str, tuple[Trade, Quote]])
assert_type(trades.pipe(ops.route_by(lambda t: t.symbol, ["A"], default="rest"))["A"], Stream[Trade])
assert_type(trades.pipe(ops.route_by(lambda t: t.symbol, ["A"])), Routes[Trade])
assert_type(keyed.pipe(ops.split(lambda t: t.qty > 0)), KeyedRoutes[str, Trade])
assert_type(trades.pipe(ops.route({"a": lambda t: t.qty > 0})).unrouted, Stream[Trade])
assert_type(keyed.pipe(ops.window(second, agg.count())).unassigned, Stream[Trade])
assert_type(trades.pipe(ops.dedupe("symbol", max_keys=9)).dropped, Stream[Any])
arbitrated = keyed.pipe(ops.arbitrate(sequence=lambda t: t.ts_ms, wait="1s"))
assert_type(arbitrated, KeyedStream[str, Trade])
assert_type(arbitrated.side("gaps", of=Gap), Stream[Gap])

# ---- markets
assert_type(market.trade_bars(rxdag.from_source(sources.simulated_trades())), WindowedStream[market.Trade, market.Bar])
assert_type(
    market.trade_bars(
        rxdag.from_source(sources.simulated_trades()),
        corrections=rxdag.from_source(sources.iterable([], of=market.Correction)),
        keep="1h",
    ),
    WindowedStream[market.Trade | market.Correction, market.RevisedBar],
)
bars = market.resample_ohlc(keyed, "1s", lambda t: t.price, lambda t: t.qty, gap="previous")
assert_type(bars, Stream[Pane[str, Ohlcv]])
assert_type(market.rollup(bars, "1m"), Stream[Pane[str, Ohlcv]])
assert_type(
    keyed.pipe(market.volume_bars(100.0, lambda t: t.price, lambda t: t.qty)),
    WindowedStream[Trade, Pane[str, Ohlcv]],
)
assert_type(keyed.pipe(market.dollar_bars(1e6, "price", "qty")), WindowedStream[Trade, Pane[str, Ohlcv]])
assert_type(keyed.pipe(market.tick_bars(100, "price", "qty")), WindowedStream[Trade, Pane[str, Ohlcv]])
assert_type(keyed.pipe(market.range_bars(0.5, "price", "qty")), WindowedStream[Trade, Pane[str, Ohlcv]])
nyse = market.Session("America/New_York", "09:30", "16:00")
assert_type(keyed.pipe(market.close_sessions(nyse)), KeyedStream[str, Trade])
assert_type(keyed.pipe(market.silent_feeds(nyse, after="5s")), WindowedStream[Trade, market.Silence[str]])
assert_type(keyed.pipe(market.tick_rule(lambda t: t.price)), KeyedStream[str, tuple[Trade, int]])
assert_type(keyed.pipe(market.tick_rule("price", into=lambda t, sign: sign * t.qty)), KeyedStream[str, float])
assert_type(market.mid(), Expr)
assert_type(market.spread("bid", "ask"), Expr)
assert_type(market.microprice(), Expr)
assert_type(
    keyed.pipe(ops.window(second, market.imbalance(lambda t: t.qty, lambda t: 1))),
    WindowedStream[Trade, Pane[str, float | None]],
)
assert_type(
    keyed.pipe(
        market.book_top(
            is_snapshot=lambda t: t.qty > 0, sequence=lambda t: t.ts_ms, bids=lambda t: [], asks=lambda t: []
        )
    ),
    KeyedStream[str, market.BookTop],
)

# ---- operators that carry state go by key, keep the key, and take a ttl
assert_type(keyed.pipe(ops.unkey()), Stream[Trade])
assert_type(trades.pipe(ops.unkey()), Stream[Trade])
assert_type(keyed.pipe(ops.unkey()).pipe(ops.map(lambda t: t.price)), Stream[float])
assert_type(keyed.pipe(ops.count(ttl="1m")), KeyedStream[str, int])
assert_type(trades.pipe(ops.count(ttl="1m", clock="processing")), Stream[int])
assert_type(keyed.pipe(ops.sum(lambda t: t.qty, ttl="1m")), KeyedStream[str, Any])
assert_type(keyed.pipe(ops.min(lambda t: t.qty, ttl="1m")), KeyedStream[str, Any])
assert_type(keyed.pipe(ops.max(lambda t: t.qty, ttl="1m")), KeyedStream[str, Any])
assert_type(keyed.pipe(ops.first(lambda t: t.qty > 0, ttl="1m")), KeyedStream[str, Trade])
assert_type(keyed.pipe(ops.last(lambda t: t.qty > 0, ttl="1m")), KeyedStream[str, Trade])
assert_type(keyed.pipe(ops.take(3, ttl="1m")), KeyedStream[str, Trade])
assert_type(keyed.pipe(ops.skip(3, ttl="1m")), KeyedStream[str, Trade])
assert_type(keyed.pipe(ops.take_while(lambda t: t.qty > 0, ttl="1m")), KeyedStream[str, Trade])
assert_type(keyed.pipe(ops.skip_while(lambda t: t.qty > 0, ttl="1m")), KeyedStream[str, Trade])
assert_type(keyed.pipe(ops.pairwise(ttl="1m")), KeyedStream[str, tuple[Trade, Trade]])
assert_type(keyed.pipe(ops.distinct_until_changed(lambda t: t.price, ttl="1m")), KeyedStream[str, Trade])
assert_type(keyed.pipe(ops.batch(5, ttl="1m")), KeyedStream[str, list[Trade]])
assert_type(keyed.pipe(ops.debounce("1s", ttl="1m")), KeyedStream[str, Trade])
assert_type(keyed.pipe(ops.audit("1s", ttl="1m")), KeyedStream[str, Trade])
assert_type(keyed.pipe(ops.sample("1s", ttl="1m")), KeyedStream[str, Trade])
assert_type(keyed.pipe(ops.throttle_first("1s", ttl="1m")), KeyedStream[str, Trade])
assert_type(keyed.pipe(ops.throttle_latest("1s", ttl="1m")), KeyedStream[str, Trade])
assert_type(keyed.pipe(ops.throttle(5, ttl="1m")), KeyedStream[str, Trade])
assert_type(keyed.pipe(ops.rolling(20, agg.count(), ttl="1m")), KeyedStream[str, int])
assert_type(
    keyed.pipe(ops.rolling(20, agg.count(), ttl="1m", clock="event", into=lambda t, n: (t.symbol, n))),
    KeyedStream[str, tuple[str, int]],
)
assert_type(keyed.pipe(ops.scan(lambda a, b: a if a.qty > b.qty else b, ttl="1m")), KeyedStream[str, Trade])
assert_type(keyed.pipe(ops.reduce(lambda a, b: a if a.qty > b.qty else b, ttl="1m")), KeyedStream[str, Trade])
assert_type(keyed.pipe(ops.reduce(0.0, lambda total, t: total + t.qty, ttl="1m")), KeyedStream[str, float])
assert_type(keyed.pipe(ops.window_all(second, agg.count())), Stream[Pane[None, int]])
