"""One runtime for dags and linear pipelines: each under supervision by itself."""

import asyncio
import json
import os
import signal
import threading
import time
from datetime import timedelta

import pytest
from tests.unit.linear import BATCHES, Source, pipeline

import rxdag
from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag import sinks, sources, windows
from rxdag.engine import Writes
from rxdag.errors import CompileError, GraphError, MissingExtra, RxDagError, SpecError
from rxdag.orchestration import FeedbackPolicy
from rxdag.runtime import GateStats, PipelineCompat, RunStats
from rxdag.runtime._pressure import Pressure
from rxdag.runtime._supervisor import Supervisor
from rxdag.sources import Backoff

SOON = Backoff(base="1ms", jitter=0)


def numbers(n=3):
    return rxdag.from_source(sources.range(n)).to(sinks.collect(), name="out")


def ticking():
    return rxdag.from_source(sources.interval("1ms")).to(sinks.collect(), name="out")


def counting():
    """One window that no tick closes: only a flush does."""
    ticks = rxdag.from_source(sources.interval("1ms")).pipe(ops.event_time(lambda x: x))
    panes = ticks.pipe(ops.window_all(windows.tumbling("3h"), agg.count()), name="w")
    return panes.to(sinks.collect(), name="out")


def striking(number, at=3):
    """Ticks without end; a signal comes with one of them."""

    def strike(tick):
        if tick == at:
            os.kill(os.getpid(), number)
        return tick

    ticks = rxdag.from_source(sources.interval("1ms")).pipe(ops.map(strike))
    return ticks.to(sinks.collect(), name="out")


def handlers():
    return [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]


def failing(times, then="ok"):
    calls = []

    def fn(item):
        calls.append(item)
        if len(calls) <= times:
            raise ValueError(f"failure {len(calls)}")
        return then

    return rxdag.wrap([1]).pipe(ops.map(fn)).to(sinks.collect(), name="out")


async def until(condition):
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.001)


class Listening:
    """Collects what a runtime tells."""

    def __init__(self, runtime):
        self.events = []
        self.task = asyncio.create_task(self._listen(runtime))

    async def _listen(self, runtime):
        async for event in runtime.events():
            self.events.append(event)

    async def of(self, name):
        await asyncio.sleep(0)
        return [event.kind for event in self.events if event.name == name]


class TestDags:
    async def test_create_dag_runs_a_graph_beside_an_unchanged_pipeline(self):
        old = pipeline()
        async with rxdag.PipelineRuntime() as runtime:
            runtime.add_pipeline("old", old)
            dag = runtime.create_dag("new", numbers())
            results = await runtime.run_until_complete()
            assert await runtime.list_pipelines() == []
        assert isinstance(dag, rxdag.Dag)
        assert results["new"]["out"] == [0, 1, 2]
        assert old.sink.got == BATCHES
        assert old.sink.closed == 1

    async def test_a_builder_registers_what_it_builds(self):
        async with rxdag.PipelineRuntime() as runtime:
            builder = runtime.create_dag("built")
            builder.node("a", sources.range(2)).node("b", sinks.collect()).edge("a", "b").build()
            assert (await runtime.run_until_complete())["built"]["b"] == [0, 1]

    async def test_what_is_registered_before_starts_with_it(self):
        runtime = rxdag.PipelineRuntime()
        runtime.create_dag("early", numbers())
        assert runtime.status().jobs["early"].state == "created"
        async with runtime:
            assert (await runtime.run_until_complete())["early"]["out"] == [0, 1, 2]

    def test_a_name_is_taken_once(self):
        runtime = rxdag.PipelineRuntime()
        runtime.create_dag("a", numbers())
        for again in (lambda: runtime.create_dag("a", numbers()), lambda: runtime.create_dag("a")):
            with pytest.raises(GraphError, match='"a" is already in use; replace'):
                again()

    async def test_create_dag_of_a_dag_names_the_method_for_it(self):
        runtime = rxdag.PipelineRuntime()
        with pytest.raises(GraphError, match=r"create_dag: takes sinks, got <Dag .*>; use runtime.add\(dag\)"):
            runtime.create_dag("a", rxdag.Dag(numbers()))

    async def test_one_that_fails_does_not_stop_its_peers(self):
        async with rxdag.PipelineRuntime() as runtime:
            runtime.create_dag("bad", failing(1))
            runtime.create_dag("good", ticking(), until="20ms")
            with pytest.raises(RxDagError, match='1 of 2 failed: bad: node "map" failed on 1') as raised:
                await runtime.run_until_complete()
            assert isinstance(raised.value.__cause__, rxdag.NodeError)
            status = runtime.status()
            assert status.jobs["good"].state == "finished"
            assert status.jobs["bad"].error is raised.value.__cause__
            assert "bad" in str(status)

    async def test_a_dag_without_async_nodes_holds_up_no_loop(self):
        """It runs on a thread: the loop turns while its code blocks."""
        is_in, may_go = threading.Event(), threading.Event()

        def block(item):
            is_in.set()
            assert may_go.wait(30)
            return item

        async with rxdag.PipelineRuntime() as runtime:
            runtime.create_dag("blocks", rxdag.wrap([1]).pipe(ops.map(block)).to(sinks.collect(), name="out"))
            await until(is_in.is_set)
            may_go.set()
            assert (await runtime.run_until_complete())["blocks"]["out"] == [1]


