"""W2 and W19: bars by event time, from several sources, at several densities, and with parts of a user's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import rxdag
from rxdag import Accumulator, Aggregate, Emit, Kernel, Operator, col, sinks, sources, windows
from rxdag import aggregates as agg
from rxdag import operators as ops
from tests.benchmarks import budgets
from tests.benchmarks.data import Tick, ticks, ticks_captured, ticks_ns, ticks_sparse, ticks_sparsest
from tests.benchmarks.loops import w2_loop, w2_ns_loop
from tests.benchmarks.rewritten import over_async
from tests.benchmarks.work import Case, Data, Work

Fields = tuple[Any, Any, Any, Any]

LAMBDAS: Fields = (lambda t: t.ts, lambda t: t.sym, lambda t: t.price, lambda t: t.size)
EXPRESSIONS: Fields = (col.ts, col.sym, col.price, col.size)


def bars_of(stream: rxdag.Stream[Tick], fields: Fields, unit: Any = "us") -> rxdag.Stream[Any]:
    """Build 1-second bars of each symbol."""
    ts, sym, price, size = fields
    return (
        stream.pipe(ops.event_time(ts, unit=unit, out_of_order="500ms"))
        .pipe(ops.key_by(sym))
        .pipe(ops.window(windows.tumbling("1s"), agg.ohlcv(price, size)))
    )


def collected(stream: rxdag.Stream[Any], *, columns: bool = True) -> list[Any]:
    """Compile and run, and return what comes out."""
    kept = stream.to(sinks.collect())
    if columns:
        return rxdag.run(kept)[kept]
    return rxdag.run(rxdag.compile(rxdag.Dag(kept), columns=False))[kept]


def in_us(panes: list[Any]) -> list[Any]:
    """Bars as the loop has them."""
    return [
        (p.key, p.start // 1000, p.value.open, p.value.high, p.value.low, p.value.close, p.value.volume) for p in panes
    ]


def _in_ns(panes: list[Any]) -> list[Any]:
    return [(p.key, p.start, p.value.open, p.value.high, p.value.low, p.value.close, p.value.volume) for p in panes]


# ---- sources


def _generated(rows: list[Tick]) -> Iterator[Tick]:
    yield from rows


async def _generated_async(rows: list[Tick]) -> AsyncIterator[Tick]:
    for tick in rows:
        yield tick


_w2_async_loop = over_async(w2_loop)


def _from_list(fields: Fields, unit: str = "us", *, columns: bool = True) -> Callable[[Data], list[Any]]:
    def run(data: Data) -> list[Any]:
        stream = rxdag.from_source(sources.iterable(data.rows, of=Tick))
        return collected(bars_of(stream, fields, unit), columns=columns)

    return run


def _from_generator(data: Data) -> list[Any]:
    stream = rxdag.from_source(sources.iterable(_generated(data.rows), of=Tick))
    return collected(bars_of(stream, LAMBDAS))


def _from_async(data: Data) -> list[Any]:
    async def run() -> list[Any]:
        stream = rxdag.from_source(sources.async_iterable(lambda: _generated_async(data.rows), of=Tick))
        kept = bars_of(stream, LAMBDAS).to(sinks.collect())
        return (await rxdag.run_async(kept))[kept]

    return asyncio.run(run())


def _generator_loop(data: Data) -> list[Any]:
    return w2_loop(_generated(data.rows))  # type: ignore[arg-type]  # it reads it once


def _async_loop(data: Data) -> list[Any]:
    async def run() -> list[Any]:
        made: list[Any] = await _w2_async_loop(_generated_async(data.rows))
        return made

    return asyncio.run(run())


def _case(name: str, run: Callable[[Data], list[Any]], loop: Callable[[Data], list[Any]] | None = None) -> Case:
    return Case(name, run, in_us, budgets.W2_ROWS, loop)


_LISTS = (
    _case("lambdas", _from_list(LAMBDAS)),
    _case("lambdas, columns=False", _from_list(LAMBDAS, columns=False)),
)
_SOURCES = (
    *_LISTS,
    _case("expressions", _from_list(EXPRESSIONS)),
    _case("lambdas, from a generator", _from_generator, _generator_loop),
    _case("lambdas, from an async source", _from_async, _async_loop),
)


# ---- W19: an operator and an aggregate of a user's own


class _BarSoFar(Accumulator[Tick, tuple[float, ...]]):
    """What the loop keeps, and nothing more."""

    state = ("open", "high", "low", "close", "volume", "first", "last")

    def __init__(self) -> None:
        self.open = self.close = self.volume = 0.0
        self.high, self.low = float("-inf"), float("inf")
        self.first = self.last = 0

    def add(self, item: Tick, /) -> None:
        raise TypeError("bars need times")

    def add_at(self, item: Tick, ts: int, sequence: int, /) -> None:
        price = item.price
        if self.high < self.low:
            self.open = self.high = self.low = self.close = price
            self.volume = item.size
            self.first = self.last = ts
            return
        if price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        if ts >= self.last:
            self.close = price
            self.last = ts
        elif ts < self.first:
            self.open = price
            self.first = ts
        self.volume += item.size

    def result(self) -> tuple[float, ...]:
        return self.open, self.high, self.low, self.close, self.volume


@dataclass(frozen=True)
class OwnBars(Aggregate[Tick, tuple[float, ...]]):
    """Bars of a user's own."""

    def accumulator(self) -> _BarSoFar:
        return _BarSoFar()


class _TradedKernel(Kernel):
    def on_item(self, item: Tick, emit: Emit[Tick]) -> None:
        if item.size <= 0:
            return emit.filtered(item)
        emit(item)
        return None


@dataclass(frozen=True)
class Traded(Operator[Tick, Tick]):
    """An operator of a user's own: what has a size."""

    def kernel(self) -> _TradedKernel:
        return _TradedKernel()


def own_bars_of(stream: rxdag.Stream[Tick]) -> rxdag.Stream[Any]:
    """Build bars with a user's operator and aggregate."""
    return (
        stream.pipe(ops.event_time(lambda t: t.ts, unit="us", out_of_order="500ms"))
        .pipe(Traded())
        .pipe(ops.key_by(lambda t: t.sym))
        .pipe(ops.window(windows.tumbling("1s"), OwnBars()))
    )


def _own(data: Data) -> list[Any]:
    return collected(own_bars_of(rxdag.from_source(sources.iterable(data.rows, of=Tick))))


def _own_answer(panes: list[Any]) -> list[Any]:
    return [(p.key, p.start // 1000, *p.value) for p in panes]


WORKS = (
    Work("W2", "10,000 ticks/s", ticks, w2_loop, _SOURCES),
    Work(
        "W2",
        "10,000 ticks/s in ns",
        ticks_ns,
        w2_ns_loop,
        (Case("lambdas", _from_list(LAMBDAS, "ns"), _in_ns, budgets.W2_ROWS),),
    ),
    Work("W2", "1,000 ticks/s", ticks_sparse, w2_loop, _LISTS),
    Work("W2", "160 ticks/s", ticks_sparsest, w2_loop, _LISTS, None, 0.5),
    Work("W2", "160 ticks/s of 6 symbols", ticks_captured, w2_loop, _SOURCES),
    Work(
        "W19",
        "10,000 ticks/s",
        ticks,
        w2_loop,
        (Case("own operator and aggregate", _own, _own_answer, budgets.W2_OWN),),
    ),
)
