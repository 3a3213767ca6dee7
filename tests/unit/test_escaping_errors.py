"""Errors of user code in unusual places name their node, and the books balance."""

import asyncio
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pytest

import rxdag
from rxdag import NodeError, checkpoints, on_error, sinks, sources
from rxdag import operators as ops
from rxdag.contract import END, Kernel, Operator, Reader, Sink, Source, Writer
from rxdag.engine.drivers import FlowScheduler, LoopDriver, MonotonicClock
from rxdag.runtime import Execution, run_on_loop


class Fatal(BaseException):
    """An error outside of Exception, as some libraries raise."""


NO_EXCEPTIONS = pytest.mark.parametrize("kind", [Fatal, asyncio.CancelledError, GeneratorExit, ValueError])
ENDS_PROCESS = pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])


# ---- a kernel that raises behind its output


class EmitsThenRaises(Kernel):
    def on_item(self, item, emit):
        emit(item)
        if item == 2:
            raise ValueError("late")


class AllThenRaises(Kernel):
    def on_item(self, item, emit):
        emit(item)

    def in_columns(self):
        return self

    def on_columns(self, columns, emit):
        emit(columns)
        raise ValueError("late")


class Row(NamedTuple):
    n: int


@dataclass(frozen=True)
class Op(Operator):
    make: object
    label = "op"

    def kernel(self):
        return self.make()


def books_of(policy):
    stream = rxdag.from_source(sources.range(4)).pipe(Op(EmitsThenRaises), name="op", on_error=policy)
    out = stream.to(sinks.collect())
    run = rxdag.start(out)
    try:
        result = run.wait(30)
    except NodeError:
        result = run.result
    assert result.problems == ()
    return result.stats.nodes["op"], result[out] if result.state == "completed" else None


def test_an_item_that_fails_behind_its_output_has_failed_and_its_output_was_made():
    ledger, _ = books_of(on_error.raise_)
    assert (ledger.passed, ledger.failed, ledger.made, ledger.out["out"]) == (2, 1, 1, 3)


@pytest.mark.parametrize(
    ("policy", "dead", "skipped"),
    [
        (on_error.skip, 0, 1),
        (on_error.dead, 1, 0),
        (on_error.retry(3, base="1ms", then=on_error.dead), 1, 0),
    ],
)
def test_it_is_not_tried_again_and_no_output_comes_twice(policy, dead, skipped):
    ledger, items = books_of(policy)
    assert items == [0, 1, 2, 3]
    assert (ledger.passed, ledger.made, ledger.retried) == (3, 1, 0)
    assert (ledger.dead, ledger.dropped.get("skipped", 0)) == (dead, skipped)


def test_a_run_of_columns_that_fails_behind_its_output_has_balanced_books():
    rows = rxdag.from_source(sources.arrays({"n": np.arange(4)}, Row))
    run = rxdag.start(rows.pipe(Op(AllThenRaises), name="op").to(sinks.null()))
    with pytest.raises(NodeError, match="late"):
        run.wait(30)
    ledger = run.result.stats.nodes["op"]
    assert (ledger.passed, ledger.failed, ledger.made, ledger.discarded) == (3, 1, 1, 0)


# ---- a sink outside of its writes


class AsksThenFails(Writer):
    def __init__(self, error):
        self.error = error

    def write(self, chunk):
        """Take anything."""

    def want(self):
        raise self.error

    def close(self, *, ok):
        """Close."""


@dataclass(frozen=True)
class Paced(Sink):
    error: BaseException
    paces = True
    label = "paced"

    def open(self, context):
        return AsksThenFails(self.error)


class FailsWhenCalled(AsksThenFails):
    def want(self):
        return None

    def fails(self):
        raise self.error


@dataclass(frozen=True)
class Called(Sink):
    error: BaseException
    label = "called"

    def open(self, context):
        writer = FailsWhenCalled(self.error)
        context.call(writer.fails)
        return writer


async def same(item):
    return item