class TestRestarts:
    async def test_on_failure_until_it_succeeds(self):
        async with rxdag.PipelineRuntime() as runtime:
            heard = Listening(runtime)
            await asyncio.sleep(0)
            runtime.create_dag("flaky", failing(2), restart="on_failure", backoff=SOON)
            assert (await runtime.run_until_complete())["flaky"]["out"] == ["ok"]
            assert await heard.of("flaky") == [
                "created", "running", "failed", "restarted", "running", "failed", "restarted", "running", "finished"
            ]  # fmt: skip
            assert [str(e.error.__cause__) for e in heard.events if e.kind == "failed"] == ["failure 1", "failure 2"]
            assert heard.events[-1].restarts == 2

    async def test_always_until_it_is_stopped(self):
        async with rxdag.PipelineRuntime() as runtime:
            runtime.create_dag("again", numbers(), restart="always", backoff=SOON)
            await until(lambda: runtime.status().jobs["again"].restarts >= 3)
        assert runtime.status().jobs["again"].state == "stopped"

    async def test_given_up_after_so_many_attempts(self):
        async with rxdag.PipelineRuntime() as runtime:
            runtime.create_dag("bad", failing(99), restart="on_failure", backoff=Backoff(base="1ms", attempts=3))
            with pytest.raises(RxDagError, match="failure 3"):
                await runtime.run_until_complete()
            assert runtime.status().jobs["bad"].restarts == 2
            assert runtime.health().state == "down"

    async def test_by_hand(self):
        async with rxdag.PipelineRuntime() as runtime:
            heard = Listening(runtime)
            runtime.create_dag("ticks", ticking())
            await until(lambda: runtime.status().jobs["ticks"].state == "running")
            await runtime.restart("ticks")
            await until(lambda: runtime.status().jobs["ticks"].state == "running")
            assert runtime.status().jobs["ticks"].restarts == 1
            assert (await heard.of("ticks"))[-3:] == ["stopped", "restarted", "running"]
            with pytest.raises(GraphError, match='did you mean "ticks"'):
                await runtime.restart("tick")

    async def test_replace_drains_the_old_one_first(self):
        async with rxdag.PipelineRuntime() as runtime:
            runtime.create_dag("a", ticking())
            await until(
                lambda: (
                    runtime.status().jobs["a"].stats is not None
                    and runtime.status().jobs["a"].stats.nodes["out"].passed > 2
                )
            )
            old = runtime._jobs["a"].run
            await runtime.replace("a", rxdag.Dag(numbers()))
            results = await runtime.run_until_complete()
            assert results["a"]["out"] == [0, 1, 2]
            assert old.result.was_drained
            assert old.result.problems == ()

    @pytest.mark.parametrize("verb", ["replace", "restart"])
    async def test_who_waits_for_the_end_waits_for_the_end_of_what_comes_again(self, verb):
        runtime = rxdag.PipelineRuntime()
        runtime.create_dag("a", ticking())
        over = asyncio.create_task(runtime.run_until_complete())
        await until(lambda: runtime.status().jobs["a"].state == "running")
        await (runtime.replace("a", rxdag.Dag(ticking())) if verb == "replace" else runtime.restart("a"))
        await until(lambda: runtime.status().jobs["a"].state == "running")
        assert not over.done()
        await runtime.stop()
        assert (await over)["a"].was_drained

    async def test_a_replacement_has_no_books_before_it_runs(self):
        async with rxdag.PipelineRuntime() as runtime:
            runtime.create_dag("a", numbers())
            await until(lambda: runtime.status().jobs["a"].state == "finished")
            await runtime.replace("a", rxdag.Dag(numbers()))
            status = runtime.status().jobs["a"]
            assert (status.state, status.stats, status.result) == ("waiting", None, None)
            await until(lambda: runtime.status().jobs["a"].result is not None)

    async def test_a_replacement_that_cannot_be_compiled_changes_nothing(self):
        async with rxdag.PipelineRuntime() as runtime:
            runtime.create_dag("a", ticking())
            await until(lambda: runtime.status().jobs["a"].state == "running")
            with pytest.raises(CompileError):
                await runtime.replace("a", rxdag.Dag(rxdag.wrap(lambda push: None).to(sinks.null())))
            assert runtime.status().jobs["a"].state == "running"


