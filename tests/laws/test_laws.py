"""Laws over random input, in virtual time. `make test SLOW=1` tries 1,000 examples of each."""

from __future__ import annotations

import inspect
import math
import os
import random

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

import rxdag
from rxdag import aggregates as agg
from rxdag import market, on_error, sinks, sources, windows
from rxdag import operators as ops
from rxdag.contract import MAX, MIN
from rxdag.testing import run_virtual, timeline
from rxdag.testing._check import _Check
from tests.unit.samples import SAMPLES

polars = pytest.importorskip("polars")
S = 10**9
EXAMPLES = 1_000 if os.environ.get("SLOW") == "1" else 25

law = settings(max_examples=EXAMPLES, deadline=None)
pytestmark = pytest.mark.timeout(120 if EXAMPLES < 1_000 else 1_200)
EVENTS = st.lists(st.tuples(st.integers(-30, 30), st.sampled_from("ab"), st.integers(0, 9)), max_size=30)
SEEDS = st.integers(0, 2**32 - 1)
BOUND = 6


def disordered(events, seed):
    """The events by time, each with its number, in an order in which none is more than the bound behind."""
    rng = random.Random(seed)
    numbered = [(ts, n, key, value) for n, (ts, key, value) in enumerate(sorted(events, key=lambda e: e[0]))]
    return sorted(numbered, key=lambda e: e[0] + rng.uniform(0, BOUND))


def timed(events):
    stream = rxdag.from_source(sources.iterable(events))
    return stream.pipe(ops.event_time(lambda e: e[0], unit="s", sequence=lambda e: e[1], out_of_order=f"{BOUND}s"))


def keyed(events):
    return timed(events).pipe(ops.key_by(lambda e: e[2]))


# ---- chunks and state

IN_LANES = [
    (name, make, items, before)
    for name, samples in SAMPLES.items()
    if name not in ("map_async", "lookup", "flat_map", "concat_map", "switch_map")  # they wait for the loop
    for i, (make, items, before, *waive) in enumerate(samples)
    if not waive and name != "map_batch" and (name, i) != ("merge", 2)  # held back, inputs meet in no fixed order
]


@law
@given(sample=st.sampled_from(IN_LANES), seed=SEEDS, length=st.integers(0, 40))
def test_any_split_into_chunks_gives_the_same_and_any_state_recovers(sample, seed, length):
    name, make, items, before = sample
    rng = random.Random(seed)
    some = [rng.choice(items) for _ in range(length)] if items else []
    build = make if make.__code__.co_argcount else lambda s: s.pipe(make())
    check = _Check(build, before, some, None, rng)
    check.books()
    check.same("chunks", check.run(check.split()), f"{name}: a split into chunks")
    check.recover()
    check.marks()


# ---- windows


def in_windows(events, assigner):
    """Items by key and window, from the definition."""
    found = {}
    for event in sorted(events):
        for window in assigner.assign(event[0] * S):
            found.setdefault((event[2], *window), []).append(event)
    return found


def in_sessions(events, gap):
    found = {}
    for key in "ab":
        session = []
        for event in [e for e in sorted(events) if e[2] == key] + [None]:
            if session and (event is None or event[0] - session[-1][0] > gap):
                found[key, session[0][0] * S, (session[-1][0] + gap) * S] = session
                session = []
            if event is not None:
                session.append(event)
    return found


VALUES = agg.named(
    n=agg.count(),
    total=agg.sum(lambda e: e[3]),
    least=agg.min(lambda e: e[3]),
    first=agg.first(lambda e: e[1]),
    last=agg.last(lambda e: e[1]),
    median=agg.quantile(lambda e: e[3], 0.5),
    distinct=agg.count_distinct(lambda e: e[3]),
)


