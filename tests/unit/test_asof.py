"""As-of joins: which right item is taken and when that is certain, and how long the others are kept."""

import random
import re
from bisect import bisect_left, bisect_right
from itertools import product
from typing import NamedTuple

import numpy as np
import pytest
from tests.unit.drive import Exits

import rxdag
from rxdag import col, sinks, sources, testing
from rxdag import operators as ops
from rxdag.contract import MAX
from rxdag.operators.joining._asof_kernel import AsofKernel

WAYS = list(product(("backward", "forward", "nearest"), (None, 0, 7), (True, False)))


class Join:
    """The kernel of an as-of join, its exits, and the right items that it has taken."""

    def __init__(self, strategy="backward", tolerance=None, exact=True, into=None):
        self._how = strategy, tolerance, exact, into
        self.kernel = AsofKernel(*self._how)
        self.exits = Exits()
        self.n_rights = 0

    def left(self, item, ts, key=None, sequence=0):
        self.kernel.on_item(item, ts, sequence, key, 0, self.exits)

    def right(self, item, ts, key=None, sequence=0):
        self.n_rights += ts > self.kernel.watermark
        self.kernel.on_item(item, ts, sequence, key, 1, self.exits)

    def mark(self, watermark):
        self.kernel.watermark = watermark
        if watermark >= self.kernel.wake:
            self.kernel.on_watermark(watermark, self.exits)

    def end(self):
        self.kernel.watermark = MAX
        self.kernel.on_end(self.exits)

    def recover(self):
        saved, watermark = self.kernel.snapshot(), self.kernel.watermark
        self.kernel = AsofKernel(*self._how)
        self.kernel.restore(saved)
        self.kernel.watermark = watermark

    @property
    def out(self):
        return [entry[1] for entry in self.exits.seen if entry[0] == "out"]

    @property
    def late(self):
        return [entry[1] for entry in self.exits.seen if entry[0] == "late"]

    @property
    def rights_held(self):
        """How many right items are kept: those that were taken and not let go of."""
        return self.n_rights - sum(entry[1] for entry in self.exits.seen if entry[0] == "absorbed")


class Rights:
    """Right items of one key, looked up as the docstring says."""

    def __init__(self, rows):
        self.rows = sorted(rows)
        self.times = [row[0] for row in self.rows]

    def match(self, ts, strategy, tolerance, exact):
        at = (bisect_right if exact else bisect_left)(self.times, ts) - 1
        before = self.rows[at] if at >= 0 and strategy != "forward" else None
        at = (bisect_left if exact else bisect_right)(self.times, ts)
        after = self.rows[at] if at < len(self.rows) and strategy != "backward" else None
        near = [row for row in (before, after) if row and (tolerance is None or abs(row[0] - ts) <= tolerance)]
        return min(near, key=lambda row: abs(row[0] - ts))[-1] if near else None


@pytest.mark.parametrize("recovers", [False, True])
@pytest.mark.parametrize(("strategy", "tolerance", "exact"), WAYS)
def test_every_left_item_meets_what_a_search_finds_though_thousands_of_right_ones_come(
    strategy, tolerance, exact, recovers
):
    rng = random.Random(f"{strategy} {tolerance} {exact}")
    join = Join(strategy, tolerance, exact)
    rights, lefts = {key: [] for key in "abc"}, []
    # Nothing comes for "d": without a tolerance a left item would wait for it until the end, and all behind it.
    keys = "abc" if strategy != "backward" and tolerance is None else "abcd"
    for n in range(5000):
        now = n // 2  # what comes is up to 9 ns old, so that nothing is late
        ts, key, sequence = now - rng.randrange(10), rng.choice("abc"), rng.randrange(3)
        rights[key].append((ts, sequence, n, n))
        join.right(n, ts, key, sequence)
        if n % 7 == 0:
            ts, key = now - rng.randrange(10), rng.choice(keys)
            lefts.append((ts, n, key))
            join.left((ts, n, key), ts, key, n)
        if n % 5 == 0:
            join.mark(now - 10)
            assert join.kernel.held() == join.rights_held + len(lefts) - len(join.out)
        if recovers and n % 1000 == 999:
            join.recover()
    assert join.rights_held < 1300  # of 5000: they are swept when more than 1024 are kept
    join.end()
    tables = {key: Rights(rows) for key, rows in rights.items()} | {"d": Rights([])}
    assert join.out == [
        ((ts, n, key), tables[key].match(ts, strategy, tolerance, exact)) for ts, n, key in sorted(lefts)
    ]
    assert (join.rights_held, join.kernel.held(), join.late) == (0, 0, [])


