"""W1 to W3 as graphs, and by others that do the same work in this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

import rxdag
from rxdag import aggregates as agg
from rxdag import col, element, lit, sinks, sources, windows
from rxdag import operators as ops
from rxdag.columns import Columns, Groups, Places
from rxdag.contract import (
    MAX,
    MIN,
    Accumulator,
    Aggregate,
    ColumnsAggregate,
    ColumnsEmit,
    Kernel,
    Operator,
    Shape,
)
from rxdag.expressions import bound, why_opaque
from rxdag.runtime import Execution, run_here
from rxdag.sinks import Writer
from tests.benchmarks.loops import (
    SIZE_US,
    Tick,
    double,
    ints,
    is_third,
    repeated,
    successor,
    ticks,
    w1_calling,
    w1_loop,
    w2_loop,
    w3_loop,
)


class _SumWriter(Writer):
    def __init__(self) -> None:
        self.total = 0

    def write(self, chunk: Any) -> None:
        self.total += sum(chunk.items) if chunk.columns is None else int(chunk.columns[""].sum())

    def close(self, *, ok: bool) -> int:
        return self.total


@dataclass(frozen=True)
class Sum(rxdag.Sink[int, int]):
    takes_columns = True

    def open(self, context: Any) -> Writer:
        return _SumWriter()


class _CountWriter(Writer):
    """Count and sum by branch."""

    def __init__(self) -> None:
        self.n = [0, 0, 0]
        self.total = [0.0, 0.0, 0.0]
        self.counts = np.zeros(3, np.int64)
        self.sums = np.zeros(3)

    def write(self, chunk: Any) -> None:
        if chunk.columns is not None:
            branches, values = chunk.columns["branch"], chunk.columns["value"]
            self.counts += np.bincount(branches, minlength=3)
            np.add.at(self.sums, branches, values)
            return
        n, total = self.n, self.total
        for branch, value in chunk.items:
            n[branch] += 1
            total[branch] += value

    def close(self, *, ok: bool) -> tuple[Any, ...]:
        if self.counts.any():
            return (*self.counts.tolist(), *self.sums.tolist())
        return (*self.n, *self.total)


@dataclass(frozen=True)
class CountAndSum(rxdag.Sink[Any, Any]):
    takes_columns = True

    def open(self, context: Any) -> Writer:
        return _CountWriter()


def run(sink: Any, quantum: int, columns: bool = True) -> Any:
    """Compile and run, with chunks of that size at most."""
    plan = rxdag.compile(rxdag.Dag(sink), columns=columns)
    result = run_here(Execution(plan, quantum=quantum))
    assert result.error is None, result.error
    return result[sink]


# ---- W1


def w1_callables(data: list[int], quantum: int) -> int:
    stream = rxdag.from_source(sources.iterable(data)).pipe(ops.map(double)).pipe(ops.filter(is_third))
    return run(stream.pipe(ops.map(successor)).to(Sum()), quantum)


def _w1_expressions(source: rxdag.Source[int], quantum: int) -> int:
    stream = rxdag.from_source(source).pipe(ops.map(element * 2)).pipe(ops.filter(element % 3 == 0))
    return run(stream.pipe(ops.map(element + 1)).to(Sum()), quantum)


def w1_expressions(data: list[int], quantum: int) -> int:
    return _w1_expressions(sources.iterable(data), quantum)


def w1_columns(data: Any, quantum: int) -> int:
    return _w1_expressions(sources.arrays(data), quantum)


def w1_numpy(data: Any) -> int:
    doubled = data * 2
    return int((doubled[doubled % 3 == 0] + 1).sum())


def w1_polars(data: Any) -> int:
    import polars as pl

    x = pl.DataFrame({"x": data}).lazy().select(pl.col("x") * 2).filter(pl.col("x") % 3 == 0).select(pl.col("x") + 1)
    return int(x.sum().collect().item())


def w1_reactivex(data: list[int]) -> int:
    import reactivex as rx
    from reactivex import operators as rxops

    total: list[int] = []
    rx.from_iterable(data).pipe(
        rxops.map(double), rxops.filter(is_third), rxops.map(successor), rxops.reduce(lambda a, b: a + b, 0)
    ).subscribe(total.append)
    return total[0]


# ---- W2


def _w2(stream: rxdag.Stream[Tick], quantum: int, fields: tuple[Any, ...], columns: bool = True) -> list[Any]:
    ts, sym, price, size = fields
    bars = (
        stream.pipe(ops.event_time(ts, unit="us", out_of_order="500ms"))
        .pipe(ops.key_by(sym))
        .pipe(ops.window(windows.tumbling("1s"), agg.ohlcv(price, size)))
    )
    panes = run(bars.to(sinks.collect()), quantum, columns)
    return [
        (p.key, p.start // 1000, p.value.open, p.value.high, p.value.low, p.value.close, p.value.volume) for p in panes
    ]


_FUNCTIONS = (lambda t: t.ts_us, lambda t: t.sym, lambda t: t.price, lambda t: t.size)
_FIELDS = (col.ts_us, col.sym, col.price, col.size)


def w2_callables(data: list[Tick], quantum: int, columns: bool = True) -> list[Any]:
    return _w2(rxdag.from_source(sources.iterable(data, of=Tick)), quantum, _FUNCTIONS, columns)


def w2_callables_kept(data: list[Tick], quantum: int) -> list[Any]:
    return w2_callables(data, quantum, columns=False)


def w2_expressions(data: list[Tick], quantum: int, columns: bool = True) -> list[Any]:
    return _w2(rxdag.from_source(sources.iterable(data, of=Tick)), quantum, _FIELDS, columns)


def w2_kept(data: list[Tick], quantum: int) -> list[Any]:
    return w2_expressions(data, quantum, columns=False)


class _OwnBar(Accumulator[Any, tuple[float, ...]]):
    """What the loop keeps, and nothing more."""

    __slots__ = ("_price", "_size", "close", "first_ts", "high", "last_ts", "low", "open", "volume")
    shared = ("_price", "_size")

    def __init__(self, price: Any, size: Any) -> None:
        self._price = price
        self._size = size
        self.open = self.close = self.volume = 0.0
        self.high, self.low = float("-inf"), float("inf")
        self.first_ts, self.last_ts = MAX, MIN

    def add(self, item: Any, /) -> None:
        raise TypeError("bars need times")

    def add_at(self, item: Any, ts: int, sequence: int, /) -> None:
        price = self._price(item)
        if price > self.high:
            self.high = price
        if price < self.low:
            self.low = price
        if ts >= self.last_ts:
            self.close = price
            self.last_ts = ts
        if ts < self.first_ts:
            self.open = price
            self.first_ts = ts
        self.volume += self._size(item)

    def result(self) -> tuple[float, ...]:
        return self.open, self.high, self.low, self.close, self.volume


@dataclass(frozen=True)
class OwnBars(Aggregate[Any, tuple[float, ...]]):
    """An aggregate of a user's own."""

    price: Any
    size: Any

    def bound(self, shape: Shape) -> OwnBars:
        return OwnBars(bound(self.price, shape.item_type), bound(self.size, shape.item_type))

    def accumulator(self) -> _OwnBar:
        return _OwnBar(self.price, self.size)

    def in_columns(self) -> ColumnsAggregate | str:
        return why_opaque(self.price, self.size) or _OwnBarColumns(self.price, self.size)


