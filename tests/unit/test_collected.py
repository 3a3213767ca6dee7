"""Runs that nobody refers to any more are collected, compiled or not."""

import contextlib
import gc
import itertools
import threading
import weakref

import pytest

import rxdag
from rxdag import element, sinks, sources, testing
from rxdag import operators as ops


def functions(stream, user):
    def fn(item):
        user()
        return item + 1

    stream = stream.pipe(ops.map(fn)).pipe(ops.filter(fn)).pipe(ops.tap(fn)).pipe(ops.key_by(fn))
    return stream.on("a").pipe(ops.map(fn)).pipe(ops.filter(fn)).pipe(ops.scan(lambda total, item: fn(item)))


def expressions(stream, user):
    stream = stream.pipe(ops.map(element + 1)).pipe(ops.filter(element % 5 != 3)).pipe(ops.key_by(element % 3))
    return stream.on("a").pipe(ops.map(element + 1)).pipe(ops.filter(element % 5 != 4))


def over(pipe, how):
    """Run a graph to its end, on two threads; its user code refers to the run. Return the state and a weak reference."""
    runs, has_started = [], threading.Event()

    def user():
        return runs[0].state

    def numbers():
        has_started.wait(10)
        for item in itertools.count() if how in ("cancelled", "drained") else range(200):
            if item == 100 and how == "failed":
                raise ValueError("boom")
            if item == 100 and how == "cancelled":
                runs[0].cancel()
            if item == 100 and how == "drained":
                runs[0].begin_drain()
            yield item

    stream = pipe(rxdag.from_source(sources.iterable(numbers())), user)
    run = rxdag.start(stream.on("b").to(sinks.collect()))
    runs.append(run)
    has_started.set()
    with contextlib.suppress(rxdag.RxDagError):  # its traceback refers to this frame, and that to the run
        run.wait(20)
    return run.state, weakref.ref(run._execution)


@pytest.mark.parametrize("pipe", [functions, expressions])
@pytest.mark.parametrize(
    ("how", "state"),
    [("completed", "completed"), ("failed", "failed"), ("cancelled", "cancelled"), ("drained", "completed")],
)
def test_a_run_on_threads_that_has_ended_is_collected(pipe, how, state):
    ended = [over(pipe, how) for _ in range(3)]
    gc.collect()
    assert [(found, execution() is None) for found, execution in ended] == [(state, True)] * 3


def test_a_virtual_run_that_never_settles_is_collected():
    run = testing.start(rxdag.from_source(sources.range(3)).to(sinks.collect()))
    execution = weakref.ref(run.execution)
    del run
    gc.collect()
    assert execution() is None
