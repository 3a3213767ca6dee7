"""Windows over what users give: assigners and accumulators of their own."""

import random
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pytest
from tests.unit.drive import Driven

import rxdag
from rxdag import aggregates as agg
from rxdag import on_error, sinks, sources, testing, windows
from rxdag import operators as ops
from rxdag.contract import Accumulator, Aggregate, Assigner
from rxdag.testing import feed


@dataclass(frozen=True)
class Around(Assigner):
    """Sessions whose items reach as far back as forth; some further than others, and those below 0 nowhere."""

    @property
    def merges(self):
        return True

    def assign(self, ts):
        reach = 20 if ts % 10 == 0 else 3
        return () if ts < 0 else ((ts - reach, ts + reach),)


@dataclass(frozen=True)
class Gaps(Assigner):
    """Sessions that do not say how far they reach."""

    gap: int

    @property
    def merges(self):
        return True

    def assign(self, ts):
        return ((ts, ts + self.gap),)


def panes_of(times, assigner, aggregate=None):
    timed = rxdag.from_source(sources.iterable(times)).pipe(
        ops.event_time(lambda t: t, unit="ns", out_of_order="1s"), ops.key_by(lambda t: "k")
    )
    panes = timed.pipe(ops.window(assigner, agg.collect() if aggregate is None else aggregate), on_error=on_error.dead)
    kept, dead = panes.to(sinks.collect()), panes.dead.to(sinks.collect())
    result = rxdag.run(kept, dead)
    assert result.problems == ()
    return [(pane.start, pane.end, pane.value) for pane in result[kept]], [letter.item for letter in result[dead]]


def test_sessions_of_an_own_assigner_meet_wherever_their_spans_do():
    # 13 meets 9 though it comes behind its end; 10 comes first and reaches further than 11; -1 is in none.
    assert panes_of([9, 13, -1], Around())[0] == [(6, 16, [9, 13])]
    assert panes_of([11, 10], Around())[0] == [(-10, 30, [11, 10])]
    assert panes_of([11, 10, 29], Around())[0] == [(-10, 32, [11, 10, 29])]
    assert panes_of([1, 9, 5], Around())[0] == [(-2, 12, [1, 9, 5])]


class NoSeven(Accumulator):
    """Counts, and fails on 7; it says nothing of that beforehand."""

    def __init__(self):
        self.n = 0

    def add(self, item, /):
        if item == 7:
            raise ValueError("seven")
        self.n += 1

    def result(self):
        return self.n


@dataclass(frozen=True)
class CountOfNoSeven(Aggregate):
    def accumulator(self):
        return NoSeven()


def test_an_item_that_one_part_fails_on_is_in_none_of_the_windows_that_overlap():
    both = agg.named(n=agg.count(), seven=CountOfNoSeven())
    panes, dead = panes_of([1, 7, 2], windows.sliding("10ns", "5ns"), both)
    assert ([value for _, _, value in panes], dead) == ([{"n": 2, "seven": 2}] * 2, [7])


@pytest.mark.parametrize(("size", "slide"), [("10ns", "2ns"), ("10ns", "3ns"), ("7ns", "5ns")])
def test_windows_that_overlap_read_each_item_once_and_say_what_a_loop_says(size, slide):
    reads = []
    rng = random.Random(3)
    items = [max(i + rng.randrange(-9, 9), 0) for i in range(60)]
    total = agg.named(n=agg.count(), s=agg.sum(lambda x: reads.append(x) or x), top=agg.max(lambda x: x))
    assigner = windows.sliding(size, slide)
    expected = {}
    for item in items:
        for window in assigner.assign(item):
            expected.setdefault((window[1], window[0]), []).append(item)
    panes, _ = panes_of(items, assigner, total)
    assert panes == [
        (start, end, {"n": len(held), "s": sum(held), "top": max(held)})
        for (end, start), held in sorted(expected.items())
    ]
    assert len(reads) == len(items)


def test_an_aggregate_of_ones_own_is_asked_for_each_window_unless_it_commutes():
    calls = []

    class Count(Accumulator):
        n = 0

        def add(self, item, /):
            calls.append(item)
            self.n += 1

        def merge(self, other, /):
            self.n += other.n

        def result(self):
            return self.n

    class OfEachWindow(Aggregate):
        def accumulator(self):
            return Count()

    class OfStretches(OfEachWindow):
        commutes = True

    got = [panes_of([1, 2, 3], windows.sliding("4ns", "2ns"), made())[0] for made in (OfEachWindow, OfStretches)]
    assert got[0] == got[1] == [(-2, 2, 1), (0, 4, 3), (2, 6, 2)]
    assert calls[-3:] == [1, 2, 3]
    assert len(calls) > 6


def test_items_that_cannot_be_compared_take_their_place_in_top_n():
    rows = [("a", np.array([3, 1])), ("a", np.array([3, 1])), ("b", np.array([2, 2]))]
    got = feed(ops.top_n(2, lambda r: int(r[1][0]), unique=lambda r: r[0]), rows)
    assert [[name for name, _ in top] for top in got] == [["a"], ["a"], ["a", "b"]]


