"""The watermark of several inputs: Flink's rules, and that every kind of node passes idleness on."""

import pytest
from tests.conformance.event_time import Script

import rxdag
from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag import sinks, windows
from rxdag.contract import ENDED, IDLE, MIN
from rxdag.engine._input_marks import InputMarks
from rxdag.testing import settle_virtual, virtual


def given_out(n, *steps):
    marks, out = InputMarks(n), []
    for input, mark in steps:
        out += marks.wake(input) if mark is None else marks.advance(input, mark)
    return out


def test_the_watermark_is_the_least_of_the_inputs():
    assert given_out(2, (0, 5), (1, 3), (1, 9)) == [3, 5]


def test_an_idle_input_is_left_out():
    assert given_out(2, (0, 5), (1, IDLE), (0, 8)) == [5, 8]


def test_an_input_that_comes_back_behind_holds_nobody_up_until_it_has_caught_up():
    steps = [(0, 5), (1, 3), (1, IDLE), (0, 8), (1, None), (1, 7), (0, 9), (1, 10), (0, 12)]
    assert given_out(2, *steps) == [3, 5, 8, 9, 10]


def test_with_all_idle_it_moves_to_the_largest_and_the_output_is_idle():
    assert given_out(2, (0, 5), (1, 9), (1, IDLE), (0, IDLE)) == [5, 9, IDLE]


def test_an_output_that_is_active_again_repeats_its_watermark():
    assert given_out(1, (0, 5), (0, IDLE), (0, None), (0, 6)) == [5, IDLE, 5, 6]


def test_a_watermark_alone_wakes_an_idle_input():
    assert given_out(1, (0, 5), (0, IDLE), (0, 5)) == [5, IDLE, 5]


def test_an_input_that_has_ended_counts_no_more():
    assert given_out(2, (0, 5), (1, 3), (0, ENDED), (1, 7), (1, IDLE), (1, 8), (1, ENDED)) == [3, 7, IDLE, 7, 8, ENDED]


def test_an_input_that_has_ended_counts_with_its_last_mark_once_all_others_are_idle():
    assert given_out(2, (1, 3), (1, 24), (1, ENDED), (0, IDLE)) == [24, IDLE]
    assert given_out(3, (1, 24), (1, ENDED), (2, 7), (2, IDLE), (0, IDLE)) == [24, IDLE]


def test_an_input_that_ends_while_all_others_are_idle_leaves_the_output_idle():
    assert given_out(2, (0, IDLE), (1, 24), (1, ENDED)) == [24, IDLE]
    assert given_out(3, (0, IDLE), (2, ENDED), (1, 24), (1, ENDED)) == [24, IDLE]


def test_an_idle_input_that_ends_wakes_nobody():
    assert given_out(2, (0, 5), (0, IDLE), (1, 9), (1, IDLE), (1, ENDED), (0, ENDED)) == [9, IDLE, ENDED]


def test_what_comes_after_the_jump_to_an_ended_input_is_aligned_once_it_gets_there():
    steps = [(1, 24), (1, ENDED), (0, IDLE), (0, None), (0, 6), (0, 24), (0, 25)]
    assert given_out(2, *steps) == [24, IDLE, 24, 25]


def test_an_output_that_was_idle_before_anything_came_tells_so_with_min():
    assert given_out(1, (0, IDLE), (0, None)) == [IDLE, MIN]


@pytest.mark.parametrize("columns", [True, False])
def test_idleness_goes_through_every_node_on_the_way(columns):
    quiet = Script((("E", "q", 1, 1), ("W", 2), ("IDLE",)), True, [MIN])
    busy = Script((("E", "b", 3, 1), ("W", 25), ("E", "b", 26, 1)), True, [MIN])
    streams = []
    for source in (quiet, busy):
        timed = rxdag.from_source(source).pipe(ops.filter(lambda item: True)).pipe(ops.map(lambda item: item))
        streams.append(timed)
    panes = (
        rxdag.merge(*streams)
        .pipe(ops.key_by(lambda item: item[0]))
        .pipe(ops.window(windows.tumbling("10ns"), agg.count()))
    )
    sink = panes.to(sinks.collect())
    execution = virtual(rxdag.compile(rxdag.Dag(sink), columns=columns))
    execution.main.at(10**9, execution.drain)
    result = settle_virtual(execution)
    assert result.problems == ()
    assert [(pane.key, pane.start, pane.value) for pane in result[sink]] == [("b", 0, 1), ("q", 0, 1)]


def test_what_is_restored_knows_the_last_mark_of_an_input_that_has_ended():
    before, after = InputMarks(2), InputMarks(2)
    for input, mark in ((1, 3), (1, 24), (1, ENDED)):
        before.advance(input, mark)
    after.restore(before.snapshot())
    assert after.advance(0, IDLE) == (24, IDLE)


def test_inputs_are_looked_through_once_each_of_the_least_has_risen():
    marks = InputMarks(100)
    counted = marks.of = _Counting(marks.of)
    out = [marks.advance(input, mark) for mark in range(1, 51) for input in range(100)]
    assert [mark for given in out for mark in given] == list(range(1, 51))
    assert counted.looks <= 2 * 51


class _Counting(list):
    """Counts how often all of it is looked through."""

    looks = 0

    def __iter__(self):
        self.looks += 1
        return super().__iter__()

    def count(self, value):
        self.looks += 1
        return super().count(value)
