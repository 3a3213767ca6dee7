"""W6: cost as work grows: time per item must stay flat."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

import rxdag
from rxdag import operators as ops
from rxdag import sinks, sources
from tests.benchmarks import bars
from tests.benchmarks.data import BEGAN_US, DISORDER_US, Tick, ticks
from tests.benchmarks.measure import cpu

Curve = list[tuple[int, float]]
"""(size, ns per item)."""


def chain(n: int, items: int) -> float:
    """Return ns per item and operator of a chain of n."""
    stream: rxdag.Stream[int] = rxdag.from_source(sources.range(items))
    for _ in range(n):
        stream = stream.pipe(ops.map(lambda x: x + 1))
    plan = rxdag.compile(rxdag.Dag(stream.to(sinks.null())))
    return cpu(lambda: rxdag.run(plan))[0] / items / n * 1e9


def fan_out(n: int, items: int) -> float:
    """Return ns per item and branch of a fan-out of n."""
    source = rxdag.from_source(sources.range(items))
    plan = rxdag.compile(rxdag.Dag(*(source.pipe(ops.map(lambda x: x + 1)).to(sinks.null()) for _ in range(n))))
    return cpu(lambda: rxdag.run(plan))[0] / items / n * 1e9


def bars_by_ticks(n: int) -> float:
    """Return ns per tick of W2 over n ticks, rows."""
    return _bars(sources.iterable(ticks(n), of=Tick), bars.LAMBDAS, n)


def bars_by_keys(items: int, keys: int) -> float:
    """Return ns per tick and bar of W2 over so many keys, rows."""
    names = [f"S{i:07d}" for i in range(keys)]
    made = [t._replace(sym=names[i * 7_368_787 % keys]) for i, t in enumerate(ticks(items))]
    return _bars(sources.iterable(made, of=Tick), bars.LAMBDAS, items)


def column_bars(items: int, keys: int) -> float:
    """Return ns per tick and bar of W2 over so many ticks of so many keys, columns."""
    return _bars(sources.arrow(_table(items, keys), Tick), bars.EXPRESSIONS, items)


def _bars(source: rxdag.Source[Tick], fields: bars.Fields, items: int) -> float:
    made = bars.bars_of(rxdag.from_source(source), fields).to(sinks.null())
    took, result = cpu(lambda: rxdag.run(made))
    return took / (items + result[made]) * 1e9


def _table(items: int, keys: int) -> Any:
    """W2's ticks as a table, in order of arrival, their keys drawn from so many."""
    rng = np.random.default_rng(1)
    after = np.arange(items) * 100
    order = np.argsort(after + rng.integers(0, DISORDER_US, items), kind="stable")
    names = pa.array([f"S{i:07d}" for i in range(keys)])
    return pa.table(
        {
            "ts": BEGAN_US + after[order],
            "sym": pa.DictionaryArray.from_arrays(pa.array(rng.integers(0, keys, items).astype(np.int32)), names),
            "tid": order,
            "price": 100 + rng.random(items),
            "size": rng.integers(1, 10, items).astype(float),
        }
    )


def curves(scale: float) -> dict[str, Curve]:
    """Measure each curve; `scale` shrinks the data."""
    work = max(2_000, int(4_000_000 * scale))  # items times operators, so that every point takes as long

    def curve(sizes: tuple[int, ...], fn: Callable[[int], float]) -> Curve:
        fn(min(sizes))  # imports are no cost of the least size
        return [(size, fn(size)) for size in sizes]

    def sized(n: int) -> int:
        return max(100, int(n * scale))

    rows, columns = sized(1_000_000), sized(10_000_000)
    return {
        "ticks, rows": curve((rows // 100, rows // 10, rows, columns), bars_by_ticks),
        "ticks, columns": curve((columns // 1000, columns // 100, rows, columns), lambda n: column_bars(n, 100)),
        "keys, rows": curve((100, 10_000, rows), lambda n: bars_by_keys(rows, n)),
        "keys, columns": curve((100, 10_000, rows), lambda n: column_bars(rows, n)),
        "chain": curve((1, 10, 100, 1000), lambda n: chain(n, max(100, work // n))),
        "fan-out": curve((1, 10, 100), lambda n: fan_out(n, max(100, work // n))),
    }


def exponent(points: Curve) -> float:
    """Return the slope of the curve on logarithmic axes: 0 is flat."""
    xs, ys = [math.log(x) for x, _ in points], [math.log(y) for _, y in points]
    mx, my = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - mx) ** 2 for x in xs)
    return sum((x - mx) * (y - my) for x, y in zip(xs, ys, strict=True)) / spread if spread else 0.0
