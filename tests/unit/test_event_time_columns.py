"""What looks at every watermark works on columns too: conflate by instant, rolling windows and as-of joins give the same bytes."""

import random
from dataclasses import dataclass

import numpy as np
import pytest

import rxdag
from rxdag import aggregates as agg
from rxdag import col, sinks, sources
from rxdag import operators as ops
from rxdag.codec import Codec
from rxdag.contract import MIN
from rxdag.testing import settle_virtual, virtual
from rxdag.testing._check_graph import Driven
from rxdag.testing._check_recover import Drives

AGGREGATES = [
    agg.count(),
    agg.sum("x"),
    agg.sum("p"),
    agg.mean("p"),
    agg.min("p"),
    agg.max("x"),
    agg.first("s"),
    agg.last("x"),
    agg.var("p"),
    agg.std("p"),
]


def drawn(seed, n, *, steps=3, keys=4, jitter=8):
    """Rows out of order, with equal times and equal tie-breaks."""
    rng = np.random.default_rng(seed)
    ts = np.cumsum(rng.integers(0, steps, n)) - rng.integers(0, jitter, n)
    return {
        "t": ts,
        "s": np.array([f"S{k}" for k in rng.integers(0, keys, n)]),
        "q": rng.integers(0, 3, n),
        "x": rng.integers(-5, 50, n),
        "p": np.round(rng.random(n), 3),
    }


def timed(data, lag, name="in", sequence="q"):
    return rxdag.from_source(sources.arrays(data), name=name).pipe(
        ops.event_time("t", unit="ns", sequence=sequence, out_of_order=lag), name=f"time.{name}"
    )


def in_both_lanes(build, node, *, is_columns=True):
    """What comes out by columns and by rows, on the caller's thread and in virtual time; all the same."""
    outcomes = []
    for columns in (True, False):
        stream = build()
        kept = stream.to(sinks.collect(), name="out"), stream.late.to(sinks.collect(), name="late")
        plan = rxdag.compile(rxdag.Dag(*kept), columns=columns)
        assert (node in plan.lanes.columns) == (columns and is_columns)
        for result in (rxdag.run(plan), settle_virtual(virtual(plan))):
            assert result.problems == ()
            outcomes.append((result["out"], result["late"]))
    assert outcomes[0] == outcomes[2]
    assert outcomes[1] == outcomes[3]
    return outcomes[0]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("keep", ["last", "all"])
def test_conflate_by_instant(seed, keep):
    rng = random.Random(seed)
    data = drawn(seed, rng.choice([1, 7, 300, 5000]))
    key = rng.choice([("s",), (), (col.x % 3,), ("s", "q")])
    lag = rng.choice(["0ns", "3ns", "9ns"])
    sequence = rng.choice(["q", None, "p"]) if rng.random() < 0.7 else "q"
    in_both_lanes(
        lambda: timed(data, lag, sequence=sequence).pipe(ops.conflate(*key, per="instant", keep=keep)), "conflate"
    )


@pytest.mark.parametrize("seed", range(30))
def test_rolling_over_a_period(seed):
    rng = random.Random(seed)
    data = drawn(seed, rng.choice([1, 9, 400, 3000]))
    of, closed = rng.choice(AGGREGATES), rng.choice(["right", "left", "both", "none"])
    period, lag = rng.choice(["1ns", "7ns", "60ns"]), rng.choice(["0ns", "4ns", "9ns"])
    into = rng.choice([None, lambda item, value: (item["x"], value)])

    def build():
        stream = timed(data, lag)
        stream = stream.pipe(ops.key_by("s")) if seed % 3 else stream
        return stream.pipe(ops.rolling(period, of, closed=closed, into=into))

    in_both_lanes(build, "rolling")


@pytest.mark.parametrize("seed", range(20))
def test_rolling_over_a_number_of_items(seed):
    rng = random.Random(seed)
    data = drawn(seed, rng.choice([1, 9, 400, 3000]))
    of, size = rng.choice(AGGREGATES), rng.choice([1, 2, 13])
    outcomes = []
    for columns in (True, False):
        stream = timed(data, "9ns")
        stream = stream.pipe(ops.key_by("s")) if seed % 3 else stream
        plan = rxdag.compile(
            rxdag.Dag(stream.pipe(ops.rolling(size, of)).to(sinks.collect(), name="out")), columns=columns
        )
        assert ("rolling" in plan.lanes.columns) == columns
        outcomes.append(rxdag.run(plan)["out"])
    assert outcomes[0] == outcomes[1]
    assert len(outcomes[0]) == len(data["t"])


