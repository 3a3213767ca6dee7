"""What a gate does beside keeping items: demand, ends from outside, what it tells, and its two sides in two domains."""

import pytest

from rxdag.contract import Overflow
from rxdag.engine import NOWHERE, Domain, Gate, GatePump, Point, Watch


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
        self.items, self.ends = [], []

    def on_next(self, chunk, /):
        self.items += chunk.items

    def end(self, error, /):
        self.ends.append(error)


class Two:
    """A gate between two domains: `above` fills it in one, its pump empties it in the other."""

    def __init__(self, gate):
        self.gate, self.above, self.seen = gate, Point("above"), Seen()
        self.here, self.there = Driver(), Driver()
        self.pump = GatePump("a -> b", "b", gate)
        self.pump.out = Watch("b", NOWHERE, self.seen, object())
        self.domains = [Domain(1024) for _ in ("here", "there")]
        for domain, driver in zip(self.domains, (self.here, self.there), strict=True):
            domain.driver, domain.ticks = driver, driver.ticks
        gate.domain = self.above.domain = self.domains[0]
        self.pump.domain = self.domains[1]
        gate.reader = self.pump
        gate.up = [self.above]

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
    assert (two.gate.n, two.gate.lost, two.above.blocked) == (0, 2, 0)
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
