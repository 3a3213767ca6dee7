"""market-data-pipeline: its pipelines unchanged, wrapped and beside dags."""

import asyncio
import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

import rxdag
from rxdag import adapters, on_error, sinks, sources
from rxdag.adapters import market_data


def streaming(ticks=None, symbols=("A", "B"), rate=1000, **parts):
    """A StreamingPipeline of the package's own parts, with a sink that keeps."""
    from market_data_pipeline import PipelineContext, StreamingPipeline
    from market_data_pipeline.batcher import HybridBatcher
    from market_data_pipeline.operator import SecondBarAggregator
    from market_data_pipeline.source import SyntheticSource

    ctx = PipelineContext(tenant_id="t", pipeline_id="p")
    source = SyntheticSource(list(symbols), ticks_per_sec=rate, seed=1, ctx=ctx) if ticks is None else Ticks(ticks)
    made = {
        "source": source, "operator": SecondBarAggregator(window_sec=1), "batcher": HybridBatcher(max_rows=2),
        "sink": Keeping(), "ctx": ctx,
    }  # fmt: skip
    return StreamingPipeline(**made | parts)


class Keeping:
    def __init__(self):
        self.batches, self.closed = [], 0

    async def write(self, batch):
        self.batches.append(list(batch))

    async def close(self):
        self.closed += 1


class Ticks:
    """Quotes at given seconds."""

    def __init__(self, seconds):
        self.seconds, self.closed = seconds, 0

    async def stream(self):
        from datetime import UTC, datetime
        from decimal import Decimal

        from market_data_pipeline.types import Quote

        for second in self.seconds:
            if isinstance(second, Exception):
                yield second  # what no operator can handle
            else:
                yield Quote("A", datetime.fromtimestamp(second, UTC), Decimal(1), Decimal(1))
            await asyncio.sleep(0)

    async def close(self):
        self.closed += 1


def times(bars):
    return [bar.timestamp.timestamp() for bar in bars]


async def until(condition):
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.001)


class TestStreamingPipeline:
    async def test_its_own_run_loses_the_last_window_and_swallows_errors(self):
        """What wrap is better at."""
        made = streaming([0, 0.5, 1, ValueError("bad"), 2])
        await made.run()
        assert times(bar for batch in made.sink.batches for bar in batch) == [0, 1]

    async def test_wrapped_it_gives_all_bars(self):
        made = streaming([0, 0.5, 1, 2])
        bars = [bar async for bar in rxdag.wrap(made, gives="items")]
        assert times(bars) == [0, 1, 2]
        assert made.source.closed == 1
        assert made.sink.batches == []

    async def test_or_its_batches(self):
        batches = [batch async for batch in rxdag.wrap(streaming([0, 1, 2, 3, 4]))]
        assert [times(batch) for batch in batches] == [[0, 1], [2, 3], [4]]

    async def test_errors_come_up(self):
        made = streaming([0, ValueError("bad"), 2])
        with pytest.raises(rxdag.NodeError):
            [bar async for bar in rxdag.wrap(made)]
        stream = rxdag.wrap(streaming([0, ValueError("bad"), 2]), on_error=on_error.dead)
        out, dead = stream.to(sinks.collect(), name="out"), stream.dead.to(sinks.collect(), name="dead")
        result = await rxdag.run_async(out, dead)
        assert [str(letter.item) for letter in result["dead"]] == ["bad"]
        assert times(bar for batch in result["out"] for bar in batch) == [0, 2]

    async def test_leaving_closes_it(self):
        made = streaming()
        async with contextlib.aclosing(aiter(rxdag.wrap(made, gives="items"))) as items:
            await anext(items)
        assert made.source._closed

    async def test_a_stream_is_the_source_of_one(self):
        ticks = Ticks([0, 1, 2])
        made = streaming(source=adapters.tick_source(rxdag.wrap(ticks)))
        await made.run()
        assert times(bar for batch in made.sink.batches for bar in batch) == [0, 1]
        assert ticks.closed == 1


