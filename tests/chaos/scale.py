"""Scale: deep and wide graphs, many keys, many seeds."""

from __future__ import annotations

import asyncio
import gc
import random
import tracemalloc
from typing import Any

import rxdag
from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag import sinks, sources, testing, windows
from tests.chaos.experiment import Scale, experiment, require, sound


@experiment
def chain_of_a_thousand_nodes(scale: Scale) -> str:
    n = scale.of(1000)
    for columns in (True, False):
        stream: Any = rxdag.from_source(sources.range(500))
        for _ in range(n):
            stream = stream.pipe(ops.map(lambda x: x + 1))
        out = stream.to(sinks.collect(), name="out")
        got = sound(rxdag.run(rxdag.compile(rxdag.Dag(out), columns=columns)))["out"]
        require(got == list(range(n, n + 500)), f"columns={columns}: {got[:3]}")
    return f"500 items through {n:,} maps"


@experiment
def thousand_way_fan_out_and_fan_in(scale: Scale) -> str:
    n = scale.of(1000)
    source = rxdag.from_source(sources.range(50))
    ways = [source.pipe(ops.map(lambda x, k=k: x * n + k)) for k in range(n)]
    out = rxdag.merge(*ways).to(sinks.collect(), name="out")
    got = sound(rxdag.run(out))["out"]
    require(sorted(got) == list(range(50 * n)), f"{len(got)} items, not {50 * n}")
    return f"50 items {n:,} ways and together again: {len(got):,}"


@experiment
def a_million_keys(scale: Scale) -> str:
    n = scale.of(1_000_000)
    few, rounds = 1000, 4  # several rounds, so that a node which is a chunk behind has seen each of the few keys
    memory: list[int] = []
    seen = 0

    def ticks() -> Any:
        """(time, key): a few keys, then very many of which each is seen once, then, much later, the few again."""
        for x in range(rounds * few):
            yield x, x % few
        for x in range(n):
            yield rounds * few + x, few + x
        for x in range(rounds * few):
            yield 10 * n + x, x % few

    def look(item: Any) -> None:
        nonlocal seen
        seen += 1
        if seen in (rounds * few, rounds * few + n, 2 * rounds * few + n):
            gc.collect()
            memory.append(tracemalloc.get_traced_memory()[0])

    timed = rxdag.from_source(sources.iterable(ticks())).pipe(ops.event_time(lambda tick: tick[0]))
    keyed = timed.pipe(ops.tap(look)).pipe(ops.key_by(lambda tick: tick[1]))
    counted = keyed.pipe(ops.window(windows.tumbling(f"{2 * n}ns"), agg.count()), name="window")
    running = keyed.pipe(ops.scan(0, lambda total, _: total + 1, ttl=f"{2 * n}ns"), name="scan")
    tracemalloc.start()
    try:
        result = sound(rxdag.run(counted.to(sinks.null(), name="panes"), running.to(sinks.null(), name="totals")))
    finally:
        tracemalloc.stop()
    require(result["panes"] == n + 2 * few, f"{result['panes']} panes")
    base, full, after = memory
    require(full > 2 * base, f"memory {memory}: no state to be freed")
    require(after < 1.2 * base, f"memory {memory}: {after / base:.0%} of the base stayed")
    return f"{n:,} keys: {base / 1e6:.1f} MB before, {full / 1e6:.1f} MB with all of them open, {after / 1e6:.1f} MB behind them"


def small_dag(rng: random.Random) -> rxdag.Dag:
    """A small dag of numbers: map, filter, explode, calls, gates, threads, routes and merges."""

    async def call(x: int) -> int:
        await asyncio.sleep((x % 3) / 1000)
        return x

    streams: list[Any] = [rxdag.from_source(sources.range(rng.randint(0, 40)))]
    for _ in range(rng.randint(0, 6)):
        at = rng.randrange(len(streams))
        stream = streams[at]
        if rng.random() < 0.4:
            stream = stream.buffered(max_items=rng.choice([1, 2, 5, 20]))
        if rng.random() < 0.3:
            stream = stream.on(rng.choice("ab"))
        kind = rng.choice(["map", "filter", "explode", "call", "route", "fork", "merge", "scan", "take"])
        if kind == "map":
            streams[at] = stream.pipe(ops.map(lambda x: x + 1))
        elif kind == "filter":
            streams[at] = stream.pipe(ops.filter(lambda x: x % 3))
        elif kind == "explode":
            streams[at] = stream.pipe(ops.explode(lambda x: range(x % 5)))
        elif kind == "call":
            streams[at] = stream.pipe(ops.map_async(call, concurrency=rng.randint(1, 4)))
        elif kind == "scan":
            streams[at] = stream.pipe(ops.scan(0, lambda total, x: total + x))
        elif kind == "take":
            streams[at] = stream.pipe(ops.take(rng.randint(1, 30)))
        elif kind == "route":
            routes = stream.pipe(ops.route({"odd": lambda x: x % 2 == 1}, default="even"))
            streams[at : at + 1] = [routes["odd"], routes["even"]]
        elif kind == "fork":
            streams.append(stream)
        elif len(streams) > 1:
            streams = [rxdag.merge(*streams)]
    return rxdag.Dag(*(stream.to(sinks.collect(), name=f"out{i}") for i, stream in enumerate(streams)), name="small")


@experiment
def seeds_over_random_dags(scale: Scale) -> str:
    dags, each = scale.of(1000), 10
    ends: dict[str, int] = {}
    compared = 0
    for k in range(dags):
        dag = small_dag(random.Random(f"{scale.seed} {k}"))
        service = {dag.sinks[0]: "1ms"} if k % 2 else None
        found = testing.explore(dag, seeds=each, start=k * each, service=service)
        compared += len(found.compared) * each
        for state, n in found.ends.items():
            ends[state] = ends.get(state, 0) + n
    return f"{dags * each:,} seeds over {dags:,} dags: {ends}; {compared:,} sinks equal to a plain run"
