"""W6: cost as work grows: time per item must stay flat."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import rxdag
from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag import sinks, sources, windows
from rxdag.columns import Coded
from tests.benchmarks import workloads as w
from tests.benchmarks.measure import cpu


def chain(n: int, items: int) -> float:
    """ns per item and operator of a chain of n."""
    stream = rxdag.from_source(sources.range(items))
    for _ in range(n):
        stream = stream.pipe(ops.map(lambda x: x + 1))
    plan = rxdag.compile(rxdag.Dag(stream.to(sinks.null())))
    return cpu(lambda: rxdag.run(plan))[0] / items / n * 1e9


def fan_out(n: int, items: int) -> float:
    """ns per item and branch of a fan-out of n."""
    source = rxdag.from_source(sources.range(items))
    plan = rxdag.compile(rxdag.Dag(*(source.pipe(ops.map(lambda x: x + 1)).to(sinks.null()) for _ in range(n))))
    return cpu(lambda: rxdag.run(plan))[0] / items / n * 1e9


def bars(n: int) -> float:
    """ns per tick of W2 over n ticks, rows."""
    data = w.ticks(n)
    w.w2_expressions(data[:1000], 1024)
    return cpu(lambda: w.w2_expressions(data, 1024))[0] / n * 1e9


def arrays(ticks: int, keys: int) -> dict[str, Any]:
    """W2's ticks as arrays: their times out of order, their keys drawn from so many."""
    rng = np.random.default_rng(1)
    ts = np.arange(ticks) * 100
    order = np.argsort(ts + rng.integers(0, 200_000, ticks), kind="stable")
    names = [f"S{i:07d}" for i in range(keys)]
    return {
        "ts_us": ts[order],
        "sym": Coded(rng.integers(0, keys, ticks), names),
        "tid": order,
        "price": 100 + rng.random(ticks),
        "size": rng.integers(1, 10, ticks).astype(float),
    }


def column_bars(ticks: int, keys: int) -> float:
    """ns per tick and bar of W2 over so many ticks of so many keys, columns."""
    data = arrays(ticks, keys)
    stream = rxdag.from_source(sources.arrays(data, w.Tick))
    made = (
        stream.pipe(ops.event_time("ts_us", unit="us", out_of_order="500ms"))
        .pipe(ops.key_by("sym"))
        .pipe(ops.window(windows.tumbling("1s"), agg.ohlcv("price", "size")))
        .to(sinks.null())
    )
    took, result = cpu(lambda: rxdag.run(made))
    return took / (ticks + result[made]) * 1e9


def curves(scale: float) -> dict[str, list[tuple[int, float]]]:
    """(size, ns per item) of each curve; `scale` shrinks the data."""
    work = max(2_000, int(4_000_000 * scale))  # items times operators, so that every point takes as long

    def curve(sizes: tuple[int, ...], fn: Callable[[int], float]) -> list[tuple[int, float]]:
        return [(size, fn(size)) for size in sizes]

    def sized(n: int) -> int:
        return max(100, int(n * scale))

    ticks = (10_000, 100_000, 1_000_000)
    return {
        "ticks, rows": curve(tuple(sized(n) for n in ticks), bars),
        "ticks, columns": curve(tuple(sized(n) for n in (*ticks, 10_000_000)), lambda n: column_bars(n, 100)),
        "keys, columns": curve((100, 10_000, sized(1_000_000)), lambda n: column_bars(sized(1_000_000), n)),
        "chain": curve((1, 10, 100, 1000), lambda n: chain(n, max(100, work // n))),
        "fan-out": curve((1, 10, 100), lambda n: fan_out(n, max(100, work // n))),
    }


def exponent(points: list[tuple[int, float]]) -> float:
    """Slope of the curve on logarithmic axes: 0 is flat."""
    xs, ys = [math.log(x) for x, _ in points], [math.log(y) for _, y in points]
    mx, my = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - mx) ** 2 for x in xs)
    return sum((x - mx) * (y - my) for x, y in zip(xs, ys, strict=True)) / spread if spread else 0.0


def svg(found: dict[str, list[tuple[int, float]]]) -> str:
    """The curves on logarithmic axes."""
    width, height, left, top = 640, 360, 60, 20
    xs = [math.log10(x) for points in found.values() for x, _ in points]
    ys = [math.log10(y) for points in found.values() for _, y in points]
    low, high = math.floor(min(ys)), math.ceil(max(ys))

    def at(x: float, y: float) -> tuple[float, float]:
        across = left + (math.log10(x) - min(xs)) / (max(xs) - min(xs)) * (width - left - 140)
        return across, top + (high - math.log10(y)) / (high - low) * (height - top - 50)

    colours = ("#1b6ca8", "#6a4c93", "#e09f3e", "#c8553d", "#588157")
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">'
    ]
    for power in range(low, high + 1):
        _, y = at(10 ** min(xs), 10.0**power)
        out.append(f'<line x1="{left}" y1="{y:.1f}" x2="{width - 140}" y2="{y:.1f}" stroke="#ddd"/>')
        out.append(f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{10**power:g} ns</text>')
    for power in range(math.ceil(min(xs)), math.floor(max(xs)) + 1):
        x, _ = at(10.0**power, 10.0**low)
        out.append(f'<text x="{x:.1f}" y="{height - 24}" text-anchor="middle">{10**power:,}</text>')
    for colour, (name, points) in zip(colours, found.items(), strict=False):
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*point) for point in points))
        out.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        x, y = at(*points[-1])
        out.append(f'<text x="{x + 6:.1f}" y="{y + 4:.1f}" fill="{colour}">{name}</text>')
    out.append(f'<text x="{(width - 140) / 2}" y="{height - 6}" text-anchor="middle">size</text></svg>')
    return "\n".join(out) + "\n"
