import asyncio
import gc
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import tracemalloc
from datetime import timedelta
from typing import NamedTuple

import pytest
import reactivex as rx
from reactivex import operators as rxops

import rxdag
from rxdag import GraphError, NodeError, on_error, sinks, sources, windows
from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag.runtime import Execution, draining_on_signals
from rxdag.runtime._handles import execute
from rxdag.testing import run_virtual, settle_virtual, virtual


def numbers(n=10):
    return rxdag.from_source(sources.range(n), name="numbers")


class Tick(NamedTuple):
    ts: int
    symbol: str


def endless():
    i = 0
    while True:
        yield i
        i += 1


def boom_at(n):
    def fn(x):
        if x == n:
            raise ValueError("boom")
        return x

    return fn


def books(result):
    assert result.problems == ()
    return result.stats.nodes


# ---- ends and failures


def test_a_failing_node_ends_the_run_naming_node_item_and_cause():
    with pytest.raises(NodeError) as caught:
        rxdag.run(numbers().pipe(ops.map(boom_at(4)), name="clean").to(sinks.null()))
    error = caught.value
    assert str(error) == 'node "clean" failed on 4: ValueError: boom'
    assert (error.node, error.item, type(error.__cause__)) == ("clean", 4, ValueError)
    import traceback

    assert "boom_at" not in str(error)
    assert "in fn" in "".join(traceback.format_exception(error))


@pytest.mark.parametrize("columns", [True, False])
def test_what_was_given_out_before_a_failure_is_delivered_and_the_books_balance(columns):
    seen = []
    stream = (
        numbers(100).pipe(ops.map(lambda x: x)).pipe(ops.map(boom_at(7)), name="boom").pipe(ops.filter(lambda x: x % 2))
    )
    run = rxdag.start(rxdag.compile(rxdag.Dag(stream.to(sinks.call(seen.append), name="out")), columns=columns))
    with pytest.raises(NodeError):
        run.wait()
    assert seen == [1, 3, 5]
    nodes = books(run.result)
    assert run.result.state == "failed"
    assert nodes["boom"].failed == 1
    assert nodes["out"].passed == 3


def test_a_sink_that_raises_on_its_first_item_ends_the_run_while_the_source_has_more():
    with pytest.raises(NodeError, match='node "out" failed on 0: ValueError: boom'):
        rxdag.run(rxdag.from_source(sources.iterable(endless())).to(sinks.call(boom_at(0)), name="out"))


def test_the_first_failure_wins_and_later_ones_are_attached():
    class Closes(rxdag.Source):
        def open(self, context):
            class Reader(sources.Reader):
                def read(self, max_items):
                    return sources.Chunk([1])

                def close(self):
                    raise RuntimeError("close failed too")

            return Reader()

    with pytest.raises(NodeError, match="boom") as caught:
        rxdag.run(rxdag.from_source(Closes()).to(sinks.call(boom_at(1))))
    assert any("close failed too" in note for note in caught.value.__notes__)


def test_a_failure_in_a_sinks_open_ends_the_run(tmp_path):
    with pytest.raises(NodeError, match='sink "csv": csv: path must be a file'):
        rxdag.run(numbers().to(sinks.csv(tmp_path)))


@pytest.mark.parametrize("columns", [True, False])
def test_policies_keep_the_run_going_and_count(columns):
    def inverse(x):
        return 1 / (x % 3)

    for policy in (on_error.skip, on_error.dead):
        stream = (
            numbers(9)
            .pipe(ops.map(lambda x: x))
            .pipe(ops.map(inverse), name="inv", on_error=policy)
            .pipe(ops.map(lambda x: x))
        )
        out = stream.to(sinks.collect())
        result = rxdag.run(rxdag.compile(rxdag.Dag(out), columns=columns))
        assert len(result[out]) == 6
        ledger = books(result)["inv"]
        assert (ledger.dead, ledger.dropped) == ((0, {"skipped": 3}) if policy is on_error.skip else (3, {}))


@pytest.mark.parametrize("columns", [True, False])
def test_dead_letters_hold_node_item_error_attempts_and_traceback(columns):
    stream = numbers(3).pipe(ops.map(boom_at(1)), name="m", on_error=on_error.dead)
    dead = stream.dead.to(sinks.collect())
    (letter,) = rxdag.run(rxdag.compile(rxdag.Dag(dead), columns=columns))[dead]
    assert (letter.node, letter.item, letter.attempts, str(letter.error)) == ("m", 1, 1, "boom")
    assert "ValueError: boom" in letter.traceback


def test_a_stop_iteration_from_user_code_does_not_end_a_stream_silently():
    def stops(x):
        raise StopIteration

    for columns in (True, False):
        with pytest.raises(NodeError, match="StopIteration"):
            rxdag.run(rxdag.compile(rxdag.Dag(numbers().pipe(ops.map(stops)).to(sinks.null())), columns=columns))


def test_a_failing_reactivex_operator_ends_the_run_naming_it():
    with pytest.raises(NodeError, match='node "rx1" failed on 0: ZeroDivisionError'):
        numbers().rx(rxops.map(lambda x: 1 / x), name="rx1").collect()


