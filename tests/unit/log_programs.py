"""Programs that provoke each documented code of the logs."""

import asyncio
import contextlib
import errno
import signal
import tempfile
import threading
import urllib.error
import urllib.request
from pathlib import Path

from prometheus_client import CollectorRegistry

import rxdag
from rxdag import aggregates as agg
from rxdag import checkpoints, metrics, on_error, sinks, sources, testing, windows
from rxdag import operators as ops
from rxdag.checkpoints import Store
from rxdag.contract import Sink, Writer
from rxdag.engine.drivers import VirtualClock, VirtualLoop
from rxdag.journal import JournalWriter, Kind, close_writer, open_writer
from rxdag.orchestration import CircuitBreaker, SourceRouter

PROGRAMS = {}
"""By code: a program, and the fields that its first line has, apart from times."""


def provokes(code, /, **fields):
    def register(program):
        PROGRAMS[code] = (program, fields)
        return program

    return register


def virtual(*outs, **options):
    """Run in virtual time; an error is none of the log's business."""
    with contextlib.suppress(rxdag.RxDagError):
        testing.run_virtual(rxdag.Dag(*outs, name="d"), **options)


def items(*items):
    return rxdag.from_source(sources.iterable(items), name="in")


def times(*given):
    """Items whose event time in ns is their value."""
    return items(*given).pipe(ops.event_time(lambda x: x))


def null(stream):
    return stream.to(sinks.null(), name="out")


def fails(x):
    raise ValueError(x)


async def cut():
    yield 1
    raise ConnectionResetError("cut")


AT_FAILS = f"log_programs.py:{fails.__code__.co_firstlineno + 1}"
AT_CUT = f"log_programs.py:{cut.__code__.co_firstlineno + 2}"


async def is_refused():
    raise ConnectionRefusedError("nobody is there")
    yield


AT_REFUSED = f"log_programs.py:{is_refused.__code__.co_firstlineno + 1}"


@provokes("run.started", dag="d", nodes=2)
@provokes("run.completed", dag="d", elapsed_s=0.0, items_in=2, items_out=2)
def completes():
    virtual(null(items(1, 2)))


@provokes("run.failed", dag="d", elapsed_s=0.0, node="m", error="ValueError", at=AT_FAILS)
def breaks():
    virtual(null(items(1).pipe(ops.map(fails), name="m")))


@provokes("run.cancelled", dag="d", elapsed_s=0.0, items_in=0, items_out=0)
def is_cancelled():
    execution = testing.virtual(rxdag.compile(rxdag.Dag(null(items(1)), name="d")))
    execution.cancel()
    testing.settle_virtual(execution)


@provokes("run.silent", dag="d", items_in=2, watermark="2001-09-09T01:46:40.000000001Z")
def is_silent():
    feed = rxdag.from_source(testing.timeline(("0s", 1), ("1s", 2), end="9s"), name="in")
    virtual(null(feed.pipe(ops.event_time(lambda x: x + 10**18)).pipe(ops.filter(lambda x: False))))


@provokes("run.stalled", dag="d", gates="route.low -> zip")
def stalls():
    routes = items(*range(100)).pipe(ops.route({"low": lambda x: x < 90}, default="high"), name="route")
    low, high = routes["low"].buffered(max_items=5), routes["high"].buffered(max_items=5)
    virtual(null(rxdag.zip(low, high, max_items=10)))


@provokes("run.stuck", dag="d", node="slow", timeout_s=0.01)
def sticks(monkeypatch):
    from rxdag.runtime import _execution

    monkeypatch.setattr(_execution, "JOIN_S", 0.01)
    entered, release = threading.Event(), threading.Event()

    def waits():
        yield 1
        entered.set()
        release.wait()

    slow = rxdag.from_source(sources.iterable(waits(), blocking=True), name="slow")
    run = rxdag.start(rxdag.Dag(slow.to(sinks.null(), name="out"), name="d"))
    entered.wait()
    run.drain()
    release.set()


class _Forgets(rxdag.Kernel):
    def on_item(self, item, ts, sequence, key, now, emit):
        """It goes nowhere, and no exit counts it."""


class _Forgetful(rxdag.Operator):
    def shape(self, shape):
        return shape

    def kernel(self):
        return _Forgets()


