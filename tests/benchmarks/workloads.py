"""W1 to W3: the data from a seed, the plain loop, the loop that calls, and the graph."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

import rxdag
from rxdag import aggregates as agg
from rxdag import col, element, lit, sinks, sources, windows
from rxdag import operators as ops
from rxdag.runtime import Execution, run_here
from rxdag.sinks import Writer


class Tick(NamedTuple):
    ts_us: int
    sym: str
    tid: int
    price: float
    size: float


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
    is_quiet = True

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
    is_quiet = True

    def open(self, context: Any) -> Writer:
        return _CountWriter()


def run(sink: Any, quantum: int) -> Any:
    """Compile and run, with chunks of that size at most."""
    plan = rxdag.compile(rxdag.Dag(sink))
    result = run_here(Execution(plan, quantum=quantum))
    assert result.error is None, result.error
    return result[sink]


# ---- W1


def ints(n: int) -> list[int]:
    return list(range(n))


def w1_loop(data: list[int]) -> int:
    total = 0
    for x in data:
        y = x * 2
        if y % 3 == 0:
            total += y + 1
    return total


def _double(x: int) -> int:
    return x * 2


def _third(x: int) -> bool:
    return x % 3 == 0


def _next(x: int) -> int:
    return x + 1


def w1_calling(data: list[int]) -> int:
    total = 0
    for x in data:
        y = _double(x)
        if _third(y):
            total += _next(y)
    return total


def w1_callables(data: list[int], quantum: int) -> int:
    stream = rxdag.from_source(sources.iterable(data)).pipe(ops.map(_double)).pipe(ops.filter(_third))
    return run(stream.pipe(ops.map(_next)).to(Sum()), quantum)


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
        rxops.map(_double), rxops.filter(_third), rxops.map(_next), rxops.reduce(lambda a, b: a + b, 0)
    ).subscribe(total.append)
    return total[0]


# ---- W2

LAG_US, SIZE_US = 500_000, 1_000_000


def ticks(n: int, seed: int = 1) -> list[Tick]:
    """10,000 ticks/s of 100 symbols, up to 200 ms out of order, in order of arrival."""
    rng = random.Random(seed)
    made = []
    for i in range(n):
        ts = i * 100
        tick = Tick(ts, f"S{rng.randrange(100):02d}", i, 100 + rng.random(), float(rng.randrange(1, 10)))
        made.append((ts + rng.randrange(200_000), i, tick))
    made.sort()
    return [tick for _, _, tick in made]


def w2_loop(data: list[Tick]) -> list[Any]:
    opened: dict[int, dict[str, list[Any]]] = {}
    out: list[Any] = []
    newest, close_at = -1, 1 << 62
    low = high = 0
    bars: dict[str, list[Any]] = {}
    for ts, sym, _tid, price, size in data:
        if ts > newest:
            newest = ts
            if ts - LAG_US >= close_at:
                for start in sorted(s for s in opened if s + SIZE_US <= ts - LAG_US):
                    for key, b in sorted(opened.pop(start).items()):
                        out.append((key, start, b[0], b[1], b[2], b[3], b[4]))
                close_at = min(opened, default=1 << 61) + SIZE_US
                low = high = 0
        if not low <= ts < high:
            low = ts - ts % SIZE_US
            high = low + SIZE_US
            if low in opened:
                bars = opened[low]
            else:
                bars = opened[low] = {}
                close_at = min(close_at, high)
        b = bars.get(sym)
        if b is None:
            bars[sym] = [price, price, price, price, size, ts, ts]
            continue
        if price > b[1]:
            b[1] = price
        elif price < b[2]:
            b[2] = price
        if ts >= b[6]:
            b[3] = price
            b[6] = ts
        elif ts < b[5]:
            b[0] = price
            b[5] = ts
        b[4] += size
    for start in sorted(opened):
        for key, b in sorted(opened[start].items()):
            out.append((key, start, b[0], b[1], b[2], b[3], b[4]))
    return out


def _w2(stream: rxdag.Stream[Tick], quantum: int, fields: tuple[Any, ...]) -> list[Any]:
    ts, sym, price, size = fields
    bars = (
        stream.pipe(ops.event_time(ts, unit="us", out_of_order="500ms"))
        .pipe(ops.key_by(sym))
        .pipe(ops.window(windows.tumbling("1s"), agg.ohlcv(price, size)))
    )
    panes = run(bars.to(sinks.collect()), quantum)
    return [
        (p.key, p.start // 1000, p.value.open, p.value.high, p.value.low, p.value.close, p.value.volume) for p in panes
    ]


def w2_callables(data: list[Tick], quantum: int) -> list[Any]:
    fields = (lambda t: t.ts_us, lambda t: t.sym, lambda t: t.price, lambda t: t.size)
    return _w2(rxdag.from_source(sources.iterable(data)), quantum, fields)


def w2_expressions(data: list[Tick], quantum: int) -> list[Any]:
    return _w2(rxdag.from_source(sources.iterable(data, of=Tick)), quantum, (col.ts_us, col.sym, col.price, col.size))


def w2_columns(data: Any, quantum: int) -> list[Any]:
    stream = rxdag.from_source(sources.arrow(data, Tick))
    return _w2(stream, quantum, (col.ts_us, col.sym, col.price, col.size))


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

WITHIN_US = 5_000_000


def repeated(n: int, seed: int = 2) -> list[Tick]:
    """W2's ticks, a tenth of them again 0 to 8 s later, in order of arrival."""
    rng = random.Random(seed)
    originals = ticks(int(n / 1.1), seed)
    arrivals = [(t.ts_us, i, t) for i, t in enumerate(originals)]
    for i, t in enumerate(originals):
        if rng.random() < 0.1:
            again = t._replace(ts_us=t.ts_us + rng.randrange(8_000_000))
            arrivals.append((again.ts_us, len(originals) + i, again))
    arrivals.sort()
    return [t for _, _, t in arrivals][:n]


