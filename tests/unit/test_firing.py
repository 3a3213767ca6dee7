"""A watermark that closes many windows is no step of its own: panes come out as there is room, and the thread is given back."""

import asyncio

import pytest

import rxdag
from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag import sinks, sources, testing, windows

N = 500


def panes(assigner, **given):
    timed = rxdag.from_source(sources.range(N)).pipe(ops.event_time(lambda x: 0)).pipe(ops.key_by(lambda x: x))
    return timed.pipe(ops.window(assigner, agg.count(), **given), name="window")


def in_columns(assigner):
    timed = rxdag.from_source(sources.range(N)).pipe(ops.event_time(rxdag.element * 0)).pipe(ops.key_by(rxdag.element))
    return timed.pipe(ops.window(assigner, agg.count()), name="window")


@pytest.mark.parametrize("make", [panes, in_columns])
@pytest.mark.parametrize("room", [1, 7])
def test_panes_wait_in_the_window_and_not_behind_it(make, room):
    most = 0

    def look(pane):
        nonlocal most
        most = max(most, len(node.pending))
        seen.append(pane.key)

    seen = []
    out = make(windows.tumbling("1s")).buffered(max_items=room).to(sinks.call(look))
    execution = testing.virtual(rxdag.compile(rxdag.Dag(out)))
    node = execution.program.nodes["window"]
    result = testing.settle_virtual(execution)
    assert result.problems == ()
    assert seen == sorted(seen) == list(range(N))
    assert most <= 3


def test_a_loop_has_its_turns_while_panes_come_out():
    turns_between, turns = [], 0

    def slow(pane):
        turns_between.append(turns)
        for _ in range(20_000):
            pass
        return pane

    async def count_turns():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def main():
        other = asyncio.create_task(count_turns())
        await rxdag.run_async(panes(windows.tumbling("1s"), into=slow).to(sinks.null()))
        other.cancel()

    asyncio.run(main())
    assert len(turns_between) == N
    assert turns_between[-1] - turns_between[0] >= 10


def test_a_drain_that_comes_between_panes_lets_them_all_out():
    class Calls(list):
        run = None

    calls = Calls()

    def into(pane):
        calls.append(pane.key)
        if len(calls) == 3:
            while calls.run is None:
                pass
            calls.run.begin_drain()
        return pane

    out = panes(windows.tumbling("1s"), into=into).to(sinks.collect())
    calls.run = run = rxdag.start(out)
    result = run.wait(timeout=30)
    assert (result.state, result.problems) == ("completed", ())
    assert [pane.key for pane in result[out]] == list(range(N))
