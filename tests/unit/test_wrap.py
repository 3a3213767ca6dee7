"""Whatever has items becomes a stream, and is left as it was."""

import asyncio
import queue
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
import reactivex
from reactivex.subject import Subject
from tests.unit.linear import BATCHES, Operator, Sink, Source, pipeline

import rxdag
from rxdag import adapters, on_error, sinks, sources, testing
from rxdag.errors import CompileError, GraphError, MissingExtra, NodeError


async def numbers():
    for i in range(3):
        await asyncio.sleep(0)
        yield i


async def later():
    return numbers()


async def seven():
    return 7


@pytest.mark.parametrize(
    ("thing", "items"),
    [
        ([1, 2], [1, 2]),
        (iter([1, 2]), [1, 2]),
        (lambda: iter([1, 2]), [1, 2]),
        (lambda: [1, 2], [1, 2]),
        (numbers, [0, 1, 2]),
        (numbers(), [0, 1, 2]),
        (lambda: numbers(), [0, 1, 2]),
        (later, [0, 1, 2]),
        (later(), [0, 1, 2]),
        (seven, [7]),
        (seven(), [7]),
        (sources.range(2), [0, 1]),
        (reactivex.of(1, 2), [1, 2]),
    ],
    ids=lambda thing: getattr(thing, "__name__", type(thing).__name__),
)
def test_what_can_be_read(thing, items):
    stream = rxdag.wrap(thing, overflow="error" if isinstance(thing, reactivex.Observable) else "block")
    assert stream.collect() == items


@pytest.mark.parametrize("make", [lambda: numbers, lambda: later, lambda: lambda: iter("ab"), lambda: [1, 2]])
def test_what_makes_items_can_be_read_by_many_runs(make):
    stream = rxdag.wrap(make())
    assert stream.collect() == stream.collect() != []


@pytest.mark.parametrize("make", [numbers, later])
def test_what_is_made_already_says_that_one_run_can_read_it(make):
    stream = rxdag.wrap(make())
    stream.collect()
    with pytest.raises(NodeError, match="can be read by one run only, got a second; pass a function"):
        stream.collect()


def test_a_stream_is_itself():
    stream = rxdag.wrap([1])
    assert rxdag.wrap(stream) is stream


@pytest.mark.parametrize("thing", [3, None, object(), lambda a, b: a])
def test_what_has_no_items_says_what_would_do(thing):
    with pytest.raises(GraphError, match=r"wrap: .*(takes a source, an iterable|takes 2)"):
        rxdag.wrap(thing)


def test_a_generator_is_asked_for_no_more_than_is_taken_and_closed():
    log = []

    async def endless():
        try:
            while True:
                log.append(len(log))
                yield log[-1]
        finally:
            log.append("closed")

    assert rxdag.wrap(endless).head(2) == [0, 1]
    assert log == [0, 1, "closed"]


class TestQueues:
    def test_an_asyncio_queue_keeps_what_is_not_taken(self):
        items = asyncio.Queue()
        for i in range(4):
            items.put_nowait(i)
        assert rxdag.wrap(items).head(3) == [0, 1, 2]
        assert items.qsize() == 1

    @pytest.mark.parametrize("kind", [queue.Queue, queue.SimpleQueue])
    def test_a_queue_of_threads_is_left_when_the_run_drains(self, kind):
        items, taken = kind(), threading.Event()
        run = rxdag.start(out := rxdag.wrap(items).pipe(rxdag.operators.tap(lambda _: taken.set())).to(sinks.collect()))
        items.put("x")
        assert taken.wait(10)
        assert run.drain("10s")[out] == ["x"]
        items.put("y")
        assert items.get() == "y"

    def test_a_channel_until_it_is_closed(self):
        class ChannelClosed(Exception):
            pass

        class Channel:
            def __init__(self):
                self.items = [1, 2]

            async def get(self):
                if not self.items:
                    raise ChannelClosed
                return self.items.pop(0)

            async def close(self): ...

        assert rxdag.wrap(Channel()).collect() == [1, 2]

    def test_a_channel_whose_connection_is_lost_is_no_channel_that_is_closed(self):
        class ConnectionClosedError(Exception):
            pass

        class Channel:
            async def get(self):
                raise ConnectionClosedError("lost")

            async def close(self): ...

        with pytest.raises(NodeError, match="lost"):
            rxdag.wrap(Channel()).collect()