def w3_loop(data: list[Tick]) -> tuple[Any, ...]:
    first: dict[tuple[str, int], int] = {}
    spans: dict[int, list[tuple[str, int]]] = {}
    n, total = [0, 0, 0], [0.0, 0.0, 0.0]
    newest, forget_at = -1, 1 << 62
    low = high = 0
    keys: list[tuple[str, int]] = []
    for ts, sym, tid, price, size in data:
        if ts > newest:
            newest = ts
            if ts - LAG_US >= forget_at:
                for span in sorted(s for s in spans if s + 2 * WITHIN_US <= ts - LAG_US):
                    for key in spans.pop(span):
                        if span <= first.get(key, -1) < span + WITHIN_US:
                            del first[key]
                forget_at = min(spans, default=1 << 61) + 2 * WITHIN_US
                low = high = 0
        key = (sym, tid)
        seen = first.get(key)
        if seen is not None and ts - seen < WITHIN_US:
            continue
        first[key] = ts
        if not low <= ts < high:
            low = ts - ts % WITHIN_US
            high = low + WITHIN_US
            if low in spans:
                keys = spans[low]
            else:
                keys = spans[low] = []
                forget_at = min(forget_at, low + 2 * WITHIN_US)
        keys.append(key)
        if sym < "S33":
            n[0] += 1
            total[0] += price * size
        elif sym < "S66":
            if size > 2:
                n[1] += 1
                total[1] += price
        else:
            n[2] += 1
            total[2] += size
    return (*n, *total)


class Share(NamedTuple):
    branch: int
    value: float


def _w3(stream: rxdag.Stream[Tick], quantum: int) -> Any:
    fresh = stream.pipe(ops.event_time("ts_us", unit="us", out_of_order="500ms"))
    routes = fresh.pipe(ops.dedupe("sym", "tid", within="5s")).pipe(
        ops.route({"a": col.sym < "S33", "b": col.sym < "S66"}, default="c")
    )
    merged = rxdag.merge(
        routes["a"].pipe(ops.select(branch=lit(0), value=col.price * col.size, into=Share)),
        routes["b"].pipe(ops.filter(col.size > 2)).pipe(ops.select(branch=lit(1), value="price", into=Share)),
        routes["c"].pipe(ops.select(branch=lit(2), value="size", into=Share)),
    )
    return run(merged.to(CountAndSum()), quantum)


def w3_callables(data: list[Tick], quantum: int) -> Any:
    fresh = rxdag.from_source(sources.iterable(data)).pipe(
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


def w3_expressions(data: list[Tick], quantum: int) -> Any:
    return _w3(rxdag.from_source(sources.iterable(data, of=Tick)), quantum)


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
            "rows, expressions": Variant("rows", w2_expressions, 1.1),
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
            "columns": Variant("columns", w3_columns, 0.4),
        },
    ),
)