def test_states_go_from_running_to_their_end():
    ingress = sources.ingress()
    run = rxdag.start(rxdag.from_source(ingress).to(sinks.collect(), name="out"))
    ingress.push(1)
    assert run.state in ("created", "running")
    for timeout in (0.01, "10ms", timedelta(milliseconds=10)):
        with pytest.raises(TimeoutError, match=r"^run: did not end within 0\.01 s; it is still running$"):
            run.wait(timeout)
    ingress.complete()
    result = run.wait()
    assert (run.state, result.state, result["out"], run.result) == ("completed", "completed", [1], result)


def test_a_drain_that_cannot_wait_so_long_has_not_begun():
    ingress = sources.ingress()
    run = rxdag.start(rxdag.from_source(ingress).to(sinks.collect(), name="out"))
    for call, name in ((run.drain, "run.drain"), (run.wait, "run.wait")):
        with pytest.raises(
            rxdag.GraphError, match=f"^{name}: timeout must be seconds, from 0 to 146 years, or a duration"
        ):
            call("soon")
    assert run.state in ("created", "running")
    ingress.push(1)
    assert run.drain(30).state == "completed"


async def test_a_run_on_a_loop_takes_the_same_timeouts():
    ingress = sources.ingress()
    run = rxdag.start_async(rxdag.Dag(rxdag.from_source(ingress).to(sinks.collect(), name="out")))
    for timeout in (0, "0s", timedelta(0)):
        with pytest.raises(TimeoutError, match="^run: did not end within 0 s; it is still running$"):
            await run.wait(timeout)
    for call, name in ((run.drain, "run.drain"), (run.wait, "run.wait")):
        with pytest.raises(rxdag.GraphError, match=f"^{name}: timeout must be seconds"):
            await call(-1)
    assert run.state in ("created", "running")
    assert (await run.drain(30)).state == "completed"
    assert (await run.wait("1s")).state == "completed"


def test_two_runs_of_one_plan_at_once_do_not_meet():
    stream = numbers(2000).pipe(ops.scan(0, lambda total, x: total + x)).pipe(ops.dedupe(lambda x: x, max_keys=10**6))
    plan = rxdag.compile(rxdag.Dag(stream.to(sinks.collect(), name="out")))
    expected = run_virtual(plan)["out"]
    runs = [rxdag.start(plan) for _ in range(4)]
    assert all(run.wait()["out"] == expected for run in runs)


def test_a_run_that_is_dropped_without_wait_leaves_no_thread():
    run = rxdag.start(rxdag.from_source(sources.iterable(endless())).on("far").to(sinks.null()))
    threads = [t for t in threading.enumerate() if t.name.startswith("rxdag")]
    assert threads
    del run
    gc.collect()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)


def test_cancel_closes_sources_and_discards_what_is_under_way():
    closed = []

    def numbers_forever():
        try:
            yield from endless()
        finally:
            closed.append(1)

    stream = (
        rxdag.from_source(sources.iterable(numbers_forever()))
        .buffered(max_items=50)
        .on("far")
        .pipe(ops.map(lambda x: x))
    )
    run = rxdag.start(stream.to(sinks.null()))
    run.cancel()
    result = run.wait()
    assert result.state == "cancelled"
    assert closed in ([1], [])  # a run that was cancelled before it began has read nothing
    books(result)


# ---- drain


def window_counts():
    ingress = sources.ingress()
    timed = rxdag.from_source(ingress).pipe(ops.event_time(lambda x: x)).pipe(ops.key_by(lambda x: 0))
    return ingress, timed.pipe(ops.window(windows.tumbling("10ns"), agg.count()), name="w")


def test_drain_moves_no_event_time_and_reports_what_is_held():
    ingress, panes = window_counts()
    run = rxdag.start(panes.to(sinks.collect(), name="out"))
    for x in (1, 5, 12):
        ingress.push(x)
    while run.stats().nodes["w"].arrived < 3:
        pass
    result = run.drain("10s")
    assert [(p.value, p.closed_by) for p in result["out"]] == [(2, "watermark")]
    assert (result.state, result.was_drained, books(result)["w"].held) == ("completed", True, 1)
    assert "1 held at w: a drain closes no window; flush=True does" in str(result)


def test_drain_with_flush_closes_open_panes_marked_end():
    ingress, panes = window_counts()
    run = rxdag.start(panes.to(sinks.collect(), name="out"))
    for x in (1, 5, 12):
        ingress.push(x)
    while run.stats().nodes["w"].arrived < 3:
        pass
    result = run.drain(flush=True)
    assert [(p.value, p.closed_by) for p in result["out"]] == [(2, "watermark"), (1, "end")]
    assert books(result)["w"].held == 0


def ticking_counts(every="1ms"):
    """Windows of three hours over the first seconds of a feed: only a flush closes one."""
    ticks = rxdag.from_source(sources.interval(every)).pipe(ops.event_time(lambda x: x, unit="s"))
    return ticks.pipe(ops.window_all(windows.tumbling("3h"), agg.count()), name="w").to(sinks.collect(), name="out")


@pytest.mark.parametrize(("flush", "closed"), [(True, [(2, "end")]), (False, [])])
def test_until_closes_open_panes_only_with_flush(flush, closed):
    result = run_virtual(ticking_counts("1s"), until="2500ms", flush=flush)
    assert [(pane.value, pane.closed_by) for pane in result["out"]] == closed
    assert (result.was_drained, books(result)["w"].held) == (True, 0 if flush else 2)


