"""A watermark that closes many windows is no step of its own: panes come out as there is room, and the thread is given back."""

import asyncio
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pytest
from tests.engine.running import Stepped

import rxdag
from rxdag import aggregates as agg
from rxdag import on_error, sinks, sources, testing, windows
from rxdag import operators as ops
from rxdag.contract import ENDED, Kernel, Operator

N = 500


def panes(assigner, **given):
    timed = rxdag.from_source(sources.range(N)).pipe(ops.event_time(lambda x: 0)).pipe(ops.key_by(lambda x: x))
    return timed.pipe(ops.window(assigner, agg.count(), **given), name="window")


class Tick(NamedTuple):
    n: int
    zero: int


def arrays(ts, key, n=N):
    """In columns; the watermark follows behind the last item."""
    ticks = sources.arrays({"n": np.arange(n), "zero": np.zeros(n, int)}, Tick)
    return rxdag.from_source(ticks).pipe(ops.event_time(ts, out_of_order="1s"), ops.key_by(key))


def in_columns(assigner):
    return arrays("zero", "n").pipe(ops.window(assigner, agg.count()), name="window")


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


class _Backlog(Kernel):
    state = ("waiting",)
    passes = False
    pauses = True

    def __init__(self, call):
        self.call = call
        self.waiting = []

    def on_item(self, item, emit):
        self.waiting.append(item)

    def held(self):
        return len(self.waiting)

    def on_end(self, emit):
        while self.waiting:
            emit.absorbed(1)
            emit(self.call(self.waiting.pop(0)))
            if self.waiting and emit.must_pause():
                self.is_paused = True
                return


@dataclass(frozen=True)
class Backlog(Operator):
    """An operator as users write one: calls a function for each item, at the end."""

    call: object

    def kernel(self):
        return _Backlog(self.call)


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
    "columns, tumbling": lambda slow: arrays("zero", "n").pipe(
        ops.window(windows.tumbling("1s"), agg.count(), into=slow)
    ),
    "columns, join_asof": lambda slow: rxdag.join_asof(
        arrays("n", "zero"), arrays("n", "zero", 1), into=lambda left, right: slow(left)
    ),
    "columns, rolling": lambda slow: arrays("n", "zero").pipe(
        ops.rolling("1s", agg.count(), into=lambda item, n: slow(item))
    ),
    "columns, rolling, one instant": lambda slow: arrays("zero", "zero").pipe(
        ops.rolling("1s", agg.count(), into=lambda item, n: slow(item))
    ),
    "own kernel": lambda slow: rxdag.from_source(sources.range(N)).pipe(Backlog(slow)),
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


@pytest.mark.parametrize("kind", [kind for kind in FIRINGS if kind.startswith("columns")])
def test_these_work_on_columns(kind):
    nodes = testing.virtual(rxdag.compile(rxdag.Dag(FIRINGS[kind](repr).to(sinks.null())))).program.nodes
    assert type([*nodes.values()][-2]).__name__ == "ColumnsNode"


@pytest.mark.parametrize("kind", FIRINGS)
def test_where_each_call_must_give_back_at_once_all_comes_out_yet(kind):
    whole, items = [], []
    assert testing.run_virtual(FIRINGS[kind](repr).to(sinks.call(whole.append))).problems == ()
    execution = Stepped(rxdag.compile(rxdag.Dag(FIRINGS[kind](repr).to(sinks.call(items.append)))), 1024)
    for domain in execution.domains:
        domain.is_timed, domain.deadline = True, 0
    assert execution.settle() is None
    assert items == whole


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


class Marks:
    """Notes how many items had come before each watermark."""

    def __init__(self):
        self.n = 0
        self.seen = []

    def on_next(self, chunk):
        self.n += len(chunk.items)
        self.seen += [(self.n, mark) for _, mark in chunk.marks]

    def end(self, error):
        pass


def test_a_watermark_that_an_as_of_join_has_held_back_does_not_take_the_place_of_the_one_at_which_it_pauses():
    def timed(*times):
        return rxdag.from_source(sources.iterable(times)).pipe(ops.event_time(lambda t: t), ops.key_by(lambda t: 0))

    joined = rxdag.join_asof(timed(1, 5, 6, 20), timed(10, 30), strategy="forward")
    execution = testing.virtual(rxdag.compile(rxdag.Dag(joined.buffered(max_items=1).to(sinks.null(), name="end"))))
    for domain in {each.domain for each in execution.schedulers.values()}:
        domain.quantum = 1
    marks = Marks()
    execution.program.observe("end", marks, execution)
    assert testing.settle_virtual(execution).problems == ()
    assert marks.seen == [(0, 0), (3, 19), (4, ENDED)]


@pytest.mark.parametrize("step", range(1, 40))
def test_a_drain_that_ends_one_input_before_the_other_lets_out_all_that_is_due(step):
    def timed(*times):
        return rxdag.from_source(sources.iterable(times)).pipe(ops.event_time(lambda t: t), ops.key_by(lambda t: 0))

    lefts = timed(*[2] * 8, 500, *[501] * 30).buffered(max_items=50)
    items = []
    out = rxdag.join_asof(lefts, timed(*[3] * 8, 1000)).buffered(max_items=1).to(sinks.call(items.append))
    execution = Stepped(rxdag.compile(rxdag.Dag(out)), 3, act=lambda n: execution.drain() if n == step else None)
    assert execution.settle() is None
    assert [left for left, _ in items[:8]] in ([], [2] * 8)


def test_a_watermark_that_waits_for_room_at_one_exit_comes_there_before_the_end():
    def timed(*times):
        return rxdag.from_source(sources.iterable(times)).pipe(ops.event_time(lambda t: t), ops.key_by(lambda t: 0))

    joined = rxdag.join_asof(timed(1, 5), timed(2, 9, 20), strategy="nearest")
    pairs = joined.pipe(ops.key_by(str)).pipe(ops.window(windows.sliding("4ns", "1ns"), agg.count()))
    out, late = pairs.buffered(max_items=1).to(sinks.null()), joined.late.to(sinks.null())
    execution = Stepped(rxdag.compile(rxdag.Dag(out, late)), 1024)
    assert execution.settle() is None
    assert execution.faults == []


def test_a_source_with_two_exits_ends_at_both_though_it_sets_much_free_while_one_is_full(tmp_path):
    path = tmp_path / "numbers.jsonl"
    path.write_text("".join(f'{{"n": {n}}}\n' for n in range(30)) + "no number\n")
    source = rxdag.from_source(sources.jsonl(path, of=dict), on_error=on_error.dead, name="in")
    timed = source.pipe(ops.event_time(lambda row: 5), ops.key_by(lambda row: row["n"]))
    panes = timed.pipe(ops.window(windows.tumbling("1s"), agg.count())).buffered(max_items=1).to(sinks.collect())
    dead = source.dead.buffered(max_items=1).to(sinks.collect())
    result = testing.run_virtual(panes, dead)
    assert (result.state, result.problems) == ("completed", ())
    assert (len(result[panes]), len(result[dead])) == (30, 1)
