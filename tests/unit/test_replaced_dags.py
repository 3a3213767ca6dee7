"""Dags with checkpoints that a runtime replaces: the new one is compared with the old one before that is stopped."""

import pytest
from tests.unit.test_checkpointed_runs import Steady, stop_at
from tests.unit.test_pipeline_runtime import until

import rxdag
from rxdag import checkpoints, sinks
from rxdag import operators as ops
from rxdag.errors import CheckpointError


def job(*names, n=100_000, failing=()):
    """A dag that counts, by a scan of each name, behind a source of rows each 10 ms; fails once for each of a list."""

    def step(count, row):
        if failing:
            raise failing.pop()
        return count + 1

    stream = rxdag.from_source(Steady(tuple(range(n))), name="rows")
    for name in names:
        stream = stream.pipe(ops.scan(0, step), name=name)
    return rxdag.Dag(stream.to(sinks.collect(), name="out"), name="job")


async def running(runtime):
    await until(lambda: runtime.status().jobs["job"].state == "running")


async def test_a_replacement_that_does_not_fit_changes_nothing():
    async with rxdag.PipelineRuntime() as runtime:
        runtime.add(job("sum"), checkpoints=checkpoints.memory(), every="1h")
        await running(runtime)
        old = runtime._jobs["job"].run

        with pytest.raises(CheckpointError) as raised:
            await runtime.replace("job", job("total"))

        assert 'node "sum" was removed, with its state; if it is "total" now, pass renamed={"sum": "total"}' in str(
            raised.value
        )
        assert (runtime.status().jobs["job"].state, old.result) == ("running", None)
        assert runtime._jobs["job"].run is old


async def test_a_replacement_that_cannot_be_recovered_changes_nothing():
    async with rxdag.PipelineRuntime() as runtime:
        runtime.add(job("sum"), checkpoints=checkpoints.memory(), every="1h")
        await running(runtime)
        with pytest.raises(
            rxdag.GraphError, match='dag "job": checkpoints: sources, sinks and operators with state must'
        ):
            await runtime.replace("job", rxdag.Dag(rxdag.from_source(Steady()).to(sinks.null()), name="job"))
        assert runtime.status().jobs["job"].state == "running"


@pytest.mark.parametrize("changes", [{"allow_drop": ["sum"]}, {"renamed": {"sum": "total"}}])
async def test_changes_of_a_dag_without_checkpoints_are_refused(changes):
    async with rxdag.PipelineRuntime() as runtime:
        runtime.add(job("sum"))
        await running(runtime)
        message = '^replace: allow_drop and renamed must be for a dag with checkpoints, got "job" without$'
        with pytest.raises(rxdag.GraphError, match=message):
            await runtime.replace("job", job("total"), **changes)


async def test_a_replacement_continues_where_the_old_one_stopped():
    async with rxdag.PipelineRuntime() as runtime:
        runtime.add(job("sum", n=30), checkpoints=checkpoints.memory(), every="1h")
        await running(runtime)
        await runtime.replace("job", job("total", n=30), renamed={"sum": "total"})
        results = await runtime.run_until_complete()
        assert results["job"]["out"] == list(range(1, 31))


async def test_a_dag_that_has_ended_is_compared_too():
    store = checkpoints.memory()
    stop_at(job("sum", n=30), store, 45)
    async with rxdag.PipelineRuntime() as runtime:
        runtime.add(job("sum", n=30), checkpoints=store, until="1ms", every="1h")
        await until(lambda: runtime.status().jobs["job"].state == "finished")
        with pytest.raises(CheckpointError, match='node "sum" was removed, with its state'):
            await runtime.replace("job", job(n=30))


async def test_a_restart_does_not_rename_or_drop_again():
    store, failing = checkpoints.memory(), []
    stop_at(job("sum", "gone"), store, 45)
    async with rxdag.PipelineRuntime({"restart": {"policy": "on_failure", "base": "1ms"}}) as runtime:
        changes = {"renamed": {"sum": "total"}, "allow_drop": ["gone"]}
        runtime.add(job("total", failing=failing), checkpoints=store, every="1h", **changes)
        await running(runtime)
        first = runtime._jobs["job"].run
        await first.checkpoint()
        failing.append(ValueError("once"))

        await until(
            lambda: runtime.status().jobs["job"].restarts == 1 and runtime.status().jobs["job"].state == "running"
        )

        assert str(first.result.error.__cause__) == "once"
        assert runtime._jobs["job"].run.stats().checkpoints.resumed_from == 2