class Last(Accumulator):
    """The items; it takes the oldest out again, but never a multiple of 3, and fails on a sum above 30."""

    def __init__(self):
        self.items = []

    def add(self, item, /):
        if sum(self.items) + item > 30:
            raise ValueError("too much")
        self.items.append(item)

    def remove(self, item, /):
        return self.items.pop(0) % 3 != 0

    def result(self):
        return list(self.items)


@dataclass(frozen=True)
class Lasts(Aggregate):
    def accumulator(self):
        return Last()


@pytest.mark.parametrize(("size", "slide"), [(1, 1), (3, 1), (3, 2), (4, 3), (3, 3)])
def test_a_window_of_items_is_that_of_a_new_accumulator(size, slide):
    items = [random.Random(1).randrange(1, 10) for _ in range(3)] + list(range(1, 13)) + [3, 1, 2, 6, 6, 5, 1]
    timed = rxdag.from_source(sources.iterable(items)).pipe(ops.event_time(lambda x: x, out_of_order="1h"))
    panes = timed.pipe(ops.window_all(windows.count(size, slide=slide), Lasts()), on_error=on_error.dead)
    kept, dead = panes.to(sinks.collect()), panes.dead.to(sinks.collect())
    result = rxdag.run(kept, dead)
    rows, since, expected, failed = [], 0, [], []
    for item in items:
        window = [*rows, item][-size:]
        if since + 1 == slide and sum(window) > 30:
            failed.append(item)
            continue
        rows, since = window, since + 1
        if since == slide:
            expected.append((min(rows), max(rows) + 1, rows))
            rows, since = [] if size == slide else rows, 0
    assert [(pane.start, pane.end, pane.value) for pane in result[kept]] == expected
    assert [letter.item for letter in result[dead]] == failed
    assert result.problems == ()


@dataclass(frozen=True)
class SameEnd(Assigner):
    """Two windows of different length that end together."""

    @property
    def overlaps(self):
        return True

    def assign(self, ts):
        end = ts // 10 * 10 + 10
        return ((end - 20, end), (end - 10, end))


def held_and_absorbed(driven):
    return driven.kernel.held(), sum(entry[1] for entry in driven.exits.seen if entry[0] == "absorbed")


def counts(driven):
    """How many items each pane has of a count, or of a list of them."""
    return [(pane.start, pane.end, pane.value if type(pane.value) is int else len(pane.value)) for pane in driven.out]


@pytest.mark.parametrize("recovers", [False, True])
@pytest.mark.parametrize("aggregate", [agg.count(), agg.collect()], ids=["in stretches", "in each window"])
def test_an_item_of_windows_that_overlap_is_held_once_until_the_last_of_them_ends(aggregate, recovers):
    driven = Driven(ops.window(windows.sliding("10ns", "5ns"), aggregate))
    seen = []
    for ts in (7, 8, 12):
        driven.item(ts, ts=ts, key="k")
        seen.append(held_and_absorbed(driven))
    if recovers:
        driven.recover()
    for watermark in (8, 9, 14, 19):
        driven.mark(watermark)
        seen.append(held_and_absorbed(driven))
    assert seen == [(1, 0), (2, 0), (3, 0), (3, 0), (3, 0), (1, 2), (0, 3)]
    assert counts(driven) == [(0, 10, 2), (5, 15, 3), (10, 20, 1)]


@pytest.mark.parametrize("aggregate", [agg.count(), agg.collect()], ids=["in stretches", "in each window"])
def test_an_item_that_is_late_for_one_window_is_in_those_that_are_open(aggregate):
    driven = Driven(ops.window(windows.sliding("10ns", "5ns"), aggregate))
    driven.item(1, ts=1, key="k")
    driven.mark(9)
    driven.item(8, ts=8, key="k")
    driven.item(4, ts=4, key="k")
    driven.item(9, ts=9, key="k")
    driven.end()
    assert counts(driven) == [(-5, 5, 1), (0, 10, 1), (5, 15, 2)]
    assert [entry for entry in driven.exits.seen if entry[0] == "late"] == [("late", 4)]
    assert held_and_absorbed(driven) == (0, 3)


def test_windows_that_end_together_hold_an_item_once():
    driven = Driven(ops.window(SameEnd(), agg.collect()))
    for ts in (1, 12):
        driven.item(ts, ts=ts, key="k")
    assert held_and_absorbed(driven) == (2, 0)
    driven.mark(9)
    assert held_and_absorbed(driven) == (1, 1)
    driven.end()
    assert held_and_absorbed(driven) == (0, 2)
    assert counts(driven) == [(-10, 10, 1), (0, 10, 1), (0, 20, 1), (10, 20, 1)]