class TestLife:
    async def test_no_more_run_at_once_than_may(self):
        running, most = 0, 0

        def enter(item):
            nonlocal running, most
            running += 1
            most = max(most, running)
            time.sleep(0.005)
            running -= 1
            return item

        async with rxdag.PipelineRuntime({"max_concurrent_runs": 2}) as runtime:
            for i in range(6):
                runtime.create_dag(f"d{i}", rxdag.wrap([1]).pipe(ops.map(enter)).to(sinks.collect(), name="out"))
            assert len(await runtime.run_until_complete()) == 6
        assert 1 <= most <= 2

    async def test_leaving_drains(self):
        old = pipeline(source=Source(None))
        async with rxdag.PipelineRuntime() as runtime:
            runtime.create_dag("ticks", ticking())
            runtime.add_pipeline("old", old)
            await until(lambda: old.sink.got and runtime.status().jobs["ticks"].stats.nodes["out"].passed)
        jobs = runtime.status().jobs
        assert [job.state for job in jobs.values()] == ["stopped", "stopped"]
        assert all(job.result.was_drained and job.result.problems == () for job in jobs.values())
        assert old.source.log == ["start", "left", "close"]
        assert old.sink.closed == 1

    async def test_leaving_with_an_error_cancels(self):
        with pytest.raises(ZeroDivisionError):
            async with rxdag.PipelineRuntime() as runtime:
                runtime.create_dag("ticks", ticking())
                await until(lambda: runtime.status().jobs["ticks"].state == "running")
                raise ZeroDivisionError
        assert runtime.status().jobs["ticks"].result.state == "cancelled"

    async def test_what_does_not_drain_in_time_is_cancelled(self):
        async def stuck(item):
            await asyncio.Event().wait()

        async with rxdag.PipelineRuntime() as runtime:
            runtime.create_dag("stuck", rxdag.wrap([1]).to(sinks.acall(stuck)))
            await until(lambda: runtime.status().jobs["stuck"].state == "running")
            await runtime.stop(timeout="10ms")
            assert runtime.status().jobs["stuck"].result.state == "cancelled"

    @pytest.mark.parametrize("nothing", [0, "0s", timedelta(0)])
    async def test_a_timeout_of_nothing_cancels_at_once(self, nothing):
        async with rxdag.PipelineRuntime() as runtime:
            runtime.create_dag("ticks", ticking())
            await until(lambda: runtime.status().jobs["ticks"].state == "running")
            await runtime.stop(timeout=nothing)
            assert runtime.status().jobs["ticks"].state == "stopped"

    async def test_what_is_no_timeout_stops_nothing(self):
        async with rxdag.PipelineRuntime({"drain_timeout": 0.5}) as runtime:
            runtime.create_dag("ticks", ticking())
            await until(lambda: runtime.status().jobs["ticks"].state == "running")
            with pytest.raises(GraphError, match=r"^runtime\.stop: timeout must be seconds"):
                await runtime.stop(timeout="soon")
            assert runtime.status().jobs["ticks"].state == "running"

    async def test_one_that_waits_to_start_again_is_stopped_at_once(self):
        async with rxdag.PipelineRuntime() as runtime:
            runtime.create_dag("bad", failing(9), restart="on_failure", backoff=Backoff(base="1h", cap="1h"))
            await until(lambda: runtime.status().jobs["bad"].state == "restarting")
            assert runtime.health().state == "degraded"
        assert runtime.status().jobs["bad"].state == "stopped"

    async def test_a_second_start_and_stop_do_nothing(self):
        runtime = rxdag.PipelineRuntime()
        await runtime.stop()
        await runtime.initialize()
        await runtime.start()
        assert runtime.health().state == "ok"
        await runtime.shutdown()
        await runtime.stop()
        assert runtime.health().state == "down"

    async def test_what_was_stopped_is_started_again(self):
        runtime = rxdag.PipelineRuntime()
        runtime.create_dag("ticks", ticking())
        runtime.create_dag("done", numbers())
        await runtime.start()
        await until(lambda: runtime.status().jobs["done"].state == "finished")
        await runtime.stop()
        await runtime.start()
        await until(lambda: runtime.status().jobs["ticks"].state == "running")
        assert runtime.status().jobs["done"].state == "finished"
        await runtime.stop()

    def test_blocking(self):
        runtime = rxdag.PipelineRuntime()
        runtime.create_dag("a", numbers())
        runtime.create_dag("b", ticking())
        results = runtime.run(until="50ms")
        assert results["a"]["out"] == [0, 1, 2]
        assert results["b"].was_drained

    def test_drains_close_windows_as_each_dag_was_told_unless_the_runtime_is_told_otherwise(self):
        for flush, closed in ((None, {"a": 1, "b": 0}), (True, {"a": 1, "b": 1}), (False, {"a": 0, "b": 0})):
            runtime = rxdag.PipelineRuntime()
            runtime.create_dag("a", counting(), flush=True)
            runtime.create_dag("b", counting())
            results = runtime.run(until="100ms", flush=flush)
            assert {name: len(result["out"]) for name, result in results.items()} == closed

    def test_until_of_one_dag_flushes(self):
        runtime = rxdag.PipelineRuntime()
        runtime.create_dag("a", counting(), until="50ms", flush=True)
        assert [pane.closed_by for pane in runtime.run()["a"]["out"]] == ["end"]

    async def test_the_block_and_a_replaced_dag_flush_as_they_were_told(self):
        async with rxdag.PipelineRuntime() as runtime:
            runtime.create_dag("a", counting(), flush=True)
            await until(lambda: runtime.status().jobs["a"].state == "running")
            await runtime.replace("a", rxdag.Dag(counting(), name="a"))
            await until(lambda: (books := runtime.status().jobs["a"].stats) and books.nodes["w"].arrived)
        assert [pane.closed_by for pane in runtime.status().jobs["a"].result["out"]] == ["end"]

    @pytest.mark.parametrize("flush", ["yes", 1])
    async def test_what_is_neither_true_nor_false_is_refused(self, flush):
        runtime = rxdag.PipelineRuntime()
        with pytest.raises(GraphError, match="flush must be True or False, got"):
            runtime.create_dag("a", counting(), flush=flush)
        with pytest.raises(GraphError, match=r"runtime\.stop: flush must be True or False, got"):
            await runtime.stop(flush=flush)

    @pytest.mark.parametrize(("number", "kind"), [("SIGTERM", rxdag.Terminated), ("SIGINT", KeyboardInterrupt)])
    def test_blocking_is_drained_by_a_signal(self, number, kind):
        runtime = rxdag.PipelineRuntime()
        runtime.create_dag("ticks", striking(getattr(signal, number)))
        before = handlers()
        with pytest.raises(kind) as ended:
            runtime.run()
        result = ended.value.result["ticks"]
        assert (result.state, result.was_drained, result.signal) == ("completed", True, number)
        assert result["out"][:4] == [0, 1, 2, 3]
        assert handlers() == before

    def test_a_second_signal_cancels(self):
        async def stuck(tick):
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(0.05)  # for the signals not to be taken as one
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(3600)

        runtime = rxdag.PipelineRuntime()
        runtime.create_dag("stuck", rxdag.from_source(sources.range(3)).to(sinks.acall(stuck)))
        with pytest.raises(rxdag.Terminated) as ended:
            runtime.run()
        assert ended.value.result["stuck"].state == "cancelled"

    def test_a_failure_goes_before_a_signal(self):
        def fail(tick):
            os.kill(os.getpid(), signal.SIGTERM)
            raise ValueError("disk full")

        runtime = rxdag.PipelineRuntime()
        runtime.create_dag("failing", rxdag.from_source(sources.range(3)).pipe(ops.map(fail)).to(sinks.null()))
        with pytest.raises(RxDagError, match="disk full"):
            runtime.run()

    async def test_who_listens_too_slowly_misses_the_oldest(self):
        async with rxdag.PipelineRuntime() as runtime:
            events = runtime.events()
            first = asyncio.ensure_future(anext(events))
            await asyncio.sleep(0)
            for i in range(1500):
                runtime.create_dag(f"d{i}").node("s", sources.range(0))  # not built: nothing happens
                runtime._tell(rxdag.RuntimeEvent("created", f"d{i}", 0))
            assert (await first).name == f"d{1500 - 1024}"
            await events.aclose()


