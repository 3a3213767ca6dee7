"""A store that cannot keep up slows its source down: pressure, levels with hysteresis, and the rate they give.

For a second the store takes 3 ms for each item, then it recovers. What the source may send goes down, and comes back on a ramp.

python examples/backpressure_feedback.py
"""

import asyncio
from collections.abc import AsyncIterator

import rxdag
from rxdag import sinks
from rxdag.orchestration import FeedbackDecision, FeedbackPolicy

delay = 0.003
written = 0


async def main() -> None:
    """Run it."""
    decisions: list[FeedbackDecision] = []
    async with rxdag.PipelineRuntime({"providers": {"feed": {"capacity": 2000, "refill_rate": 2000}}}) as runtime:

        async def ticks() -> AsyncIterator[int]:
            n = 0
            while True:
                await runtime.rates.acquire("feed")  # which gives out what the feedback leaves of 2,000 a second
                yield n
                n += 1

        async def store(_: int) -> None:
            global written
            await asyncio.sleep(delay)
            written += 1

        feed = rxdag.wrap(ticks, name="ticks").buffered(max_items=500)
        runtime.create_dag("store", feed.to(sinks.acall(store), name="store"))
        runtime.add_feedback(
            "store",
            "feed",
            policy=FeedbackPolicy(soft=0.5, hard=0.8, hold="200ms", ramp="1s"),
            every="50ms",
            on_decision=decisions.append,
        )
        await asyncio.sleep(1)
        global delay
        delay = 0.0
        await asyncio.sleep(2)
        print(runtime.status())
    last = None
    for decision in decisions:
        if decision.level != last:
            print(f"{decision.level}: pressure {decision.pressure:.2f}, {decision.scale:.0%} of the rate")
            last = decision.level
    print(f"in the end {decisions[-1].scale:.0%} of the rate; {written:,} written")


asyncio.run(main())
