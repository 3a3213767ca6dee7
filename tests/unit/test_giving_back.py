"""A request to stop takes effect between two items, wherever they come from; what was made by then is accounted for."""

import asyncio
import itertools
import threading
from typing import NamedTuple

import numpy as np
import pytest

import rxdag
from rxdag import operators as ops
from rxdag import sinks, sources
from rxdag.engine import Domain

BURST = 16
"""So many items an iterator makes before it looks whether the run wants the thread."""


class Row(NamedTuple):
    n: int


class Counted:
    """An endless iterator that asks its run to stop at the sixth item."""

    def __init__(self, stop):
        self.stop, self.run, self.made = stop, None, 0

    def __iter__(self):
        while True:
            self.made += 1
            if self.made == 6:
                while self.run is None:
                    pass
                self.stop(self.run)
            yield self.made


def cancel(run):
    run.cancel()


def drain(run):
    run.begin_drain()


def started(stream, counted):
    sink = stream.to(sinks.collect())
    counted.run = run = rxdag.start(sink)
    return run.wait(timeout=30), sink


STREAMS = {
    "iterable": lambda counted: rxdag.from_source(sources.iterable(iter(counted))),
    "explode": lambda counted: rxdag.from_source(sources.range(1)).pipe(ops.explode(lambda _: counted)),
    "flat_map": lambda counted: rxdag.from_source(sources.range(1)).pipe(ops.flat_map(lambda _: iter(counted))),
    "concat_map": lambda counted: rxdag.from_source(sources.range(1)).pipe(ops.concat_map(lambda _: iter(counted))),
    "switch_map": lambda counted: rxdag.from_source(sources.range(1)).pipe(ops.switch_map(lambda _: iter(counted))),
    "buffered": lambda counted: rxdag.from_source(sources.iterable(iter(counted))).buffered(max_items=4),
}


@pytest.mark.parametrize("name", STREAMS)
def test_a_cancel_waits_for_no_more_than_a_few_items_of_an_iterator(name):
    counted = Counted(cancel)
    result, _ = started(STREAMS[name](counted), counted)
    assert result.state == "cancelled"
    assert result.problems == ()
    assert counted.made <= 6 + BURST


@pytest.mark.parametrize("name", ["iterable", "buffered"])
def test_what_an_iterator_has_made_when_a_drain_comes_goes_through(name):
    counted = Counted(drain)
    result, sink = started(STREAMS[name](counted), counted)
    assert result.state == "completed"
    assert counted.made <= 6 + BURST
    assert result[sink] == list(range(1, counted.made + 1))


@pytest.mark.parametrize("name", ["flat_map", "concat_map", "switch_map"])
def test_a_drain_stops_an_endless_stream_of_an_item_whose_source_has_ended(name):
    counted = Counted(drain)
    result, sink = started(STREAMS[name](counted), counted)
    assert result.state == "completed"
    assert counted.made <= 6 + BURST
    assert result[sink] == list(range(1, counted.made + 1))


ENDLESS = {
    "explode": ops.explode(lambda _: itertools.count()),
    "flat_map": ops.flat_map(lambda _: itertools.count()),
    "concat_map": ops.concat_map(lambda _: itertools.count()),
    "switch_map": ops.switch_map(lambda _: itertools.count()),
}
OTHERS = 5_000
"""Items of the other source, more than it gives in one turn."""


def beside(endless):
    """A source whose one item has no end of outputs, and another one in its domain; returns the dag and its second sink."""
    first = (
        rxdag.from_source(sources.range(1)).pipe(ENDLESS[endless]).pipe(ops.filter(lambda _: False)).to(sinks.null())
    )
    second = rxdag.from_source(sources.range(OTHERS)).pipe(ops.map(float))
    return first, second


@pytest.mark.parametrize("endless", ENDLESS)
def test_an_item_with_endless_outputs_leaves_other_sources_their_turns(endless):
    first, second = beside(endless)
    came = threading.Event()
    last = second.pipe(ops.tap(lambda item: came.set() if item == OTHERS - 1 else None)).to(sinks.null())
    run = rxdag.start(rxdag.Dag(first, last))
    has_come = came.wait(60)
    run.cancel()
    assert run.wait(timeout=30).state == "cancelled"
    assert has_come