class Unstoppable:
    """Runs until it is cancelled; its `stop` raises."""

    def __init__(self):
        self.log = []

    async def run(self):
        self.log.append("run")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.log.append("cancelled")
            raise

    def stop(self):
        self.log.append("stop")
        raise ValueError("cannot stop")


class UnstoppableLater(Unstoppable):
    async def stop(self):
        await asyncio.sleep(0)
        super().stop()


class UnstoppableByClose(Unstoppable):
    stop = None
    close = Unstoppable.stop


class StopsAndFails(Unstoppable):
    """Its `stop` ends the run, and raises then."""

    async def run(self):
        self.log.append("run")
        self.stopped = asyncio.Event()
        await self.stopped.wait()
        self.log.append("cancelled")

    async def stop(self):
        self.stopped.set()
        await asyncio.sleep(0.001)
        super().stop()


@pytest.mark.parametrize("kind", [Unstoppable, UnstoppableLater, UnstoppableByClose])
class TestStops:
    """A pipeline whose `stop` raises."""

    async def runtime_with(self, thing):
        runtime = rxdag.PipelineRuntime()
        runtime.add_pipeline("bad", thing)
        runtime.create_dag("ticks", ticking())
        runtime.add_pipeline("old", pipeline(source=Source(None)))
        await runtime.start()
        await until(lambda: thing.log and all(job.state == "running" for job in runtime.status().jobs.values()))
        return runtime

    async def test_it_is_cancelled_and_the_others_stop(self, kind):
        thing = kind()
        runtime = await self.runtime_with(thing)
        await runtime.stop(timeout="60s")
        jobs = runtime.status().jobs
        assert {name: job.state for name, job in jobs.items()} == {
            "bad": "failed",
            "ticks": "stopped",
            "old": "stopped",
        }
        assert (type(jobs["bad"].error), str(jobs["bad"].error)) == (ValueError, "cannot stop")
        assert thing.log == ["run", "stop", "cancelled"]
        assert all(jobs[name].result.was_drained for name in ("ticks", "old"))
        assert not runtime.status().is_started
        assert str(runtime.status()).startswith("runtime: not running, 3 dags and pipelines")

    async def test_the_runtime_starts_again(self, kind):
        runtime = await self.runtime_with(kind())
        await runtime.stop(timeout="60s")
        await runtime.start()
        await until(lambda: runtime.status().jobs["ticks"].state == "running")
        assert runtime.status().is_started
        await runtime.stop(timeout="60s")
        assert runtime.status().jobs["ticks"].state == "stopped"

    async def test_it_can_be_restarted_by_hand(self, kind):
        thing = kind()
        runtime = await self.runtime_with(thing)
        await runtime.restart("bad")
        await until(lambda: thing.log.count("run") == 2)
        assert runtime.status().jobs["bad"].state == "running"
        await runtime.stop(drain=False)
        assert thing.log.count("cancelled") == 2

    async def test_leaving_the_block_is_told_of_it_as_a_failure_of_the_pipeline(self, kind):
        async with rxdag.PipelineRuntime() as runtime:
            runtime.add_pipeline("bad", kind())
            heard = Listening(runtime)
            await until(lambda: runtime.status().jobs["bad"].state == "running")
        assert (await heard.of("bad"))[-1] == "failed"


async def test_a_stop_that_does_not_return_is_cancelled_with_what_it_stops():
    class Hangs(Unstoppable):
        async def stop(self):
            self.log.append("stop")
            await asyncio.Event().wait()

    thing = Hangs()
    runtime = rxdag.PipelineRuntime()
    runtime.add_pipeline("bad", thing)
    await runtime.start()
    await until(lambda: thing.log)
    await runtime.stop(timeout="1ms")
    assert (runtime.status().jobs["bad"].state, thing.log) == ("stopped", ["run", "stop", "cancelled"])


async def test_a_stop_that_raises_behind_the_end_of_what_it_stops_is_told():
    thing = StopsAndFails()
    runtime = rxdag.PipelineRuntime()
    runtime.add_pipeline("bad", thing)
    await runtime.start()
    await until(lambda: thing.log)
    await runtime.stop(timeout="60s")
    assert runtime.status().jobs["bad"].state == "failed"
    assert str(runtime.status().jobs["bad"].error) == "cannot stop"