WAYS = {
    "alone": lambda stream: stream,
    "on a loop": lambda stream: stream.pipe(ops.map_async(same)),
    "behind a thread": lambda stream: stream.on("far").pipe(ops.map(lambda x: x)),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("sink", [Paced, Called])
@NO_EXCEPTIONS
def test_a_sink_that_raises_when_it_is_asked_or_called_is_named(kind, sink, way):
    error = kind("mine")
    run = rxdag.start(WAYS[way](rxdag.from_source(sources.range(3))).to(sink(error), name="n"))
    with pytest.raises(NodeError, match='sink "n": mine') as raised:
        run.wait(30)
    assert (raised.value.node, raised.value.__cause__) == ("n", error)
    assert run.result.state == "failed"
    assert run.result.problems == ()


# ---- what ends the process, raised while something is closed


class Stops(Reader):
    def __init__(self, error, method):
        self.error, self.method = error, method

    def read(self, max_items):
        return END

    def held(self):
        return self.answer("held", 0)

    def dropped(self):
        return self.answer("dropped", 0)

    def close(self):
        self.answer("close", None)

    async def aclose(self):
        self.answer("aclose", None)

    def answer(self, method, value):
        if method == self.method:
            raise self.error
        return value


@dataclass(frozen=True)
class Stopping(Source):
    error: BaseException
    method: str
    where: str = "inline"

    def open(self, context):
        return Stops(self.error, self.method)


def stream_that_stops(error):
    def items(item):
        try:
            yield item
            yield item
        finally:
            raise error

    return rxdag.from_source(sources.range(1)).pipe(ops.flat_map(items)).pipe(ops.take(1))


CLOSED = {
    "held": lambda error: rxdag.from_source(Stopping(error, "held")),
    "dropped": lambda error: rxdag.from_source(Stopping(error, "dropped")),
    "close": lambda error: rxdag.from_source(Stopping(error, "close")),
    "aclose": lambda error: rxdag.from_source(Stopping(error, "aclose", "async")),
    "stream": stream_that_stops,
}


@pytest.mark.parametrize("place", CLOSED)
@ENDS_PROCESS
def test_what_ends_the_process_is_raised_by_the_run_though_something_was_being_closed(kind, place):
    error = kind("mine")
    with pytest.raises(kind) as raised:
        rxdag.run(CLOSED[place](error).to(sinks.null()))
    assert raised.value is error


@ENDS_PROCESS
def test_what_ends_the_process_is_raised_by_the_run_though_a_gate_measured_an_item(kind):
    error = kind("mine")

    def size_of(item):
        raise error

    stream = rxdag.from_source(sources.range(3)).buffered(max_bytes=100, size_of=size_of)
    with pytest.raises(kind) as raised:
        rxdag.run(stream.to(sinks.null()))
    assert raised.value is error


# ---- a store of checkpoints


class Session:
    """A session in memory, of which one method raises."""

    def __init__(self, session, method, error):
        self.session, self.method, self.error = session, method, error

    def __getattr__(self, name):
        return self.fails if name == self.method else getattr(self.session, name)

    def fails(self, *args, **named):
        raise self.error


@dataclass
class Store:
    method: str
    error: BaseException

    def open(self, owner):
        return Session(checkpoints.memory().open(owner), self.method, self.error)


def started(method, error, sink, items):
    out = rxdag.from_source(sources.range(items), name="in").to(sink, name="out")
    return rxdag.start(rxdag.Dag(out), checkpoints=Store(method, error), every="1h")


@NO_EXCEPTIONS
def test_a_store_that_cannot_be_closed_does_not_keep_the_result(kind):
    run = started("close", kind("mine"), sinks.collect(), 3)
    assert run.wait(10)["out"] == [0, 1, 2]


@pytest.mark.parametrize("method", ["begin", "put", "commit"])
@NO_EXCEPTIONS
def test_a_store_that_raises_fails_the_checkpoint_that_somebody_waits_for(kind, method):
    error = kind("mine")
    run = started(method, error, sinks.null(), 1 << 40)
    with pytest.raises((rxdag.RxDagError, ValueError), match="mine") as raised:
        run.checkpoint(10)
    run.cancel()
    run.wait(30)
    assert error in (raised.value, raised.value.__cause__)


# ---- errors outside of all nodes, such as that of a signal handler


def fails_with(error):
    def fails(*_):
        raise error

    return fails


@NO_EXCEPTIONS
def test_an_error_in_a_turn_on_a_loop_ends_the_driver(kind):
    error = kind("mine")

    async def main():
        scheduler = FlowScheduler("main", MonotonicClock(), 1)
        driver = LoopDriver(scheduler, asyncio.get_running_loop(), lambda: False, lambda: None)
        scheduler.call(fails_with(error))
        driver.start()
        (done,), _ = await asyncio.wait([driver.done], timeout=10)
        return done.exception() if not done.cancelled() else None

    assert asyncio.run(main()) is error


@NO_EXCEPTIONS
def test_an_error_behind_the_end_of_a_task_fails_the_run(kind):
    error = kind("mine")
    endless = rxdag.from_source(sources.interval("1h")).pipe(ops.map_async(same)).to(sinks.null())
    execution = Execution(rxdag.compile(rxdag.Dag(endless)))

    async def main():
        running = asyncio.create_task(run_on_loop(execution))
        await asyncio.sleep(0)
        execution.spawn("n", same(1), fails_with(error))
        return await asyncio.wait_for(running, 10)

    result = asyncio.run(main())
    assert result.state == "failed"
    assert error in (result.error, result.error.__cause__)