class _OwnBarColumns(ColumnsAggregate):
    """The same for all panes at once."""

    def __init__(self, price: Any, size: Any) -> None:
        self._price = price
        self._size = size
        self._bars = np.empty((5, 0))
        self._times = np.empty((2, 0), np.int64)

    def read(self, columns: Columns) -> Any:
        return columns.values(self._price), columns.values(self._size)

    def reserve(self, size: int) -> None:
        more = size - self._bars.shape[1]
        self._bars = np.hstack((self._bars, np.empty((5, more))))
        self._times = np.hstack((self._times, np.empty((2, more), np.int64)))

    def clear(self, places: Places) -> None:
        self._bars[:, places] = np.array([[0.0], [-np.inf], [np.inf], [0.0], [0.0]])
        self._times[:, places] = np.array([[MAX], [MIN]])

    def add(self, values: Any, groups: Groups) -> None:
        prices, sizes = values
        opens, highs, lows, closes, volumes = self._bars
        np.maximum.at(highs, groups.place_of, prices)
        np.minimum.at(lows, groups.place_of, prices)
        np.add.at(volumes, groups.place_of, sizes)
        for rows, times, kept, is_better in (
            (groups.first(), self._times[0], opens, np.less),
            (groups.last(), self._times[1], closes, np.greater_equal),
        ):
            better = is_better(groups.ts[rows], times[groups.places])
            places, rows = groups.places[better], rows[better]
            kept[places], times[places] = prices[rows], groups.ts[rows]

    def results(self, places: Places) -> list[Any]:
        return list(zip(*self._bars[:, places].tolist(), strict=True))

    def snapshot(self, places: Places) -> list[list[Any]]:
        rows = zip(*self._bars[:, places].tolist(), *self._times[:, places].tolist(), strict=True)
        return [list(row) for row in rows]

    def restore(self, place: int, saved: list[Any]) -> None:
        self._bars[:, place], self._times[:, place] = saved[:5], saved[5:]