class TestUntil:
    @pytest.mark.parametrize("bad", ["banana", "0s", "-1s", True])
    def test_a_time_that_is_none_is_refused_at_once(self, bad):
        runtime = rxdag.PipelineRuntime()
        dag = rxdag.Dag(numbers(), name="a")
        for make in (
            lambda: runtime.add(dag, until=bad),
            lambda: runtime.create_dag("a", numbers(), until=bad),
            lambda: runtime.add_pipeline("a", pipeline(), until=bad),
            lambda: (
                runtime.create_dag("a", until=bad)
                .node("n", sources.range(1))
                .node("s", sinks.null())
                .edge("n", "s")
                .build()
            ),
        ):
            with pytest.raises(GraphError, match="until"):
                make()
        assert runtime.status().jobs == {}

    async def test_a_replacement_ends_after_as_long_as_what_was_there(self):
        async with rxdag.PipelineRuntime() as runtime:
            runtime.create_dag("a", ticking(), until="50ms")
            await until(lambda: runtime.status().jobs["a"].state == "running")
            await runtime.replace("a", rxdag.Dag(ticking()))
            await runtime.replace("a", rxdag.Dag(ticking()))
            assert (await runtime.run_until_complete())["a"].was_drained
            assert runtime.status().jobs["a"].state == "finished"


class TestTermination:
    """SIGTERM inside `async with`: in a test, since a handler may raise in the test's own loop only."""

    def test_the_block_is_drained_cancelled_and_raises(self):
        seen = []

        async def main():
            async with rxdag.PipelineRuntime() as runtime:
                runtime.create_dag("ticks", striking(signal.SIGTERM))
                try:
                    async for event in runtime.events():
                        seen.append(event.kind)
                except asyncio.CancelledError as error:
                    seen.append(str(error))
                    raise
            seen.append("goes on")

        before = handlers()
        with pytest.raises(rxdag.Terminated) as ended:
            asyncio.run(main())
        assert seen == ["running", "stopped", "SIGTERM"]
        result = ended.value.result["ticks"]
        assert (result.state, result.was_drained, result.signal) == ("completed", True, "SIGTERM")
        assert result["out"][:4] == [0, 1, 2, 3]
        assert handlers() == before

    def test_a_block_that_ends_by_itself_has_the_results_and_raises(self):
        results = {}

        async def main():
            async with rxdag.PipelineRuntime() as runtime:
                runtime.create_dag("ticks", striking(signal.SIGTERM))
                results.update(await runtime.run_until_complete())
            results.clear()

        with pytest.raises(rxdag.Terminated):
            asyncio.run(main())
        assert results["ticks"].was_drained

    def test_the_task_is_not_left_cancelled(self):
        async def main():
            try:
                async with rxdag.PipelineRuntime() as runtime:
                    runtime.create_dag("ticks", striking(signal.SIGTERM))
                    await asyncio.Event().wait()
            except rxdag.Terminated:
                return asyncio.current_task().cancelling()

        assert asyncio.run(main()) == 0

    def test_all_blocks_are_drained_before_one_raises(self):
        states = {}

        async def slowly(tick):
            await asyncio.sleep(0.05)

        async def block(name, dag):
            async with rxdag.PipelineRuntime() as runtime:
                runtime.create_dag(name, dag)
                try:
                    await asyncio.Event().wait()
                finally:
                    states[name] = runtime.status().jobs[name].state, runtime._ended()[name].state

        async def main():
            slow = rxdag.from_source(sources.interval("1ms")).to(sinks.acall(slowly), name="slow")
            async with rxdag.PipelineRuntime() as outer:
                outer.create_dag("outer", slow)
                await block("inner", striking(signal.SIGTERM))

        with pytest.raises(rxdag.Terminated) as ended:
            asyncio.run(main())
        assert states == {"inner": ("stopped", "completed")}
        assert ended.value.result["outer"].state == "completed"

    def test_a_second_one_cancels(self):
        async def stuck(tick):
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(0.05)  # for the signals not to be taken as one
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(3600)

        async def main():
            async with rxdag.PipelineRuntime() as runtime:
                runtime.create_dag("stuck", rxdag.from_source(sources.range(3)).to(sinks.acall(stuck)))
                await asyncio.Event().wait()

        with pytest.raises(rxdag.Terminated) as ended:
            asyncio.run(main())
        assert ended.value.result["stuck"].state == "cancelled"

    def test_an_error_of_the_block_goes_before_it(self):
        async def main():
            async with rxdag.PipelineRuntime() as runtime:
                runtime.create_dag("ticks", striking(signal.SIGTERM))
                try:
                    await asyncio.Event().wait()
                finally:
                    raise ValueError("of the block")

        with pytest.raises(ValueError, match="of the block"):
            asyncio.run(main())

    def test_a_handler_of_the_program_stays(self):
        came = []

        async def main():
            async with rxdag.PipelineRuntime() as runtime:
                runtime.create_dag("ticks", striking(signal.SIGTERM))
                await until(lambda: came)
                return runtime.status().jobs["ticks"].state

        before = signal.signal(signal.SIGTERM, lambda *_: came.append(1))
        try:
            assert asyncio.run(main()) == "running"
        finally:
            signal.signal(signal.SIGTERM, before)

    def test_a_runtime_on_another_thread_handles_none(self):
        async def main():
            async with rxdag.PipelineRuntime() as runtime:
                runtime.create_dag("done", numbers())
                await runtime.run_until_complete()
                return handlers()

        before, inside = handlers(), []
        thread = threading.Thread(target=lambda: inside.extend(asyncio.run(main())))
        thread.start()
        thread.join(30)
        assert inside == before

    def test_a_runtime_that_does_not_start_leaves_the_handlers(self):
        class Broken(rxdag.PipelineRuntime):
            async def start(self):
                raise RxDagError("no")

        async def main():
            async with Broken():
                pass

        before = handlers()
        with pytest.raises(RxDagError, match="no"):
            asyncio.run(main())
        assert handlers() == before

    def test_an_adopted_runtime_is_shut_down_once(self):
        calls = []

        class Theirs:
            service = registry = run_pipeline = None

            async def initialize(self):
                calls.append("initialize")

            async def shutdown(self):
                await asyncio.sleep(0.01)
                calls.append("shutdown")

        runtime = rxdag.PipelineRuntime.from_existing(Theirs())
        runtime.create_dag("ticks", striking(signal.SIGTERM))
        with pytest.raises(rxdag.Terminated):
            runtime.run()
        assert calls == ["initialize", "shutdown"]


