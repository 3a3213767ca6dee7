"""Processes, driven by hand: what a context tells and does, timers in their order, and what a restart keeps."""

import threading

import pytest
from tests.unit.drive import Driven

import rxdag
from rxdag import operators as ops
from rxdag import sources
from rxdag.contract import BadProgram, Shape
from rxdag.operators import KeyedProcess, process

CLOCK = Shape(keyed=True)


class Told(KeyedProcess):
    """Does what its items say, as ("set", when, name), and tells what each timer and the end have seen.

    Its state counts the items of the key.
    """

    ports = ("side",)

    def initial(self):
        return 0

    def on_item(self, ctx, state, item):
        what, *rest = item
        if what != "none":
            getattr(ctx, what)(*rest)
        return state + 1

    def on_timer(self, ctx, state, name):
        ctx.emit(("timer", ctx.key, name, state, ctx.watermark, ctx.now))
        return state

    def on_end(self, ctx, state):
        ctx.emit(("end", ctx.key, state, ctx.ts, ctx.now))


class Again(Told):
    """Counts what its timers have come to as well."""

    def on_timer(self, ctx, state, name):
        super().on_timer(ctx, state, name)
        ctx.set_timer(ctx.ts + 10, name)
        return state + 100


def told(shape=None, ttl=None, of=Told):
    operator = process(of(), ttl=ttl)
    return Driven(operator) if shape is None else Driven(operator, shape)


def timers(driven):
    return [entry[1:4] for entry in driven.out if entry[0] == "timer"]


def test_what_a_process_emits_has_the_time_of_its_item_and_no_key():
    driven = told()
    driven.item(("emit", "x"), ts=7, key="a", sequence=3)
    driven.item(("emit_to", "side", "y"), ts=8, key="a", sequence=4)
    assert driven.exits.seen == [("absorbed", 1), ("out", "x", 7, 3, None), ("absorbed", 1), ("side", "y", 8, 4, None)]


def test_what_a_timer_emits_has_the_time_of_the_timer_and_sequence_0():
    driven = told()
    driven.item(("set_timer", 5, "t"), ts=1, key="a", sequence=3)
    driven.mark(9)
    assert driven.exits.seen[1:] == [("out", ("timer", "a", "t", 1, 5, 0), 5, 0, None)]


def test_timers_are_called_by_when_they_are_due_then_in_order_of_setting():
    driven = told()
    for key, when, name in [("b", 5, "y"), ("a", 5, "x"), ("b", 5, "x"), ("a", 4, "z")]:
        driven.item(("set_timer", when, name), ts=1, key=key)
    driven.mark(3)
    assert timers(driven) == []
    driven.mark(4)
    assert timers(driven) == [("a", "z", 2)]
    driven.mark(5)
    assert timers(driven)[1:] == [("b", "y", 2), ("a", "x", 2), ("b", "x", 2)]


@pytest.mark.parametrize("restarts", [False, True])
def test_a_timer_that_is_moved_and_moved_back_comes_behind_those_set_meanwhile(restarts):
    driven = told()
    for key, when in [("a", 5), ("b", 5), ("a", 8)]:
        driven.item(("set_timer", when), ts=1, key=key)
    if restarts:
        driven.recover()
    driven.item(("set_timer", 5), ts=1, key="a")
    driven.mark(9)
    assert timers(driven) == [("b", "", 1), ("a", "", 3)]


def test_order_of_setting_holds_over_a_restart():
    driven = told()
    for key in "cb":
        driven.item(("set_timer", 5), ts=1, key=key)
    driven.recover()
    driven.item(("set_timer", 5), ts=1, key="a")
    driven.mark(5)
    assert timers(driven) == [("c", "", 1), ("b", "", 1), ("a", "", 1)]


def test_a_timer_that_was_called_may_be_set_to_the_same_time_again():
    driven = told()
    driven.item(("set_timer", 5), ts=1, key="a")
    driven.item(("set_timer", 9, "other"), ts=1, key="a")
    driven.mark(5)
    driven.item(("set_timer", 5), ts=7, key="a")
    driven.mark(6)
    assert timers(driven) == [("a", "", 2), ("a", "", 3)]
    assert [row[0] for row in driven.kernel.snapshot()["timers"]] == [9]


def test_a_timer_that_is_set_twice_is_moved():
    driven = told()
    driven.item(("set_timer", 5), ts=1, key="a")
    driven.item(("set_timer", 8), ts=1, key="a")
    driven.mark(7)
    assert timers(driven) == []
    driven.mark(8)
    driven.mark(99)
    assert timers(driven) == [("a", "", 2)]


def test_a_timer_that_is_taken_back_is_not_called_and_the_others_are():
    driven = told()
    driven.item(("set_timer", 5, "x"), ts=1, key="a")
    driven.item(("set_timer", 5, "y"), ts=1, key="a")
    driven.item(("clear_timer", "x"), ts=1, key="a")
    driven.item(("clear_timer", "z"), ts=1, key="b")
    driven.mark(9)
    assert timers(driven) == [("a", "y", 3)]


@pytest.mark.parametrize("shape", [None, CLOCK])
def test_clear_forgets_the_state_and_the_timers_of_one_key(shape):
    driven = told(shape)
    for key in "ab":
        driven.item(("set_timer", 5), ts=1, key=key)
    driven.item(("clear",), ts=1, key="a")
    driven.mark(9)
    driven.clock(9)
    assert timers(driven) == [("b", "", 1)]
    driven.item(("none",), ts=20, key="a")
    driven.end()
    assert [entry[1:3] for entry in driven.out if entry[0] == "end"] == [("a", 1), ("b", 1)]


