import pytest

from rxdag.contract import END, Chunk
from rxdag.schedulers import Gate


class Waiter:
    def __init__(self):
        self.woken = 0

    def wake(self):
        self.woken += 1


def chunk(*items, marks=()):
    return Chunk(list(items), marks=marks)


def test_a_gate_gives_out_what_came_in_in_order():
    gate = Gate("a -> b", 8)
    gate.on_next(chunk(1, 2))
    gate.on_next(chunk(3))
    assert gate.take(2).items == [1, 2]
    assert gate.take(9).items == [3]
    assert gate.take(9) is None
    gate.end(None)
    assert gate.take(9) is END


def test_what_bursts_past_the_room_rests_apart_and_goes_in_order():
    gate = Gate("a -> b", 4)
    gate.on_next(chunk(1, 2, 3, 4, 5, 6))
    assert (gate.n, gate.spilled, gate.high_water, gate.room()) == (4, 2, 4, 0)
    gate.on_next(chunk(7))
    assert [gate.take(2).items for _ in range(4)] == [[1, 2], [3, 4], [5, 6], [7]]
    assert (gate.n, gate.spilled, gate.high_water) == (0, 0, 4)


def test_a_waiter_is_woken_at_the_low_mark_and_not_before():
    gate, waiter = Gate("a -> b", 64), Waiter()
    gate.on_next(chunk(*range(64)))
    assert gate.park(waiter)
    gate.take(31)
    assert waiter.woken == 0
    gate.take(1)
    assert waiter.woken == 1


def test_a_small_gate_wakes_at_the_first_free_place():
    gate, waiter = Gate("a -> b", 3), Waiter()
    gate.on_next(chunk(1, 2, 3))
    assert gate.park(waiter)
    gate.take(1)
    assert waiter.woken == 1


def test_a_gate_with_room_parks_nobody():
    assert not Gate("a -> b", 3).park(Waiter())


def test_an_error_comes_behind_what_rests():
    gate = Gate("a -> b", 3)
    gate.on_next(chunk(1))
    gate.end(ValueError("boom"))
    assert gate.take(9).items == [1]
    with pytest.raises(ValueError, match="boom"):
        gate.take(9)


def test_an_abandoned_gate_discards_and_never_blocks():
    gate, waiter = Gate("a -> b", 2), Waiter()
    gate.on_next(chunk(1, 2, 3))
    gate.park(waiter)
    gate.abandon()
    gate.on_next(chunk(4))
    assert (gate.discarded, gate.held, gate.room(), waiter.woken) == (4, 0, None, 1)


def test_marks_without_items_do_not_pile_up():
    gate = Gate("a -> b", 2)
    for w in range(1000):
        gate.on_next(chunk(marks=((0, w),)))
    assert gate.take(9).marks == ((0, 999),)
    assert gate.take(9) is None