class TestStream:
    def _published(self, runtime, n=5, **options):
        runtime.create_dag("p", rxdag.from_source(sources.range(n)).to(sinks.publisher(), name="out"), **options)

    async def test_all_items_to_the_end(self):
        async with rxdag.PipelineRuntime() as runtime:
            self._published(runtime, 500)
            assert [item async for item in runtime.stream("p")] == list(range(500))

    async def test_over_restarts(self):
        async with rxdag.PipelineRuntime() as runtime:
            self._published(runtime, 3, restart="always", backoff=SOON)
            got = []
            items = runtime.stream("p")
            async for item in items:
                got.append(item)
                if len(got) == 7:
                    break
            await items.aclose()
            assert got == [0, 1, 2, 0, 1, 2, 0]

    async def test_a_failure_is_raised_behind_the_items(self):
        def fn(item):
            if item == 2:
                raise ValueError("two")
            return item

        async with rxdag.PipelineRuntime() as runtime:
            runtime.create_dag("p", rxdag.wrap(range(5)).pipe(ops.map(fn)).to(sinks.publisher(), name="out"))
            got = []
            with pytest.raises(rxdag.NodeError, match="two"):
                async for item in runtime.stream("p"):
                    got.append(item)
            assert got == [0, 1]

    async def test_only_publishers_can_be_read(self):
        async with rxdag.PipelineRuntime() as runtime:
            runtime.create_dag("a", numbers())
            with pytest.raises(GraphError, match=r"known: none; end a stream with .to\(sinks.publisher\(\)"):
                runtime.stream("a")
            self._published(runtime)
            with pytest.raises(GraphError, match='has no publisher "x"; known: "out"'):
                runtime.stream("p", "x")


class TestQuotes:
    async def test_with_default_settings_it_yields_quotes(self):
        runtime = rxdag.PipelineRuntime({"quotes": {"options": {"synthetic": {"ticks_per_sec": 1000}}}})
        quotes = []
        async for quote in runtime.stream_quotes(["AAPL", "MSFT"]):
            quotes.append(quote)
            if len(quotes) == 4:
                break
        assert [quote.symbol for quote in quotes] == ["AAPL", "MSFT"] * 2

    async def test_the_next_source_takes_over(self):
        async def broken(symbols):
            raise OSError("refused")
            yield

        runtime = rxdag.PipelineRuntime()
        runtime.registry.register("broken", lambda symbols: broken(symbols))
        runtime.registry.register("good", lambda symbols: rxdag.wrap(symbols))
        assert [q async for q in runtime.stream_quotes(["A"], ["broken", "good"])] == ["A"]
        with pytest.raises(GraphError, match='source "nobody" is not known'):
            await anext(runtime.stream_quotes(["A"], ["nobody"]))

    async def test_a_provider_with_a_budget_is_kept_within_it(self):
        runtime = rxdag.PipelineRuntime({"providers": {"good": {"capacity": 2, "refill_rate": 1}}})
        runtime.registry.register("good", lambda symbols: rxdag.wrap(symbols))
        quotes = runtime.stream_quotes(["A", "B", "C"], ["good"])
        assert [await anext(quotes), await anext(quotes)] == ["A", "B"]
        third = asyncio.ensure_future(anext(quotes))
        await until(lambda: runtime.rates.state("good").waiting == 1)
        third.cancel()
        await asyncio.wait([third])
        await quotes.aclose()


