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


class AtOnce(ops.KeyedProcess):
    """Calls a function for each key, in a timer or at the end."""

    def __init__(self, call, *, at_end):
        self.call = call
        self.at_end = at_end

    def initial(self):
        return 0

    def on_item(self, ctx, state, item):
        if not self.at_end:
            ctx.set_timer(10)
        return state

    def on_timer(self, ctx, state, name):
        ctx.emit(self.call(ctx.key))
        return state

    def on_end(self, ctx, state):
        if self.at_end:
            ctx.emit(self.call(ctx.key))


def keyed(n=N, ts=lambda x: 0, key=lambda x: x):
    return rxdag.from_source(sources.range(n)).pipe(ops.event_time(ts), ops.key_by(key))


def in_order(n=N):
    """All of one key at times of their own; the watermark follows behind the last one."""
    timed = rxdag.from_source(sources.range(n)).pipe(ops.event_time(lambda x: x, out_of_order="1s"))
    return timed.pipe(ops.key_by(lambda x: 0))


def crossed(n):
    """Two streams of so many items, all of which meet."""
    return keyed(n, key=lambda x: 0), keyed(n, key=lambda x: 0)


FIRINGS = {
    "tumbling": lambda slow: keyed().pipe(ops.window(windows.tumbling("1s"), agg.count(), into=slow)),
    "sliding": lambda slow: keyed(N // 2).pipe(ops.window(windows.sliding("2s", "1s"), agg.count(), into=slow)),
    "session": lambda slow: keyed().pipe(ops.window(windows.session("1s"), agg.count(), into=slow)),
    "early": lambda slow: keyed().pipe(ops.window(windows.tumbling("1s"), agg.count(), into=slow, early="100ms")),
    "lateness": lambda slow: keyed().pipe(
        ops.window(windows.tumbling("1s"), agg.count(), into=slow, allowed_lateness="1s")
    ),
    "global": lambda slow: keyed().pipe(ops.window(windows.global_(), agg.count(), into=slow)),
    "timers": lambda slow: keyed().pipe(ops.process(AtOnce(slow, at_end=False))),
    "on_end": lambda slow: keyed().pipe(ops.process(AtOnce(slow, at_end=True))),
    "join_window": lambda slow: rxdag.join_window(
        *crossed(25), windows.tumbling("1s"), into=lambda left, right: slow(left)
    ),
    "join_asof": lambda slow: rxdag.join_asof(in_order(), keyed(1), into=lambda left, right: slow(left)),
    "rolling": lambda slow: in_order().pipe(ops.rolling("1s", agg.count(), into=lambda item, n: slow(item))),
    "rolling, one instant": lambda slow: keyed().pipe(ops.rolling("1s", agg.count(), into=lambda item, n: slow(item))),
    # their outputs make user code behind them run
    "join_interval": lambda slow: rxdag.join_interval(
        keyed(N, key=lambda x: 0), keyed(1, key=lambda x: 0), lower="0ns", upper="1s"
    ).pipe(ops.map(slow)),
    "merge_sorted": lambda slow: rxdag.merge_sorted(in_order(), in_order(1)).pipe(ops.map(slow)),
    "conflate": lambda slow: keyed().pipe(ops.conflate(lambda x: x, per="instant"), ops.map(slow)),
    "last": lambda slow: keyed().pipe(ops.last()).pipe(ops.map(slow)),
}


def in_a_loop(make, begin_drain=None):
    """Return how many turns another task had by each call of a slow function, and the result of the run."""
    turns_by_call, turns = [], 0

    def slow(item):
        turns_by_call.append(turns)
        for _ in range(20_000):
            pass
        return item

    async def count_turns():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def main():
        other = asyncio.create_task(count_turns())
        result = await rxdag.run_async(make(slow).to(sinks.null()))
        other.cancel()
        return result

    return turns_by_call, asyncio.run(main())


@pytest.mark.parametrize("kind", FIRINGS)
def test_a_loop_has_its_turns_while_much_comes_out_at_once(kind):
    turns_by_call, result = in_a_loop(FIRINGS[kind])
    assert (result.state, result.problems) == ("completed", ())
    assert len(turns_by_call) >= N
    assert turns_by_call[-1] - turns_by_call[0] >= 10


@pytest.mark.parametrize("kind", FIRINGS)
def test_a_cancel_ends_it_between_two_calls(kind):
    calls = []

    def slow(item):
        calls.append(item)
        if len(calls) == 5:
            while not runs:
                pass
            runs[0].cancel()
        return item

    runs = []
    runs.append(rxdag.start(FIRINGS[kind](slow).to(sinks.null())))
    assert runs[0].wait(timeout=30).state == "cancelled"
    assert len(calls) == 5


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
