"""Lifecycle: ends from any thread and from inside, forks, loops of all kinds, clocks that jump, errors that come together."""

import asyncio
import multiprocessing
import os
import threading
import time
import traceback

import pytest

import rxdag
from rxdag import on_error, sinks, sources, testing
from rxdag import operators as ops
from rxdag.engine.drivers import MonotonicClock
from rxdag.errors import NodeError, RxDagError

# ---- errors


def boom(item):
    raise ValueError(f"boom {item}")


def test_the_first_failure_wins_and_later_ones_are_attached():
    source = rxdag.from_source(sources.range(3), name="in")
    barrier = threading.Barrier(2)

    def fails(item):
        barrier.wait(10)
        raise ValueError(f"boom {item}")

    outs = [source.on(name).pipe(ops.map(fails), name=name).to(sinks.null(), name=f"out.{name}") for name in "ab"]
    run = rxdag.start(*outs)
    with pytest.raises(NodeError) as raised:
        run.wait(20)
    first = raised.value
    (note,) = first.__notes__
    assert {first.node, note.split('"')[1]} == {"a", "b"}
    assert note.startswith("then: node")
    assert run.result.problems == ()


def test_the_users_traceback_survives():
    with pytest.raises(NodeError) as raised:
        rxdag.from_source(sources.range(1)).pipe(ops.map(boom)).collect()
    text = "".join(traceback.format_exception(raised.value))
    assert "in boom" in text
    assert 'raise ValueError(f"boom {item}")' in text


@pytest.mark.parametrize("seed", range(20))
def test_policies_hold_under_concurrency_and_retry_keeps_the_order(seed):
    tries = {}

    async def flaky(item):
        await asyncio.sleep((item * 7 % 5) / 1000)
        tries[item] = tries.get(item, 0) + 1
        if item % 10 == 3:
            raise ValueError("always")
        if item % 10 == 5 and tries[item] < 3:
            raise OSError("twice")
        return item

    policy = on_error.retry(3, base="1ms", then=on_error.dead)
    stream = rxdag.from_source(sources.range(60), name="in").pipe(
        ops.map_async(flaky, concurrency=4), name="m", on_error=policy
    )
    out, dead = stream.to(sinks.collect(), name="out"), stream.dead.to(sinks.collect(), name="dead")
    sim = testing.run(out, dead, seed=seed)
    assert sim[out] == [x for x in range(60) if x % 10 != 3]
    assert sorted(letter.item for letter in sim[dead]) == [x for x in range(60) if x % 10 == 3]
    assert {letter.attempts for letter in sim[dead]} == {3}


def test_a_dead_letter_sink_that_fails_stops_the_run():
    stream = rxdag.from_source(sources.range(1000), name="in").pipe(ops.map(boom), on_error=on_error.dead, name="m")
    dead = stream.dead.buffered(max_items=5).to(sinks.call(boom), name="letters")
    run = testing.start(stream.to(sinks.null()), dead)
    result = run.finish()
    assert result.state == "failed"
    assert 'node "letters" failed on DeadLetter' in str(result.error)
    assert all(gate.high_water <= 5 for name, gate in result.stats.gates.items() if "letters" in name)
    assert result.problems == ()


def test_dead_letters_that_nobody_takes_in_time_make_the_node_wait():
    async def slow(letter):
        await asyncio.sleep(1)

    stream = rxdag.from_source(sources.range(50), name="in").pipe(ops.map(boom), on_error=on_error.dead, name="m")
    dead = stream.dead.buffered(max_items=5).to(sinks.acall(slow), name="letters")
    run = testing.start(rxdag.compile(rxdag.Dag(stream.to(sinks.null()), dead)))
    run.advance("3s")
    (gate,) = [gate for name, gate in run.stats().gates.items() if "letters" in name]
    assert gate.high_water <= 5
    result = run.finish()
    assert result[dead] == 50
    assert result.problems == ()


# ---- drain and cancel