class TestFutures:
    def test_one(self):
        with ThreadPoolExecutor() as pool:
            assert rxdag.wrap(pool.submit(lambda: 5)).collect() == [5]

    def test_several_in_the_order_in_which_they_are_done(self):
        first, second = Future(), Future()
        second.set_result("second")
        run = rxdag.start(
            out := rxdag.wrap([first, second])
            .pipe(rxdag.operators.tap(lambda _: first.done() or first.set_result("first")))
            .to(sinks.collect())
        )
        assert run.wait(10)[out] == ["second", "first"]

    def test_one_that_fails(self):
        failed = Future()
        failed.set_exception(ValueError("boom"))
        with pytest.raises(NodeError, match='source "futures": boom'):
            rxdag.wrap(failed).collect()


class Bus:
    """Calls back; cannot be left unless it says how."""

    def __init__(self):
        self.heard = []
        self.is_entered = threading.Event()

    def subscribe(self, callback):
        self.heard.append(callback)
        self.is_entered.set()


class LeavableBus(Bus):
    def unsubscribe(self, callback):
        self.heard.remove(callback)


class StartStop(Bus):
    subscribe = None

    def start(self, callback):
        Bus.subscribe(self, callback)

    def stop(self):
        self.heard.clear()


@pytest.mark.parametrize(("kind", "left"), [(Bus, 1), (LeavableBus, 0), (StartStop, 0)])
def test_what_calls_back(kind, left):
    bus = kind()
    run = rxdag.start(out := rxdag.wrap(bus, overflow="drop_oldest").to(sinks.collect()))
    assert bus.is_entered.wait(10)
    for i in range(3):
        bus.heard[0](i)
    assert run.drain("10s")[out] == [0, 1, 2]
    assert len(bus.heard) == left
    for callback in bus.heard:
        callback("unheard")


def test_a_bus_whose_callbacks_are_awaited():
    from collections.abc import Awaitable, Callable  # the annotation is read

    class AsyncBus:
        heard: list = []

        def subscribe(self, fn: Callable[[int], Awaitable[None]]) -> None:
            self.heard.append(fn)

        async def publish(self, item):
            for fn in self.heard:
                await fn(item)

    bus = AsyncBus()
    run = testing.start(out := rxdag.wrap(bus, overflow="error").to(sinks.collect()))
    run.settle()
    asyncio.run(bus.publish(1))
    assert run.finish()[out] == [1]


@pytest.mark.parametrize("thing", [Bus(), Subject(), lambda push: None])
def test_what_cannot_wait_must_say_what_gives_way(thing):
    with pytest.raises(CompileError, match="this source cannot be paused, so overflow="):
        rxdag.compile(rxdag.Dag(rxdag.wrap(thing).to(sinks.null())))


def test_a_cold_observable_can_wait():
    assert rxdag.wrap(reactivex.range(100), hot=False, max_items=1).collect() == list(range(100))


class TestStreamObjects:
    def test_started_read_and_closed(self):
        source = Source()
        assert rxdag.wrap(source).collect() == list(range(9))
        assert source.log == ["start", "left", "close"]

    def test_a_class_makes_one_for_each_run(self):
        stream = rxdag.wrap(Source)
        assert stream.collect() == stream.collect() == list(range(9))

    def test_left_early(self):
        source = Source(None)
        assert rxdag.wrap(source).head(2) == [0, 1]
        assert source.log == ["start", "left", "close"]

    def test_a_provider(self):
        class Provider:
            async def stream_quotes(self, symbols):
                for symbol in symbols:
                    yield symbol

        assert rxdag.wrap(Provider().stream_quotes(["A", "B"])).collect() == ["A", "B"]