def test_a_timer_that_is_set_again_by_itself_is_called_each_time_that_it_is_due():
    driven = told(of=Again)
    driven.item(("set_timer", 10), ts=1, key="a")
    driven.mark(35)
    assert [(entry[3], entry[4]) for entry in driven.out] == [(1, 10), (101, 20), (201, 30)]
    driven.mark(39)
    assert len(driven.out) == 3
    driven.mark(40)
    assert driven.out[3][3:5] == (301, 40)


def test_a_timer_of_the_clock_is_called_when_the_clock_is_there_and_again_when_set_again():
    driven = told(CLOCK, of=Again)
    driven.item(("set_timer", 10), key="a", now=3)
    driven.clock(9)
    assert driven.out == []
    driven.kernel.watermark = 77
    driven.clock(10)
    assert driven.out == [("timer", "a", "", 1, 77, 10)]
    driven.clock(20)
    assert driven.out[1:] == [("timer", "a", "", 101, 77, 20)]
    driven.end()
    assert driven.out[2:] == [("end", "a", 201, 20, 20)]


def test_timers_and_the_end_see_the_clock_as_it_was_when_the_last_item_came():
    driven = told()
    driven.item(("set_timer", 10), ts=1, key="a", now=3)
    driven.item(("none",), ts=2, key="b", now=8)
    driven.mark(10)
    assert driven.out == [("timer", "a", "", 1, 10, 8)]
    driven.recover()
    driven.end()
    assert driven.out[1:] == [("end", "a", 1, 10, 8), ("end", "b", 1, 2, 8)]


def test_a_timer_that_was_past_when_it_was_set_sees_the_watermark_that_held_then():
    driven = told()
    driven.mark(50)
    driven.item(("set_timer", 20), ts=60, key="a")
    driven.mark(90)
    assert driven.out == [("timer", "a", "", 1, 50, 0)]


def test_the_last_time_of_a_key_is_the_latest_of_its_items_and_timers():
    driven = told()
    for ts in (5, 3, 5):
        driven.item(("none",), ts=ts, key="a")
    driven.end()
    assert driven.out == [("end", "a", 3, 5, 0)]


@pytest.mark.parametrize("when", [True, False, 1.5, "5", None])
def test_when_of_a_timer_must_be_a_number_of_nanoseconds(when):
    with pytest.raises(BadProgram) as caught:
        told().item(("set_timer", when), ts=1, key="a")
    assert "ctx.set_timer: when must be nanoseconds since the epoch, got " in str(caught.value)


@pytest.mark.parametrize("shape", [None, CLOCK])
def test_timers_and_states_are_there_after_a_restart(shape):
    driven = told(shape)
    driven.item(("set_timer", 5, "x"), ts=1, key="a")
    driven.item(("set_timer", 7, "y"), ts=2, key="a")
    driven.item(("clear_timer", "x"), ts=2, key="a")
    driven.recover()
    driven.item(("none",), ts=3, key="a")
    driven.mark(7)
    driven.clock(7)
    assert timers(driven) == [("a", "y", 4)]


@pytest.mark.parametrize("recovers", [False, True])
@pytest.mark.parametrize("again", [("set_timer", 90, "x"), ("clear_timer", "x"), ("clear",)])
def test_a_timer_that_is_not_set_any_more_wakes_nobody(again, recovers):
    driven = told(CLOCK, ttl="20ns")
    driven.item(("set_timer", 50, "x"), key="a", now=1)
    driven.item(again, key="a", now=2)
    driven.item(("set_timer", 70, "y"), key="b", now=30)
    if recovers:
        driven.recover()
    assert driven.kernel.timer == 70


class Shares(ops.KeyedProcess):
    """Returns one object for all keys."""

    def __init__(self, state):
        self.state = state

    def initial(self):
        return self.state

    def on_item(self, ctx, state, item):
        state.append(item)
        ctx.emit((ctx.key, len(state)))
        return state


def by_parity(process, n):
    numbers = rxdag.from_source(sources.range(n), name="numbers").pipe(ops.key_by(lambda x: x % 2))
    return numbers.pipe(ops.process(process), name="process")


def test_keys_whose_initial_state_is_one_object_get_a_copy_each():
    shares = Shares([7])
    assert by_parity(shares, 4).collect() == [(0, 2), (1, 2), (0, 3), (1, 3)]
    assert shares.state == [7]


def test_an_initial_state_that_is_new_each_time_is_not_copied():
    class Uncopied(list):
        def __deepcopy__(self, memo):
            raise AssertionError

    class New(Shares):
        def initial(self):
            return Uncopied(self.state)

    assert by_parity(New([7]), 3).collect() == [(0, 2), (1, 2), (0, 3)]


def test_one_object_for_all_keys_that_cannot_be_copied_is_refused():
    with pytest.raises(rxdag.NodeError) as raised:
        by_parity(Shares([threading.Lock()]), 2).collect()
    assert str(raised.value.__cause__) == (
        "Shares.initial: must return a new object for each key, got the same list again, which cannot be copied; make it "
        "in initial"
    )
