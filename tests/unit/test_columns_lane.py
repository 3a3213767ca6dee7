"""The lane of columns: runs that rest at gates and forks, watermarks between items, ways that meet, and what becomes rows."""

import subprocess
import sys
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pytest

import rxdag
from rxdag import aggregates as agg
from rxdag import col, element, on_error, sinks, sources, windows
from rxdag import operators as ops
from rxdag.contract import MIN
from rxdag.errors import NodeError
from rxdag.testing import settle_virtual, virtual


class Row(NamedTuple):
    t: int
    x: int
    s: str


def rows(n):
    return [Row(i, i % 7, "abc"[i % 3]) for i in range(n)]


def arrays(n):
    return sources.arrays(
        {"t": np.arange(n), "x": np.arange(n) % 7, "s": np.array(["abc"[i % 3] for i in range(n)])}, Row
    )


def stream(n, lag="0ns"):
    return rxdag.from_source(arrays(n), name="in").pipe(ops.event_time("t", out_of_order=lag))


@dataclass(frozen=True)
class _Seen(rxdag.Sink):
    """Keeps what it is given, write by write."""

    takes_columns = True

    def open(self, context):
        class Writer(rxdag.sinks.Writer):
            def __init__(self):
                self.runs = []

            def write(self, chunk):
                self.runs.append(len(chunk.items))

            def close(self, *, ok):
                return self.runs

        return Writer()


# ---- windows without an end


class _Times(ops.Kernel):
    """Notes the event times of items."""

    def __init__(self, times):
        self.times = times

    def on_item(self, item, ts, emit):
        self.times.append(ts)
        emit(item)


@dataclass(frozen=True)
class _times_of(ops.Operator):
    times: list

    def kernel(self):
        return _Times(self.times)


@pytest.mark.parametrize("columns", [True, False])
def test_a_window_without_an_end_gives_each_key_one_pane_with_its_latest_time(columns):
    totals = agg.named(n=agg.count(), x=agg.sum("x"))
    panes = stream(10).pipe(ops.key_by("s")).pipe(ops.window(windows.global_(), totals))
    times = []
    out = panes.pipe(_times_of(times)).to(sinks.collect())
    plan = rxdag.compile(rxdag.Dag(out), columns=columns)
    assert ('window(global_(), named(n=count(), x=sum("x")))  [columns]' in plan.explain()) is columns
    assert [(pane.key, pane.value, ts) for pane, ts in zip(rxdag.run(plan)[out], times, strict=True)] == [
        ("a", {"n": 4, "x": 0 + 3 + 6 + 2}, 9),
        ("b", {"n": 3, "x": 1 + 4 + 0}, 7),
        ("c", {"n": 3, "x": 2 + 5 + 1}, 8),
    ]


# ---- gates, forks and routes


@pytest.mark.parametrize("high", [1, 2, 7, 64, 1000])
def test_a_run_rests_where_a_gate_has_room_for_a_part_of_it(high):
    numbers = rxdag.from_source(sources.arrays(np.arange(100)))
    many = numbers.pipe(ops.map_batch(lambda batch: np.repeat(batch, 30))).buffered(max_items=high)
    result = rxdag.run(many.pipe(ops.filter(element % 2 == 0)).to(sinks.collect(), name="out"))
    assert result["out"] == [n for n in range(0, 100, 2) for _ in range(30)]
    assert result.problems == ()
    [gate] = result.stats.gates.values()
    assert gate.high_water == high


def test_a_fork_gives_each_branch_as_much_as_the_fullest_gate_takes():
    head = stream(300).pipe(ops.filter(col.x > 0))
    narrow, wide = head.buffered(max_items=3), head.buffered(max_items=50)
    result = rxdag.run(
        narrow.pipe(ops.filter(col.s == "a")).to(sinks.collect(), name="narrow"),
        wide.pipe(ops.filter(col.s == "b")).to(sinks.collect(), name="wide"),
        head.to(_Seen(), name="seen"),
    )
    assert result["narrow"] == [row for row in rows(300) if row.x and row.s == "a"]
    assert result["wide"] == [row for row in rows(300) if row.x and row.s == "b"]
    assert result.problems == ()
    assert {gate.high_water for gate in result.stats.gates.values()} == {3}
    assert max(result["seen"]) == 3