def test_of_right_items_of_one_time_the_last_wins_by_sequence_then_arrival():
    join = Join()
    for item, sequence in [("a", 1), ("b", 2), ("c", 2), ("d", 0)]:
        join.right(item, 5, sequence=sequence)
    for at in range(2):
        join.left(at, 5)
    join.mark(5)
    assert join.out == [(0, "c"), (1, "c")]


def test_forward_the_first_wins():
    join = Join("forward")
    for item, sequence in [("a", 1), ("b", 0), ("c", 0)]:
        join.right(item, 5, sequence=sequence)
    join.left("x", 4)
    join.mark(5)
    assert join.out == [("x", "b")]


def test_left_items_leave_in_order_of_time_then_sequence_then_arrival():
    join = Join()
    for item, ts, sequence in [("a", 5, 1), ("b", 5, 0), ("c", 4, 9), ("d", 5, 0)]:
        join.left(item, ts, sequence=sequence)
    join.mark(5)
    assert [left for left, _ in join.out] == ["c", "b", "d", "a"]


def test_of_two_that_are_equally_near_the_earlier_one_is_taken():
    join = Join("nearest")
    for ts in (3, 7, 8):
        join.right(ts, ts)
    for ts in (5, 6):
        join.left(ts, ts)
    join.mark(8)
    assert join.out == [(5, 3), (6, 7)]


@pytest.mark.parametrize(
    ("strategy", "tolerance", "rights", "certain"),
    [
        ("backward", None, (), 10),
        ("backward", None, (8,), 10),
        ("forward", None, (14,), 14),
        ("forward", 3, (), 13),
        ("forward", 3, (12,), 12),
        ("forward", 3, (14,), 13),
        ("nearest", None, (8,), 12),
        ("nearest", None, (8, 11), 11),
        ("nearest", 1, (8,), 11),
        ("nearest", None, (10,), 10),
    ],
)
def test_a_left_item_leaves_as_soon_as_nothing_can_change_its_match(strategy, tolerance, rights, certain):
    join = Join(strategy, tolerance)
    join.left("x", 10)
    for ts in rights:
        join.right(ts, ts)
    join.mark(certain - 1)
    assert (join.out, join.kernel.low()) == ([], 10)
    join.mark(certain)
    assert (len(join.out), join.kernel.low()) == (1, MAX)


def test_what_comes_at_the_watermark_is_late_and_what_comes_behind_it_is_not():
    join = Join()
    join.mark(5)
    join.left("late", 5)
    join.right("late too", 5)
    join.right("r", 6)
    join.left("x", 6)
    join.mark(6)
    assert (join.out, join.late) == ([("x", "r")], ["late", "late too"])


def test_backward_the_last_right_item_before_is_kept_and_those_before_it_are_not():
    join = Join()
    for ts in range(5):
        join.right(ts, ts)
    join.mark(3)
    join.right(9, 9)
    assert join.rights_held == 4  # 2 and 3, since a left one may not take its own time, and what comes after
    join.left("x", 4)
    join.mark(4)
    assert join.out == [("x", 4)]


def test_a_left_item_that_waits_keeps_the_right_ones_that_it_may_need():
    join = Join("nearest")
    join.left("x", 10)
    for ts in (1, 2, 9):
        join.right(ts, ts)
    join.mark(10)
    for ts in (30, 40, 50):
        join.right(ts, ts)
    assert join.rights_held == 4
    join.mark(11)
    assert join.out == [("x", 9)]


def test_a_key_that_nobody_needs_is_forgotten():
    join = Join("backward", 5)
    for ts in range(3000):
        join.right(ts, ts, key=ts)
        join.mark(ts - 1)
    assert len(join.kernel.rights) < 1100
    assert join.rights_held == join.kernel.held() < 1100