@provokes("run.unbalanced", dag="d", where="forgets")
def forgets():
    virtual(null(items(1).pipe(_Forgetful(), name="forgets")))


@provokes("draining", dag="d", flush=True)
@provokes("drained", dag="d", drain_s=0.0, held=0)
def drains():
    virtual(null(rxdag.from_source(sources.interval("1s"), name="in")), until="2s", flush=True)


def hung():
    """A run that a drain does not end, and what lets it go."""
    entered, release = threading.Event(), threading.Event()

    def hangs(x):
        entered.set()
        release.wait()

    run = rxdag.start(rxdag.Dag(null(items(1).pipe(ops.tap(hangs))), name="d"))
    entered.wait()
    return run, release


@provokes("drain.overdue", dag="d", timeout_s=0.01)
def is_overdue(monkeypatch):
    from rxdag.runtime import _handles

    monkeypatch.setattr(_handles, "_CANCEL_S", 0.01)
    run, release = hung()
    with contextlib.suppress(rxdag.RxDagError):
        run.drain(0.01)
    release.set()
    run.wait()


@provokes("signal.received", dag="d", signal="SIGINT", action="drain", timeout_s=10.0)
def is_interrupted():
    def interrupts(n):
        if n == 0:
            signal.raise_signal(signal.SIGINT)

    ticks = rxdag.from_source(sources.interval("1ms"), name="in").pipe(ops.tap(interrupts))
    with contextlib.suppress(KeyboardInterrupt):
        rxdag.run(rxdag.Dag(null(ticks), name="d"))


def cut_feed(**options):
    return rxdag.from_source(
        sources.async_iterable(cut, reconnect=sources.Backoff(base="2s", jitter=0, **options)), name="feed"
    )


@provokes("source.connected", dag="d", node="feed", connection=1)
@provokes("source.disconnected", dag="d", node="feed", connection=1, error="ConnectionResetError", at=AT_CUT)
@provokes("source.retrying", dag="d", node="feed", connection=1, wait_s=2.0)
def is_cut():
    virtual(null(cut_feed()), until="3s")


@provokes("source.given_up", dag="d", node="feed", connection=2, error="ConnectionResetError", at=AT_CUT)
def gives_up():
    virtual(null(cut_feed(attempts=2, reset_after="1h")))


@provokes("source.live", dag="d", node="feed", rested=0)
@provokes("source.gap", dag="d", node="feed", last=2, first=5)
def begins_behind_its_history():
    both = sources.then(sources.range(3), sources.range(5, 7), sequence=int, consecutive=True)
    virtual(null(rxdag.from_source(both, name="feed")))


def journaled(folder, **kept):
    virtual(null(rxdag.from_source(sources.journal(sources.iterable(iter([1, 2])), folder, **kept), name="feed")))


@provokes("journal.gap", dag="d", node="feed", since="1970-01-01T00:00:00.000000002Z", gap_s=0.0)
@provokes("journal.cut", dag="d", node="feed", bytes=8)
def is_recorded_behind_a_kill():
    with tempfile.TemporaryDirectory() as folder:
        writer = open_writer(folder, "d", "feed", None)
        writer.append("feed", 0, [(Kind.ITEMS, 1, b"")])
        close_writer(writer, "feed")
        (segment,) = Path(folder).glob("*.journal")
        segment.write_bytes(segment.read_bytes() + b"rxJ1torn")
        journaled(folder)


async def itself(x):
    return x


def asked(source, **record):
    return null(rxdag.from_source(source, name="feed").pipe(ops.map_async(itself, **record), name="asked"))


@provokes("replay.asks", dag="d", node="asked")
def _():
    with tempfile.TemporaryDirectory() as folder:
        journaled(folder)
        virtual(asked(sources.journal_reader(folder)))


@provokes("answers.unused", dag="d", node="asked", n=2)
def _():
    with tempfile.TemporaryDirectory() as folder:
        for given in ([1, 2], [3, 4]):  # the second run takes no checkpoint from the first, and gets other items
            source = sources.iterable(given, replay=True)
            rxdag.run(rxdag.Dag(asked(source, record=folder), name="d"), checkpoints=checkpoints.memory())