def test_a_way_of_a_route_that_is_full_lets_the_other_ways_go_on():
    held = []

    class Slow(ops.Kernel):
        may_park = True

        def want(self, now):
            return 0 if self.timer is not None else 1

        def on_item(self, item, now, emit):
            held.append(len(fast))
            self.timer = now + 10**9
            emit(item)

        def on_timer(self, now, emit):
            self.timer = None

    @dataclass(frozen=True)
    class Slowly(ops.Operator):
        def kernel(self):
            return Slow()

    fast = []
    routes = stream(60).pipe(ops.route({"slow": col.x == 0}, default="fast"))
    out = routes["slow"].buffered(max_items=2).pipe(Slowly()).to(sinks.collect(), name="slow")
    other = routes["fast"].to(sinks.call(fast.append), name="fast")
    result = settle_virtual(virtual(rxdag.compile(rxdag.Dag(out, other))))
    assert result["slow"] == [row for row in rows(60) if row.x == 0]
    assert held == [51] * 9
    assert result.problems == ()


@pytest.mark.parametrize("high", [1, 2, 5])
def test_ways_and_branches_that_wait_for_each_other_do_not_stall(high):
    numbers = rxdag.from_source(sources.arrays(np.arange(400)))
    routes = numbers.pipe(ops.route({"even": element % 2 == 0}, default="odd"))
    head = numbers.pipe(ops.filter(element >= 0))
    pairs = {
        "ways": [routes[name].pipe(ops.filter(element >= 0)).buffered(max_items=high) for name in ("even", "odd")],
        "direct": [routes[name].buffered(max_items=high) for name in ("even", "odd")],
        "branches": [head.buffered(max_items=high), head.pipe(ops.map(element + 1)).buffered(max_items=high)],
    }
    for what, both in pairs.items():
        kept = rxdag.zip(*both).to(sinks.collect())
        result = rxdag.run(kept)
        assert result[kept] == [(n, n + 1) for n in range(0, 400, 1 if what == "branches" else 2)]
        assert result.problems == ()


def test_a_gate_that_drops_gets_rows():
    kept = stream(10).buffered(max_items=4, overflow="drop_newest").pipe(ops.filter(col.x >= 0))
    plan = rxdag.compile(rxdag.Dag(kept.to(sinks.collect())))
    assert "filter" not in plan.lanes.columns
    assert "event_time" in plan.lanes.columns


def test_a_run_that_is_cancelled_accounts_for_what_rests():
    head = stream(5000).pipe(ops.filter(col.x >= 0))
    live = rxdag.start(
        head.buffered(max_items=3).pipe(ops.map(lambda row: row)).pipe(ops.take(40)).to(sinks.collect(), name="out"),
        head.pipe(ops.scan(0, lambda n, row: n + 1)).to(sinks.null(), name="count"),
    )
    live.cancel()
    live.wait(30)
    assert live.result is not None
    assert live.result.problems == ()


# ---- watermarks


@dataclass(frozen=True)
class _Watermarks(ops.Operator):
    """Each time with the watermark that holds when the item comes."""

    def shape(self, shape):
        return shape

    def kernel(self):
        class Kernel(ops.Kernel):
            def on_item(self, item, ts, emit):
                emit((ts, self.watermark))

        return Kernel()


