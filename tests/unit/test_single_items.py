"""Sources that return one item a read: each item goes on at once, and many reads fit into one turn."""

import threading
from dataclasses import dataclass, field
from typing import Any

import pytest

import rxdag
from rxdag import operators as ops
from rxdag import sinks, sources
from rxdag.contract import END, Chunk, Reader, Sink, Source, Writer

LONGEST_S = 30


@dataclass(frozen=True)
class OneByOne(Source[int]):
    """Returns one item a read, and notes it."""

    n: int
    events: list[tuple[str, int]] = field(repr=False)
    label = "one_by_one"

    def open(self, context: Any) -> Reader:
        return _OneByOneReader(self)


class _OneByOneReader(Reader):
    def __init__(self, source):
        self._source, self._at = source, 0

    def read(self, max_items):
        if self._at == self._source.n:
            return END
        self._at += 1
        self._source.events.append(("read", self._at))
        return Chunk([self._at])


@dataclass(frozen=True)
class Written(Sink[int, None]):
    events: list[tuple[str, int]] = field(repr=False)
    label = "written"

    def open(self, context: Any) -> Writer:
        return _WrittenWriter(self.events)


class _WrittenWriter(Writer):
    def __init__(self, events):
        self._events = events

    def write(self, chunk):
        self._events.extend(("written", item) for item in chunk.items)

    def close(self, *, ok):
        pass


TURNS = [("read", 1), ("written", 1), ("read", 2), ("written", 2), ("read", 3), ("written", 3)]


def test_a_sink_writes_an_item_before_the_next_one_is_read():
    events = []
    rxdag.run(rxdag.from_source(OneByOne(3, events)).to(Written(events)))
    assert events == TURNS


def test_an_item_leaves_a_gate_before_the_next_one_is_read():
    events = []
    taken = (
        rxdag.from_source(OneByOne(3, events))
        .buffered(max_items=8)
        .pipe(ops.tap(lambda n: events.append(("written", n))))
    )
    rxdag.run(taken.to(sinks.null()))
    assert events == TURNS


def test_an_item_of_a_blocking_iterator_is_delivered_while_the_next_one_is_made():
    arrived = [threading.Event() for _ in range(50)]

    def items():
        for n, event in enumerate(arrived):
            yield n
            assert event.wait(LONGEST_S)

    stream = rxdag.from_source(sources.iterable(items(), blocking=True))
    assert stream.pipe(ops.tap(lambda n: arrived[n].set())).collect() == list(range(50))


@pytest.mark.parametrize(("stop", "state"), [("cancel", "cancelled"), ("begin_drain", "completed")])
def test_a_blocking_iterator_makes_no_item_after_the_one_during_which_the_run_is_stopped(stop, state):
    made, handed = [], threading.Event()

    def items():
        assert handed.wait(LONGEST_S)
        while True:
            made.append(len(made))
            if len(made) == 300:
                getattr(run, stop)()
            yield made[-1]

    run = rxdag.start(rxdag.from_source(sources.iterable(items(), blocking=True)).to(sinks.null()))
    handed.set()
    result = run.wait(timeout=LONGEST_S)
    assert result.state == state
    assert result.problems == ()
    assert len(made) == 300


def writes_of(reads, ns_a_reading):
    """Numbers of items that a sink writes at once behind a stored source, with a clock that each reading advances."""
    sizes, now = [], []

    @dataclass(frozen=True)
    class Stored(Source[int]):
        is_stored = True

        def open(self, context):
            now.append(context.domain.ticks())
            context.domain.ticks = lambda: now.append(now[-1] + ns_a_reading) or now[-1]
            return OneByOne(reads, []).open(context)

    class Sizes:
        def extend(self, events):
            sizes.append(len(list(events)))

    rxdag.run(rxdag.from_source(Stored()).to(Written(Sizes())))
    assert sum(sizes) == reads
    return sizes


def test_a_sink_behind_a_stored_source_gathers_the_items_of_many_reads_up_to_its_bound():
    sizes = writes_of(3000, 1)
    assert max(sizes) == 1024
    assert len(sizes) < 10


def test_a_sink_writes_before_the_nodes_behind_a_gate_take_their_turn():
    events = []
    stream = rxdag.from_source(sources.iterable([1, 2]))
    taken = stream.buffered(max_items=8).pipe(ops.tap(lambda n: events.append(("taken", n))))
    rxdag.run(stream.to(Written(events)), taken.to(sinks.null()))
    assert events == [("written", 1), ("written", 2), ("taken", 1), ("taken", 2)]


def test_a_sink_behind_a_stored_source_writes_after_a_millisecond_of_turns():
    assert max(writes_of(100, 100_000)) <= 10


def turns_of(reads, ns_a_reading):
    """Numbers of the turns in which a source returned its items, with a clock that each reading advances."""
    turns, now = [], []

    @dataclass(frozen=True)
    class Watched(Source[int]):
        where = "blocking"

        def open(self, context):
            domain = context.domain
            now.append(domain.ticks())
            domain.ticks = lambda: now.append(now[-1] + ns_a_reading) or now[-1]
            return OneByOne(reads, Ends(domain)).open(context)

    class Ends:
        def __init__(self, domain):
            self._domain = domain

        def append(self, event):
            turns.append(self._domain.measured_at)  # set at the end of each turn

    rxdag.run(rxdag.from_source(Watched()).to(sinks.null()))
    order = sorted(set(turns))
    return [order.index(end) for end in turns]


def test_a_blocking_source_of_single_items_is_read_again_in_the_same_turn():
    assert max(turns_of(100, 1)) < 10  # other threads may cut turns short, but not one for each item


def test_a_turn_with_many_reads_ends_after_a_millisecond():
    turns = turns_of(100, 100_000)
    assert max(turns.count(turn) for turn in turns) <= 10