def closed_by(result):
    return [pane.closed_by for pane in result["out"]]


def test_run_flushes_when_its_time_is_over():
    assert closed_by(rxdag.run(ticking_counts(), until="50ms", flush=True)) == ["end"]
    assert closed_by(rxdag.run(ticking_counts(), until="50ms")) == []


async def test_run_async_flushes_when_its_time_is_over():
    assert closed_by(await rxdag.run_async(ticking_counts(), until="50ms", flush=True)) == ["end"]
    assert closed_by(await rxdag.run_async(ticking_counts(), until="50ms")) == []


@pytest.mark.parametrize(
    ("flush", "of_drain", "closed"), [(True, {}, ["end"]), (True, {"flush": False}, []), (False, {}, [])]
)
def test_a_drain_flushes_as_start_was_told_unless_it_says_so_itself(flush, of_drain, closed):
    run = rxdag.start(ticking_counts(), flush=flush)
    while not run.stats().nodes["w"].arrived:
        pass
    assert closed_by(run.drain("10s", **of_drain)) == closed


@pytest.mark.parametrize(("number", "kind"), [(signal.SIGTERM, rxdag.Terminated), (signal.SIGINT, KeyboardInterrupt)])
@pytest.mark.parametrize("flush", [True, False])
def test_a_signal_flushes_if_the_run_does(number, kind, flush):
    ticks = rxdag.from_source(sources.interval("1ms")).pipe(
        ops.tap(lambda x: os.kill(os.getpid(), number) if x == 3 else None)
    )
    panes = ticks.pipe(ops.event_time(lambda x: x)).pipe(ops.window_all(windows.tumbling("3h"), agg.count()))
    with pytest.raises(kind) as ended:
        rxdag.run(panes.to(sinks.collect(), name="out"), flush=flush)
    assert closed_by(ended.value.result) == ["end"] * flush


def test_drain_takes_along_what_was_pushed_and_cancel_counts_it():
    release, entered = threading.Event(), threading.Event()

    def first_waits(x):
        entered.set()
        release.wait()
        return x

    def started():
        ingress = sources.ingress(max_items=5000)
        stream = rxdag.from_source(ingress, name="in").pipe(ops.map(first_waits))
        run = rxdag.start(stream.to(sinks.collect(), name="out"))
        ingress.push(0)
        entered.wait()
        for i in range(1, 3000):
            ingress.push(i)
        return run

    run = started()
    threading.Timer(0.05, release.set).start()
    assert run.drain()["out"] == list(range(3000))
    books(run.result)
    release.clear()
    entered.clear()
    run = started()
    run.cancel()
    release.set()
    result = run.wait()
    ledger = books(result)["in"]
    assert ledger.made + ledger.discarded == 3000
    assert ledger.discarded > 0


def test_drain_takes_along_what_an_async_source_has_read_ahead():
    async def endless_letters():
        for i in endless():
            yield i

    async def main():
        run = rxdag.start_async(
            rxdag.from_source(sources.async_iterable(endless_letters)).to(sinks.collect(), name="out")
        )
        while not run.stats().nodes["out"].passed:  # a run has no event for its first item
            await asyncio.sleep(0)
        return await run.drain()

    result = asyncio.run(main())
    assert result["out"] == list(range(len(result["out"])))
    books(result)


def test_drain_takes_along_what_rests_in_gates():
    stream = rxdag.from_source(sources.iterable(endless())).buffered(max_items=500)
    run = rxdag.start(stream.on("far").pipe(ops.map(lambda x: x)).to(sinks.collect(), name="out"))
    while not run.stats().nodes["out"].passed:
        pass
    result = run.drain()
    assert result["out"] == list(range(len(result["out"])))
    assert books(result)["numbers" if "numbers" in result.stats.nodes else "iterable"].made == len(result["out"])


def test_a_reader_that_blocks_is_left_behind_named_with_its_stack(caplog, monkeypatch):
    from rxdag.runtime import _execution

    monkeypatch.setattr(_execution, "JOIN_S", 0.1)
    release = threading.Event()

    def waits():
        yield 1
        release.wait()

    stream = rxdag.from_source(sources.iterable(waits(), blocking=True), name="slow")
    run = rxdag.start(stream.to(sinks.collect(), name="out"))
    while not run.stats().nodes["out"].passed:
        pass
    with caplog.at_level(logging.WARNING, "rxdag"):
        result = run.drain()
    assert result["out"] == [1]
    (said,) = [record.message for record in caplog.records]
    assert said.startswith('run.stuck dag=dag node=slow timeout_s=0.1 stack="wait (threading.py:')
    assert "waits (test_runtime.py:" in said
    release.set()


def test_user_code_that_hangs_in_the_graph_is_named_when_a_drain_is_over(monkeypatch):
    from rxdag.runtime import _handles

    monkeypatch.setattr(_handles, "_CANCEL_S", 0.1)
    release, entered = threading.Event(), threading.Event()

    def hangs(x):
        entered.set()
        release.wait()
        return x

    run = rxdag.start(numbers().pipe(ops.map(hangs), name="stuck").to(sinks.null()))
    entered.wait()
    with pytest.raises(rxdag.RxDagError, match='user code must return, but hangs in node "stuck"'):
        run.drain("10ms")
    release.set()


