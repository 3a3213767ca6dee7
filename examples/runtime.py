"""Two graphs and a linear pipeline under one runtime: one fails and starts again, one is replaced while the others go on.

python examples/runtime.py
"""

import asyncio
import random
from collections.abc import AsyncIterator

import rxdag
from rxdag import operators as ops
from rxdag import sinks, sources

calls = 0


def unreliable(n: int) -> int:
    """Fails in its first two runs."""
    global calls
    calls += 1
    if calls in (1, 3):
        raise ConnectionError("the feed is gone")
    return n


class Table:
    """A sink object as linear pipelines have: async write and close."""

    async def write(self, batch: list[object]) -> None:
        print(f"old pipeline: wrote {len(batch)}")

    async def close(self) -> None:
        print("old pipeline: closed")


class Ticks:
    """A source object: stream and close."""

    async def stream(self) -> AsyncIterator[float]:
        for _ in range(6):
            yield random.random()

    async def close(self) -> None: ...


class Double:
    """An operator object."""

    async def handle(self, tick: float) -> float:
        return tick * 2


class Batches:
    """A batcher object: four at a time."""

    def __init__(self) -> None:
        self.held: list[object] = []

    async def add(self, item: object) -> list[object] | None:
        self.held.append(item)
        return await self.flush() if len(self.held) == 4 else None

    async def flush(self) -> list[object]:
        held, self.held = self.held, []
        return held


class OldPipeline:
    """What was there before."""

    source, operator, batcher, sink = Ticks(), Double(), Batches(), Table()


async def main() -> None:
    """Run them."""
    async with rxdag.PipelineRuntime() as runtime:

        async def tell() -> None:
            async for event in runtime.events():
                print(f"{event.name}: {event.kind}{f' ({event.error})' if event.error else ''}")

        telling = asyncio.create_task(tell())
        await asyncio.sleep(0)
        runtime.add_pipeline("old", OldPipeline())
        flaky = rxdag.wrap([1, 2]).pipe(ops.map(unreliable)).to(sinks.collect(), name="out")
        runtime.create_dag("flaky", flaky, restart="on_failure", backoff=sources.Backoff(base="20ms"))
        clock = rxdag.from_source(sources.interval("10ms")).to(sinks.collect(), name="out")
        runtime.create_dag("clock", clock)
        await asyncio.sleep(0.1)
        other = rxdag.from_source(sources.interval("10ms", count=3)).to(sinks.collect(), name="out")
        await runtime.replace("clock", rxdag.Dag(other))
        results = await runtime.run_until_complete()
        print(runtime.status())
        print("flaky gave", results["flaky"]["out"], "and the new clock", results["clock"]["out"])
        telling.cancel()


asyncio.run(main())