@pytest.mark.parametrize("seed", range(40))
def test_join_asof(seed):
    rng = random.Random(seed)
    left, right = drawn(seed, rng.choice([0, 1, 40, 900])), drawn(seed + 1000, rng.choice([0, 1, 40, 900]))
    lag = rng.choice(["0ns", "4ns", "9ns"])
    how = {
        "strategy": rng.choice(["backward", "forward", "nearest"]),
        "tolerance": rng.choice([None, "2ns", "9ns"]),
        "allow_exact_matches": rng.random() < 0.6,
        "into": rng.choice([None, lambda a, b: (a["x"], None if b is None else b["x"])]),
    }

    def build():
        streams = [timed(left, lag, "left"), timed(right, lag, "right")]
        if seed % 3:
            streams = [stream.pipe(ops.key_by("s")) for stream in streams]
        return rxdag.join_asof(*streams, **how)

    in_both_lanes(build, "join_asof")


def test_times_at_both_ends_of_int64_are_joined():
    ends = {"t": np.array([-(2**63) + 5, 0, 2**63 - 5]), "x": np.array([1, 2, 3])}
    for strategy in ("backward", "forward", "nearest"):
        got = in_both_lanes(
            lambda strategy=strategy: rxdag.join_asof(
                *(
                    rxdag.from_source(sources.arrays(data), name=name).pipe(
                        ops.event_time("t", unit="ns"), name=f"t{name}"
                    )
                    for name, data in (("a", ends), ("b", {"t": ends["t"][[0, 2]], "x": ends["x"][[0, 2]]}))
                ),
                strategy=strategy,
                allow_exact_matches=False,
                into=lambda a, b: (a["x"], None if b is None else b["x"]),
            ),
            "join_asof",
        )[0]
        assert len(got) == 3


def test_right_items_that_nobody_needs_are_let_go_of():
    n = 60_000
    left = {"t": np.arange(n), "x": np.arange(n)}
    right = {"t": np.arange(n), "x": np.arange(n)}
    held = []
    streams = [
        rxdag.from_source(sources.arrays(data), name=name).pipe(ops.event_time("t", unit="ns"), name=f"t{name}")
        for name, data in (("a", left), ("b", right))
    ]
    joined = rxdag.join_asof(*streams)

    def look(stats):
        held.append(stats.nodes["join_asof"].held)

    out = joined.to(sinks.null(), name="out")
    result = rxdag.run(out, on_progress=look, progress_every="1ms")
    assert result["out"] == n
    assert result.problems == ()
    assert max(held, default=0) < n


def test_a_window_behind_keeps_its_grid_and_sees_the_same():
    data = drawn(5, 4000)

    def build():
        from rxdag import windows

        stream = timed(data, "9ns").pipe(ops.conflate("s", per="instant"))
        return stream.pipe(ops.key_by("s")).pipe(ops.window(windows.tumbling("50ns"), agg.sum("x")))

    panes, _ = in_both_lanes(build, "window")
    assert len(panes) > 100


def test_columns_are_not_cut_at_watermarks():
    runs = []

    class Seen(ops.Kernel):
        def on_item(self, item, emit):
            emit(item)

        def in_columns(self):
            return self

        def on_columns(self, columns, emit):
            runs.append((columns.n, columns.before.tolist()))
            emit(columns)

    @dataclass(frozen=True)
    class See(ops.Operator):
        def shape(self, shape):
            return shape

        def kernel(self):
            return Seen()

    data = {"t": np.array([5, 3, 9, 9, 14]), "x": np.arange(5)}
    kept = timed(data, "2ns", sequence="x").pipe(See()).to(sinks.collect())
    assert [row["x"] for row in rxdag.run(kept)[kept]] == [0, 1, 2, 3, 4]
    assert runs == [(5, [MIN, 2, 2, 6, 6])]


@pytest.mark.parametrize(
    ("op", "why"),
    [
        (ops.conflate("s", per="instant", keep="list"), "it gives lists"),
        (ops.conflate(lambda row: row["s"], per="instant"), "opaque callable"),
        (ops.rolling("5ns", agg.collect()), "the aggregate collect takes items one by one"),
        (ops.rolling(3, agg.count(), into=lambda a, b: b), "opaque callable into"),
    ],
)
def test_what_cannot_work_on_columns_says_why(op, why):
    plan = rxdag.compile(rxdag.Dag(timed(drawn(1, 5), "9ns").pipe(op, name="op").to(sinks.null())))
    assert why in plan.lanes.why_rows["op"]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", ["conflate", "rolling", "join"])
def test_state_goes_into_a_new_run_on_either_lane(kind, seed):
    data, other = drawn(seed, 80), drawn(seed + 50, 80)

    def build():
        stream = timed(data, "9ns")
        if kind == "join":
            return rxdag.join_asof(stream, timed(other, "9ns", "other"), strategy="nearest")
        operator = ops.conflate("s", per="instant") if kind == "conflate" else ops.rolling("20ns", agg.mean("p"))
        return stream.pipe(operator)

    drives = Drives(
        lambda **how: Driven(rxdag.Dag(build().to(sinks.collect(), name="out")), **how), Codec(), random.Random(seed)
    )
    assert drives.lanes == ("rows", "columns")
    assert len(drives.whole.outputs["out"]) > 20
    drives.check_recover()
