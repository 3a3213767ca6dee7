"""What a user writes, with the type that both checkers must give. Never run: checked only."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple, TypedDict, assert_type

import msgspec
from reactivex import Observable
from reactivex import operators as rx

import rxdag
from rxdag import DeadLetter, KeyedStream, Pane, Stream, checkpoints, col, market, on_error, sinks, sources, windows
from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag.aggregates import Accumulator, Aggregate, Ohlcv
from rxdag.graph import KeyedRoutes, Routes, SinkNode, WindowedStream
from rxdag.operators import Emit, Kernel, Operator
from rxdag.plan import PlanFacts
from rxdag.testing import check_operator, feed


class Trade(msgspec.Struct, frozen=True):
    ts_ms: int
    symbol: str
    trade_id: int
    price: float
    qty: float


class Quote(NamedTuple):
    symbol: str
    bid: float


class Row(TypedDict):
    a: int


@dataclass
class Order:
    size: int


# ---- the quick start of DESIGN.md, section 2, as one chain and step by step
trades = rxdag.from_source(sources.csv("trades.csv.gz", Trade), name="trades")
bars = (
    trades.pipe(ops.event_time(lambda t: t.ts_ms, unit="ms", sequence=lambda t: t.trade_id, out_of_order="500ms"))
    .pipe(ops.filter(lambda t: t.qty > 0))
    .pipe(ops.dedupe(lambda t: (t.symbol, t.trade_id), within="5s"))
    .pipe(ops.key_by(lambda t: t.symbol))
    .pipe(ops.window(windows.tumbling("1s"), agg.ohlcv("price", "qty")))
)
assert_type(trades, Stream[Trade])
assert_type(bars, WindowedStream[Trade, Pane[str, Ohlcv]])
as_stream: Stream[Pane[str, Ohlcv]] = bars
assert_type(bars.late, Stream[Trade])
assert_type(bars.dead, Stream[DeadLetter[Trade]])
assert_type(bars.head(5), list[Pane[str, Ohlcv]])
assert_type(bars.collect(), list[Pane[str, Ohlcv]])
out = bars.to(sinks.csv("bars.csv"))
late = bars.late.to(sinks.jsonl("late.jsonl"))
assert_type(out, SinkNode[Pane[str, Ohlcv], int])
assert_type(late, SinkNode[Trade, int])
result = rxdag.run(out, late, until="60s")
assert_type(result[out], int)
dag = rxdag.Dag(out, late, name="bars")
assert_type(rxdag.compile(dag).explain(), str)
assert_type(rxdag.compile(dag).explain(service={"out": "2ms"}, form="text"), str)
assert_type(rxdag.compile(dag).explain(form="dict"), PlanFacts)
for bar in bars:
    assert_type(bar, Pane[str, Ohlcv])


async def loop() -> None:
    async for bar in bars:
        assert_type(bar, Pane[str, Ohlcv])
        assert_type(bar.value.close, float)
        assert_type(bar.key, str)
    run = rxdag.start_async(dag)
    assert_type(await run.drain("10s", flush=False), rxdag.RunResult)
    assert_type(await run.wait(0.5), rxdag.RunResult)


assert_type(rxdag.start(dag).wait(), rxdag.RunResult)
assert_type(rxdag.start(dag).wait("10s"), rxdag.RunResult)
assert_type(rxdag.start(dag).drain(10), rxdag.RunResult)
assert_type(rxdag.start(dag).stats(), rxdag.RunStats)


timed = trades.pipe(ops.event_time(lambda t: t.ts_ms, unit="ms"))
assert_type(timed, Stream[Trade])
assert_type(trades.pipe(ops.event_time("ts_ms", unit="ms")), Stream[Trade])
assert_type(timed.pipe(ops.filter(lambda t: t.qty > 0)), Stream[Trade])
assert_type(timed.pipe(ops.dedupe(lambda t: (t.symbol, t.trade_id), within="5s")), Stream[Trade])
assert_type(timed.pipe(ops.dedupe("symbol", col.trade_id)), Stream[Trade])

# ---- elementwise operators
assert_type(trades.pipe(ops.map(lambda t: t.price)), Stream[float])
assert_type(trades.pipe(ops.map(lambda t: t.price), name="clean", on_error=on_error.skip), Stream[float])
assert_type(trades.pipe(ops.map(lambda t: t.price), on_error="skip"), Stream[float])
assert_type(trades.pipe(ops.key_by(lambda t: t.symbol), on_error="dead"), KeyedStream[str, Trade])
assert_type(rxdag.from_source(sources.csv("trades.csv", Trade), on_error="raise"), Stream[Trade])
assert_type(sources.csv(["a.csv", "b*.csv"], Trade, dialect=sources.Dialect(header=["ts"])), sources.Source[Trade])
assert_type(trades.pipe(ops.map(lambda t: (t.symbol, t.price))).pipe(ops.map(lambda p: p[1])), Stream[float])
assert_type(trades.pipe(ops.map(lambda t: t.price)).pipe(ops.filter(lambda p: p > 0)), Stream[float])
assert_type(trades.pipe(ops.filter("is_open")), Stream[Trade])
assert_type(trades.pipe(ops.explode(lambda t: [t.price, t.qty])), Stream[float])
assert_type(trades.pipe(ops.scan(0.0, lambda total, t: total + t.qty)), Stream[float])
assert_type(trades.pipe(ops.take(3)), Stream[Trade])
assert_type(trades.pipe(ops.tap(lambda t: print(t.price))), Stream[Trade])


def positive(price: float) -> bool:
    return price > 0


def price_of(t: Trade) -> float:
    return t.price


assert_type(trades.pipe(ops.map(price_of)).pipe(ops.filter(positive)), Stream[float])

assert_type(trades.pipe(ops.map(col.price, of=float)), Stream[float])
assert_type(trades.pipe(ops.map(col.price)), Stream[Any])
assert_type(trades.pipe(ops.filter(col.is_open)), Stream[Trade])
assert_type(trades.pipe(ops.filter(col.qty > 0)), Stream[Trade])
assert_type(trades.pipe(ops.filter((col.qty > 0) & ~(col.symbol == "X"))), Stream[Trade])
assert_type(trades.pipe(ops.map(col.price * col.qty, of=float)), Stream[float])
assert_type(trades.pipe(ops.route({"fx": col.symbol == "EURUSD", "big": col.qty > 100})), Routes[Trade])

# ---- keyed streams
keyed = trades.pipe(ops.key_by(lambda t: t.symbol))
assert_type(keyed, KeyedStream[str, Trade])
assert_type(
    trades.pipe(ops.key_by(lambda t: (t.symbol, t.trade_id), names=("s", "i"))), KeyedStream[tuple[str, int], Trade]
)
assert_type(trades.pipe(ops.key_by("symbol")), KeyedStream[Any, Trade])
assert_type(trades.pipe(ops.key_by("venue", "symbol", names=("venue", "symbol"))), KeyedStream[Any, Trade])
assert_type(trades.pipe(ops.key_by(col.symbol, of=str)), KeyedStream[str, Trade])
assert_type(keyed.pipe(ops.filter(lambda t: t.qty > 0)), KeyedStream[str, Trade])
assert_type(keyed.pipe(ops.map(lambda t: t.price)), KeyedStream[str, float])
assert_type(keyed.pipe(ops.key_by(lambda t: t.trade_id)), KeyedStream[int, Trade])
assert_type(keyed.buffered(max_items=10), KeyedStream[str, Trade])

# ---- windows: a field is a name, an expression or a function, in one signature
second = windows.tumbling("1s")
assert_type(
    keyed.pipe(ops.window(second, agg.ohlcv(lambda t: t.price, lambda t: t.qty))),
    WindowedStream[Trade, Pane[str, Ohlcv]],
)
assert_type(
    keyed.pipe(ops.window(second, agg.ohlcv(lambda t: t.price, "qty"))), WindowedStream[Trade, Pane[str, Ohlcv]]
)
assert_type(keyed.pipe(ops.window(second, agg.ohlcv(price_of, qty="qty"))), WindowedStream[Trade, Pane[str, Ohlcv]])
assert_type(
    keyed.pipe(ops.window(second, agg.named(o=agg.ohlcv("price", "qty"), n=agg.count()))),
    WindowedStream[Trade, Pane[str, dict[str, Any]]],
)
assert_type(bars.pipe(ops.map(lambda p: p.value.open)), Stream[float])
closes = keyed.pipe(ops.window(second, agg.ohlcv("price", "qty"), into=lambda p: (p.key, p.value.close)))
assert_type(closes, WindowedStream[Trade, tuple[str, float]])
assert_type(closes.late, Stream[Trade])
assert_type(bars.side("revisions", of=int), Stream[int])
assert_type(bars.side("revisions"), Stream[Any])
assert_type(trades.dead, Stream[DeadLetter[Any]])

vwaps = keyed.pipe(ops.window(second, agg.vwap("price", "qty")))
assert_type(vwaps, WindowedStream[Trade, Pane[str, float | None]])

# ---- routes
routes = trades.pipe(ops.route({"fx": lambda t: t.symbol == "EURUSD", "big": lambda t: t.qty > 100}, default="rest"))
assert_type(routes, Routes[Trade])
assert_type(routes["fx"], Stream[Trade])
assert_type(routes.dead, Stream[DeadLetter[Trade]])
keyed_routes = keyed.pipe(ops.route({"fx": lambda t: t.qty > 1}))
assert_type(keyed_routes, KeyedRoutes[str, Trade])
assert_type(keyed_routes["fx"], KeyedStream[str, Trade])

# ---- reactivex operators and plain functions
assert_type(trades.rx(rx.map(lambda t: t.price)), Stream[float])
assert_type(trades.rx(rx.filter(lambda t: t.qty > 0)), Stream[Trade])
assert_type(trades.rx(rx.buffer_with_count(3)), Stream[list[Trade]])
assert_type(keyed.rx(rx.map(lambda t: t.price)), Stream[float])


def clean(stream: Stream[Trade]) -> Stream[float]:
    return stream.pipe(ops.map(lambda t: t.price))


assert_type(trades.through(clean), Stream[float])
assert_type(keyed.through(clean), Stream[float])
assert_type(keyed.through(lambda s: s.pipe(ops.take(1))), KeyedStream[str, Trade])

# ---- several operators in one call
assert_type(trades.pipe(ops.filter(lambda t: t.qty > 0), ops.map(lambda t: t.price)), Stream[Any])

# ---- fan-in
floats: Stream[float] = trades.pipe(ops.map(lambda t: t.price))
names: Stream[str] = trades.pipe(ops.map(lambda t: t.symbol))
ids: Stream[int] = trades.pipe(ops.map(lambda t: t.trade_id))
raw: Stream[bytes] = trades.pipe(ops.map(lambda t: t.symbol.encode()))
quotes = rxdag.from_source(sources.iterable([Quote("A", 1.0)]))
assert_type(quotes, Stream[Quote])
assert_type(rxdag.merge(trades, quotes), Stream[Trade | Quote])
assert_type(rxdag.merge(trades, trades), Stream[Trade])
assert_type(rxdag.merge(trades, quotes, names), Stream[Trade | Quote | str])
assert_type(rxdag.merge(trades, quotes, names, ids), Stream[Trade | Quote | str | int])
assert_type(rxdag.merge(*[trades, trades]), Stream[Trade])
assert_type(rxdag.merge(names, names, names, names, names, names), Stream[str])
assert_type(rxdag.merge(trades, quotes).pipe(ops.map(lambda x: x.symbol)), Stream[str])
assert_type(rxdag.merge(keyed, quotes), Stream[Trade | Quote])

# ---- sinks
kept = trades.to(sinks.collect(), name="db", on_error=on_error.dead)
assert_type(kept, SinkNode[Trade, list[Trade]])
assert_type(result[kept], list[Trade])
assert_type(kept.dead, Stream[DeadLetter[Trade]])
assert_type(trades.to(sinks.call(lambda t: print(t.price))), SinkNode[Trade, int])
assert_type(floats.to(sinks.call(positive)), SinkNode[float, int])


# ---- in and out
async def feed_of_trades() -> AsyncIterator[Trade]:
    yield Trade(1, "A", 1, 1.0, 1.0)


class Socket:
    def start(self, emit: Callable[[Trade], object], /) -> None: ...
    def stop(self) -> None: ...


def subscribe(callback: Callable[[Trade], None]) -> Callable[[], None]:
    raise NotImplementedError


def ways_out() -> None:
    assert_type(rxdag.to_observable(trades), Observable[Trade])


assert_type(rxdag.from_source(sources.csv("o", Order)), Stream[Order])
assert_type(rxdag.from_source(sources.csv("q", Quote)), Stream[Quote])
assert_type(rxdag.from_source(sources.jsonl("r", Row)), Stream[Row])
assert_type(rxdag.from_source(sources.jsonl("r", Row)).pipe(ops.map(lambda r: r["a"])), Stream[int])
assert_type(rxdag.from_source(sources.jsonl("d", dict[str, Any])), Stream[dict[str, Any]])
either: sources.Source[Trade | Quote] = sources.jsonl("e", Trade | Quote, strict=False, records="data", when={"e": 1})
assert_type(rxdag.from_source(either), Stream[Trade | Quote])
frames: sources.Source[Trade | Quote] = sources.websocket("ws://e", of=Trade | Quote, records="data")
assert_type(rxdag.from_source(frames), Stream[Trade | Quote])


def as_trade(event: Trade | Quote) -> list[Trade]:
    return [event] if isinstance(event, Trade) else []


assert_type(rxdag.from_source(either).pipe(ops.explode(as_trade)), Stream[Trade])
assert_type(rxdag.from_source(either).pipe(ops.route({"a": lambda e: isinstance(e, Trade)})), Routes[Trade | Quote])


# ---- a user's own operator, aggregate and sink
class _Spread(Kernel):
    state = ("last",)

    def __init__(self) -> None:
        self.last = 0.0

    def on_item(self, item: Trade, emit: Emit[float]) -> None:
        emit(item.price - self.last)


class _Gap(Kernel):
    def on_item(self, item: object, ts: int, emit: Emit[int]) -> None:
        emit(ts, ts=ts)


@dataclass(frozen=True)
class Spread(Operator[Trade, float]):
    def kernel(self) -> _Spread:
        return _Spread()


@dataclass(frozen=True)
class Gap(Operator[object, int]):
    def kernel(self) -> _Gap:
        return _Gap()


assert_type(trades.pipe(Spread()), Stream[float])
assert_type(keyed.pipe(Gap()), KeyedStream[str, int])
assert_type(feed(Spread(), [Trade(1, "A", 1, 1.0, 1.0)]), list[float])
check_operator(Spread, [Trade(1, "A", 1, 1.0, 1.0)])


class _Last(Accumulator[Trade, float]):
    def __init__(self) -> None:
        self.price = 0.0

    def add(self, item: Trade, /) -> None:
        self.price = item.price

    def result(self) -> float:
        return self.price

    def merge(self, other: _Last, /) -> None:
        self.price = other.price


class Last(Aggregate[Trade, float]):
    def accumulator(self) -> _Last:
        return _Last()


assert_type(keyed.pipe(ops.window(second, Last())), WindowedStream[Trade, Pane[str, float]])


assert_type(trades.pipe(ops.map(lambda t: [c for c in t.symbol])), Stream[list[str]])  # type: ignore[var-annotated]

collected = keyed.pipe(ops.window(second, Last(), into=lambda p: p.value))
assert_type(collected, WindowedStream[Trade, float])

# ---- fields, columns
assert_type(trades.pipe(ops.select("symbol", value=col.price * col.qty)), Stream[dict[str, Any]])
assert_type(trades.pipe(ops.select(symbol="symbol", bid=col.price, into=Quote)), Stream[Quote])
assert_type(trades.pipe(ops.with_columns(price=col.price * 2, into=Trade)), Stream[Trade])
assert_type(trades.pipe(ops.map_batch(lambda batch: batch, of=Quote)), Stream[Quote])
assert_type(rxdag.from_source(sources.parquet("trades.parquet", Trade)), Stream[Trade])
assert_type(rxdag.from_source(sources.parquet("trades.parquet")), Stream[dict[str, Any]])
assert_type(rxdag.from_source(sources.postgres("dbname=x", "trades", Trade, settle="5s")), Stream[Trade])
assert_type(rxdag.from_source(sources.postgres(lambda: "dbname=x", "trades")), Stream[dict[str, Any]])
assert_type(rxdag.from_source(sources.arrays({"a": [1]}, Row)), Stream[Row])

assert_type(trades.collect(max_items=1000), list[Trade])

# ---- positions, neighbours, folds
keyed_trades = trades.pipe(ops.key_by(lambda t: t.symbol))
assert_type(trades.pipe(ops.skip(2)), Stream[Trade])
assert_type(trades.pipe(ops.take_while(lambda t: t.qty > 0, inclusive=True)), Stream[Trade])
assert_type(trades.pipe(ops.skip_while(lambda t: t.qty > 0)), Stream[Trade])
assert_type(trades.pipe(ops.first(lambda t: t.qty > 0)), Stream[Trade])
assert_type(keyed_trades.pipe(ops.last()), KeyedStream[str, Trade])
assert_type(keyed_trades.pipe(ops.pairwise()), KeyedStream[str, tuple[Trade, Trade]])
assert_type(keyed_trades.pipe(ops.distinct_until_changed(lambda t: t.price)), KeyedStream[str, Trade])
assert_type(trades.pipe(ops.default_if_empty(None)), Stream[Trade | None])
assert_type(trades.pipe(ops.scan(0.0, lambda total, t: total + t.qty)), Stream[float])
assert_type(trades.pipe(ops.scan(lambda a, b: a if a.price > b.price else b)), Stream[Trade])
assert_type(trades.pipe(ops.reduce(0.0, lambda total, t: total + t.qty)), Stream[float])
assert_type(trades.pipe(ops.reduce(lambda a, b: a if a.price > b.price else b)), Stream[Trade])
assert_type(keyed_trades.pipe(ops.count()), KeyedStream[str, int])
assert_type(trades.pipe(ops.max(lambda t: t.price)), Stream[Any])
assert_type(trades.pipe(ops.explode(lambda t: [t.price, t.qty])), Stream[float])
assert_type(keyed_trades.pipe(ops.debounce("1s")), KeyedStream[str, Trade])
assert_type(trades.pipe(ops.delay("1s", max_items=10)), Stream[Trade])
assert_type(keyed_trades.pipe(ops.batch(100, max_wait="1s")), KeyedStream[str, list[Trade]])
assert_type(keyed_trades.pipe(ops.timeout("1s")), KeyedStream[str, Trade])
assert_type(keyed_trades.pipe(ops.throttle(10, burst=5, mode="shape")), KeyedStream[str, Trade])
assert_type(trades.pipe(ops.partition(4, lambda t: t.symbol))["0"], Stream[Trade])
assert_type(keyed_trades.pipe(ops.partition(4, "symbol")), KeyedRoutes[str, Trade])
assert_type(trades.pipe(ops.shard("symbol")), Stream[Trade])
assert_type(trades.pipe(ops.route({"a": lambda t: t.qty > 0}, multi=True))["a"], Stream[Trade])


# ---- live sources, demand, batches


def decode_trade(frame: str | bytes) -> Trade | None:
    return msgspec.json.decode(frame, type=Trade) if frame else None


def register_trades(push: sources.Push[Trade]) -> None: ...


async def connect_trades() -> AsyncIterator[Trade]:
    yield Trade(1, "a", 1, 1.0, 1.0)


def trade_writer() -> AbstractAsyncContextManager[Callable[[list[Trade]], Awaitable[None]]]:
    raise NotImplementedError


assert_type(rxdag.from_source(sources.websocket("wss://x", decode=decode_trade)), Stream[Trade])
assert_type(rxdag.from_source(sources.callback(register_trades, overflow="drop_oldest")), Stream[Trade])
assert_type(rxdag.from_source(sources.async_iterable(connect_trades, reconnect=sources.Backoff())), Stream[Trade])
assert_type(rxdag.from_source(sources.ingress(of=Trade, overflow="drop_newest")), Stream[Trade])


class TradeTable:
    def write(self, batch: Sequence[Trade], /) -> None: ...


class TradeClient:
    async def write(self, batch: list[Trade], table: str = "trades") -> int:
        return len(batch)


class ExactTable:
    def last_epoch(self) -> str:
        return ""

    def write(self, batch: list[Trade], epoch: sinks.BatchEpoch, /) -> None: ...


def observed(observable: Observable[Trade]) -> None:
    assert_type(rxdag.from_observable(observable, overflow="drop_oldest"), Stream[Trade])
    assert_type(rxdag.from_source(sources.observable(observable, hot=False)), Stream[Trade])


assert_type(trades.side("events", of=sources.ConnectionEvent), Stream[sources.ConnectionEvent])
assert_type(trades.to(sinks.batched(trade_writer, max_items=100)), SinkNode[Trade, int])
assert_type(trades.to(sinks.batched(TradeTable())), SinkNode[Trade, int])
assert_type(trades.to(sinks.batched(TradeClient())), SinkNode[Trade, int])
assert_type(trades.to(sinks.batched(TradeClient)), SinkNode[Trade, int])
assert_type(trades.to(sinks.batched(lambda: TradeTable())), SinkNode[Trade, int])
assert_type(trades.to(sinks.batched(ExactTable())), SinkNode[Trade, int])
assert_type(trades.to(sinks.batched(ExactTable)), SinkNode[Trade, int])
assert_type(trades.to(sinks.postgres("dbname=x", "bars", upsert=("symbol",))), SinkNode[Trade, int])
assert_type(trades.to(sinks.publisher()), SinkNode[Trade, None])
assert_type(trades.buffered(max_bytes=1000, size_of=lambda t: len(t.symbol)), Stream[Trade])
assert_type(keyed_trades.buffered(max_items=3), KeyedStream[str, Trade])

# An aggregate of fields can be kept in a variable, and takes its item type from the stream.
kept_bar = agg.ohlcv("price", "qty")
kept_sum = agg.sum(col.qty)
kept_first = agg.first("symbol")
kept_stats = agg.named(
    low=agg.min("price"), mean=agg.mean("price"), spread=agg.std("price"), vwap=agg.vwap("price", "qty")
)
kept_many = (
    agg.quantile("price", 0.5),
    agg.count_distinct("symbol"),
    market.twap("price"),
    market.imbalance("qty", "qty"),
)
assert_type(keyed_trades.pipe(ops.window(windows.tumbling("1s"), kept_bar)), WindowedStream[Trade, Pane[str, Ohlcv]])
assert_type(keyed_trades.pipe(ops.window(windows.tumbling("1s"), kept_sum)), WindowedStream[Trade, Pane[str, float]])
assert_type(keyed_trades.pipe(ops.window(windows.tumbling("1s"), kept_first)), WindowedStream[Trade, Pane[str, Any]])
assert_type(
    keyed_trades.pipe(ops.window(windows.tumbling("1s"), kept_stats)), WindowedStream[Trade, Pane[str, dict[str, Any]]]
)


def store_of(each: checkpoints.Store) -> None:
    with each.open("bars") as session:
        assert_type(session, checkpoints.StoreSession)
        assert_type(session.latest(), checkpoints.Checkpoint | None)
        assert_type(session.commit(graph="1f2e", at_ns=0), checkpoints.Checkpoint)


store_of(checkpoints.memory(keep=2))
store_of(checkpoints.sqlite("bars.db", keep=2, on_damage="previous"))
assert_type(checkpoints.sqlite("bars.db").list(), tuple[checkpoints.Checkpoint, ...])