@pytest.mark.parametrize("columns", [True, False])
def test_a_node_on_rows_sees_the_watermark_that_holds_before_each_item(columns):
    times = np.array([5, 3, 9, 9, 4, 20])
    timed = rxdag.from_source(sources.arrays({"t": times})).pipe(ops.event_time("t", out_of_order="2ns"))
    kept = timed.pipe(ops.filter(col.t != 3)).pipe(_Watermarks()).to(sinks.collect())
    result = rxdag.run(rxdag.compile(rxdag.Dag(kept), columns=columns))
    assert result[kept] == [(5, MIN), (9, 2), (9, 6), (4, 6), (20, 6)]


@pytest.mark.parametrize("columns", [True, False])
def test_what_a_kernel_of_columns_gives_as_rows_comes_behind_the_watermark_before_it(columns):
    times = np.array([5, 3, 9, 4])
    timed = rxdag.from_source(sources.arrays({"t": times})).pipe(ops.event_time("t", out_of_order="1ns"))
    kept = timed.pipe(ops.rolling(2, agg.sum("t"))).pipe(_Watermarks()).to(sinks.collect())
    result = rxdag.run(rxdag.compile(rxdag.Dag(kept), columns=columns))
    assert result[kept] == [(5, MIN), (3, 3), (9, 3), (4, 7)]


