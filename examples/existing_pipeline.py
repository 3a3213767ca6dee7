"""A pipeline of market-data-pipeline, unchanged, beside a graph, and its bars as a stream.

python examples/existing_pipeline.py        needs pip install '.[market-data]'
"""

import asyncio

import rxdag
from rxdag import operators as ops
from rxdag import sinks, sources

try:
    from market_data_pipeline import PipelineContext, StreamingPipeline
    from market_data_pipeline.batcher import HybridBatcher
    from market_data_pipeline.operator import SecondBarAggregator
    from market_data_pipeline.source import SyntheticSource
except ImportError as error:
    raise SystemExit(f"{error.name} is not installed: pip install '.[market-data]'") from None


class Screen:
    """A sink of the pipeline's shape."""

    async def write(self, batch: list[object]) -> None:
        for bar in batch:
            print("old:", bar)

    async def close(self) -> None: ...


def pipeline() -> StreamingPipeline:
    """The pipeline, as it always was."""
    ctx = PipelineContext(tenant_id="me", pipeline_id="bars")
    return StreamingPipeline(
        source=SyntheticSource(["AAPL", "MSFT"], ticks_per_sec=200, seed=1, ctx=ctx),
        operator=SecondBarAggregator(window_sec=1),
        batcher=HybridBatcher(max_rows=2),
        sink=Screen(),
        ctx=ctx,
    )


async def main() -> None:
    """Beside a graph, under one runtime; then its bars as a stream."""
    async with rxdag.PipelineRuntime() as runtime:
        runtime.add_pipeline("old", pipeline(), until="2500ms")
        count = rxdag.from_source(sources.range(1000)).pipe(ops.count()).to(sinks.collect(), name="out")
        runtime.create_dag("new", count)
        results = await runtime.run_until_complete()
        print("new:", results["new"]["out"])
    bars = rxdag.wrap(pipeline(), gives="items", name="bars").pipe(ops.take(2))
    async for bar in bars:
        print("as a stream:", bar.symbol, bar.close)


asyncio.run(main())
