"""W5: a source as fast as it is asked, and a slow asynchronous sink: what is in flight, and what it takes of memory."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import rxdag
from rxdag import sinks, sources
from tests.benchmarks.measure import rss_growth_mb


@dataclass(frozen=True)
class InFlight:
    """What was seen.

    Attributes:
        items: How many went through.
        most: Most items between the source and the sink at one time.
        cap: Most that `explain()` prints.
        rss_mb: By how much the process grew, MB.
    """

    items: int
    most: int
    cap: int
    rss_mb: float


def measure(items: int) -> InFlight:
    """Run with a sink that takes 1 ms for 100 items."""
    made = taken = most = 0

    def source() -> Iterator[int]:
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
    grown, _ = rss_growth_mb(lambda: rxdag.run(plan))
    if taken != items:
        raise RuntimeError(f"W5: {items} items must arrive, got {taken}")
    return InFlight(items, most, plan.max_held, grown)