class TestLinear:
    def test_its_batches_with_the_last_window_and_without_its_sink(self):
        made = pipeline(operator=Operator(fails=None))
        assert rxdag.wrap(made).collect() == [*BATCHES[:2], [("bar", 8), ("last", 36)]]
        assert made.source.log == ["start", "left", "close"]
        assert made.sink.got == []

    def test_its_items(self):
        made = pipeline(operator=Operator(fails=None))
        assert rxdag.wrap(made, gives="items").collect() == [("bar", i) for i in range(0, 9, 2)] + [("last", 36)]

    def test_an_error_that_it_would_swallow_ends_the_run(self):
        made = pipeline()
        with pytest.raises(NodeError, match='source "pipeline": three'):
            rxdag.wrap(made).collect()
        assert made.source.log[-1] == "close"

    def test_or_goes_to_dead_with_its_tick(self):
        stream = rxdag.wrap(pipeline(), on_error=on_error.dead)
        result = rxdag.run(out := stream.to(sinks.collect()), dead := stream.dead.to(sinks.collect()))
        assert result[out] == BATCHES
        assert [(letter.item, str(letter.error)) for letter in result[dead]] == [(3, "three")]
        assert result.problems == ()

    @pytest.mark.parametrize("flush", [False, True])
    def test_a_drain_gives_out_what_is_batched_and_leaves_windows_open_unless_it_flushes(self, flush):
        made = pipeline(source=Source(1), operator=Operator(fails=None))
        idle = asyncio.Event()

        async def stream():
            yield 0
            await idle.wait()  # for ever

        made.source.stream = stream
        run = testing.start(out := rxdag.wrap(made).to(sinks.collect()))
        run.settle()
        run.drain(flush=flush)
        assert run.finish()[out] == [[("bar", 0), ("last", 0)] if flush else [("bar", 0)]]
        assert made.source.log == ["start", "close"]

    def test_a_part_that_is_missing_is_named(self):
        made = pipeline()
        del made.batcher
        with pytest.raises(GraphError, match=r"takes an object with batcher with add\(\)"):
            adapters.pipeline(made)

    def test_several_operators_one_after_the_other(self):
        class Twice:
            async def handle(self, item):
                return None if item[1] == 4 else (item[0], item[1] * 2)

        made = pipeline(operators=[Operator(fails=None), Twice()])
        del made.operator
        items = [("bar", 0), ("bar", 4), ("bar", 12), ("bar", 16), ("last", 72)]
        assert rxdag.wrap(made, gives="items").collect() == items
        rxdag.run(adapters.linear_dag("old", made))
        assert made.sink.got[0] == items[:2]

    def test_as_a_dag_it_writes_as_its_own_run_would(self):
        made = pipeline()
        result = rxdag.run(adapters.linear_dag("old", made))
        assert made.sink.got == BATCHES
        assert made.sink.closed == 1
        assert result.stats.nodes["pipeline"].dropped == {"skipped": 1}

    def test_a_batch_that_fails_is_counted_and_the_others_are_written(self):
        made = pipeline(sink=Sink(fails=("bar", 4)))
        result = rxdag.run(adapters.linear_dag("old", made))
        assert made.sink.got == [BATCHES[0], BATCHES[2]]
        assert result.stats.nodes["sink"].dropped == {"skipped": 1}


class Service:
    """Keeps pipelines running in the background, and swallows what they raise."""

    def __init__(self):
        self.pipelines = {}

    async def create_pipeline(self, spec):
        key = f"{spec.tenant_id}:{spec.pipeline_id}"
        made = await self._build_pipeline(spec)
        task = asyncio.create_task(self._run_pipeline(key, made, None))
        self.pipelines[key] = Handle(made, task)
        return key

    async def _build_pipeline(self, spec):
        return Runnable(spec.ticks)

    async def _run_pipeline(self, key, made, duration):
        try:
            await made.run(duration_sec=duration)
        except Exception:
            pass
        finally:
            self.pipelines.pop(key, None)


class Handle:
    def __init__(self, made, task):
        self.pipeline, self.task = made, task


class Runnable:
    def __init__(self, ticks):
        self.ticks, self.sink = ticks, Sink()

    async def run(self, duration_sec=None):
        for tick in self.ticks:
            if isinstance(tick, Exception):
                raise tick
            await self.sink.write([tick])


class Spec:
    tenant_id = "t"

    def __init__(self, pipeline_id, *ticks):
        self.pipeline_id, self.ticks = pipeline_id, ticks