@pytest.mark.parametrize("how", ["drain", "cancel"])
@pytest.mark.parametrize("where", ["operator", "sink", "source", "threads"])
def test_a_run_can_be_ended_from_anywhere_and_often(how, where):
    runs = []
    ended = threading.Event()

    def end(item):
        if item == 5:
            started.wait(10)
            for _ in range(3):
                runs[0].begin_drain() if how == "drain" else runs[0].cancel()
            ended.set()
        return item

    def numbers():
        item = 0
        while True:
            yield end(item) if where == "source" else item
            item += 1

    started = threading.Event()
    stream = rxdag.from_source(sources.iterable(numbers()), name="in")
    if where == "operator":
        stream = stream.pipe(ops.map(end))
    out = stream.on("w").to(sinks.call(end if where == "sink" else lambda item: None), name="out")
    runs.append(rxdag.start(out))
    started.set()
    if where == "threads":
        threads = [
            threading.Thread(target=lambda: runs[0].begin_drain() if how == "drain" else runs[0].cancel())
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
    else:
        assert ended.wait(10)
    result = runs[0].wait(20)
    assert result.state == ("completed" if how == "drain" else "cancelled")
    assert result.problems == ()


def test_cancel_wakes_producers_ends_threads_and_closes_iterators():
    closed = []

    async def items():
        try:
            while True:
                yield 1
                await asyncio.sleep(0)
        finally:
            closed.append("async")

    async def never(item):
        await asyncio.sleep(3600)

    feed = sources.ingress(max_items=1)
    blocked = []

    def push():
        try:
            for item in range(10**6):
                feed.push(item)
        except RxDagError as error:
            blocked.append(error)

    before = threading.active_count()
    outs = [
        rxdag.from_source(feed).on("worker").to(sinks.acall(never)),
        rxdag.from_source(sources.async_iterable(items)).buffered(max_items=1).to(sinks.acall(never)),
    ]
    run = rxdag.start(*outs)
    thread = threading.Thread(target=push)
    thread.start()
    run.cancel()
    assert run.wait(20).state == "cancelled"
    thread.join(10)
    assert len(blocked) == 1
    assert closed == ["async"] or closed == []
    assert threading.active_count() == before


@pytest.mark.parametrize("what", ["wait", "drain"])
def test_a_run_refuses_to_wait_for_itself(what):
    runs, started, said = [], threading.Event(), []

    def waits(item):
        assert started.wait(10)
        try:
            getattr(runs[0], what)()
        except RxDagError as error:
            said.append(str(error))

    runs.append(rxdag.start(rxdag.from_source(sources.range(1)).to(sinks.call(waits))))
    started.set()
    runs[0].wait(10)
    (text,) = said
    assert text.startswith(f"run.{what}: must not be called by code that the run executes")
    assert "run.begin_drain()" in text


# ---- clocks


def test_a_wall_clock_that_jumps_or_stands_still_changes_no_time_of_a_run(monkeypatch):
    clock = MonotonicClock()
    true = time.time_ns
    began = clock.now()
    for wall in (lambda: true() + 3600 * 10**9, lambda: true() - 3600 * 10**9, lambda: 0):
        monkeypatch.setattr(time, "time_ns", wall)
        assert 0 <= clock.now() - began < 60 * 10**9


# ---- loops


def ticks(n):
    async def slow(item):
        await asyncio.sleep(0)

    source = rxdag.from_source(sources.range(n))
    return source.on("worker").pipe(ops.map(lambda x: x + 1)).to(sinks.acall(slow), name="out")


def test_it_runs_under_uvloop():
    uvloop = pytest.importorskip("uvloop", reason="needs uvloop: pip install uvloop")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(rxdag.run_async(ticks(500)))["out"] == 500


def test_several_runs_share_a_loop():
    async def main():
        runs = [rxdag.start_async(ticks(200)) for _ in range(5)]
        return [(await run.wait())["out"] for run in runs]

    assert asyncio.run(main()) == [200] * 5


def test_run_works_in_a_loop_that_runs():
    async def main():
        return rxdag.run(ticks(100))["out"]

    assert asyncio.run(main()) == 100


async def test_it_runs_in_a_test_of_pytest_asyncio():
    assert (await rxdag.run_async(ticks(100)))["out"] == 100


def test_the_loop_gets_its_turn_between_slices():
    turns = []

    async def main():
        loop = asyncio.get_running_loop()

        def turn():
            turns.append(True)
            loop.call_soon(turn)

        loop.call_soon(turn)
        source = rxdag.from_source(sources.range(200_000))
        await rxdag.run_async(source.pipe(ops.map(lambda x: x)).to(sinks.null()))

    asyncio.run(main())
    assert len(turns) > 3


# ---- forks


def _child(run, feed, queue):
    for act in (lambda: run.wait(1), run.cancel, lambda: run.drain("1s"), lambda: feed.push(2)):
        try:
            act()
        except RxDagError as error:
            queue.put(str(error))
        else:
            queue.put("went on")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_is_refused_with_what_to_do_and_the_run_goes_on():
    feed = sources.ingress()
    run = rxdag.start(rxdag.from_source(feed).to(sinks.collect(), name="out"))
    feed.push(1)
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    child = context.Process(target=_child, args=(run, feed, queue))
    child.start()
    child.join(20)
    said = [queue.get() for _ in range(4)]
    for what, text in zip(("run.wait", "run.cancel", "run.drain", "ingress"), said, strict=True):
        assert text.startswith(
            f"{what}: belongs to process {os.getpid()}, and this is a fork of it, without its threads"
        )
    assert child.exitcode == 0
    feed.push(3)
    feed.complete()
    assert run.wait(10)["out"] == [1, 3]


# ---- threads by name, turns, and waits in a ring


def test_main_leads_back_to_the_callers_thread():
    where = []
    stream = (
        rxdag.from_source(sources.range(3)).on("worker").pipe(ops.tap(lambda _: where.append(threading.get_ident())))
    )
    back = stream.on("main").pipe(ops.tap(lambda _: where.append(threading.get_ident())))
    rxdag.run(back.to(sinks.null()))
    assert set(where) - {threading.get_ident()} != set()
    assert where.count(threading.get_ident()) == 3


def test_several_inputs_take_turns():
    inputs = [rxdag.from_source(sources.iterable([(k, n) for n in range(50)])) for k in range(3)]
    out = rxdag.merge(*inputs).to(sinks.collect(), name="out")
    got = testing.run_virtual(out)[out]
    assert got == [(k, n) for n in range(50) for k in range(3)]


def test_waits_in_a_ring_are_found_and_the_message_says_the_fix():
    source = rxdag.from_source(sources.range(10_000), name="in")
    routes = source.pipe(ops.route({"low": lambda x: x < 9_000}, default="high"), name="route")
    low, high = routes["low"].buffered(max_items=5), routes["high"].buffered(max_items=5)
    out = rxdag.zip(low, high, max_items=10).to(sinks.null(), name="out")
    with pytest.raises(rxdag.Stalled) as raised:
        rxdag.run(out)
    text = str(raised.value)
    assert "the gates route.low -> zip are full" in text
    assert "put a larger .buffered(max_items=...) before it, or one with an overflow policy that drops" in text