@pytest.mark.parametrize("endless", ENDLESS)
def test_it_leaves_them_their_turns_on_an_event_loop(endless):
    async def run():
        first, second = beside(endless)
        came = asyncio.Event()
        last = second.pipe(ops.tap(lambda item: came.set() if item == OTHERS - 1 else None)).to(sinks.null())
        task = asyncio.ensure_future(rxdag.run_async(rxdag.Dag(first, last)))
        await asyncio.wait_for(came.wait(), 60)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())


def asked_at_once(stop, calls):
    """Return a function that asks its run to stop at the third item."""

    def fn(item):
        calls.append(item)
        if len(calls) == 3:
            while calls.run is None:
                pass
            stop(calls.run)
        return item

    return fn


class Calls(list):
    run = None


WITH_LISTS = {
    "list": lambda tmp: rxdag.from_source(sources.iterable(list(range(1000)))),
    "explode": lambda tmp: rxdag.from_source(sources.range(1)).pipe(ops.explode(lambda _: range(1000))),
    "flat_map": lambda tmp: rxdag.from_source(sources.range(1)).pipe(ops.flat_map(lambda _: range(1000))),
    "arrays": lambda tmp: rxdag.from_source(sources.arrays({"n": np.arange(1000)}, Row)),
    "csv": lambda tmp: rxdag.from_source(sources.csv(tmp / "rows.csv", Row)),
    "shortcut": lambda tmp: rxdag.from_source(sources.range(1000)).pipe(ops.map(rxdag.element * 2)),
}


def rows_at(tmp):
    (tmp / "rows.csv").write_text("n\n" + "".join(f"{n}\n" for n in range(1000)))
    return tmp


@pytest.mark.parametrize("name", WITH_LISTS)
def test_a_cancel_takes_effect_between_two_calls_of_a_function(name, tmp_path):
    calls = Calls()
    stream = WITH_LISTS[name](rows_at(tmp_path)).pipe(ops.tap(asked_at_once(cancel, calls)))
    calls.run = run = rxdag.start(stream.to(sinks.null()))
    result = run.wait(timeout=30)
    assert result.state == "cancelled"
    assert result.problems == ()
    assert len(calls) == 3


@pytest.mark.parametrize("name", ["list", "arrays", "csv"])
def test_a_drain_leaves_items_with_a_source_that_has_them_still(name, tmp_path):
    calls = Calls()
    stream = WITH_LISTS[name](rows_at(tmp_path)).pipe(ops.tap(asked_at_once(drain, calls)))
    calls.run = run = rxdag.start(stream.to(sinks.null()))
    result = run.wait(timeout=30)
    assert result.state == "completed"
    assert len(calls) == 3
    source = next(iter(result.stats.nodes.values()))
    assert source.made == 3
    assert source.unread == source.arrived > 0
    assert result.problems == ()


def test_a_slow_iterator_gives_each_item_on_as_it_comes():
    seen = []

    def slow():
        for n in range(4):
            seen.append(("made", n))
            yield n
            began = rxdag.contract.MIN
            for began in itertools.count():  # longer than a turn
                if began > 300_000:
                    break

    rxdag.run(rxdag.from_source(sources.iterable(slow())).to(sinks.call(lambda n: seen.append(("taken", n)))))
    assert seen[:2] == [("made", 0), ("made", 1)] or seen[:2] == [("made", 0), ("taken", 0)]
    assert seen.index(("taken", 1)) < seen.index(("made", 3))


def readings(ns_per_item, deadline, n=70):
    """Numbers of the items of a turn before which the clock is read, and of the item before which the turn ends."""
    domain, at, read = Domain(1024), [0], []
    domain.ticks = lambda: read.append(at[0]) or 10**12 + at[0] * ns_per_item
    domain.deadline = 10**12 + deadline
    for at[0] in range(n):  # the clock reads it
        if domain.is_over(at[0]):
            return read, at[0]
    return read, None


def test_the_clock_is_read_more_rarely_while_items_are_quick():
    assert readings(1_000, 10**9) == ([1, 2, 4, 8, 16, 32, 48, 64], None)


def test_the_clock_is_read_before_each_item_while_items_are_slow():
    assert readings(50_000, 10**9, n=6) == ([1, 2, 3, 4, 5], None)


def test_a_turn_ends_at_its_deadline_between_two_slow_items_and_moves_one_at_least():
    assert readings(1_000_000, 2_500_000) == ([1, 2, 3], 3)
    assert readings(1_000_000, 0) == ([1], 1)
