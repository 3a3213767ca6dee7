"""What a gate does beside keeping items: demand, ends from outside, what it tells, and its two sides in two domains."""

import pytest

from rxdag.columns import Columns
from rxdag.contract import FLUSHED, Overflow
from rxdag.engine import NOWHERE, Domain, Exit, Gate, GatePump, Point, Watch


class Driver:
    """Of one domain: notes what is called there, and calls it when told to."""

    def __init__(self):
        self.now = 0
        self.woken = 0
        self.calls = []

    def wake(self, pump, /):
        self.woken += 1

    def call(self, fn, /):
        self.calls.append(fn)

    def call_all(self):
        while self.calls:
            self.calls.pop(0)()

    def ticks(self):
        return self.now


class Seen:
    def __init__(self):
        self.items, self.rows, self.marks, self.ends = [], [], [], []

    def on_next(self, chunk, /):
        self.items += chunk.items
        self.rows += zip(chunk.items, chunk.ts or [], chunk.sequence or [], chunk.key or [], strict=False)
        self.marks += [watermark for _, watermark in chunk.marks]

    def end(self, error, /):
        self.ends.append(error)


class Two:
    """A gate between two domains: `above` fills it in one, its pump empties it in the other."""

    def __init__(self, gate):
        self.gate, self.above, self.seen = gate, Point("above"), Seen()
        self.way = Exit("out", timed=True)
        self.way.out = self.way.reader = gate
        self.way.is_read = True
        self.above.add_exit(self.way)
        self.above.live = 1
        self.here, self.there = Driver(), Driver()
        self.pump = GatePump("a -> b", "b", gate)
        self.pump.out = Watch("b", NOWHERE, self.seen, object())
        self.domains = [Domain(1024) for _ in ("here", "there")]
        for domain, driver in zip(self.domains, (self.here, self.there), strict=True):
            domain.driver, domain.ticks = driver, driver.ticks
        gate.domain = self.above.domain = self.domains[0]
        self.pump.domain = self.domains[1]
        self.failures = []
        for domain in self.domains:
            domain.run = self
        self.events, self.is_looking, self.looks = self, False, 0
        gate.reader = self.pump
        gate.up = gate.feeders = [self.above]

    def fail(self, error):
        self.failures.append(error)

    def look(self):
        self.looks += 1

    def put(self, *items):
        for item in items:
            self.gate.push(item, 0, 0, None)

    def take(self, n):
        self.seen.items.clear()
        self.domains[1].stop = False
        self.pump.feed(n)
        return list(self.seen.items)


def test_room_that_comes_on_the_other_side_is_used_where_the_gate_is_filled():
    two = Two(Gate("a -> b", 2))
    two.put(1, 2)
    assert two.above.blocked == 1
    assert two.take(1) == [1]
    assert two.above.blocked == 1  # its count is that of one domain alone
    two.here.call_all()
    assert two.above.blocked == 0


def test_what_is_released_on_the_other_side_is_discarded_where_the_gate_is_filled():
    two = Two(Gate("a -> b", 2))
    two.put(1, 2)
    two.pump.release(NOWHERE)
    assert (two.gate.n, two.gate.lost) == (2, 0)
    two.here.call_all()
    assert (two.gate.n, two.gate.lost, two.above.blocked) == (0, 2, two.above.obstacles())
    two.put(3)
    assert (two.gate.n, two.gate.lost) == (0, 3)


class TestDemand:
    def test_a_gate_has_room_for_what_is_asked_for(self):
        asked = [0]
        two = Two(Gate("a -> b", 4, demand=lambda: asked[0]))
        two.gate.admit()
        assert (two.above.blocked, two.gate.room()) == (1, 0)
        asked[0] = 2
        two.gate.admit()
        assert (two.above.blocked, two.gate.room()) == (0, 2)
        two.put(1)
        assert (two.above.blocked, two.gate.room()) == (0, 1)
        two.put(2)
        assert (two.above.blocked, two.gate.room()) == (1, 0)

    @pytest.mark.parametrize("asked", [None, 9])
    def test_it_has_no_more_room_than_its_bound(self, asked):
        two = Two(Gate("a -> b", 3, demand=lambda: asked))
        assert two.gate.room() == 3
        two.put(1, 2, 3)
        assert two.above.blocked == 1


class TestEnds:
    def test_an_end_from_outside_comes_behind_what_rests_and_what_comes_then_is_lost(self):
        two, error = Two(Gate("a -> b", 4)), ValueError("boom")
        two.put(1, 2)
        two.gate.close_from_outside(error, None)
        two.put(3)
        assert two.take(9) == [1, 2]
        assert two.seen.ends == [error]
        assert (two.gate.came, two.gate.taken, two.gate.lost, two.gate.n) == (3, 2, 1, 0)
        two.gate.end(None)
        two.gate.close_from_outside(None, None)
        assert two.take(9) == []
        assert two.seen.ends == [error]

    def test_an_end_wakes_the_reader_and_opens_a_full_gate(self):
        two = Two(Gate("a -> b", 1))
        two.put(1)
        woken = two.there.woken
        two.gate.end(None)
        assert (two.there.woken, two.above.blocked) == (woken + 1, 0)


