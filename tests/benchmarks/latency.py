"""W4 and W5: how long a hand-over takes, and what a slow sink leaves in flight."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import rxdag
from rxdag import operators as ops
from rxdag import sinks, sources
from rxdag.sources import END, Chunk, Reader


class _PacedReader(Reader):
    def __init__(self, rate: int, items: int, context: Any) -> None:
        self._every_ns = 1_000_000_000 // rate
        self._items = items
        self._context = context
        self._began = context.clock.now()
        self._given = 0

    def read(self, max_items: int) -> Any:
        due = min(self._items, (self._context.clock.now() - self._began) // self._every_ns + 1)
        n = min(due - self._given, max_items)
        if n > 0:
            self._given += n
            now = time.perf_counter_ns()
            return Chunk([now] * n)
        if self._given == self._items:
            return END
        self._context.wake_at(self._began + self._given * self._every_ns)
        return None


@dataclass(frozen=True)
class Paced(rxdag.Source[int]):
    """Items offered at a rate, each the time of its hand-over, ns."""

    rate: int
    items: int

    def open(self, context: Any) -> Reader:
        return _PacedReader(self.rate, self.items, context)


def hand_over_us(kind: str, rate: int, items: int) -> tuple[float, float]:
    """p50 and p99 from hand-over to sink, us: "same thread", "thread hop" or "asyncio"."""
    took: list[int] = []
    stream: rxdag.Stream[int] = rxdag.from_source(Paced(rate, items))
    if kind == "thread hop":
        stream = stream.on("far")
    stream = stream.pipe(ops.map(lambda t: t)).pipe(ops.filter(lambda t: t > 0)).pipe(ops.map(lambda t: t))
    sink = stream.to(sinks.call(lambda t: took.append(time.perf_counter_ns() - t)))
    if kind == "asyncio":
        asyncio.run(rxdag.run_async(sink))
    else:
        rxdag.run(sink)
    took.sort()
    return took[len(took) // 2] / 1000, took[int(len(took) * 0.99)] / 1000


def in_flight(items: int) -> tuple[int, int]:
    """Most items between a source as fast as asked and an async sink of 1 ms per 100 items; and what explain() prints."""
    made = taken = most = 0

    def source() -> Any:
        nonlocal made
        for i in range(items):
            made += 1
            yield i

    async def slow(_: int) -> None:
        nonlocal taken, most
        most = max(most, made - taken)
        taken += 1
        if taken % 100 == 0:
            await asyncio.sleep(0.001)

    plan = rxdag.compile(rxdag.Dag(rxdag.from_source(sources.iterable(source())).to(sinks.acall(slow))))
    rxdag.run(plan)
    assert taken == items
    return most, plan.max_held