@pytest.mark.parametrize("columns", [True, False])
def test_an_item_is_late_by_the_watermark_that_the_items_of_its_own_run_have_raised(columns):
    times = np.array([1, 12, 3, 25, 14, 8])
    timed = rxdag.from_source(sources.arrays({"t": times})).pipe(ops.event_time("t", unit="s", out_of_order="2s"))
    panes = timed.pipe(ops.key_by(col.t % 1)).pipe(ops.window(windows.tumbling("10s"), agg.collect()))
    counted = timed.pipe(ops.key_by(col.t % 1)).pipe(ops.window(windows.tumbling("10s"), agg.count()))
    outs = counted.to(sinks.collect(), name="out"), counted.late.to(sinks.collect(), name="late")
    kept = panes.to(sinks.collect(), name="items")
    result = rxdag.run(rxdag.compile(rxdag.Dag(*outs, kept), columns=columns))
    assert [(pane.start // 10**9, pane.value) for pane in result["out"]] == [(0, 1), (10, 1), (20, 1)]
    assert [row["t"] for row in result["late"]] == [3, 14, 8]


@pytest.mark.parametrize("columns", [True, False])
def test_a_merge_of_two_streams_has_the_least_of_their_watermarks(columns):
    def timed(times, name):
        return rxdag.from_source(sources.arrays({"t": np.array(times)}), name=name).pipe(
            ops.event_time("t"), name=f"t{name}"
        )

    merged = rxdag.merge(timed([1, 2, 30, 31], "a"), timed([10, 20, 21], "b"))
    kept = merged.pipe(_Watermarks()).to(sinks.collect())
    plan = rxdag.compile(rxdag.Dag(kept), columns=columns)
    assert ("merge" in plan.lanes.columns) == columns
    result = settle_virtual(virtual(plan))
    assert result[kept] == [(1, MIN), (10, MIN), (2, 0), (20, 1), (30, 1), (21, 19), (31, 20)]


def test_an_item_that_fails_has_what_the_watermark_before_it_set_free_come_out_first():
    timed = rxdag.from_source(sources.arrays({"t": np.array([1, 12, 25, 30]), "x": np.array([1, 1, 0, 1])})).pipe(
        ops.event_time("t", unit="s")
    )
    panes = timed.pipe(ops.key_by(col.t * 0)).pipe(ops.window(windows.tumbling("10s"), agg.sum(12 // col.x)))
    with pytest.raises(NodeError) as caught:
        rxdag.run(panes.to(sinks.collect(), name="out"))
    result = settle_virtual(virtual(rxdag.compile(rxdag.Dag(panes.to(sinks.collect(), name="out")))))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert [(pane.start // 10**9, pane.value) for pane in result["out"]] == [(0, 12)]


# ---- ways that meet


def met(n=12, **how):
    routes = stream(n).pipe(ops.route({"a": col.s == "a", "b": col.s == "b"}, default="c"))
    return rxdag.merge(
        routes["a"].pipe(ops.with_columns(x=col.x * 10), name="times", **how),
        routes["b"].pipe(ops.filter(6 // (col.x - 4) != 0), name="kept", **how),
        routes["c"],
    )


def test_ways_of_a_route_meet_in_the_order_of_the_items():
    out = met().to(sinks.collect())
    plan = rxdag.compile(rxdag.Dag(out))
    assert plan.lanes.met == {"route": "merge"}
    assert "its ways meet in order at merge" in plan.explain()
    assert [row.s for row in met(9, on_error=on_error.skip).collect()] == [*"abcac", *"abc"]


def test_few_of_many_rows_meet_in_the_order_of_the_items():
    n = 90_000  # of a run; the places of the last rows do not fit in 16 bits

    def many(batch):
        return {"i": np.arange(n)}

    expanded = rxdag.from_source(sources.arrays({"x": [0]})).pipe(ops.map_batch(many, batch_format="numpy"))
    routes = expanded.pipe(ops.route({"a": col.i % 2 == 0}, default="b"))
    merged = rxdag.merge(*(routes[name].pipe(ops.filter(col.i % 10_000 < 2)) for name in "ab"))
    plan = rxdag.compile(rxdag.Dag(merged.to(sinks.collect(), name="out")))
    assert plan.lanes.met == {"route": "merge"}
    expected = [start + i for start in range(0, n, 10_000) for i in (0, 1)]
    assert [row["i"] for row in rxdag.run(plan)["out"]] == expected


def test_on_ways_that_meet_the_first_item_that_fails_ends_the_run_and_what_came_before_it_goes_on():
    out, counts = [], {}
    for columns in (True, False):
        kept = met(30).to(sinks.collect(), name="out")
        result = settle_virtual(virtual(rxdag.compile(rxdag.Dag(kept), columns=columns)))
        assert result.problems == ()
        assert "failed on Row(t=4, x=4, s='b')" in str(result.error)
        out.append(result["out"])
        counts[columns] = result.stats.nodes["kept"].failed
    assert out[0] == out[1] == [Row(0, 0, "a"), Row(1, 1, "b"), Row(2, 2, "c"), Row(3, 30, "a")]
    assert counts == {True: 1, False: 1}


def test_of_two_ways_that_fail_the_item_that_came_first_counts():
    routes = stream(30).pipe(ops.route({"a": col.s == "a"}, default="rest"))
    merged = rxdag.merge(
        routes["a"].pipe(ops.filter(6 // (col.t - 9) != 0), name="late"),
        routes["rest"].pipe(ops.filter(6 // (col.t - 5) != 0), name="soon"),
    )
    result = settle_virtual(virtual(rxdag.compile(rxdag.Dag(merged.to(sinks.collect(), name="out")))))
    assert 'node "soon" failed on Row(t=5' in str(result.error)
    assert [row.t for row in result["out"]] == [0, 1, 2, 3, 4]
    assert (result.stats.nodes["soon"].failed, result.stats.nodes["late"].failed) == (1, 0)
    assert result.problems == ()


def test_an_item_that_is_skipped_on_a_way_leaves_the_others_in_order():
    kept = met(20, on_error=on_error.skip).to(sinks.collect(), name="out")
    result = rxdag.run(rxdag.compile(rxdag.Dag(kept)))
    assert [row.t for row in result["out"]] == [t for t in range(20) if t not in (4,)]
    assert result.stats.nodes["kept"].lost == {"dropped (skipped)": 1}


def test_a_route_in_front_of_a_full_gate_rests_with_whole_runs():
    kept = met(200, on_error=on_error.skip).buffered(max_items=3).pipe(ops.filter(col.x >= 0))
    result = rxdag.run(kept.to(sinks.collect(), name="out"))
    expected = [row for row in rows(200) if not (row.s == "b" and (row.x == 4 or 6 // (row.x - 4) == 0))]
    assert [row.t for row in result["out"]] == [row.t for row in expected]
    assert result.problems == ()


@pytest.mark.parametrize("columns", [True, False])
def test_a_fork_whose_branches_meet_gives_rows_and_says_so(columns):
    head = stream(6).pipe(ops.filter(col.x != 2))
    merged = rxdag.merge(head.pipe(ops.with_columns(x=col.x + 100)), head)
    kept = merged.to(sinks.collect())
    plan = rxdag.compile(rxdag.Dag(kept), columns=columns)
    says = "gives rows: its branches meet again, in the order of items" in plan.explain()
    assert says == columns
    assert [(row.t, row.x) for row in rxdag.run(plan)[kept]] == [
        pair for t in (0, 1, 3, 4, 5) for pair in ((t, t + 100), (t, t))
    ]


def test_a_route_whose_ways_hold_items_works_on_rows_and_says_so():
    routes = stream(9).pipe(ops.route({"a": col.s == "a"}, default="rest"))
    merged = rxdag.merge(routes["a"].pipe(ops.conflate("s", per="instant")), routes["rest"])
    plan = rxdag.compile(rxdag.Dag(merged.to(sinks.collect())))
    assert plan.lanes.why_rows["route"] == "its branches meet again, in the order of items"


# ---- rows that become columns


def test_map_batch_is_given_the_rows_that_are_there():
    sizes = []

    def twice(batch):
        sizes.append(len(batch))
        return batch * 2

    kept = rxdag.from_source(sources.range(2500)).pipe(ops.map_batch(twice)).to(sinks.collect())
    plan = rxdag.compile(rxdag.Dag(kept))
    assert "map_batch: " in plan.explain()
    assert "[rows become columns; columns]" in plan.explain()
    assert rxdag.run(plan)[kept] == [2 * n for n in range(2500)]
    assert sizes == [1024, 1024, 452]


def test_map_batch_does_not_wait_for_more():
    source = rxdag.testing.timeline(("0s", 1), ("1s", 2), ("1s", 3), ("5s", 4))
    sizes = []
    kept = rxdag.from_source(source).pipe(ops.map_batch(lambda b: (sizes.append(b.tolist()), b)[1])).to(sinks.collect())
    assert settle_virtual(virtual(rxdag.compile(rxdag.Dag(kept))))[kept] == [1, 2, 3, 4]
    assert sizes == [[1], [2, 3], [4]]


def test_a_type_that_cannot_be_made_of_its_fields_fails_the_run():
    @dataclass
    class Even:
        x: int

        def __post_init__(self):
            if self.x % 2:
                raise ValueError(f"{self.x} is odd")

    source = rxdag.from_source(sources.arrays({"x": np.array([2, 3])}, Even)).pipe(ops.filter(col.x > 0))
    for out in (source.to(sinks.collect()), source.pipe(ops.map(lambda item: item.x)).to(sinks.collect())):
        with pytest.raises(NodeError, match="3 is odd"):
            rxdag.run(out)


# ---- what is not loaded


def test_numpy_is_not_loaded_where_nothing_works_on_columns():
    program = (
        "import sys, rxdag\n"
        "from rxdag import aggregates as agg, col, operators as ops, sources, windows\n"
        "rows = [{'t': t, 's': 'a', 'p': 1.0} for t in range(100)]\n"
        "timed = rxdag.from_source(sources.iterable(rows)).pipe(ops.event_time(col.t)).pipe(ops.dedupe('t', within='1s'))\n"
        "panes = timed.pipe(ops.key_by('s')).pipe(ops.window(windows.tumbling('10ns'), agg.ohlcv('p', 't')))\n"
        "assert len(panes.collect()) == 10\n"
        "assert 'numpy' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stderr == ""