class TestWhatItTells:
    def test_it_tells_of_items_that_are_dropped_and_of_those_that_come_too_late(self):
        gate, told = Gate("a -> b", 1, Overflow.DROP_OLDEST), []
        gate.saw = lambda kind, value=None: told.append((kind, value))
        two = Two(gate)
        two.put(1, 2)
        gate.end(None)
        two.put(3)
        assert told == [("dropped", 1), ("ignored", 3)]

    def test_it_counts_how_often_and_how_long_somebody_waited(self):
        gate, told = Gate("a -> b", 1), []
        gate.saw = lambda kind, value=None: told.append(kind)
        two = Two(gate)
        gate.note_waiting(5)  # it is not full
        assert (gate.waits, gate.blocked_ns) == (0, 0)
        two.put(1)
        for now in (10, 15):  # twice, and one wait
            gate.note_waiting(now)
        two.here.now = 30
        assert (gate.waits, gate.blocked_ns) == (1, 20)
        two.take(1)
        two.here.call_all()
        two.here.now = 50
        assert (gate.waits, gate.blocked_ns, told) == (1, 20, ["blocked", "resumed"])


def test_a_gate_without_room_lets_an_item_in_only_if_the_reader_waits():
    two = Two(Gate("a -> b", 0, Overflow.DROP_NEWEST))
    two.put(1)
    assert two.take(9) == []
    two.put(2, 3)
    assert two.take(9) == [2]
    assert (two.gate.n_dropped, two.gate.n) == (2, 0)


def test_a_gate_that_fails_on_the_size_of_an_item_counts_it_as_lost():
    def size_of(item):
        return {"a": 3, "b": 4}[item]

    two = Two(Gate("a -> b", 8, max_bytes=100, size_of=size_of))
    two.put("a", "b", "?")
    assert (two.gate.came, two.gate.lost, two.gate.n, two.gate.n_bytes) == (3, 1, 2, 7)
    assert two.take(9) == ["a", "b"]
    assert [str(error) for error in two.seen.ends] == [
        "gate a -> b: size_of must return the size of each item as a number, raised KeyError('?') on '?'"
    ]
    assert two.failures == two.seen.ends


def test_a_gate_tells_how_many_bytes_rested_in_it_at_most():
    two = Two(Gate("a -> b", 8, max_bytes=100, size_of=lambda item: item))
    two.put(5, 7)
    two.take(1)
    two.put(2)
    assert (two.gate.n_bytes, two.gate.high_water_bytes) == (9, 12)


def test_the_item_that_is_one_too_many_is_not_in_the_gate():
    two = Two(Gate("a -> b", 2, Overflow.ERROR, max_bytes=100, size_of=lambda item: item))
    two.put(10, 20, 30)
    assert (two.gate.n, two.gate.n_dropped, two.gate.n_bytes, two.gate.high_water_bytes) == (2, 1, 30, 30)
    assert two.take(9) == [10, 20]
    assert list(two.gate.queue) == []


def test_an_abandoned_gate_lets_go_of_what_rested():
    two = Two(Gate("a -> b", 2))
    two.put(1, 2)
    two.gate.abandon()
    assert (list(two.gate.queue), two.way.is_read) == ([], False)


class TestPump:
    def test_an_item_keeps_its_time_its_sequence_and_its_key(self):
        two = Two(Gate("a -> b", 2))
        two.gate.push("x", 3, 5, "k")
        two.take(9)
        assert two.seen.rows == [("x", 3, 5, "k")]

    def test_columns_of_more_items_than_a_turn_moves_go_on_with_the_next(self):
        two = Two(Gate("a -> b", 9))
        two.gate.push_columns(Columns.from_items([1, 2, 3, 4, 5]))
        assert two.take(2) == [1, 2]
        assert (two.take(3), list(two.gate.queue), two.gate.n) == ([3, 4, 5], [], 0)

    def test_it_is_parked_only_while_something_is_in_the_way(self):
        two, behind = Two(Gate("a -> b", 2)), Gate("b -> c", 1)
        behind.domain, behind.reader, behind.is_full = two.domains[1], two.pump, True
        two.pump.gates = [behind]
        two.put(1)
        two.pump.blocked = 1
        two.pump.step()
        assert (two.pump.is_parked, behind.waits, two.seen.items) == (True, 1, [])
        two.pump.blocked = 0
        two.pump.step()
        assert (two.pump.is_parked, two.seen.items) == (False, [1])

    @pytest.mark.parametrize("marks_without_room", [False, True])
    def test_marks_wait_for_room_but_for_those_of_the_end(self, marks_without_room):
        two = Two(Gate("a -> b", 2))
        if marks_without_room:
            two.pump.marks_without_room = True
        two.pump.blocked = 1
        two.gate.mark(5)
        two.pump.step()
        assert two.seen.marks == ([5] if marks_without_room else [])
        two.pump.blocked = 0
        two.take(9)
        two.pump.blocked = 1
        two.gate.mark(FLUSHED)
        two.pump.step()
        assert two.seen.marks == [5, FLUSHED]

    def test_it_moves_nothing_more_once_its_reader_has_left(self):
        two = Two(Gate("a -> b", 2))
        two.put(1, 2)
        two.pump.release(NOWHERE)
        two.pump.step()
        assert two.seen.items == []

    def test_a_reader_that_leaves_behind_the_end_frees_those_above(self):
        two = Two(Gate("a -> b", 2))
        two.gate.end(None)
        two.take(9)
        assert two.way.is_read
        two.pump.release(NOWHERE)
        two.here.call_all()
        assert not two.way.is_read
        two.pump.release(NOWHERE)
        assert two.here.calls == []
