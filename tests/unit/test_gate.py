from tests.unit.gates import Line

from rxdag.engine import Gate


def test_a_gate_gives_out_what_came_in_in_order():
    line = Line(Gate("a -> b", 8))
    line.put(1, 2, 3)
    assert line.take(2) == ([1, 2], [])
    assert line.take(9) == ([3], [])
    assert line.take(9) == ([], [])
    assert line.ends == []
    line.gate.end(None)
    assert line.take(9) == ([], [])
    assert line.ends == [None]


def test_a_full_gate_blocks_those_above_and_loses_nothing_that_comes_yet():
    line = Line(Gate("a -> b", 4))
    line.put(1, 2, 3)
    assert (line.is_blocked, line.gate.room()) == (False, 1)
    line.put(4)
    assert (line.is_blocked, line.gate.room()) == (True, 0)
    line.put(5)  # from a point that could not wait
    assert (line.gate.n, line.gate.high_water) == (5, 5)
    assert line.take(9) == ([1, 2, 3, 4, 5], [])
    assert (line.is_blocked, line.gate.room()) == (False, 4)


def test_a_large_gate_opens_when_it_is_half_empty_and_not_before():
    line = Line(Gate("a -> b", 64))
    line.put(*range(64))
    line.take(31)
    assert line.is_blocked
    line.take(1)
    assert not line.is_blocked


def test_a_small_gate_opens_with_the_first_free_place():
    line = Line(Gate("a -> b", 3))
    line.put(1, 2, 3)
    assert line.is_blocked
    line.take(1)
    assert not line.is_blocked


def test_an_item_wakes_the_reader():
    line = Line(Gate("a -> b", 3))
    line.put(1)
    assert line.driver.woken == 1


def test_an_error_comes_behind_what_rests():
    line, error = Line(Gate("a -> b", 3)), ValueError("boom")
    line.put(1)
    line.gate.end(error)
    assert line.take(9) == ([1], [])
    assert line.ends == [error]


def test_an_abandoned_gate_discards_and_never_blocks():
    line = Line(Gate("a -> b", 2))
    line.put(1, 2)
    assert line.is_blocked
    line.gate.abandon()
    assert not line.is_blocked
    line.put(3)
    assert (line.gate.lost, line.gate.n, line.gate.room(), line.is_blocked) == (3, 0, 1 << 30, False)


def test_marks_without_items_do_not_pile_up():
    line = Line(Gate("a -> b", 2))
    for watermark in range(1000):
        line.gate.mark(watermark)
    assert line.take(9) == ([], [999])
    assert line.take(9) == ([], [])


def test_marks_keep_their_place_among_items():
    line = Line(Gate("a -> b", 4))
    line.put(1)
    line.gate.mark(5)
    line.put(2)
    assert line.take(1) == ([1], [])
    assert line.take(1) == ([2], [5])
