"""W4: how long an item takes from hand-over, and from when it was due, to the sink."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import rxdag
from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag import sinks, windows
from rxdag.sources import END, Chunk, Reader, Source
from tests.benchmarks.budgets import HAND_OVER_US

Kind = Literal["same thread", "thread hop", "asyncio"]
KINDS: tuple[Kind, ...] = ("same thread", "thread hop", "asyncio")
RATES = (10_000, 100_000)
GRAPHS = ("map, filter, map", "six nodes with a window")


Offered = tuple[int, int, int]
"""When an item was due, when the source handed it over (ns of `time.perf_counter_ns`), and its event time; a bare
tuple, since making it counts as a part of the hand-over."""


class Quantiles(NamedTuple):
    """Of latencies, us."""

    p50: float
    p99: float
    p999: float


@dataclass(frozen=True)
class Latency:
    """What was measured of one graph.

    Attributes:
        graph: One of `GRAPHS`.
        kind: What is between source and sink.
        rate: Items a second.
        handed: From hand-over to the sink.
        due: From when the item was due to the sink; what the source slept too long is in it.
    """

    graph: str
    kind: Kind
    rate: int
    handed: Quantiles
    due: Quantiles

    @property
    def name(self) -> str:
        return f"W4 {self.graph}, {self.kind}, {self.rate:,} items/s"

    def budget(self, form: str) -> float | None:
        """Return the most that the p50 from hand-over may be, us; None if there is none."""
        found = HAND_OVER_US.get((self.kind, self.rate))
        return None if found is None or self.graph != GRAPHS[0] else found.of(form)


class _PacedReader(Reader):
    def __init__(self, rate: int, items: int, context: Any) -> None:
        self._every_ns = 1_000_000_000 // rate
        self._items = items
        self._context = context
        self._began = time.perf_counter_ns()
        self._began_at = context.clock.now()
        self._given = 0

    def read(self, max_items: int) -> Any:
        began, every, at = self._began, self._every_ns, self._began_at
        first = self._given
        last = min(self._items, (time.perf_counter_ns() - began) // every + 1, first + max_items)
        if last > first:
            self._given = last
            now = time.perf_counter_ns()
            return Chunk([(began + after, now, at + after) for after in range(first * every, last * every, every)])
        if first == self._items:
            return END
        self._context.wake_at(at + first * every)
        return None


@dataclass(frozen=True)
class Paced(Source[Offered]):
    """A source of a user's own: items that are due at a rate, whoever is ready for them."""

    rate: int
    items: int

    def open(self, context: Any) -> Reader:
        return _PacedReader(self.rate, self.items, context)


def measure(seconds: float) -> list[Latency]:
    """Measure every graph at every rate; 100,000 items/s for less long."""
    return [
        latency(graph, kind, rate, int(min(rate * seconds, 200_000 * seconds / 5)))
        for graph in GRAPHS
        for kind in KINDS
        for rate in RATES
    ]


def latency(graph: str, kind: Kind, rate: int, items: int) -> Latency:
    """Offer so many items at that rate."""
    handed: list[int] = []
    due: list[int] = []

    def arrive(item: Offered) -> None:
        now = time.perf_counter_ns()
        handed.append(now - item[1])
        due.append(now - item[0])

    stream: rxdag.Stream[Offered] = rxdag.from_source(Paced(rate, items))
    if kind == "thread hop":
        stream = stream.on("far")
    stream = _three(stream) if graph == GRAPHS[0] else _six(stream)
    sink = stream.to(sinks.call(arrive))
    gc.collect()
    gc.freeze()
    if kind == "asyncio":
        asyncio.run(rxdag.run_async(sink))
    else:
        rxdag.run(sink)
    gc.unfreeze()
    if len(handed) != items:
        raise RuntimeError(f"W4 {graph}, {kind}: {items} items must arrive, got {len(handed)}")
    return Latency(graph, kind, rate, _quantiles(handed), _quantiles(due))


def _three(stream: rxdag.Stream[Offered]) -> rxdag.Stream[Offered]:
    kept = stream.pipe(ops.map(lambda t: t)).pipe(ops.filter(lambda t: t[0] > 0))
    return kept.pipe(ops.map(lambda t: t))


def _six(stream: rxdag.Stream[Offered]) -> rxdag.Stream[Offered]:
    """Every item comes out of a window of 1 s as what is the newest in it: early, after one item."""
    kept = stream.pipe(ops.event_time(lambda t: t[2])).pipe(ops.filter(lambda t: t[0] > 0))
    panes = (
        kept.pipe(ops.map(lambda t: t))
        .pipe(ops.key_by(lambda t: "all"))
        .pipe(ops.window(windows.tumbling("1s"), agg.last(lambda t: t), early=1))
    )
    return panes.pipe(ops.filter(lambda pane: pane.closed_by == "early")).pipe(ops.map(lambda pane: pane.value))


def _quantiles(took: Iterable[int]) -> Quantiles:
    ordered = sorted(took)
    return Quantiles(*(ordered[min(len(ordered) - 1, int(len(ordered) * q))] / 1000 for q in (0.5, 0.99, 0.999)))
