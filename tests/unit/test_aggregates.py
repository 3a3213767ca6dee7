"""Aggregates hold what the standard library says, and merge to what adding all gives."""

import contextlib
import math
import statistics
from decimal import Decimal

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import rxdag
from rxdag import BadItem, GraphError, sinks, sources, windows
from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag.testing import aggregate

NUMBERS = st.lists(st.floats(-1e6, 1e6) | st.integers(-1000, 1000), min_size=1, max_size=30)


def it(x):
    return x


@given(NUMBERS)
def test_aggregates_of_numbers_are_those_of_the_standard_library(numbers):
    assert aggregate(agg.mean(it), numbers) == pytest.approx(statistics.fmean(numbers), rel=1e-12, abs=1e-9)
    assert aggregate(agg.min(it), numbers) == min(numbers)
    assert aggregate(agg.max(it), numbers) == max(numbers)
    assert aggregate(agg.first(it), numbers) == numbers[0]
    assert aggregate(agg.last(it), numbers) == numbers[-1]
    spread = statistics.pvariance(numbers)
    assert aggregate(agg.var(it, ddof=0), numbers) == pytest.approx(spread, rel=1e-9, abs=1e-6)
    assert aggregate(agg.std(it, ddof=0), numbers) == pytest.approx(math.sqrt(spread), rel=1e-9, abs=1e-3)


@given(NUMBERS, NUMBERS)
def test_merging_gives_what_adding_all_gives(some, more):
    kinds = [agg.mean(it), agg.min(it), agg.max(it), agg.first(it), agg.last(it), agg.var(it), agg.std(it, ddof=0)]
    for kind in kinds:
        left, right = kind.accumulator(), kind.accumulator()
        for ts, number in enumerate(some):
            left.add_at(number, ts, 0)
        for ts, number in enumerate(more):
            right.add_at(number, len(some) + ts, 0)
        left.merge(right)
        assert left.result() == pytest.approx(aggregate(kind, some + more), rel=1e-9, abs=1e-3), kind
        empty = kind.accumulator()
        empty.merge(left)
        assert empty.result() == left.result()


def test_named_aggregates_call_a_function_that_they_share_once_per_item():
    seen = []

    def price(item):
        seen.append(item)
        return item

    both = agg.named(mean=agg.mean(price), top=agg.max(price), other=agg.sum(lambda x: x))
    assert aggregate(both, [1.0, 4.0]) == {"mean": 2.5, "top": 4.0, "other": 5.0}
    assert seen == [1.0, 4.0]


def test_a_number_that_one_of_the_named_refuses_is_in_none_of_them():
    both = agg.named(top=agg.max(it), total=agg.sum(it)).accumulator()
    for number in [1.5, Decimal(3), 2]:
        with contextlib.suppress(BadItem):
            both.add(number)
    assert both.result() == {"top": 2, "total": 3.5}
    with pytest.raises(BadItem, match="named: total: sum: value must be of a type that adds to the values before it"):
        both.add(Decimal(3))
    with pytest.raises(BadItem, match="named: top: max: value must be a finite number, got 'x'"):
        both.add("x")


def test_named_aggregates_of_floats_refuse_an_int_too_large_for_them_after_a_restart_too():
    both = agg.named(top=agg.max(it), total=agg.sum(it))
    first, second = both.accumulator(), both.accumulator()
    first.add(0.5)
    second.restore(first.snapshot())
    for each in (first, second):
        with pytest.raises(OverflowError):
            each.add(10**400)
        assert each.result() == {"top": 0.5, "total": 0.5}


def test_the_spread_of_too_few_is_none():
    assert aggregate(agg.var(it), [1]) is None
    assert aggregate(agg.std(it, ddof=2), [1, 2]) is None
    assert aggregate(agg.std(it, ddof=0), [1]) == 0


def test_first_and_last_go_by_time_then_sequence_then_arrival():
    first, last = agg.first(it).accumulator(), agg.last(it).accumulator()
    for value, ts, sequence in [("b", 5, 2), ("c", 5, 2), ("a", 5, 1), ("z", 9, 0), ("y", 9, 0), ("x", 7, 9)]:
        first.add_at(value, ts, sequence)
        last.add_at(value, ts, sequence)
    assert (first.result(), last.result()) == ("a", "y")


@pytest.mark.parametrize("kind", ["mean", "min", "max", "var", "std"])
@pytest.mark.parametrize("value", [math.nan, math.inf, None, "x"])
def test_what_is_no_finite_number_is_refused_before_anything_changes(kind, value):
    accumulator = getattr(agg, kind)(it).accumulator()
    accumulator.add(1)
    before = accumulator.snapshot()
    with pytest.raises(BadItem, match="must be a finite number, got"):
        accumulator.add(value)
    with pytest.raises(BadItem):
        accumulator.check(value)
    assert accumulator.snapshot() == before


def test_ddof_must_be_a_number():
    with pytest.raises(GraphError, match="std: ddof must be 0 or more, got -1"):
        agg.std(it, ddof=-1)


@pytest.mark.parametrize("columns", [False, True])
@pytest.mark.parametrize("price", [0.1, 0.7, 1e300, -0.1])
def test_the_vwap_of_a_bar_is_within_its_range(price, columns):
    trades = [(i, price, qty) for i, qty in enumerate([0.1, 0.2, 0.3, 1e-3, 7.7])]
    table = {"t": [t[0] for t in trades], "p": [t[1] for t in trades], "q": [t[2] for t in trades]}
    stream = rxdag.from_source(sources.arrays({name: np.array(values) for name, values in table.items()}))
    timed = stream.pipe(ops.event_time("t", unit="ns"))
    kept = timed.pipe(ops.window_all(windows.tumbling("1s"), agg.ohlcv("p", "q"))).to(sinks.collect())
    [pane] = rxdag.run(rxdag.compile(rxdag.Dag(kept), columns=columns))[kept]
    assert pane.value.low <= pane.value.vwap <= pane.value.high