def test_right_items_are_let_go_of_when_the_left_stream_ends_and_nothing_waits():
    join = Join()
    for ts in range(3):
        join.right(ts, ts)
    join.left("x", 1)
    join.kernel.on_input_end(0, join.exits)
    assert join.rights_held == 3
    join.mark(1)
    join.kernel.on_input_end(1, join.exits)
    assert join.rights_held == 3
    join.kernel.on_input_end(0, join.exits)
    assert (join.rights_held, join.kernel.held()) == (0, 0)


def test_into_that_fails_leaves_the_item_where_it_was():
    fails = [OSError("once")]

    def into(left, right):
        if fails:
            raise fails.pop()
        return f"{left}{right}"

    join = Join(into=into)
    join.right("r", 1)
    join.left("x", 2)
    with pytest.raises(OSError, match="once"):
        join.mark(2)
    assert (join.out, join.kernel.low()) == ([], 2)
    join.mark(3)
    assert join.out == ["xr"]


@pytest.mark.parametrize("waits", [False, True])
def test_a_join_ends_with_its_left_stream_though_the_right_one_goes_on(waits):
    left, right = (rxdag.from_source(testing.manual(timed=True), name=name) for name in ("left", "right"))
    out = rxdag.join_asof(left, right, strategy="forward" if waits else "backward").to(sinks.collect())
    run = testing.start(rxdag.Dag(out))
    run.inputs["right"].push("r", ts=5)
    run.inputs["left"].push("x", ts=6)
    run.inputs["left"].complete()
    run.settle()
    assert not run.is_done
    run.inputs["right"].push("s", ts=7)
    run.inputs["right"].watermark(7)
    run.settle()
    assert run.is_done
    assert (run[out], run.finish().problems) == ([("x", "s" if waits else "r")], ())


@pytest.mark.parametrize("columns", [False, True])
@pytest.mark.parametrize(("strategy", "tolerance"), [("backward", None), ("backward", "40ns"), ("nearest", None)])
def test_both_lanes_find_the_match_among_tens_of_thousands(strategy, tolerance, columns):
    rng = np.random.default_rng(5)
    n = 40_000
    rights = {"t": np.arange(n) * 3 - rng.integers(0, 9, n), "k": rng.integers(0, 50, n), "x": np.arange(n)}
    lefts = {"t": np.arange(0, 3 * n, 101), "k": rng.integers(0, 51, len(range(0, 3 * n, 101)))}
    streams = [
        rxdag.from_source(sources.arrays(data), name=name).pipe(
            ops.event_time("t", unit="ns", out_of_order="9ns"), ops.key_by("k")
        )
        for name, data in (("left", lefts), ("right", rights))
    ]
    joined = rxdag.join_asof(
        *streams, strategy=strategy, tolerance=tolerance, into=lambda a, b: (a["t"], None if b is None else b["x"])
    )
    plan = rxdag.compile(rxdag.Dag(joined.to(sinks.collect(), name="out")), columns=columns)
    assert ("join_asof" in plan.lanes.columns) == columns
    result = rxdag.run(plan)
    rows = {key: [] for key in range(51)}
    for at, (ts, key) in enumerate(zip(rights["t"].tolist(), rights["k"].tolist(), strict=True)):
        rows[key].append((ts, at, at))
    tables = {key: Rights(of_key) for key, of_key in rows.items()}
    reach = None if tolerance is None else 40
    expected = [
        (ts, tables[key].match(ts, strategy, reach, True))
        for ts, key in zip(lefts["t"].tolist(), lefts["k"].tolist(), strict=True)
    ]
    assert result.problems == ()
    assert (result["out"], result.stats.nodes["join_asof"].absorbed) == (expected, n)


class Purges(AsofKernel):
    n = 0

    def _purge(self, rights, emit):
        Purges.n += 1
        super()._purge(rights, emit)