@provokes("journal.unrecorded", dag="d", node="feed", n=2, error="OSError[ENOSPC]")
def has_a_full_disk(monkeypatch):
    def refuse(self, records):
        raise OSError(errno.ENOSPC, "No space left on device")

    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setattr(JournalWriter, "_write", refuse)
        journaled(folder, on_full="pass")


class _Reconnects(Sink):
    """A sink whose connection is lost, and is back at once."""

    def open(self, context):
        return _ReconnectingWriter(context)


class _ReconnectingWriter(Writer):
    def __init__(self, context):
        self._context = context

    def write(self, chunk):
        self._context.log("sink.disconnected", error=ConnectionResetError())
        self._context.log("sink.connected", lost_s=0.0)

    def close(self, *, ok):
        return None


@provokes("sink.disconnected", dag="d", node="out", error="ConnectionResetError")
@provokes("sink.connected", dag="d", node="out", lost_s=0.0)
def loses_the_connection_of_its_sink():
    virtual(items(1).to(_Reconnects(), name="out"))


@provokes("sink.fragmented", dag="d", node="out", max_open=1)
def writes_to_more_places_than_files():
    with tempfile.TemporaryDirectory() as folder:
        rows = items(*({"k": n // 4000 % 2} for n in range(16_000)))
        virtual(rows.to(sinks.jsonl(f"{folder}/{{k}}.jsonl", max_open=1), name="out"))


@provokes("gap", dag="d", node="a", n=2)
def lacks():
    virtual(null(items(1, 3, 4, 7).pipe(ops.arbitrate(sequence=lambda n: n), name="a")))


@provokes("unit.changed", dag="d", node="t", before="ms", after="us")
def changes_its_unit():
    virtual(null(items(1_714_996_800_000, 1_714_996_800_000_001).pipe(ops.event_time(int, unit="auto"), name="t")))


def windowed(stream, window):
    return stream.pipe(ops.key_by(lambda x: 0)).pipe(ops.window(window, agg.count()), name="w")


@provokes("late", dag="d", node="w", n=2)
def is_late():
    virtual(null(windowed(times(1, 50, 2, 3), windows.tumbling("10ns"))))


@provokes("dead", dag="d", node="m", n=2)
def dies():
    virtual(null(items(1, 2).pipe(ops.map(fails), name="m", on_error=on_error.dead)))


@provokes("skipped", dag="d", node="m", n=3)
def skips():
    virtual(null(items(1, 2, 3).pipe(ops.map(fails), name="m", on_error=on_error.skip)))


@provokes("unrouted", dag="d", node="r", n=1)
def has_no_route():
    virtual(null(items(1, 2).pipe(ops.route({"one": lambda x: x == 1}), name="r")["one"]))


@provokes("unassigned", dag="d", node="w", n=1)
def falls_between():
    virtual(null(windowed(times(1, 7), windows.sliding("5ns", "10ns"))))


@provokes("overflow", dag="d", gate="in -> out", n=8)
def overflows():
    slow = items(*range(10)).buffered(max_items=2, overflow="drop_newest")
    virtual(slow.to(sinks.acall(lambda x: asyncio.sleep(1)), name="out"))


@provokes("retried", dag="d", node="m", n=1)
def tries_again():
    policy = on_error.retry(3, base="1ms", jitter=0, then=on_error.skip)
    virtual(null(items(1).pipe(ops.map(fails), name="m", on_error=policy)))


# ---- a runtime


def supervised(stream, **options):
    async def main():
        async with rxdag.PipelineRuntime() as runtime:
            runtime.add(rxdag.Dag(null(stream), name="d"), **options)
            with contextlib.suppress(rxdag.RxDagError):
                await runtime.run_until_complete()

    asyncio.run(main())


@provokes("job.started", job="d", restarts=0)
@provokes("job.finished", job="d", restarts=0)
def finishes():
    supervised(items(1))


@provokes("job.failed", job="d", restarts=1, error="ValueError", at=AT_FAILS)
@provokes("job.restarting", job="d", restarts=0, wait_s=0.001, begins="anew", error="ValueError", at=AT_FAILS)
def fails_twice():
    backoff = sources.Backoff(base="1ms", jitter=0, attempts=2)
    supervised(items(1).pipe(ops.map(fails)), restart="on_failure", backoff=backoff)


def ticking(fn):
    return rxdag.Dag(null(rxdag.from_source(sources.interval("1ms"), name="in").pipe(ops.tap(fn))), name="d")


@provokes("job.stopped", job="d", restarts=0)
@provokes("job.replaced", job="d")
def is_replaced():
    async def main():
        is_running, loop = asyncio.Event(), asyncio.get_running_loop()
        async with rxdag.PipelineRuntime() as runtime:
            runtime.add(ticking(lambda _: loop.call_soon_threadsafe(is_running.set)))
            await is_running.wait()
            await runtime.replace("d", ticking(lambda _: None))

    asyncio.run(main())


def measured(measure):
    async def main():
        is_paused = asyncio.Event()

        def notes(decision):
            if decision.scale == 0:
                is_paused.set()

        async with rxdag.PipelineRuntime({"providers": {"p": {}}}) as runtime:
            runtime.add_feedback("d", "p", every="1ms", pressure=measure, on_decision=notes)
            await is_paused.wait()

    asyncio.run(main())


@provokes("job.feedback", job="d", provider="p", pressure="hard", scale=0.0)
def is_under_pressure():
    measured(lambda: 1.0)


@provokes("measure.failed", every_s=0.001, error="ValueError")
def measures_badly():
    given = iter([None, 1.0])

    def measure():
        n = next(given, 1.0)
        return fails("x") if n is None else n

    measured(measure)


# ---- fail-over


async def ends():
    yield 1


def routed(clock, **options):
    async def main():
        router = SourceRouter({"a": is_refused, **options.pop("more", {})}, clock=clock, **options)
        async for _ in router.stream():
            pass

    with asyncio.Runner(loop_factory=lambda: VirtualLoop(clock)) as runner, contextlib.suppress(rxdag.SourceError):
        runner.run(main())


@provokes("router.using", router="a")
@provokes("router.failed", router="a", error="ConnectionRefusedError", at=AT_REFUSED)
def fails_over():
    routed(VirtualClock(), more={"b": ends})


@provokes("router.waiting")
@provokes("router.given_up", router="a", error="ConnectionRefusedError", at=AT_REFUSED)
def has_no_source():
    routed(VirtualClock(), rounds=2)


@provokes("breaker.opened", breaker="call", timeout_s=60.0)
@provokes("breaker.closed", breaker="call")
def opens_and_closes():
    breaker = CircuitBreaker(1, clock=VirtualClock())
    breaker.failed()
    breaker.reset()


# ---- the server of metrics and the command line


@provokes("metrics.serving", host="127.0.0.1")
@provokes("metrics.stopped", host="127.0.0.1")
def serves():
    metrics.serve(0, registry=CollectorRegistry()).close()


@provokes("metrics.failed", path="/status", error="ValueError")
def answers_with_500(monkeypatch):
    with metrics.serve(0, registry=CollectorRegistry()) as server:
        monkeypatch.setattr(server, "status", lambda: fails("x"))
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{server.port}/status?token=secret")
        except urllib.error.HTTPError as answer:
            answer.close()


class NoRoom(Store):
    """A store on a full disk."""

    def open(self, owner):
        session = checkpoints.memory().open(owner)
        session.commit = full
        return session


def full(**_):
    raise rxdag.CheckpointError("the disk is full")


@provokes("checkpoint.failed", dag="d", failures=1, error="CheckpointError", reason="the disk is full")
def checkpoint_failed():
    with contextlib.suppress(rxdag.CheckpointError):
        rxdag.run(rxdag.Dag(null(items(1)), name="d"), checkpoints=NoRoom(), every="1h")


@provokes("state.empty", dag="d", node="new")
def state_empty():
    store = checkpoints.memory()
    numbers = rxdag.from_source(sources.range(10**9), name="in")
    for stream in (numbers, numbers.pipe(ops.scan(0, lambda n, x: n + x), name="new")):
        run = rxdag.start(rxdag.Dag(null(stream), name="d"), checkpoints=store)
        run.checkpoint()
        run.cancel()
        run.wait("30s")