class TestService:
    async def test_what_its_pipelines_write_and_what_happens_to_them(self):
        service = Service()
        stream = rxdag.wrap(service)
        run = rxdag.start_async(out := stream.to(sinks.collect()), events := stream.side("events").to(sinks.collect()))
        await asyncio.sleep(0.01)
        await service.create_pipeline(Spec("a", 1, 2))
        await service.create_pipeline(Spec("b", 3, ValueError("lost")))
        while service.pipelines:
            await asyncio.sleep(0)
        result = await run.drain("10s")
        assert sorted(result[out]) == [("t:a", [1]), ("t:a", [2]), ("t:b", [3])]
        told = [(event.kind, event.pipeline, str(event.error)) for event in result[events]]
        assert sorted(told) == [
            ("created", "t:a", "None"), ("created", "t:b", "None"), ("failed", "t:b", "lost"), ("finished", "t:a", "None")
        ]  # fmt: skip

    async def test_pipelines_that_have_ended_are_forgotten(self):
        service = Service()
        run = rxdag.start_async(rxdag.wrap(service).to(sinks.null()))
        await asyncio.sleep(0.01)
        for i in range(50):
            await service.create_pipeline(Spec(f"p{i}", 1))
        while service.pipelines:
            await asyncio.sleep(0)
        (reader,) = [source.reader for source in run._execution.program.sources]
        assert reader._teed == []
        await run.drain("10s")

    async def test_it_is_left_as_it_was(self):
        service = Service()
        run = rxdag.start_async(rxdag.wrap(service).to(sinks.null()))
        await asyncio.sleep(0.01)
        assert vars(service).keys() > {"pipelines"}
        await run.drain("10s")
        assert vars(service).keys() == {"pipelines"}
        await service.create_pipeline(Spec("a", 1))


class TestWaysOut:
    def test_a_writer_object_is_written_in_batches_and_closed(self):
        sink = Sink()
        assert rxdag.run(out := rxdag.wrap(range(5)).to(adapters.writer(sink, max_items=2)))[out] == 5
        assert sink.got == [[0, 1], [2, 3], [4]]
        assert sink.closed == 1

    def test_a_function_makes_one_for_each_run(self):
        made = []
        stream = rxdag.wrap([1])
        out = stream.to(adapters.writer(lambda: made.append(Sink()) or made[-1]))
        rxdag.run(out)
        rxdag.run(out)
        assert [(sink.got, sink.closed) for sink in made] == [([[1]], 1)] * 2

    async def test_the_source_of_an_old_pipeline(self):
        source = adapters.tick_source(rxdag.wrap([1, 2, 3]))
        assert not (await source.status()).connected
        await source.start()
        assert [item async for item in source.stream()] == [1, 2, 3]
        await source.close()
        assert (await source.status()).detail == "closed"

    async def test_closing_it_ends_a_stream_that_is_silent(self):
        async def silent():
            yield 1
            await asyncio.Event().wait()

        source = adapters.tick_source(rxdag.wrap(silent))
        got = []

        async def read():
            async for item in source.stream():
                got.append(item)

        reader = asyncio.create_task(read())
        while not got:
            await asyncio.sleep(0)
        assert (await source.status()).connected
        await source.close()
        await reader
        assert got == [1]

    @pytest.mark.parametrize("make", [adapters.writer, adapters.tick_source])
    def test_bad_arguments(self, make):
        with pytest.raises(GraphError, match="takes"):
            make(3)


@pytest.mark.parametrize(
    "use",
    [
        lambda: adapters.market_data.core_bar("1s"),
        lambda: adapters.market_data.core_trade(rxdag.market.Trade(1, 1, 1, "v", "s", 1, 1.0, 1.0, False)),
        lambda: adapters.market_data.feedback_event("gate", 1, 2, "ok"),
        lambda: adapters.market_data.rate_adjustment("p", 0.5, "soft"),
        lambda: adapters.market_data.ibkr_source({}, ["A"]),
        lambda: adapters.market_data.provider_source(type("P", (), {"stream_quotes": None})(), ["A"]),
    ],
)
def test_an_adapter_without_its_package_says_what_to_install(use, monkeypatch):
    for name in ("market_data_core", "market_data_core.telemetry", "market_data_ibkr"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(
        MissingExtra,
        match=r'must be installed, and is not; run pip install "market-data-core.*" \(extra "market-data"\)',
    ):
        use()