def summed_up(items):
    values = sorted(e[3] for e in items)
    return {
        "n": len(items),
        "total": sum(values),
        "least": values[0],
        "first": items[0][1],
        "last": items[-1][1],
        "median": pytest.approx(values[(len(values) - 1) // 2], rel=0.0101),
        "distinct": len(set(values)),
    }


ASSIGNERS = [
    windows.tumbling("5s"),
    windows.tumbling("7s", offset="-3s"),
    windows.sliding("9s", "4s"),
    windows.sliding("3s", "2s"),  # an item is in one, the next in two
    windows.sliding("3s", "5s", offset="1s"),
]


@law
@given(events=EVENTS, seed=SEEDS, assigner=st.sampled_from([*ASSIGNERS, "sessions"]))
def test_windows_over_any_order_within_the_bound_are_those_of_the_sorted_batch(events, seed, assigner):
    received = disordered(events, seed)
    if assigner == "sessions":
        expected = in_sessions(received, 3)
        assigner = windows.session("3s")
    else:
        expected = in_windows(received, assigner)
    panes = keyed(received).pipe(ops.window(assigner, VALUES))
    out, late = panes.to(sinks.collect()), panes.late.to(sinks.collect())
    result = run_virtual(out, late)
    assert result[late] == []
    assert result.problems == ()
    got = {(pane.key, pane.start, pane.end): pane.value for pane in result[out]}
    assert len(got) == len(result[out])
    assert got == {window: summed_up(items) for window, items in expected.items()}


@law
@given(events=EVENTS, seed=SEEDS)
def test_roll_ups_are_the_bars_of_the_ticks(events, seed):
    ticks = keyed(disordered(events, seed))
    bar = agg.ohlcv(lambda e: float(e[3]), lambda e: e[3])
    short = ticks.pipe(ops.window(windows.tumbling("2s"), bar))
    rolled = market.rollup(short, "8s").collect()
    direct = ticks.pipe(ops.window(windows.tumbling("8s"), bar)).collect()
    exact = ("open", "high", "low", "close", "count", "volume")
    as_row = lambda p: (p.key, p.start, p.end, *(getattr(p.value, name) for name in exact))  # noqa: E731
    assert sorted(map(as_row, rolled)) == sorted(map(as_row, direct))
    vwaps = [sorted((p.start, p.key, p.value.vwap or 0) for p in panes) for panes in (rolled, direct)]
    assert [row[2] for row in vwaps[0]] == pytest.approx([row[2] for row in vwaps[1]], rel=1e-12)


# ---- rolling


CLOSED = {
    "right": lambda t, end, period: end - period < t <= end,
    "left": lambda t, end, period: end - period <= t < end,
    "both": lambda t, end, period: end - period <= t <= end,
    "none": lambda t, end, period: end - period < t < end,
}


@law
@given(events=EVENTS, seed=SEEDS, period=st.integers(1, 12), closed=st.sampled_from(sorted(CLOSED)))
def test_rolling_is_what_is_computed_anew_for_each_item(events, seed, period, closed):
    received = disordered(events, seed)
    counted = agg.named(n=agg.count(), total=agg.sum(lambda e: e[3]), top=agg.max(lambda e: e[3]), all=agg.collect())
    rolled = keyed(received).pipe(ops.rolling(f"{period}s", counted, closed=closed, into=lambda e, made: (e, made)))
    expected = []
    for event in sorted(received):
        inside = [e for e in sorted(received) if e[2] == event[2] and CLOSED[closed](e[0], event[0], period)]
        made = {"n": len(inside), "total": sum(e[3] for e in inside), "all": inside} if inside else None
        if made:
            made["top"] = max(e[3] for e in inside)
        expected.append((event, made))
    assert rolled.collect() == expected


@law
@given(events=EVENTS, size=st.integers(1, 5))
def test_rolling_over_items_is_what_is_computed_anew(events, size):
    numbers = [float(value) for _, _, value in events]
    rolled = rxdag.from_source(sources.iterable(numbers)).pipe(ops.rolling(size, agg.sum(lambda x: x))).collect()
    assert rolled == [sum(numbers[max(0, i + 1 - size) : i + 1]) for i in range(len(numbers))]


# ---- joins


@pytest.mark.skipif(
    not {"allow_exact_matches", "check_sortedness"} <= set(inspect.signature(polars.DataFrame.join_asof).parameters),
    reason="this polars has no allow_exact_matches",
)
@law
@given(
    left=EVENTS,
    right=EVENTS,
    seed=SEEDS,
    strategy=st.sampled_from(["backward", "forward", "nearest"]),
    exact=st.booleans(),
    tolerance=st.none() | st.integers(0, 10),
)
def test_join_asof_is_that_of_polars_for_any_order_of_arrival(left, right, seed, strategy, exact, tolerance):
    # Left times are even, right ones once each: so polars has no ties to break its own way.
    left = [(2 * ts, key, value) for ts, key, value in left]
    right = list({(ts, key): (ts, key, value) for ts, key, value in right}.values())
    lefts, rights = disordered(left, seed), disordered(right, seed + 1)
    joined = rxdag.join_asof(
        keyed(lefts),
        keyed(rights),
        strategy=strategy,
        allow_exact_matches=exact,
        tolerance=None if tolerance is None else f"{tolerance}s",
    ).collect()
    assert [pair[0] for pair in joined] == sorted(lefts)
    frames = [
        polars.DataFrame(
            sorted(rows),
            schema={"ts": polars.Int64, f"n{i}": polars.Int64, "key": polars.String, f"v{i}": polars.Int64},
            orient="row",
        )
        for i, rows in enumerate((lefts, rights))
    ]
    theirs = frames[0].join_asof(
        frames[1].with_columns(at=polars.col("ts")),
        on="ts",
        by="key",
        strategy=strategy,
        tolerance=tolerance,
        allow_exact_matches=exact,
        check_sortedness=False,
    )
    expected = dict(theirs.select("n0", "at").iter_rows())
    for (ts, n, *_), match in joined:
        got, at = None if match is None else match[0], expected[n]
        if strategy == "nearest" and got is not None and at is not None:
            assert abs(ts - got) == abs(ts - at)
            assert got <= at  # of two that are equally near the earlier one
        else:
            assert got == at


# ---- dedupe


@law
@given(events=EVENTS, seed=SEEDS, within=st.integers(1, 20), speeds=st.tuples(st.integers(1, 9), st.integers(1, 9)))
def test_dedupe_never_passes_a_key_twice_inside_its_span_whatever_the_speed(events, seed, within, speeds):
    received = disordered(events, seed)

    def passed(speed):
        feed = timeline(*((f"{n * speed}ms", event) for n, event in enumerate(received)))
        stream = rxdag.from_source(feed).pipe(ops.event_time(lambda e: e[0], unit="s", out_of_order=f"{BOUND}s"))
        out = stream.pipe(ops.dedupe(lambda e: (e[2], e[3]), within=f"{within}s")).to(sinks.collect())
        result = run_virtual(out)
        assert result.problems == ()
        return result[out]

    got = passed(speeds[0])
    assert got == passed(speeds[1])
    times = {}
    for ts, _, key, value in got:
        for other in times.setdefault((key, value), []):
            assert abs(ts - other) >= within
        times[key, value].append(ts)
    assert set(times) == {(key, value) for _, _, key, value in received}


# ---- the books

TIMES = st.sampled_from([MIN, MIN + 1, MIN + 2, -1, 0, 1, 10**18, MAX - 2, MAX - 1, MAX]) | st.integers(MIN, MAX)
NUMBERS = st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -0.0, -1.0, 1e308, 5, 10**30, None])
HOSTILE = st.lists(st.tuples(TIMES, st.sampled_from(["a", "b", 3, None]), NUMBERS), max_size=12)

