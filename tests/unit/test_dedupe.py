"""Dedupe by spans of time: how many it keeps, also after a restart, and that it rests where there is no room."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

import rxdag
from rxdag import col, sinks, sources
from rxdag import operators as ops
from rxdag.operators.keyed._dedupe_kernel import SpansKernel


def test_dedupe_keeps_few_spans_after_a_restart_too():
    kernel = SpansKernel(lambda x: x, 10)
    for n in range(40):
        assert not kernel.is_repeat(n, n * 10)
    assert len(kernel.spans) <= 8
    again = SpansKernel(lambda x: x, 10)
    again.restore(kernel.snapshot())
    assert len(again.spans) <= 8
    assert all(again.is_repeat(n, n * 10 + 1) for n in range(40))


def test_a_key_is_remembered_though_one_of_its_span_came_too_late_to_be():
    kernel = SpansKernel(lambda x: x, 10)
    for n in range(16):
        kernel.is_repeat(n, 1000 + n * 10)
    assert kernel.length == 20
    kernel.watermark = 499  # what is before 490 is forgotten: half of a span in which there is nothing
    kernel.on_watermark(499, None)
    assert [kernel.is_repeat(key, ts) for key, ts in [("late", 485), ("late", 486), ("a", 495)]] == [False] * 3
    assert not kernel.is_repeat("b", 1200)
    assert kernel.is_repeat("a", 496)
    assert not kernel.is_repeat("late", 487)


def test_a_new_key_before_a_later_span_is_no_repeat_while_there_is_no_watermark():
    kernel = SpansKernel(lambda x: x, 10)
    assert [kernel.is_repeat(key, ts) for key, ts in [("a", 100), ("b", 50), ("b", 55), ("a", 51)]] == [
        False,
        False,
        True,
        True,
    ]


# Of items with times and keys, and no lag: which pass, with `within` 10. Keys before 10 are forgotten at watermark 19.
EDGES = {
    "within": ([(5, "a"), (14, "a"), (15, "a"), (24, "a"), (25, "a")], [0, 2, 4]),
    "before it is forgotten": ([(5, "a"), (19, "b"), (14, "a")], [0, 1]),
    "forgotten": ([(5, "a"), (20, "b"), (14, "a"), (14, "a")], [0, 1, 2]),
    "last of its span": ([(9, "a"), (20, "b"), (18, "a"), (8, "c"), (9, "c")], [0, 1, 2, 3, 4]),
    "first of the next": ([(10, "a"), (29, "b"), (19, "a"), (9, "c"), (10, "d"), (10, "d")], [0, 1, 3, 4]),
    "and forgotten": (
        [(10, "a"), (30, "b"), (19, "a"), (19, "c"), (19, "c"), (20, "d"), (20, "d")],
        [0, 1, 2, 3, 4, 5],
    ),
    "too late to be remembered": (
        [(5, "a"), (40, "b"), (14, "c"), (14, "c"), (29, "d"), (29, "d")],
        [0, 1, 2, 3, 4, 5],
    ),
    "below 0": ([(-15, "a"), (-6, "a"), (-5, "a"), (4, "a"), (5, "a"), (-4, "a")], [0, 2, 4]),
    "of a later span": ([(25, "a"), (21, "a"), (16, "a"), (35, "a")], [0, 3]),
}


@pytest.mark.parametrize("columns", [True, False])
@pytest.mark.parametrize("edge", EDGES)
def test_dedupe_forgets_at_the_edge_and_not_before_it(edge, columns):
    rows, passed = EDGES[edge]
    times, keys = zip(*rows, strict=True)
    data = {"t": np.array(times), "k": np.array(keys), "n": np.arange(len(rows))}
    timed = rxdag.from_source(sources.arrays(data)).pipe(ops.event_time("t", unit="ns"))
    kept = timed.pipe(ops.dedupe("k", within="10ns")).to(sinks.collect())
    plan = rxdag.compile(rxdag.Dag(kept), columns=columns)
    assert ("dedupe" in plan.lanes.columns) == columns
    result = rxdag.run(plan)
    assert ([item["n"] for item in result[kept]], result.problems) == (passed, ())


def test_dedupe_rests_where_there_is_no_room_behind():
    items = [n % 50 for n in range(200)]
    timed = rxdag.from_source(sources.iterable(items)).pipe(ops.event_time(lambda x: x, out_of_order="1s"))
    kept = timed.pipe(ops.dedupe(lambda x: x, within="1h")).buffered(max_items=1).to(sinks.collect())
    result = rxdag.run(kept)
    assert result[kept] == list(range(50))
    assert result.problems == ()


@pytest.mark.parametrize("columns", [True, False])
def test_numbers_of_all_types_that_are_equal_are_one_key(columns):
    keys = [1, Decimal(1), Fraction(1), 1.0, True, Decimal("1.5"), 1.5, Decimal(0), 0, Decimal("NaN"), float("inf")]
    stream = rxdag.from_source(sources.arrays({"k": keys, "t": list(range(11))})).pipe(ops.event_time("t"))
    kept = stream.pipe(ops.dedupe(col.k, within="1s")).to(sinks.collect())
    result = rxdag.run(rxdag.compile(rxdag.Dag(kept), columns=columns))
    assert [row["t"] for row in result[kept]] == [0, 5, 7, 9, 10]


@pytest.mark.parametrize("columns", [True, False])
def test_a_key_of_dedupe_that_cannot_be_hashed_is_named(columns):
    stream = rxdag.from_source(sources.arrays({"k": [["a"]], "t": [1]})).pipe(ops.event_time("t"))
    kept = stream.pipe(ops.dedupe(col.k, within="1s")).to(sinks.collect())
    with pytest.raises(rxdag.NodeError, match=r"dedupe: a key must be hashable, got \['a'\]; use a tuple"):
        rxdag.run(rxdag.compile(rxdag.Dag(kept), columns=columns))