def test_until_drains_after_that_long():
    stream = rxdag.from_source(sources.simulated_trades(seed=1, trades=10**6, speed=1.0))
    result = run_virtual(stream.to(sinks.null()), until="3s")
    assert result.was_drained
    assert result.stats.elapsed_s == 3.0
    assert rxdag.run(rxdag.from_source(sources.iterable(endless())).to(sinks.null()), until="50ms").was_drained


# ---- bounds


def test_a_slow_async_sink_behind_a_fast_source_never_holds_more_than_explain_printed():
    made = taken = most = 0

    def items():
        nonlocal made
        for i in range(60_000):
            made += 1
            yield bytes(1000) + i.to_bytes(4, "big")

    async def slow(_):
        nonlocal taken, most
        most = max(most, made - taken)
        taken += 1
        if taken % 500 == 0:
            await asyncio.sleep(0)

    sink = rxdag.from_source(sources.iterable(items())).to(sinks.acall(slow))
    plan = rxdag.compile(rxdag.Dag(sink))
    tracemalloc.start()
    assert rxdag.run(plan)[sink] == 60_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    cap = plan.max_held
    assert f"at most {cap:,} items" in plan.explain()
    assert most <= cap < 5_000
    assert peak < 5_000_000


def test_a_burst_past_a_gate_rests_with_the_node_that_made_it():
    def trades():
        for i in range(300):
            yield (1, i)
        yield (100, 0)

    timed = rxdag.from_source(sources.iterable(trades())).pipe(ops.event_time(lambda t: t[0]))
    panes = timed.pipe(ops.key_by(lambda t: t[1])).pipe(ops.window(windows.tumbling("10ns"), agg.count()))
    out = panes.buffered(max_items=4).pipe(ops.map(lambda p: p.key)).to(sinks.collect())
    plan = rxdag.compile(rxdag.Dag(out))
    result = rxdag.run(plan)
    assert result[out] == [*range(300), 0]
    assert max(g.high_water for g in result.stats.gates.values()) == 4
    assert "burst: what one input of window sets free rests there" in plan.explain()


def test_explode_makes_no_more_than_there_is_room_for():
    made = taken = most = 0

    def many(_):
        nonlocal made
        for i in range(10_000):
            made += 1
            yield i

    async def take(_):
        nonlocal taken, most
        most = max(most, made - taken)
        taken += 1

    stream = rxdag.from_source(sources.range(3)).pipe(ops.explode(many)).buffered(max_items=16)
    plan = rxdag.compile(rxdag.Dag(stream.to(sinks.acall(take))))
    rxdag.run(plan)
    assert taken == 30_000
    assert most <= 16 + 16 + 16


# ---- size


@pytest.mark.parametrize("columns", [True, False])
def test_a_chain_of_a_thousand_operators_runs(columns):
    stream = numbers(3)
    for _ in range(1000):
        stream = stream.pipe(ops.map(lambda x: x + 1))
    kept = stream.to(sinks.collect())
    assert rxdag.run(rxdag.compile(rxdag.Dag(kept), columns=columns))[kept] == [1000, 1001, 1002]


def test_a_chain_of_a_thousand_stateful_operators_runs():
    stream = numbers(3)
    for _ in range(1000):
        stream = stream.pipe(ops.scan(0, lambda a, b: b + 1))
    assert stream.collect() == [1000, 1001, 1002]


@pytest.mark.parametrize("columns", [True, False])
def test_a_fan_out_and_fan_in_of_a_thousand_runs(columns):
    source = numbers(3)
    merged = rxdag.merge(*(source.pipe(ops.map(lambda x: x)) for _ in range(1000)))
    kept = merged.to(sinks.collect())
    result = rxdag.run(rxdag.compile(rxdag.Dag(kept), columns=columns))
    assert result[kept] == [0] * 1000 + [1] * 1000 + [2] * 1000
    books(result)


def test_a_thousand_sinks_on_one_stream_run():
    source = numbers(3)
    outs = [source.to(sinks.null()) for _ in range(1000)]
    result = rxdag.run(*outs)
    assert all(result[out] == 3 for out in outs)


# ---- in and out


def test_head_and_collect_and_loops():
    stream = numbers(100).pipe(ops.map(lambda x: x * 2))
    assert stream.head() == [0, 2, 4, 6, 8]
    assert stream.head(0) == []
    assert sum(stream.collect()) == sum(stream) == 9900


def test_leaving_a_loop_cancels_the_run_and_closes_the_source():
    closed = []

    def items():
        try:
            yield from endless()
        finally:
            closed.append(1)

    for x in rxdag.from_source(sources.iterable(items())):
        if x == 5:
            break
    gc.collect()
    assert closed == [1]


def test_a_loop_raises_what_the_run_fails_with_behind_what_came_before():
    seen = []
    with pytest.raises(NodeError, match="boom"):
        for x in numbers().pipe(ops.map(boom_at(3))):
            seen.append(x)
    assert seen == [0, 1, 2]


def test_async_loops_and_async_sources():
    async def letters():
        for letter in "abc":
            await asyncio.sleep(0)
            yield letter

    stream = rxdag.from_source(sources.async_iterable(letters)).pipe(ops.map(str.upper))

    async def main():
        return [x async for x in stream], [x async for x in numbers(3)]

    assert asyncio.run(main()) == (["A", "B", "C"], [0, 1, 2])
    assert list(stream) == ["A", "B", "C"]