def test_right_items_are_purged_at_twice_their_number_however_many_are_needed():
    Purges.n = 0
    kernel, exits = Purges("backward", None, True, None), Exits()
    for ts in range(10_000):
        kernel.on_item(ts, ts, 0, "k", 1, exits)
        kernel.watermark = ts - 1000
    assert kernel.held() < 2100
    assert Purges.n < 30


class Trade(NamedTuple):
    t: int
    price: float


class Quote(NamedTuple):
    t: int
    bid: float
    venue: str
    n: int


class Quoted(NamedTuple):
    t: int
    price: float
    bid: float | None
    where: str | None
    n: int | None


TRADES = [Trade(1, 9.5), Trade(4, 9.25), Trade(30, 9.0)]
QUOTES = [Quote(2, 9.0, "X", 7), Quote(4, 9.125, "Y", 8)]


def quoted(of_columns, **how):
    sides = []
    for rows in (TRADES, QUOTES):
        of = type(rows[0])
        table = {name: [getattr(row, name) for row in rows] for name in of._fields}
        source = sources.arrays(table, of=of) if of_columns else sources.iterable(rows, of=of)
        sides.append(rxdag.from_source(source).pipe(ops.event_time("t", unit="s")))
    return rxdag.join_asof(*sides, tolerance="9s", **how)


@pytest.mark.parametrize("of_columns", [True, False])
def test_fields_of_the_right_item_are_added_to_the_left_one_and_none_without_a_match(of_columns):
    assert quoted(of_columns, fields=["bid"]).collect() == [
        {"t": 1, "price": 9.5, "bid": None},
        {"t": 4, "price": 9.25, "bid": 9.125},
        {"t": 30, "price": 9.0, "bid": None},
    ]
    records = quoted(of_columns, fields={"bid": "bid", "where": "venue", "n": "n"}, into=Quoted).collect()
    assert records == [(1, 9.5, None, None, None), (4, 9.25, 9.125, "Y", 8), (30, 9.0, None, None, None)]
    assert {type(record) for record in records} == {Quoted}


def test_a_join_with_fields_keeps_columns():
    stream = quoted(True, fields={"bid": "bid", "where": "venue"}).pipe(ops.filter(~col.bid.is_null()))
    plan = rxdag.compile(rxdag.Dag(stream.to(sinks.collect(), name="out"), name="d"))
    assert "filter(~col.bid.is_null())  [columns]" in plan.explain()
    assert rxdag.run(plan)["out"] == [{"t": 4, "price": 9.25, "bid": 9.125, "where": "Y"}]


@pytest.mark.parametrize("of_columns", [True, False])
def test_right_items_that_lack_a_field_fail_the_join_after_those_before_them(of_columns):
    seen = []
    rights = [{"t": 2, "bid": 1.0}, {"t": 5, "ask": 2.0}]
    left = rxdag.from_source(sources.iterable([{"t": 3}, {"t": 6}])).pipe(ops.event_time("t", unit="s"))
    right = rxdag.from_source(sources.iterable(rights)).pipe(ops.event_time("t", unit="s"))
    joined = rxdag.join_asof(left, right, fields=["bid"]).pipe(ops.tap(seen.append))
    dag = rxdag.Dag(joined.to(sinks.null(), name="out"))
    with pytest.raises(rxdag.NodeError, match="bid"):
        rxdag.run(rxdag.compile(dag, columns=of_columns))
    assert seen == [{"t": 3, "bid": 1.0}]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"fields": ["bit"]}, 'join_asof: fields: Quote has no field "bit"; did you mean "bid"?'),
        ({"fields": ["t"]}, 'must have names that the left item has not, got "t"; pass another name: fields={"right_t": "t"}'),
        ({"fields": "bid"}, "must be names of fields of the right item, such as"),
        ({"fields": []}, "must be names of fields of the right item, such as"),
        ({"fields": ["bid", "bid"]}, 'fields must be named once, got "bid" twice'),
        ({"fields": ["bid"], "into": 3}, "join_asof: into must be a type, got 3"),
        ({"fields": ["bid"], "into": Trade}, "bid"),
    ],
)  # fmt: skip
def test_fields_that_cannot_be_added_are_refused(how, message):
    with pytest.raises(rxdag.GraphError, match=re.escape(message)):
        quoted(False, **how)
