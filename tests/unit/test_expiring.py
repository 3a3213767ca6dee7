"""State by key that ends at a time of its own: what is known when, in which order it ends, and what that costs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.drive import KEYED, Driven

from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag.contract import MAX, MIN, Shape
from rxdag.operators._least_time import LeastTime
from rxdag.operators.keyed import _expiring
from rxdag.operators.keyed._expiring import Expiring

S = 10**9


def names(taken):
    return [key for key, _ in taken]


def test_a_key_is_known_before_its_time_and_not_at_it():
    kept = Expiring()
    kept.keep("a", 1, 10)
    assert kept.find("a", 9, MIN).value == 1
    assert kept.find("a", 10, MIN) is None
    assert kept.find("a", 3, 8).value == 1
    assert kept.find("a", 3, 9) is None
    assert kept.find("b", 3, MIN) is None


def test_the_time_of_a_key_moves_forward_only():
    kept = Expiring()
    kept.keep("a", 1, 10)
    kept.keep("a", 2, 5)
    assert (kept.find("a", 9, MIN).value, kept.take_out(9)) == (2, [])
    kept.keep("a", 3, 20)
    assert kept.take_out(19) == []
    assert names(kept.take_out(20)) == ["a"]


def test_keys_end_by_time_then_by_order_of_arrival_whether_they_were_put_off_or_not():
    kept = Expiring()
    for key, until in (("a", 10), ("b", 30), ("c", 20), ("d", 30)):
        kept.keep(key, None, until)
    kept.keep("a", None, 30)
    assert kept.due == 10
    assert names(kept.take_out(100)) == ["c", "a", "b", "d"]
    assert (kept.due, len(kept)) == (MAX, 0)


def test_a_key_that_lasts_for_ever_does_not_end():
    kept = Expiring()
    kept.keep("a", None, MAX)
    kept.keep("b", None, 10)
    kept.keep("b", None, MAX)
    assert kept.take_out(MAX + 1) == []
    assert names(kept.take_all()) == ["a", "b"]


def test_a_key_that_was_dropped_and_came_again_ends_at_its_new_time():
    kept = Expiring()
    kept.keep("a", 1, 10)
    assert kept.drop("a").value == 1
    assert kept.drop("a") is None
    kept.keep("a", 2, 20)
    assert kept.take_out(19) == []
    assert names(kept.take_out(20)) == ["a"]


def test_dropped_keys_leave_nothing_behind_in_the_heap():
    kept = Expiring()
    for n in range(20_000):
        kept.keep("a", n, n + 10**6)
        kept.drop("a")
    assert len(kept._due) <= 1025


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 20), st.booleans()), max_size=30),
    st.lists(st.integers(0, 40), max_size=4).map(sorted),
)
def test_keys_end_in_one_order_however_the_time_is_cut_and_after_a_restart(steps, cuts):
    whole, in_steps = Expiring(), Expiring()
    for kept in (whole, in_steps):
        for key, until, is_dropped in steps:
            kept.drop(key) if is_dropped else kept.keep(key, until, until)
    again = Expiring()
    again.load(whole.rows())
    expected = sorted(whole.values, key=lambda key: (whole.values[key].until, whole.values[key].number))
    assert names(whole.take_out(40)) == expected
    assert names(again.take_out(40)) == expected
    assert names([row for cut in [*cuts, 40] for row in in_steps.take_out(cut)]) == expected


def test_the_least_of_times_that_come_and_go():
    times = LeastTime()
    assert times.least == MAX
    for ts in (5, 3, 3, 9):
        times.add(ts)
    times.remove(3)
    assert times.least == 3
    times.remove(3)
    assert times.least == 5
    times.remove(9)
    times.remove(5)
    assert (times.least, times._heap, times._gone) == (MAX, [], {})


@given(st.lists(st.tuples(st.booleans(), st.integers(-5, 5)), max_size=50))
def test_the_least_time_is_that_of_all_that_rest(steps):
    times, rest = LeastTime(), []
    for is_added, ts in steps:
        if is_added:
            times.add(ts)
            rest.append(ts)
        elif rest:
            gone = rest.pop(ts % len(rest))
            times.remove(gone)
        assert times.least == min(rest, default=MAX)


def test_a_least_time_that_stays_does_not_keep_the_times_that_are_removed():
    times = LeastTime()
    times.add(0)
    for ts in range(1, 20_000):
        times.add(ts)
        times.remove(ts)
    assert times.least == 0
    assert len(times) == 1
    assert len(times._heap) <= 1026
    assert len(times._gone) <= 1026


def test_a_sweep_of_removed_times_leaves_each_that_was_not_removed():
    times = LeastTime()
    for ts in (0, 5, 5, 5, 7):
        times.add(ts)
    times.remove(5)
    times.remove(5)
    for ts in range(10, 2000):  # so many that they are swept
        times.add(ts)
        times.remove(ts)
    seen = []
    for ts in (0, 5, 7):
        seen.append(times.least)
        times.remove(ts)
    assert seen == [0, 5, 7]
    assert times.least == MAX


# ---- what an item and a watermark cost


class Counted(int):
    """A time that counts how often it is looked at."""

    looks = 0

    def _looked(name):
        plain = getattr(int, name)

        def look(self, other):
            Counted.looks += 1
            value = plain(self, other)
            return Counted(value) if type(value) is int else value

        return look

    __lt__, __le__, __gt__, __ge__, __eq__ = map(_looked, ("__lt__", "__le__", "__gt__", "__ge__", "__eq__"))
    __add__, __sub__, __floordiv__ = map(_looked, ("__add__", "__sub__", "__floordiv__"))
    __hash__ = int.__hash__


class _Thirds:
    """Numbers with holes: each item waits."""

    def __init__(self):
        self.n = -3

    def __call__(self, _):
        self.n += 3
        return self.n


def _arbitrate(clock):
    return ops.arbitrate(lambda _: 0, sequence=_Thirds(), wait="9h", max_pending=10**6, clock=clock)


COSTS = {
    "scan": lambda: ops.scan(0, lambda n, _: n + 1, ttl="9h"),
    "scan without a first value": lambda: ops.scan(lambda a, _: a, ttl="9h"),
    "reduce": lambda: ops.reduce(lambda a, _: a, ttl="9h"),
    "count": lambda: ops.count(ttl="9h"),
    "sum": lambda: ops.sum(ttl="9h"),
    "min": lambda: ops.min(ttl="9h"),
    "max": lambda: ops.max(ttl="9h"),
    "first": lambda: ops.first(ttl="9h"),
    "last": lambda: ops.last(ttl="9h"),
    "take": lambda: ops.take(2, ttl="9h"),
    "skip": lambda: ops.skip(2, ttl="9h"),
    "take_while": lambda: ops.take_while(lambda _: False, ttl="9h"),
    "skip_while": lambda: ops.skip_while(lambda _: False, ttl="9h"),
    "pairwise": lambda: ops.pairwise(ttl="9h"),
    "distinct_until_changed": lambda: ops.distinct_until_changed(ttl="9h"),
    "batch": lambda: ops.batch(99, ttl="9h"),
    "batch by time": lambda: ops.batch(max_wait="9h"),
    "batch by steps": lambda: ops.batch(99, skip=98, ttl="9h"),
    "rolling": lambda: ops.rolling(9, agg.count(), ttl="9h"),
    "top_n": lambda: ops.top_n(1, lambda x: x, ttl="9h"),
    "debounce": lambda: ops.debounce("9h"),
    "audit": lambda: ops.audit("9h"),
    "sample": lambda: ops.sample("9h"),
    "throttle_first": lambda: ops.throttle_first("9h"),
    "throttle_latest": lambda: ops.throttle_latest("9h"),
    "throttle": lambda: ops.throttle(1, per="9h"),
    "shape": lambda: ops.throttle(1, per="9h", mode="shape", max_items=10**6),
    "conflate": lambda: ops.conflate(),
    "arbitrate": lambda: _arbitrate("event"),
    "arbitrate by the clock": lambda: _arbitrate("processing"),
}


def looks_at_times(operator, n_keys):
    """How often a kernel looks at a time for ten items and watermarks, with that many keys alive."""
    driven = Driven(operator, KEYED)
    for key in range(n_keys):
        driven.item(1, ts=Counted(key), key=key, now=Counted(key))
    Counted.looks = 0
    for step in range(n_keys, n_keys + 10):
        driven.item(1, ts=Counted(step), key=step // 2, now=Counted(step))
        driven.mark(Counted(step))
        driven.kernel.low()
    return Counted.looks


@pytest.mark.skipif(not _expiring.__file__.endswith(".py"), reason="compiled code has its own numbers")
@pytest.mark.parametrize("name", COSTS)
def test_an_item_and_a_watermark_cost_the_same_with_many_keys_alive(name):
    few, many = looks_at_times(COSTS[name](), 100), looks_at_times(COSTS[name](), 10_000)
    assert 0 < many <= 3 * few + 50


def test_processes_look_at_the_states_and_timers_that_are_due_only():
    class Waits(ops.KeyedProcess):
        def initial(self):
            return 0

        def on_item(self, ctx, state, item):
            ctx.set_timer(ctx.ts + Counted(10**15))
            return state

    make = lambda: ops.process(Waits(), ttl="9h")  # noqa: E731
    few, many = looks_at_times(make(), 100), looks_at_times(make(), 10_000)
    assert 0 < many <= 3 * few + 50


def test_a_stream_without_event_time_has_a_ttl_of_the_clock():
    driven = Driven(ops.count(ttl="2s"), Shape())
    driven.item("x", now=0)
    driven.item("x", now=1 * S)
    driven.item("x", now=3 * S)
    driven.end()
    assert driven.out == [2, 1]