def test_leaving_an_async_loop_cancels_the_run():
    closed = []

    async def items():
        try:
            for i in endless():
                yield i
        finally:
            closed.append(1)

    async def main():
        loop = aiter(rxdag.from_source(sources.async_iterable(items)))
        async for x in loop:
            if x == 3:
                break
        await loop.aclose()
        return x

    assert asyncio.run(main()) == 3
    assert closed == [1]


def test_run_inside_a_running_loop_works():
    async def main():
        await asyncio.sleep(0)
        kept = numbers(3).to(sinks.collect())
        return rxdag.run(kept)[kept]

    assert asyncio.run(main()) == [0, 1, 2]


def test_run_async_and_start_async_run_on_this_loop():
    threads = set()

    async def save(x):
        threads.add(threading.get_ident())

    async def main():
        sink = numbers(3).to(sinks.acall(save))
        return (await rxdag.run_async(sink))[sink], (await rxdag.start_async(sink).wait())[sink]

    assert asyncio.run(main()) == (3, 3)
    assert threads == {threading.get_ident()}


def test_cancelling_the_task_of_run_async_cancels_the_run():
    async def main():
        sink = rxdag.from_source(sources.ingress()).to(sinks.null())
        task = asyncio.create_task(rxdag.run_async(sink))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_an_async_run_drains():
    async def main():
        ingress = sources.ingress()
        run = rxdag.start_async(rxdag.from_source(ingress).to(sinks.collect(), name="out"))
        await ingress.apush(1)
        await asyncio.sleep(0.01)
        return await run.drain("5s")

    result = asyncio.run(main())
    assert (result["out"], result.state) == ([1], "completed")


def test_a_plan_gives_its_nodes_as_observables():
    plan = rxdag.compile(rxdag.Dag(numbers(5).pipe(ops.map(lambda x: x + 1), name="m").to(sinks.null(), name="out")))
    for name in ("numbers", "m", "out"):
        seen = []
        plan.observable(name).subscribe(seen.append, on_completed=lambda seen=seen: seen.append("end"))
        assert seen == [*(range(5) if name == "numbers" else range(1, 6)), "end"]
    with pytest.raises(rxdag.GraphError, match='node "n" is not known'):
        plan.observable("n")


def test_disposing_an_observable_cancels_its_run():
    closed, seen = [], []

    def items():
        try:
            yield from endless()
        finally:
            closed.append(1)

    observable = rxdag.to_observable(rxdag.from_source(sources.iterable(items())))
    observable.pipe(rxops.take(3)).subscribe(seen.append, on_completed=lambda: seen.append("end"))
    assert (seen, closed) == ([0, 1, 2, "end"], [1])


def test_an_observable_tells_of_a_failure():
    errors = []
    observable = rxdag.to_observable(numbers().pipe(ops.map(boom_at(0))))
    observable.subscribe(lambda _: None, errors.append)
    assert [type(e) for e in errors] == [NodeError]
    assert isinstance(observable, rx.Observable)


# ---- reactivex inside


@pytest.mark.parametrize("columns", [True, False])
def test_reactivex_operators_run_inside_the_dag(columns):
    def run(stream):
        kept = stream.to(sinks.collect())
        result = settle_virtual(virtual(rxdag.compile(rxdag.Dag(kept), columns=columns)))
        books(result)
        return result[kept], result.stats.elapsed_s

    assert run(numbers(4).rx(rxops.pairwise()))[0] == [(0, 1), (1, 2), (2, 3)]
    assert run(numbers(9).rx(rxops.take(2)).pipe(ops.map(lambda x: x + 1)))[0] == [1, 2]
    assert run(numbers(5).rx(rxops.buffer_with_count(2)))[0] == [[0, 1], [2, 3], [4]]
    assert run(numbers(3).rx(rxops.delay(2.0))) == ([0, 1, 2], 2.0)
    assert run(numbers(3).rx(rxops.flat_map(lambda x: rx.of(x, -x))))[0] == [0, 0, 1, -1, 2, -2]


def test_a_reactivex_operator_on_a_thread_of_its_own_comes_back_to_the_graphs():
    from reactivex.scheduler import NewThreadScheduler

    threads = set()
    stream = (
        numbers(20)
        .rx(rxops.observe_on(NewThreadScheduler()))
        .pipe(ops.tap(lambda x: threads.add(threading.get_ident())))
    )
    assert stream.collect() == list(range(20))
    assert threads == {threading.get_ident()}


def test_explain_marks_reactivex_operators():
    plan = rxdag.compile(rxdag.Dag(numbers().rx(rxops.pairwise(), name="pairs").to(sinks.null())))
    assert "unbounded?: pairs is a reactivex operator" in plan.explain()


# ---- explain, result