ANYTHING = {
    "filter": lambda s: s.pipe(ops.filter(lambda e: e[2] > 0), on_error=on_error.dead),
    "dedupe": lambda s: s.pipe(ops.dedupe(lambda e: e[1], within="1s")),
    "window": lambda s: s.pipe(ops.window(windows.tumbling("1s"), agg.ohlcv(lambda e: e[2], lambda e: e[2]))),
    "sessions": lambda s: s.pipe(ops.window(windows.session("1s"), agg.sum(lambda e: e[2]), allowed_lateness="1s")),
    "sliding": lambda s: s.pipe(ops.window(windows.sliding("3s", "2s"), agg.max(lambda e: e[2]), early="1s")),
    "global": lambda s: s.pipe(ops.window(windows.global_(), agg.mean(lambda e: e[2]), early=2)),
    "rolling": lambda s: s.pipe(ops.rolling("1s", agg.sum(lambda e: e[2]))),
    "scan": lambda s: s.pipe(ops.scan(0, lambda n, e: n + e[2], ttl="1s"), on_error=on_error.dead),
    "top_n": lambda s: s.pipe(ops.top_n(2, lambda e: e[2], unique=lambda e: e[1]), on_error=on_error.dead),
    "conflate": lambda s: s.pipe(ops.conflate(per="instant")),
    "join_asof": lambda s: rxdag.join_asof(s, s, strategy="nearest", tolerance="1s"),
    "join_interval": lambda s: rxdag.join_interval(s, s, lower="-1s", upper="1s"),
    "merge_sorted": lambda s: rxdag.merge_sorted(s, s),
    "arbitrate": lambda s: s.pipe(ops.arbitrate(sequence=lambda e: e[2], wait="1s")),
    "ticks": lambda s: s.pipe(market.tick_rule(lambda e: e[2]), on_error=on_error.dead),
}


@law
@given(name=st.sampled_from(sorted(ANYTHING)), events=HOSTILE, lag=st.sampled_from(["0s", "1s", "9000d"]))
def test_the_books_balance_after_any_input(name, events, lag):
    balances(name, events, lag)


@pytest.mark.parametrize("name", sorted(ANYTHING))
def test_the_books_balance_at_the_first_and_the_last_times(name):
    second = 10**9
    early = [MIN + 1, MIN + 1 + 2 * second, MIN + 2, MIN + 2 + 2 * second, MIN + 1]
    late = [MAX - 1, MAX - 1 - 2 * second, MAX - 2, MAX - 2 - 2 * second, MAX - 1]
    for times in (early, late, [*early, *late]):
        for key in ("a", "b"):
            balances(name, [(ts, key, float(i)) for i, ts in enumerate(times)], "9000d")


def balances(name, events, lag):
    """Run it in both lanes: it completes, and its books balance."""
    stream = rxdag.from_source(sources.iterable(events)).pipe(
        ops.event_time(lambda e: e[0], out_of_order=lag), on_error=on_error.dead
    )
    made = ANYTHING[name](stream.pipe(ops.key_by(lambda e: e[1])))
    sides = [stream.dead, *(made.side(port) for port in made.node.ports)]
    for columns in (True, False):
        nodes = [side.to(sinks.collect(), name=f"port_{i}_{columns}") for i, side in enumerate(sides)]
        execution = rxdag.testing.virtual(rxdag.compile(rxdag.Dag(*nodes), columns=columns))
        result = rxdag.testing.settle_virtual(execution)
        assert result.state == "completed", result.error
        assert result.problems == ()