class TestFeedback:
    async def test_a_provider_slows_down_while_a_sink_cannot_keep_up_and_comes_back(self):
        may_write = asyncio.Event()

        async def write(item):
            await may_write.wait()

        async def feed():
            for i in range(100):
                yield i

        policy = FeedbackPolicy(hold="1ms", ramp="20ms")
        decisions = []
        async with rxdag.PipelineRuntime({"providers": {"p": {"capacity": 1000, "refill_rate": 1000}}}) as runtime:
            runtime.add_feedback("slow", "p", policy=policy, every="1ms", on_decision=decisions.append)
            items = rxdag.wrap(lambda: runtime.rates.limited("p", feed())).buffered(max_items=10)
            runtime.create_dag("slow", items.to(sinks.acall(write), name="out"))
            await until(lambda: runtime.rates.state("p").scale == 0)
            assert decisions[-1].level == "hard"
            may_write.set()
            await until(lambda: runtime.rates.state("p").scale == 1)
            results = await runtime.run_until_complete()
            assert results["slow"]["out"] == 100
        n = len(decisions)
        await asyncio.sleep(0.01)
        assert len(decisions) == n  # it has stopped with the runtime

    async def test_another_measure(self):
        async with rxdag.PipelineRuntime({"providers": {"p": {}}}) as runtime:
            runtime.add_feedback("any", "p", every="1ms", pressure=lambda: 0.6)
            await until(lambda: runtime.rates.state("p").scale == 0.5)

    async def test_a_sink_that_takes_long_is_pressure(self):
        wait = 0.02

        async def write(_):
            await asyncio.sleep(wait)

        policy = FeedbackPolicy(hold="1ms", ramp="2ms")
        async with rxdag.PipelineRuntime({"providers": {"p": {}}}) as runtime:
            items = rxdag.from_source(sources.interval("1ms"), name="items").pipe(ops.throttle(100, mode="drop"))
            runtime.create_dag("slow", items.to(sinks.acall(write), name="out"))
            runtime.add_feedback("slow", "p", policy=policy, every="30ms", max_latency="10ms")
            await until(lambda: runtime.rates.state("p").scale == 0)
            wait = 0.0
            await until(lambda: runtime.rates.state("p").scale == 1)

    def test_latency_is_the_mean_since_the_measurement_before(self):
        def stats(n, total_ns, depth):
            gates = {"a -> b": GateStats(depth, 10, 10, 0)}
            return RunStats("running", 0.0, {}, (), gates, {}, writes={"b": Writes([n, 0], total_ns)})

        books = iter([stats(0, 0, 1), stats(2, 10_000_000, 1), stats(4, 10_000_100, 1), stats(4, 10_000_100, 7), None])
        measure = Pressure(lambda: next(books), 10_000_000)
        assert [round(measure(), 6) for _ in range(5)] == [0.1, 0.5, 0.1, 0.7, 0.0]

    def test_one_measure_only(self):
        runtime = rxdag.PipelineRuntime({"providers": {"p": {}}})
        with pytest.raises(GraphError, match="max_latency goes with the pressure of the gates, got pressure= too"):
            runtime.add_feedback("x", "p", pressure=lambda: 0.5, max_latency="1ms")

    async def test_a_measure_that_fails_is_told_and_tried_again(self, caplog):
        calls = []

        def measure():
            calls.append(1)
            if len(calls) == 1:
                raise ValueError("no answer")
            return 0.9

        async with rxdag.PipelineRuntime({"providers": {"p": {}}}) as runtime:
            runtime.add_feedback("any", "p", every="1ms", pressure=measure)
            await until(lambda: runtime.rates.state("p").scale == 0)
        assert caplog.messages[0].startswith(
            "measure.failed every_s=0.001 error=ValueError at=test_pipeline_runtime.py:"
        )

    def test_the_provider_must_be_registered(self):
        with pytest.raises(GraphError, match='provider "p" must be registered'):
            rxdag.PipelineRuntime().add_feedback("x", "p")


class TestSettings:
    def test_each_layer_goes_before_the_one_below(self, tmp_path):
        path = tmp_path / "settings.toml"
        path.write_text('max_concurrent_runs = 1\ndrain_timeout = "1s"\n[restart]\npolicy = "always"\nbase = "2s"\n')
        environ = {"RXDAG_MAX_CONCURRENT_RUNS": "2", "RXDAG_RESTART__BASE": "3s", "RXDAG_DATA": "/data", "HOME": "/"}
        settings = rxdag.RuntimeSettings.load(path, environ=environ, restart={"base": "4s"})
        assert (settings.max_concurrent_runs, settings.drain_timeout) == (2, "1s")
        assert (settings.restart.policy, settings.restart.base) == ("always", "4s")

    @pytest.mark.parametrize(
        ("text", "names"),
        [("synthetic", ("synthetic",)), ("a,b", ("a", "b")), ('["a"]', ("a",)), ('["a","b"]', ("a", "b"))],
    )
    def test_a_list_of_one_is_a_text_too(self, text, names):
        settings = rxdag.RuntimeSettings.load(environ={"RXDAG_QUOTES__SOURCES": text})
        assert settings.quotes.sources == names

    @pytest.mark.parametrize("is_turned", [False, True])
    @pytest.mark.parametrize(
        ("whole", "part"), [("RXDAG_RESTART", "RXDAG_RESTART__POLICY"), ("RXDAG_QUOTES", "RXDAG_QUOTES__SOURCES")]
    )
    def test_a_variable_and_a_part_of_it_must_not_be_set_both(self, whole, part, is_turned):
        given = [(whole, "always"), (part, "always")]
        with pytest.raises(SpecError, match=f"{whole}.* must not be set both, since one contains the other"):
            rxdag.RuntimeSettings.load(environ=dict(given[::-1] if is_turned else given))

    def test_json_and_lists(self, tmp_path):
        path = tmp_path / "settings.json"
        path.write_text(json.dumps({"providers": {"ibkr": {"capacity": 5}}}))
        environ = {"RXDAG_QUOTES__SOURCES": "a,b", "RXDAG_PROVIDERS__IBKR__REFILL_RATE": "0.5"}
        settings = rxdag.RuntimeSettings.load(path, environ=environ)
        assert settings.quotes.sources == ("a", "b")
        assert (settings.providers["ibkr"].capacity, settings.providers["ibkr"].refill_rate) == (5, 0.5)

    @pytest.mark.parametrize(
        ("arguments", "environ", "said"),
        [
            (
                {"max_concurrent_run": 1},
                {},
                'the arguments: "max_concurrent_run" is not known; did you mean "max_concurrent_runs"',
            ),
            ({"restart": {"polic": "x"}}, {}, '"restart.polic" is not known; did you mean "policy"'),
            ({"providers": {"p": {"rate": 1}}}, {}, '"providers.p.rate" is not known'),
            ({"restart": {"policy": "sometimes"}}, {}, r"sometimes.*restart\.policy"),
            ({"max_concurrent_runs": 0}, {}, "max_concurrent_runs must be 1 or more, or null, got 0"),
            ({"drain_timeout": "soon"}, {}, "drain_timeout must be seconds, from 0 to 146 years, or a duration"),
            ({"drain_timeout": -1}, {}, "drain_timeout must be seconds"),
            ({}, {"RXDAG_RESTART__POLIC": "x"}, 'the environment: "restart.polic" is not known'),
            ({}, {"RXDAG_RESTART_POLICY": "always"}, "two underscores: RXDAG_RESTART__POLICY"),
        ],
    )
    def test_what_is_wrong_is_an_error(self, arguments, environ, said):
        with pytest.raises(SpecError, match=said):
            rxdag.RuntimeSettings.load(environ=environ, **arguments)

    @pytest.mark.parametrize(
        ("name", "text", "said"),
        [
            ("a.toml", "x = ", "a.toml"),
            ("a.json", "[1]", "must hold a mapping, got list"),
            ("a.ini", "", "must end in .toml"),
        ],
    )
    def test_files_that_are_wrong(self, tmp_path, name, text, said):
        (tmp_path / name).write_text(text)
        with pytest.raises(SpecError, match=said):
            rxdag.RuntimeSettings.load(tmp_path / name, environ={})

    def test_a_file_that_is_missing(self, tmp_path):
        with pytest.raises(SpecError, match="must be a file in UTF-8 that can be read"):
            rxdag.RuntimeSettings.load(tmp_path / "none.toml", environ={})

    def test_something_else(self):
        with pytest.raises(SpecError, match="settings must be RuntimeSettings, a dict of them or None, got 3"):
            rxdag.PipelineRuntime(3)

    def test_no_such_restart(self):
        with pytest.raises(SpecError, match='restart must be "never", "on_failure" or "always", got \'maybe\''):
            rxdag.PipelineRuntime().create_dag("a", numbers(), restart="maybe")

    def test_a_number_is_no_backoff(self):
        with pytest.raises(SpecError, match=r'backoff must be a Backoff, such as sources.Backoff\("1s"\), got 0.01'):
            rxdag.PipelineRuntime().create_dag("a", numbers(), backoff=0.01)