def test_explain_says_segments_gates_and_the_cap():
    async def save(x): ...

    stream = numbers().pipe(ops.map(abs)).pipe(ops.filter(lambda x: True)).pipe(ops.scan(0, lambda a, b: b))
    plan = rxdag.compile(
        rxdag.Dag(
            stream.on("far").buffered(max_items=77).pipe(ops.map(lambda x: x), name="last").to(sinks.acall(save)),
            name="d",
        )
    )
    text = plan.explain()
    for expected in (
        "plan d: 3 segments on 2 schedulers",
        "segment 0, on the event loop",
        "segment 1, on thread far",
        "scan -> last: block, 77 items (hop from main to thread far, buffered)",
        "last -> acall: block, 1,024 items (hop from thread far to main, its sink is async)",
        f"cap: at most {77 + 1024 + 1024 + 77 + 1024:,} items",
    ):
        assert expected in text
    assert plan.max_held == 77 + 1024 + 1024 + 77 + 1024


def test_explain_gives_the_facts_of_its_text_as_plain_data():
    rows = rxdag.from_source(sources.csv("trades.csv", Tick)).pipe(
        ops.event_time("ts"), ops.filter(str), ops.key_by("symbol")
    )
    panes = rows.buffered(max_items=9, overflow="drop_oldest").pipe(
        ops.window(windows.count(2), agg.sum(lambda tick: len(str(tick))), allowed_lateness="0s"), name="bars"
    )
    plan = rxdag.compile(rxdag.Dag(panes.to(sinks.null(), name="out"), name="d"))
    facts = plan.explain(service={"out": "2ms"}, form="dict")
    assert json.loads(json.dumps(facts)) == facts
    assert {key: facts[key] for key in ("dag", "segments", "schedulers", "queues", "unbounded", "stalls")} == {
        "dag": "d",
        "segments": 2,
        "schedulers": 1,
        "queues": [],
        "unbounded": [],
        "stalls": [],
    }
    assert [(node["name"], node["role"], node["segment"], node["lane"]) for node in facts["nodes"]] == [
        ("csv", "source", 0, "columns"),
        ("event_time", "operator", 0, "columns"),
        ("filter", "operator", 0, "rows"),
        ("key_by", "operator", 0, "rows"),
        ("bars", "operator", 1, "rows"),
        ("out", "sink", 1, "rows"),
    ]
    assert [node["why_rows"] for node in facts["nodes"]] == [None, None, "opaque callable str", None, None, None]
    assert facts["nodes"][4]["call"] == 'window(count(2), sum(lambda tick: len(str(tick))), allowed_lateness="0s")'
    assert facts["bursts"] == ["bars"]
    assert [(edge["edge"], edge["gate"]) for edge in facts["edges"]] == [
        ("csv -> event_time", None),
        ("event_time -> filter", None),
        ("filter -> key_by", None),
        ("key_by -> bars", {"overflow": "drop_oldest", "max_items": 9, "max_bytes": None, "reason": "buffered"}),
        ("bars -> out", None),
    ]
    assert facts["max_items"] == plan.max_held
    assert facts["max_bytes"] is None
    (age,) = facts["ages"]
    assert (age["sink"], age["each_ns"], age["waits_for_others"]) == ("out", 2_000_000, False)
    assert age["max_age_ns"] == (age["ahead"] + 1) * 2_000_000


class _Own(rxdag.Sink):
    label = "own"

    def open(self, context):
        raise NotImplementedError


def test_explain_tells_the_delivery_of_each_sink(tmp_path):
    branches = numbers()
    made = {
        "file": sinks.csv(tmp_path / "a.csv"),
        "rows": sinks.parquet(tmp_path / "a.parquet"),
        "table": sinks.sqlite(tmp_path / "a.db", "a"),
        "keyed": sinks.sqlite(tmp_path / "a.db", "b", upsert=("value",)),
        "kept": sinks.collect(),
        "called": sinks.call(print),
        "device": sinks.csv("/dev/stdout"),
        "own": _Own(),
    }
    dag = rxdag.Dag(*(branches.to(sink, name=name) for name, sink in made.items()))
    told = [line for line in rxdag.compile(dag).explain().splitlines() if line.startswith(("delivery", "no check"))]
    again = "at least once; a restart delivers items since the last checkpoint again"
    assert told == [
        "delivery: file: exactly once; the output appears at the end of the run",
        "delivery: rows: exactly once; the output appears at the end of the run",
        "delivery: table: exactly once; committed after a checkpoint; rows are visible up to every= later",
        "delivery: keyed: exactly once; written by key, so a restart may repeat rows; rows are visible at once",
        "delivery: kept: exactly once; the output appears at the end of the run",
        f"delivery: called: {again}: what it has delivered cannot be taken back",
        f"delivery: device: {again}: what it has delivered cannot be taken back",
        f"delivery: own: {again}: its writer has no methods `save` and `restore`",
    ]
    facts = rxdag.compile(dag).explain(form="dict")
    assert facts["deliveries"][0] == {
        "sink": "file",
        "delivery": "exactly once",
        "visible": "at the end",
        "why_repeats": None,
    }
    assert facts["no_checkpoints"] == []


def test_explain_tells_what_keeps_a_graph_from_checkpoints():
    feed = rxdag.from_source(sources.callback(lambda push: None, overflow="drop_oldest"), name="feed")
    plan = rxdag.compile(rxdag.Dag(feed.rx(rxops.pairwise(), name="pairs").to(sinks.null())))
    assert plan.explain().splitlines()[-2:] == [
        'no checkpoints: source "feed" cannot be continued: it receives items that cannot be read again',
        'no checkpoints: node "pairs" is a reactivex operator, whose state cannot be saved; use an operator of rxdag, '
        "or pass stateless=True if it keeps nothing from one item to the next",
    ]