class TestRuntime:
    async def test_create_dag_runs_a_graph_beside_an_unchanged_existing_pipeline(self):
        made = streaming([0, 1, 2, 3])
        async with rxdag.PipelineRuntime() as runtime:
            runtime.add_pipeline("old", made)
            runtime.create_dag("new", rxdag.from_source(sources.range(3)).to(sinks.collect(), name="out"))
            results = await runtime.run_until_complete()
        assert results["new"]["out"] == [0, 1, 2]
        assert [times(batch) for batch in made.sink.batches] == [[0, 1], [2, 3]]
        assert made.sink.closed == 1

    async def test_a_spec_is_built_and_run(self, monkeypatch):
        from market_data_pipeline.pipeline_builder import PipelineBuilder
        from market_data_pipeline.runners.service import PipelineService
        from market_data_pipeline.runners.service import PipelineSpec as ServiceSpec

        sink = Keeping()
        monkeypatch.setattr(PipelineBuilder, "_build_sink", lambda *_: sink)
        from market_data_pipeline import PipelineSpec

        async with rxdag.PipelineRuntime() as runtime:
            key = await runtime.run_pipeline(PipelineSpec("t", "a", source="synthetic", symbols=["A"]))
            assert key == "t:a"
            await until(lambda: sink.batches or runtime.status().jobs["t:a"].stats is not None)
            assert await runtime.list_pipelines() == ["t:a"]
            await runtime.stop_pipeline("t:a")
            assert await runtime.list_pipelines() == []
            assert sink.closed == 1

            async def built(self, spec):
                return streaming([0, 1, 2])

            monkeypatch.setattr(PipelineService, "_build_pipeline", built)
            assert (
                await runtime.run_pipeline(ServiceSpec("t", "b", "synthetic", ["A"], rate=1, duration_sec=5)) == "t:b"
            )
            await runtime.run_until_complete()

    async def test_an_existing_runtime_is_adopted(self, monkeypatch):
        from market_data_pipeline.orchestration import PipelineRuntime
        from market_data_pipeline.runners.service import PipelineService, PipelineSpec

        made = streaming()

        async def built(self, spec):
            return made

        monkeypatch.setattr(PipelineService, "_build_pipeline", built)
        old = PipelineRuntime()
        async with rxdag.PipelineRuntime.from_existing(old) as runtime:
            assert await runtime.run_pipeline(PipelineSpec("t", "p", "synthetic", ["A"], rate=10)) == "t:p"
            runtime.create_dag("new", rxdag.from_source(sources.range(3)).to(sinks.collect(), name="out"))
            assert await runtime.list_pipelines() == ["t:p"]
            assert (await runtime.run_until_complete())["new"]["out"] == [0, 1, 2]
            quotes = []
            async for quote in runtime.stream_quotes(["AAPL"]):
                quotes.append(quote)
                break
            assert type(quotes[0]).__module__ == "market_data_pipeline.types"
            await until(lambda: made.source._running)
            await runtime.stop_pipeline("t:p")
        assert not old._initialized

    async def test_with_default_settings_the_old_one_yields_no_quotes_and_this_one_does(self):
        from market_data_pipeline.orchestration import PipelineRuntime

        async with PipelineRuntime() as old:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    async for _ in old.stream_quotes(["AAPL"]):
                        pytest.fail("it yields quotes by now: the docs say that it does not")
        async for quote in rxdag.PipelineRuntime().stream_quotes(["AAPL"]):
            assert quote.symbol == "AAPL"
            break


class TestService:
    async def test_batches_and_events_of_its_pipelines(self, monkeypatch):
        from market_data_pipeline.runners.service import PipelineService, PipelineSpec

        made = {"a": streaming([0, 1, 2, 3]), "b": streaming(source=Failing())}

        async def built(self, spec):
            return made[spec.pipeline_id]

        monkeypatch.setattr(PipelineService, "_build_pipeline", built)
        service = PipelineService()
        await service.start()
        stream = rxdag.wrap(service)
        out, events = stream.to(sinks.collect(), name="out"), stream.side("events").to(sinks.collect(), name="events")
        run = rxdag.start_async(out, events)
        await asyncio.sleep(0.01)
        for name in made:
            await service.create_pipeline(PipelineSpec("t", name, "synthetic", ["A"], rate=1))
        await until(lambda: not service.pipelines)
        result = await run.drain("10s")
        assert {key for key, _ in result["out"]} == {"t:a"}
        batches = [batch for _, batch in result["out"]]
        assert times(bar for batch in batches for bar in batch) == [0, 1, 2]
        assert made["a"].sink.batches == batches
        told = sorted((event.kind, event.pipeline) for event in result["events"])
        assert told == [("created", "t:a"), ("created", "t:b"), ("failed", "t:b"), ("finished", "t:a")]
        await service.stop()


class Failing:
    async def stream(self):
        raise OSError("refused")
        yield

    async def close(self): ...


async def test_a_registered_source_of_the_package_is_routed(monkeypatch):
    from market_data_pipeline.source import SyntheticSource

    runtime = rxdag.PipelineRuntime()
    runtime.registry.register("theirs", SyntheticSource)
    async for quote in runtime.stream_quotes(["AAPL"], ["theirs"]):
        assert quote.symbol == "AAPL"
        break


def test_the_key_and_the_time_of_a_spec(monkeypatch):
    from market_data_pipeline import PipelineSpec
    from market_data_pipeline.pipeline_builder import PipelineBuilder

    monkeypatch.setattr(PipelineBuilder, "build", lambda self, spec: "built")
    spec = PipelineSpec("t", "p", source="synthetic", symbols=["A"], duration_sec=1.5)
    assert asyncio.run(market_data.build_pipeline(spec)) == ("t:p", "built", "1500ms")


def test_the_example_runs(tmp_path):
    path = Path(__file__).parents[2] / "examples" / "existing_pipeline.py"
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, timeout=90, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "new: [1000]" in done.stdout
    assert done.stdout.count("as a stream:") == 2