class Opaque:
    """A pipeline of whose inside nothing is known."""

    def __init__(self, fails=False):
        self.is_stopped = asyncio.Event()
        self.fails = fails

    async def run(self):
        if self.fails:
            raise OSError("lost")
        await self.is_stopped.wait()

    async def stop(self):
        self.is_stopped.set()


class TestPipelines:
    async def test_one_with_a_coroutine_run_is_supervised_too(self):
        async with rxdag.PipelineRuntime() as runtime:
            runtime.add_pipeline("opaque", Opaque())
            await until(lambda: runtime.status().jobs["opaque"].state == "running")
            assert await runtime.list_pipelines() == ["opaque"]
            await runtime.stop_pipeline("opaque")
            assert await runtime.list_pipelines() == []
            with pytest.raises(GraphError, match="is not running here"):
                await runtime.stop_pipeline("opaque")

    async def test_and_its_failure_is_seen(self):
        async with rxdag.PipelineRuntime() as runtime:
            runtime.add_pipeline("opaque", Opaque(fails=True))
            with pytest.raises(RxDagError, match="opaque: lost"):
                await runtime.run_until_complete()

    def test_what_is_none_says_what_would_do(self):
        with pytest.raises(GraphError, match="takes an object with source, operator, batcher and sink"):
            rxdag.PipelineRuntime().add_pipeline("x", 3)

    async def test_a_spec_without_the_package_says_what_to_install(self, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "market_data_pipeline", None)
        runtime = rxdag.PipelineRuntime()
        with pytest.raises(MissingExtra, match=r'pip install "market-data-core.*" \(extra "market-data"\)'):
            await runtime.run_pipeline(object())
        await runtime.stop()

    def test_from_existing_takes_a_runtime(self):
        with pytest.raises(GraphError, match="lacks service, registry"):
            rxdag.PipelineRuntime.from_existing(3)


OLD_VERBS = {
    "add_pipeline",
    "from_existing",
    "initialize",
    "list_pipelines",
    "run_pipeline",
    "shutdown",
    "stop_pipeline",
    "stream_quotes",
}


def test_the_verbs_of_the_old_runtime_are_all_in_one_place():
    own = {name for name in vars(PipelineCompat) if not name.startswith("_")}
    assert own - set(dir(Supervisor)) == OLD_VERBS
    assert not OLD_VERBS & set(vars(rxdag.PipelineRuntime))
    assert issubclass(rxdag.PipelineRuntime, PipelineCompat)


async def test_a_runtime_has_all_verbs_of_an_adopted_one():
    class Theirs:
        service = registry = None

        def __init__(self):
            self.told = []

        async def initialize(self):
            self.told.append("initialize")

        async def shutdown(self):
            self.told.append("shutdown")

        async def run_pipeline(self, spec):
            self.told.append(("run", spec))
            return "t:p"

        async def list_pipelines(self):
            return ["t:p"]

        async def stop_pipeline(self, key):
            self.told.append(("stop", key))

    theirs = Theirs()
    runtime = rxdag.PipelineRuntime.from_existing(theirs)
    assert type(runtime) is rxdag.PipelineRuntime
    await runtime.initialize()
    runtime.add_pipeline("own", Opaque())
    assert await runtime.run_pipeline("spec") == "t:p"
    assert await runtime.list_pipelines() == ["own", "t:p"]
    await runtime.stop_pipeline("t:p")
    await runtime.stop_pipeline("own")
    assert await runtime.list_pipelines() == ["t:p"]
    await runtime.shutdown()
    assert theirs.told == ["initialize", ("run", "spec"), ("stop", "t:p"), "shutdown"]