def test_explain_refuses_a_form_that_there_is_not():
    plan = rxdag.compile(rxdag.Dag(numbers().to(sinks.null())))
    with pytest.raises(GraphError, match='explain: form must be "text" or "dict", got \'json\''):
        plan.explain(form="json")


def test_the_users_function_is_in_the_traceback():
    import traceback

    with pytest.raises(NodeError) as caught:
        numbers().pipe(ops.map(boom_at(0)), name="first").pipe(ops.map(lambda x: x)).collect()
    assert caught.value.node == "first"
    text = "".join(traceback.format_exception(caught.value.__cause__))
    assert "boom" in text


def test_a_result_prints_what_was_lost_where_and_the_likely_fix():
    ingress = sources.ingress()
    for x in (50, 1, 60, 75):
        ingress.push(x)
    ingress.complete()
    timed = rxdag.from_source(ingress, name="in").pipe(ops.event_time(lambda x: x)).pipe(ops.filter(lambda x: x != 60))
    panes = timed.pipe(ops.key_by(lambda x: 0)).pipe(ops.window(windows.tumbling("10ns"), agg.count()), name="w")
    text = str(rxdag.run(panes.to(sinks.null(), name="out")))
    assert "completed in" in text
    assert "1 filtered" in text
    assert "1 late at w: read port late, or raise out_of_order= of its event_time" in text


@pytest.mark.parametrize(("days", "is_told"), [(-2, True), (0, False), (2, True)])
def test_a_silent_run_whose_watermark_is_far_from_the_clock_says_so_once(caplog, days, is_told):
    feed = rxdag.testing.timeline(*(("0s", i) for i in range(10)), end="20s")
    stream = rxdag.from_source(feed).pipe(ops.event_time(lambda x: x + days * 86_400_000, unit="ms"))
    panes = stream.pipe(ops.key_by(lambda x: 0)).pipe(ops.window(windows.tumbling("1d"), agg.count()))
    with caplog.at_level(logging.WARNING, "rxdag"):
        run_virtual(panes.to(sinks.null()))
    said = [r.message for r in caplog.records]
    day = {-2: "1969-12-30", 2: "1970-01-03"}.get(days)
    assert said == is_told * [
        f"run.silent dag=dag items_in=10 watermark={day}T00:00:00.008999999Z: "
        "items came in for 5 s and none went out; is unit= of event_time right?"
    ]


def test_progress_is_told_between_chunks():
    told = []
    rxdag.run(
        rxdag.from_source(sources.iterable(endless())).to(sinks.null()),
        until="100ms",
        on_progress=lambda stats: told.append(stats.state),
        progress_every="10ms",
    )
    assert told[0] == "running"


def test_a_virtual_run_that_cannot_end_says_what_it_waits_for():
    with pytest.raises(rxdag.Stalled, match="no timer is left in virtual time; sources that are open: feed"):
        run_virtual(rxdag.from_source(sources.ingress(), name="feed").to(sinks.null()))


# ---- signals, in a process of their own

SIGNALLED = """
import os, signal, sys, threading, time
import rxdag
from rxdag import sources, sinks, windows, operators as ops, aggregates as agg
before = signal.getsignal(signal.SIGTERM)
def items():
    i = 0
    while True:
        i += 1
        if i == 2000:
            os.kill(os.getpid(), signal.{number})
        yield i
timed = rxdag.from_source(sources.iterable(items())).pipe(ops.event_time(lambda x: x, unit="ms")).pipe(ops.key_by(lambda x: 0))
panes = timed.pipe(ops.window(windows.tumbling("1s"), agg.count()))
out = panes.to(sinks.csv({path!r}), name="out")
try:
    rxdag.run(out)
except BaseException as end:
    assert signal.getsignal(signal.SIGTERM) is before
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    result = end.result
    print(type(end).__mro__[:2], result.state, result.was_drained, result.signal, result.stats.nodes["window"].held > 0)
    raise
"""