def test_out_of_order_items_about_a_border_are_each_in_their_own_window():
    driven = Driven(ops.window(windows.tumbling("10ns"), agg.collect()))
    for ts in (9, 10, 9, 10, 25, 10, 20, 19, 29, 0):
        driven.item(ts, ts=ts, key="k")
    driven.end()
    assert counts(driven) == [(0, 10, 3), (10, 20, 4), (20, 30, 3)]


def test_an_item_that_no_window_takes_goes_to_its_port_and_is_counted_once():
    stream = rxdag.from_source(sources.iterable([5, 25, 14, 6, 7])).pipe(
        ops.event_time(lambda x: x, unit="ns"), ops.key_by(lambda x: "k")
    )
    panes = stream.pipe(
        ops.window(windows.sliding("10ns", "20ns"), agg.collect()), name="panes", on_error=on_error.dead
    )
    kept = {port: panes.side(port).to(sinks.collect()) for port in ("late", "unassigned", "dead")}
    out = panes.to(sinks.collect())
    result = rxdag.run(out, *kept.values())
    assert [(pane.start, pane.value) for pane in result[out]] == [(0, [5]), (20, [25])]
    assert (result[kept["late"]], result[kept["unassigned"]], result[kept["dead"]]) == ([6, 7], [14], [])
    assert (result.stats.nodes["panes"].late, result.problems) == (2, ())


def test_an_item_that_an_aggregate_fails_on_was_tried_once():
    stream = rxdag.from_source(sources.iterable([1, 7])).pipe(ops.event_time(lambda x: x, unit="ns"))
    panes = stream.pipe(ops.window_all(windows.tumbling("10ns"), CountOfNoSeven()), on_error=on_error.dead)
    out, dead = panes.to(sinks.collect()), panes.dead.to(sinks.collect())
    result = rxdag.run(out, dead)
    assert [(letter.item, letter.attempts) for letter in result[dead]] == [(7, 1)]
    assert [pane.value for pane in result[out]] == [1]


@pytest.mark.parametrize("behind", ["nothing", "map"])
def test_an_item_that_ends_a_pause_is_in_its_window_and_holds_the_watermark_again(behind):
    source = rxdag.from_source(testing.manual(timed=True), name="in")
    panes = source.pipe(ops.window_all(windows.tumbling("10ns"), agg.collect(), into=lambda pane: pane.value))
    if behind == "map":
        panes = panes.pipe(ops.map(lambda value: value))
    other = rxdag.from_source(testing.manual(timed=True), name="other")
    out = rxdag.merge_sorted(panes, other).to(sinks.collect())
    run = testing.start(rxdag.Dag(out))
    run.inputs["in"].push("a", ts=3)
    run.inputs["in"].watermark(5)
    run.inputs["in"].idle()
    run.inputs["other"].push("x", ts=5)
    run.inputs["other"].watermark(5)
    run.settle()
    assert run[out] == ["x"]
    run.inputs["in"].push("b", ts=6)
    run.inputs["other"].push("y", ts=30)
    run.inputs["other"].watermark(30)
    run.settle()
    assert run[out] == ["x"]
    run.inputs["in"].watermark(9)
    run.settle()
    assert run[out] == ["x", ["a", "b"]]
    run.cancel()
    assert run.finish().problems == ()


def test_sessions_that_say_their_reach_are_those_that_assign_each_item():
    rng = random.Random(7)
    times = [rng.randrange(3_000) for _ in range(400)]
    said, assigned = panes_of(times, windows.session("5ns")), panes_of(times, Gaps(5))
    assert said == assigned
    assert len(said[0]) > 50


@pytest.mark.parametrize(
    ("size", "at", "start", "end"),
    [
        ("1q", "2024-02-29T12:00-05:00", "2024-01-01T00:00-05:00", "2024-04-01T00:00-04:00"),
        ("1q", "2024-03-31T23:59:59-04:00", "2024-01-01T00:00-05:00", "2024-04-01T00:00-04:00"),
        ("1q", "2024-04-01T00:00-04:00", "2024-04-01T00:00-04:00", "2024-07-01T00:00-04:00"),
        ("1q", "2024-09-30T23:00-04:00", "2024-07-01T00:00-04:00", "2024-10-01T00:00-04:00"),
        ("1q", "2024-12-31T20:00-05:00", "2024-10-01T00:00-04:00", "2025-01-01T00:00-05:00"),
        ("1y", "2024-12-31T23:00-05:00", "2024-01-01T00:00-05:00", "2025-01-01T00:00-05:00"),
        ("1y", "1969-12-31T23:00-05:00", "1969-01-01T00:00-05:00", "1970-01-01T00:00-05:00"),
    ],
)
def test_quarters_and_years_begin_at_midnight_in_their_zone(size, at, start, end):
    def ns(text):
        return int(datetime.fromisoformat(text).timestamp()) * 10**9

    assert windows.tumbling(size, tz="America/New_York").assign(ns(at)) == ((ns(start), ns(end)),)