class _TradedKernel(Kernel):
    def __init__(self, size: Any) -> None:
        self._size = size

    def in_columns(self) -> Kernel | str:
        return why_opaque(self._size) or self

    def on_columns(self, columns: Columns, emit: ColumnsEmit) -> None:
        traded = columns.where(columns.values(self._size) > 0)
        emit.filtered(columns.n - traded.n)
        emit(traded)

    def on_item(self, item: Any, emit: Any) -> None:
        if self._size(item) <= 0:
            return emit.filtered(item)
        emit(item)
        return None


@dataclass(frozen=True)
class Traded(Operator[Any, Any]):
    """An operator of a user's own: what has a size."""

    size: Any

    def bound(self, shape: Shape) -> Traded:
        return Traded(bound(self.size, shape.item_type))

    def shape(self, shape: Shape) -> Shape:
        return shape

    def kernel(self) -> _TradedKernel:
        return _TradedKernel(self.size)


def _w2_own(stream: rxdag.Stream[Tick], quantum: int, fields: tuple[Any, ...], columns: bool = True) -> list[Any]:
    ts, sym, price, size = fields
    bars = (
        stream.pipe(ops.event_time(ts, unit="us", out_of_order="500ms"))
        .pipe(Traded(size))
        .pipe(ops.key_by(sym))
        .pipe(ops.window(windows.tumbling("1s"), OwnBars(price, size)))
    )
    return [(p.key, p.start // 1000, *p.value) for p in run(bars.to(sinks.collect()), quantum, columns)]


def w2_own_callables(data: list[Tick], quantum: int, columns: bool = True) -> list[Any]:
    return _w2_own(rxdag.from_source(sources.iterable(data, of=Tick)), quantum, _FUNCTIONS, columns)


def w2_own_callables_kept(data: list[Tick], quantum: int) -> list[Any]:
    return w2_own_callables(data, quantum, columns=False)


def w2_own_expressions(data: list[Tick], quantum: int, columns: bool = True) -> list[Any]:
    return _w2_own(rxdag.from_source(sources.iterable(data, of=Tick)), quantum, _FIELDS, columns)


def w2_own_kept(data: list[Tick], quantum: int) -> list[Any]:
    return w2_own_expressions(data, quantum, columns=False)


def w2_columns(data: Any, quantum: int) -> list[Any]:
    stream = rxdag.from_source(sources.arrow(data, Tick))
    return _w2(stream, quantum, _FIELDS)


def w2_polars(data: Any) -> list[Any]:
    import polars as pl

    price, size = pl.col("price"), pl.col("size")
    frame = (
        pl.from_arrow(data)
        .lazy()  # type: ignore[union-attr]
        .sort("ts_us", maintain_order=True)
        .group_by((pl.col("ts_us") // SIZE_US * SIZE_US).alias("start"), pl.col("sym").cast(pl.String))
        .agg(
            price.first().alias("o"),
            price.max().alias("h"),
            price.min().alias("l"),
            price.last().alias("c"),
            size.sum(),
        )
        .sort("start", "sym")
        .collect()
    )
    return [(r[1], r[0], *r[2:]) for r in frame.rows()]


def columns_of(data: list[Tick]) -> Any:
    """The ticks as an Arrow table, symbols dictionary-coded."""
    table = {name: [getattr(tick, name) for tick in data] for name in Tick._fields}
    return pa.table({**table, "sym": pa.array(table["sym"]).dictionary_encode()})


# ---- W3


class Share(NamedTuple):
    branch: int
    value: float


def _w3(stream: rxdag.Stream[Tick], quantum: int, columns: bool = True) -> Any:
    fresh = stream.pipe(ops.event_time("ts_us", unit="us", out_of_order="500ms"))
    routes = fresh.pipe(ops.dedupe("sym", "tid", within="5s")).pipe(
        ops.route({"a": col.sym < "S33", "b": col.sym < "S66"}, default="c")
    )
    merged = rxdag.merge(
        routes["a"].pipe(ops.select(branch=lit(0), value=col.price * col.size, into=Share)),
        routes["b"].pipe(ops.filter(col.size > 2)).pipe(ops.select(branch=lit(1), value="price", into=Share)),
        routes["c"].pipe(ops.select(branch=lit(2), value="size", into=Share)),
    )
    return run(merged.to(CountAndSum()), quantum, columns)


def w3_callables(data: list[Tick], quantum: int) -> Any:
    fresh = rxdag.from_source(sources.iterable(data, of=Tick)).pipe(
        ops.event_time(lambda t: t.ts_us, unit="us", out_of_order="500ms")
    )
    routes = fresh.pipe(ops.dedupe(lambda t: (t.sym, t.tid), within="5s")).pipe(
        ops.route({"a": lambda t: t.sym < "S33", "b": lambda t: t.sym < "S66"}, default="c")
    )
    merged = rxdag.merge(
        routes["a"].pipe(ops.map(lambda t: (0, t.price * t.size))),
        routes["b"].pipe(ops.filter(lambda t: t.size > 2)).pipe(ops.map(lambda t: (1, t.price))),
        routes["c"].pipe(ops.map(lambda t: (2, t.size))),
    )
    return run(merged.to(CountAndSum()), quantum)


def w3_expressions(data: list[Tick], quantum: int, columns: bool = True) -> Any:
    return _w3(rxdag.from_source(sources.iterable(data, of=Tick)), quantum, columns)


def w3_kept(data: list[Tick], quantum: int) -> Any:
    return w3_expressions(data, quantum, columns=False)


def w3_columns(data: Any, quantum: int) -> Any:
    return _w3(rxdag.from_source(sources.arrow(data, Tick)), quantum)


@dataclass(frozen=True)
class Variant:
    """A way to do the work with rxdag.

    Attributes:
        lane: "rows" or "columns": what it is given.
        fn: Takes the data and the size of chunks.
        budget: CPU time over the loop's at chunks of 1,024.
    """

    lane: str
    fn: Callable[[Any, int], Any]
    budget: float | None


@dataclass(frozen=True)
class Workload:
    """A workload: its data, its loop, its variants, and what else does the same work.

    Attributes:
        data: Rows, from a number of them.
        columns: The same as columns, made before the clock starts.
        others: Take rows.
        whole_set: Take columns, all at once.
    """

    name: str
    data: Callable[[int], Any]
    columns: Callable[[Any], Any]
    loop: Callable[[Any], Any]
    variants: dict[str, Variant]
    others: dict[str, Callable[[Any], Any]] = field(default_factory=dict)
    whole_set: dict[str, Callable[[Any], Any]] = field(default_factory=dict)


WORKLOADS = (
    Workload(
        "W1",
        ints,
        np.array,
        w1_loop,
        {
            "rows, callables": Variant("rows", w1_callables, 2.0),
            "rows, expressions": Variant("rows", w1_expressions, 1.1),
            "columns": Variant("columns", w1_columns, 0.15),
        },
        {"loop that calls": w1_calling, "reactivex": w1_reactivex},
        {"numpy": w1_numpy, "polars": w1_polars},
    ),
    Workload(
        "W2",
        ticks,
        columns_of,
        w2_loop,
        {
            "rows, callables": Variant("rows", w2_callables, 1.6),
            "rows kept rows, callables": Variant("rows", w2_callables_kept, None),
            "rows, expressions": Variant("rows", w2_expressions, 1.1),
            "rows kept rows, expressions": Variant("rows", w2_kept, None),
            "rows, callables, own operator and aggregate": Variant("rows", w2_own_callables, 1.6),
            "rows kept rows, callables, own operator and aggregate": Variant("rows", w2_own_callables_kept, None),
            "rows, expressions, own operator and aggregate": Variant("rows", w2_own_expressions, 1.1),
            "rows kept rows, expressions, own operator and aggregate": Variant("rows", w2_own_kept, None),
            "columns": Variant("columns", w2_columns, 0.3),
        },
        {},
        {"polars": w2_polars},
    ),
    Workload(
        "W3",
        repeated,
        columns_of,
        w3_loop,
        {
            "rows, callables": Variant("rows", w3_callables, 1.3),
            "rows, expressions": Variant("rows", w3_expressions, 1.3),
            "rows kept rows, expressions": Variant("rows", w3_kept, None),
            "columns": Variant("columns", w3_columns, 0.4),
        },
    ),
)