@pytest.mark.parametrize(
    ("number", "kinds", "code"),
    [
        ("SIGTERM", "(<class 'rxdag.errors.Terminated'>, <class 'SystemExit'>)", 143),
        ("SIGINT", "(<class 'KeyboardInterrupt'>, <class 'BaseException'>)", -signal.SIGINT),
    ],
)
def test_a_signal_drains_ends_the_program_and_no_open_pane_is_written(tmp_path, number, kinds, code):
    path = tmp_path / "panes.csv"
    program = SIGNALLED.format(number=number, path=str(path))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout == f"{kinds} completed True {number} True\n", done.stderr
    assert done.returncode == code
    rows = path.read_text().splitlines()[1:]
    assert [row.split(",")[3] for row in rows] == ["999"] + ["1000"] * (len(rows) - 1)
    assert all(row.endswith("watermark") for row in rows)


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [
        ("SIGINT", "SIGINT", "KeyboardInterrupt"),
        ("SIGTERM", "SIGTERM", "Terminated"),
        ("SIGINT", "SIGTERM", "Terminated"),
        ("SIGTERM", "SIGINT", "Terminated"),
    ],
)
def test_a_second_signal_cancels_and_leaves_no_file(tmp_path, first, second, kind):
    path = tmp_path / "x.csv"
    code = f"""
import asyncio, os, signal, rxdag
from rxdag import sources, sinks
async def stuck(x):
    if x == 0:
        os.kill(os.getpid(), signal.{first})
    await asyncio.sleep(0.3)
    if x == 0:
        os.kill(os.getpid(), signal.{second})
    await asyncio.sleep(3600)
numbers = rxdag.from_source(sources.range(10**9))
try:
    rxdag.run(numbers.to(sinks.acall(stuck)), numbers.to(sinks.csv({str(path)!r})))
except BaseException as end:
    print(type(end).__name__, end.result.state)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == f"{kind} cancelled", done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_signal_that_comes_before_the_run_is_made_drains_it():
    plan = rxdag.compile(rxdag.Dag(rxdag.from_source(sources.iterable(endless())).to(sinks.null())))
    with draining_on_signals() as drain:
        os.kill(os.getpid(), signal.SIGTERM)
        execution = Execution(plan)
        drain.attach(execution)
        result = execute(execution)
    with pytest.raises(rxdag.Terminated) as ended:
        drain.outcome(result)
    assert ended.value.result.was_drained


def test_signals_wait_for_no_run_that_could_not_be_made():
    with pytest.raises(ZeroDivisionError), draining_on_signals():
        os.kill(os.getpid(), signal.SIGTERM)
        raise ZeroDivisionError
    for thread in threading.enumerate():
        if thread.name == "rxdag-signal":
            thread.join(10)
            assert not thread.is_alive()


def test_a_run_that_fails_while_a_signal_drains_it_raises_its_error():
    def failing(x):
        os.kill(os.getpid(), signal.SIGTERM)
        raise ValueError("disk full")

    with pytest.raises(rxdag.NodeError, match="disk full"):
        rxdag.run(numbers().pipe(ops.map(failing)).to(sinks.null()))


def test_an_interrupt_inside_a_running_loop_drains_too():
    def struck(x):
        if x == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return x

    async def main():
        out = rxdag.from_source(sources.iterable(endless())).pipe(ops.map(struck)).to(sinks.null())
        with pytest.raises(KeyboardInterrupt) as ended:
            rxdag.run(out)
        return ended.value.result

    assert asyncio.run(main()).was_drained


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_start_and_run_async_leave_the_handlers_alone(number):
    seen = []

    def handlers(x):
        seen.append(signal.getsignal(number))
        return x

    stream = numbers().pipe(ops.map(handlers))
    before = signal.getsignal(number)
    rxdag.start(stream.to(sinks.null())).wait(10)
    outside = set(seen)
    seen.clear()

    async def main():
        inside = signal.getsignal(number)
        await rxdag.run_async(stream.to(sinks.null()))
        return inside

    inside = asyncio.run(main())
    assert outside == {before}
    assert set(seen) == {inside}


def test_an_interrupt_inside_user_code_leaves_nothing_open(tmp_path):
    def interrupted(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rxdag.run(numbers().pipe(ops.map(interrupted)).to(sinks.csv(tmp_path / "x.csv")))
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("far", [False, True])
def test_what_is_no_exception_ends_a_run_on_any_thread_and_is_told(far):
    def leaves(x):
        raise SystemExit(3)

    stream = numbers().buffered(max_items=5)
    run = rxdag.start((stream.on("far") if far else stream).pipe(ops.map(leaves)).to(sinks.null()))
    with pytest.raises(rxdag.RxDagError, match=r"run: ended by SystemExit\(3\)"):
        run.wait(10)
    assert run.state == "failed"


class _Closed(ops.Kernel):
    """Takes one item and then nothing, for ever."""

    may_park = True

    def __init__(self):
        self.n = 0

    def want(self, now):
        return 0 if self.n else 1

    def on_item(self, item, emit):
        self.n += 1
        emit(item)


def closed_stream():
    from dataclasses import dataclass

    @dataclass(frozen=True)
    class Closed(ops.Operator):
        def kernel(self):
            return _Closed()

    return numbers(5000).pipe(Closed(), name="closed").to(sinks.null())


def test_a_graph_in_which_nothing_can_move_is_stalled_and_says_where():
    for run in (rxdag.run, run_virtual):
        with pytest.raises(rxdag.Stalled, match="what follows numbers -> closed takes no items and has set no timer"):
            run(closed_stream())


def test_a_generator_is_read_by_one_run_and_the_second_says_so():
    stream = rxdag.from_source(sources.iterable(x for x in range(3)))
    assert stream.collect() == [0, 1, 2]
    with pytest.raises(NodeError, match="a generator can be read by one run only, got a second; pass a list"):
        stream.collect()

    async def letters():
        yield "a"

    stream = rxdag.from_source(sources.async_iterable(letters()))
    assert stream.collect() == ["a"]
    with pytest.raises(NodeError, match="pass the function that makes it"):
        stream.collect()


def test_generated_code_is_forgotten_with_its_plan():
    import linecache

    def generated():
        gc.collect()
        return sum(name.startswith("<rxdag") for name in linecache.cache)

    def compiled():
        return rxdag.compile(rxdag.Dag(numbers().pipe(ops.map(lambda x: x)).to(sinks.null())))

    gc.collect()
    plan = compiled()  # which takes out what is gone
    before = generated()
    for _ in range(5):
        plan = compiled()
        gc.collect()
    assert generated() <= before + 1
    del plan
