"""Random layered dags on the public face, from a seed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import rxdag
from rxdag import operators as ops
from rxdag import sinks, sources

SCHEDULERS = ("S0", "S1", "S2")


class Boom(Exception):
    """What a failing node of a stress graph raises."""


@dataclass
class StressGraph:
    """A random dag, and what is known of it."""

    seed: int
    dag: rxdag.Dag
    has_fault: bool
    is_ordered: bool
    description: list[str] = field(default_factory=list)


def fails_at(n: int) -> Callable[[Any], Any]:
    """A function that raises on its n-th call; shared by all runs of the graph, so built for one run."""
    calls = 0

    def fn(item: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == n:
            raise Boom(f"call {n}")
        return item

    return fn


async def _slow(item: Any) -> None:
    await asyncio.sleep(0)


def make(seed: int, *, threads: bool, faults: bool) -> StressGraph:
    """Make a graph: layers of streams, each node taking one or more of the layer above."""
    rng = random.Random(seed)
    items = rng.choice([0, 1, 30, 300, 2000])
    lines: list[str] = []

    def edge(stream: rxdag.Stream[Any]) -> rxdag.Stream[Any]:
        if rng.random() < 0.45:
            stream = stream.buffered(max_items=rng.choice([1, 2, 7, 64]))
        if threads and rng.random() < 0.5:
            stream = stream.on(rng.choice(SCHEDULERS))
        return stream

    layer: list[rxdag.Stream[Any]] = []
    for i in range(rng.randint(1, 3)):
        source: Any = sources.range(items)
        if rng.random() < 0.3:
            source = sources.iterable(list(range(items)), blocking=threads)
        stream: rxdag.Stream[Any] = rxdag.from_source(source)
        if rng.random() < 0.5:
            stream = stream.pipe(ops.event_time(lambda x: abs(x) if isinstance(x, int) else 0, unit="ms"))
        layer.append(stream)
        lines.append(f"source {i}: {items}")
    has_fault = has_take = False
    for _ in range(rng.randint(1, 4)):
        below: list[rxdag.Stream[Any]] = []
        for _ in range(rng.randint(1, 3)):
            picked = rng.sample(layer, rng.randint(1, len(layer)))
            stream = edge(picked[0])
            if len(picked) > 1:
                stream = rxdag.merge(*(edge(p) for p in picked))
            kind = rng.choice(
                ["map", "filter", "explode", "scan", "route", "diamond", "dedupe", "tap", "chain", "take"]
            )
            if kind == "map":
                below.append(stream.pipe(ops.map(lambda x: x + 1)))
            elif kind == "filter":
                below.append(stream.pipe(ops.filter(lambda x: x % 3 != 0)))
            elif kind == "explode":
                below.append(stream.pipe(ops.explode(lambda x: range(x % 4))))
            elif kind == "scan":
                below.append(stream.pipe(ops.scan(0, lambda n, _: n + 1)))
            elif kind == "dedupe":
                below.append(stream.pipe(ops.dedupe(lambda x: x, max_keys=10**6)))
            elif kind == "tap":
                below.append(stream.pipe(ops.tap(lambda x: None)))
            elif kind == "chain":
                for _ in range(rng.randint(2, 6)):
                    stream = stream.pipe(ops.map(lambda x: x + 1)).pipe(ops.filter(lambda x: x % 7 != 0))
                below.append(stream)
            elif kind == "take" and rng.random() < 0.4:
                has_take = True
                below.append(stream.pipe(ops.take(rng.choice([0, 1, 5, 50]))))
            elif kind == "route":
                routes = stream.pipe(ops.route({"even": lambda x: x % 2 == 0, "three": lambda x: x % 3 == 0}))
                below += [routes["even"], routes["three"]]
            else:
                left = edge(stream).pipe(ops.map(lambda x: x * 2))
                right = edge(stream).pipe(ops.filter(lambda x: x % 2 == 1))
                below.append(rxdag.merge(left, right))
            lines.append(f"{kind} of {len(picked)}")
            if faults and rng.random() < 0.08:
                has_fault = True
                below[-1] = below[-1].pipe(ops.map(fails_at(rng.choice([1, 5, 100]))), name=f"boom{len(lines)}")
        layer = below
    outs: list[Any] = []
    for i, stream in enumerate(layer):
        sink: Any = sinks.collect()
        if rng.random() < 0.15:
            outs.append(edge(stream).to(sinks.acall(_slow), name=f"async{i}"))
        outs.append(edge(stream).to(sink, name=f"out{i}"))
    return StressGraph(seed, rxdag.Dag(*outs, name=f"stress{seed}"), has_fault, not has_take, lines)
