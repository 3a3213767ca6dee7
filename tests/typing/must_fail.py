"""What must not type: each line fails in both checkers, and is reported when it stops failing. Never run."""

# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false, reportUnknownLambdaType=false
# pyright: reportUnusedClass=false, reportUnusedExpression=false

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import rxdag
from rxdag import KeyedStream, Stream, sinks, sources, windows
from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag.aggregates import Ohlcv
from rxdag.operators import Emit, Kernel, KeyedProcess, Operator, ProcessContext


@dataclass(frozen=True)
class Trade:
    ts_ms: int
    symbol: str
    price: float
    qty: float


def positive(price: float) -> bool:
    return price > 0


def bytes_of(trade: Trade) -> bytes:
    return trade.symbol.encode()


def symbol_of(t: Trade) -> str:
    return t.symbol


def text_writer() -> AbstractAsyncContextManager[Callable[[list[str]], Awaitable[None]]]:
    raise NotImplementedError


class TextTable:
    def write(self, batch: list[str]) -> None: ...


class _Upper(Kernel):
    def on_item(self, item: str, emit: Emit[str]) -> None:
        emit(item.upper())


class _Wrong(Kernel):
    def on_item(self, item: str, emit: Emit[str]) -> None:
        emit(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@dataclass(frozen=True)
class Upper(Operator[str, str]):
    def kernel(self) -> _Upper:
        return _Upper()


@dataclass(frozen=True)
class Mismatch(Operator[Trade, str]):
    def kernel(self) -> _Upper:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        return _Upper()


def wrong(trades: Stream[Trade], keyed: KeyedStream[str, Trade], by_int: KeyedStream[int, Trade]) -> None:
    second = windows.tumbling("1s")
    # a wrong attribute in a lambda
    trades.pipe(ops.map(lambda t: t.prize))  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    trades.pipe(ops.filter(lambda t: t.quantity > 0))  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    trades.pipe(ops.key_by(lambda t: t.simbol))  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    trades.pipe(ops.dedupe(lambda t: t.id))  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    trades.pipe(ops.route({"fx": lambda t: t.venue}))  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    keyed.pipe(ops.map(lambda t: t.prize))  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    keyed.pipe(ops.window(second, agg.ohlcv(lambda t: t.prize, "qty")))  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    # wrong operator order
    trades.pipe(ops.map(lambda t: t.price)).pipe(ops.key_by(lambda t: t.symbol))  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    trades.pipe(ops.filter(positive))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    trades.pipe(Upper())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    # window on an unkeyed stream
    trades.pipe(ops.window(second, agg.ohlcv("price", "qty")))  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    # a sink of the wrong item type
    trades.to(sinks.call(positive))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    # an aggregate field of the wrong type
    keyed.pipe(ops.window(second, agg.ohlcv(lambda t: t.symbol, "qty")))  # type: ignore[arg-type, return-value]  # pyright: ignore[reportAttributeAccessIssue]
    keyed.pipe(ops.window(second, agg.ohlcv(symbol_of, "qty")))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    keyed.pipe(ops.window(second, agg.ohlcv(1.0, "qty")))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    # event_time that returns bytes
    trades.pipe(ops.event_time(lambda t: t.symbol.encode()))  # type: ignore[arg-type, return-value]  # pyright: ignore[reportAttributeAccessIssue]
    trades.pipe(ops.event_time(bytes_of))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    trades.pipe(ops.event_time("ts_ms", unit="minutes"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    # a filter that returns no bool, a reactivex operator without rx, an unknown name
    trades.pipe(ops.filter(lambda t: t.symbol))  # type: ignore[arg-type, return-value]  # pyright: ignore[reportAttributeAccessIssue]
    trades.pipe(lambda s: s)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    rxdag.nosuch  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    # the type of a result
    bars = keyed.pipe(ops.window(second, agg.ohlcv("price", "qty")))
    wrong_late: Stream[Ohlcv] = bars.late  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    rxdag.run(bars)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    print(wrong_late)


class Counts(KeyedProcess[str, Trade, int, int]):
    def initial(self) -> int:
        return 0

    def on_item(self, ctx: ProcessContext[str, int], state: int, item: Trade, /) -> int:
        return state


def wrong_operators(trades: Stream[Trade], keyed: KeyedStream[str, Trade], texts: KeyedStream[str, str]) -> None:
    second = windows.tumbling("1s")
    # keyed operators on a stream without keys
    trades.pipe(ops.process(Counts()))  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    # a process of other items
    texts.pipe(ops.process(Counts()))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    # functions of the wrong type
    trades.pipe(ops.reduce(lambda a, b: a.price))  # type: ignore[arg-type, return-value]  # pyright: ignore[reportAttributeAccessIssue]
    trades.pipe(ops.rolling("1s", agg.mean(lambda t: t.symbol)))  # type: ignore[arg-type, return-value]  # pyright: ignore[reportAttributeAccessIssue]
    trades.pipe(ops.rolling(3, agg.count(), closed="up"))  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    trades.pipe(ops.window_all(second, agg.mean(lambda t: t.prize)))  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    trades.pipe(ops.arbitrate(sequence=lambda t: t.symbol))  # type: ignore[arg-type, return-value]  # pyright: ignore[reportAttributeAccessIssue]
    trades.pipe(ops.take(3, clock="wall"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    keyed.pipe(ops.unkey()).pipe(ops.process(Counts()))  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    trades.pipe(ops.top_n("5", "price"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    trades.pipe(ops.map_async(positive))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    trades.pipe(ops.flat_map(lambda t: t.price))  # type: ignore[arg-type, return-value]  # pyright: ignore[reportAttributeAccessIssue]
    rxdag.join_asof(keyed, keyed, strategy="sideways")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    # functions of streams are in rxdag alone
    ops.merge(trades, trades)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    # names that a package does not have, whatever it says of them when it runs
    ops.fold(0, max)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    agg.avg("price")  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    windows.tumble("1s")  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    sources.read_csv("x.csv")  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    sinks.print()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    rxdag.union(trades, trades)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    # the type of a result
    rolled: KeyedStream[str, str] = keyed.pipe(ops.rolling(3, agg.count()))  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
    print(rolled)
    # sinks and sources of other items
    trades.to(sinks.batched(text_writer))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    trades.to(sinks.batched(TextTable()))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    trades.to(sinks.batched(object()))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    trades.pipe(ops.take(1), on_error="skipp")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    trades.to(sinks.null(), on_error="retry")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    trades.buffered(overflow="spill")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    trades.buffered(max_bytes=10, size_of=lambda t: t.sice)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    rxdag.from_observable(trades)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
