"""State outlives the process, on any lane; and each law about it can be broken."""

import dataclasses
import enum
import inspect
import os
import pathlib
import random
import subprocess
import sys
from typing import NamedTuple

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

import rxdag
from rxdag import aggregates as agg
from rxdag import col, element, market, sinks, sources, windows
from rxdag import operators as ops
from rxdag.codec import Codec, types_in
from rxdag.contract import MIN, Accumulator, Kernel, Operator
from rxdag.testing import Chunked, LawBroken, check_operator
from rxdag.testing._check import _Check
from rxdag.testing._check_graph import Driven
from rxdag.testing._check_imprint import attributes_of, imprint
from rxdag.testing._check_recover import Drives, comparable
from tests.unit.samples import EVENTS, NUMBERS, SAMPLES, every_aggregate, keyed
from tests.unit.test_operators import TICKS, Tick, ticks_by_arrival, ticks_keyed, ticks_timed

S = 10**9
ROOT = pathlib.Path(__file__).parents[2]


def checked(make, items, before=None, of=None, seed=0):
    build = make if inspect.signature(make).parameters else lambda s: s.pipe(make())
    return _Check(build, before, list(items), of, random.Random(seed))


def by_hand(check):
    """The laws that drive kernels by hand."""
    check.state()
    check.recover()
    check.marks()
    check.functions()


# ---- operators whose columns are another kernel


def into(*parts):
    return parts


def by_note(stream):
    return ticks_timed(stream).pipe(ops.key_by("note"))


def large(stream):
    return stream.pipe(ops.filter(col.n > 4))


EACH_AGGREGATE = {
    "count": agg.count(),
    "sum": agg.sum("n"),
    "mean": agg.mean("n"),
    "var": agg.var("n"),
    "std": agg.std("n"),
    "min": agg.min("n"),
    "max": agg.max("n"),
    "first": agg.first("note"),
    "last": agg.last("note"),
    "ohlcv": agg.ohlcv("price", "qty"),
    "vwap": agg.vwap("price", "qty"),
    "named": agg.named(total=agg.sum("n"), first=agg.first("sym")),
}


def windowed(aggregate):
    return lambda: ops.window(windows.tumbling("5s"), aggregate)


def endless(aggregate):
    return lambda: ops.window(windows.global_(), aggregate)


LANES = {
    "dedupe": [(lambda: ops.dedupe("sym", "n", within="4s"), before) for before in (ticks_timed, ticks_by_arrival)],
    "distinct_until_changed": [
        (lambda: ops.distinct_until_changed("n"), ticks_keyed),
        (lambda: ops.distinct_until_changed("note"), by_note),
    ],
    "conflate": [
        (lambda: ops.conflate(per="instant"), ticks_keyed),
        (lambda: ops.conflate(per="instant"), ticks_by_arrival),
        (lambda: ops.conflate("n", per="instant", keep="all"), ticks_timed),
        (lambda: ops.conflate(col.n % 2, per="instant"), ticks_timed),
        (lambda: ops.conflate(per="instant", keep="all"), by_note),
    ],
    "rolling items": [
        (lambda: ops.rolling(3, agg.named(s=agg.sum("price"), v=agg.var("price"), f=agg.first("n"))), ticks_keyed),
        (lambda: ops.rolling(3, agg.sum("n")), None),
        (lambda: ops.rolling(4, agg.count()), ticks_by_arrival),
        (lambda: ops.rolling(2, agg.named(m=agg.mean("price"), w=agg.vwap("price", "qty"))), ticks_keyed),
    ],
    "rolling time": [
        (lambda: ops.rolling("4s", agg.named(s=agg.sum("n"), n=agg.count()), into=into), ticks_keyed),
        (lambda: ops.rolling("4s", agg.sum("n"), closed="both"), ticks_timed),
        (lambda: ops.rolling("4s", agg.count(), closed="left"), by_note),
        (lambda: ops.rolling("4s", agg.max("n"), closed="none"), ticks_keyed),
        (lambda: ops.rolling("2s", agg.named(m=agg.mean("price"), b=agg.ohlcv("price", "qty"))), ticks_timed),
    ],
    "totals": [
        (lambda: ops.count(), ticks_by_arrival),
        (lambda: ops.sum("price"), None),
        (lambda: ops.sum(col.n * 2**60), ticks_timed),
        (lambda: ops.min("price"), ticks_by_arrival),
        (lambda: ops.max("n"), ticks_timed),
    ],
    "join_asof": [
        (lambda s: rxdag.join_asof(s, large(s), into=into), by_note),
        (lambda s: rxdag.join_asof(s, large(s), strategy="nearest", into=into), ticks_timed),
        (lambda s: rxdag.join_asof(s, large(s), strategy="forward", tolerance="3s"), ticks_keyed),
        (lambda s: rxdag.join_asof(s, large(s), fields={"quoted": "price", "noted": "note"}), by_note),
        (lambda s: rxdag.join_asof(s, large(s), strategy="nearest", fields={"quoted": "price"}), ticks_timed),
    ],
    "window": [
        (lambda: ops.window_all(windows.tumbling("3s", offset="1s"), agg.mean("price"), into=into), ticks_by_arrival),
        *((windowed(aggregate), ticks_keyed) for aggregate in EACH_AGGREGATE.values()),
    ],
    "window without an end": [
        (lambda: ops.window_all(windows.global_(), agg.mean("price"), into=into), ticks_by_arrival),
        *((endless(aggregate), before) for aggregate in EACH_AGGREGATE.values() for before in (ticks_keyed, by_note)),
    ],
}


@pytest.mark.parametrize("name", LANES)
def test_an_operator_of_two_lanes_has_one_form_of_state(name):
    for make, before in LANES[name]:
        check = checked(make, TICKS, before, Tick)
        assert check.drives().lanes == ("rows", "columns")
        by_hand(check)


@settings(max_examples=25, deadline=None)
@given(
    sample=st.sampled_from([sample for samples in LANES.values() for sample in samples]),
    seed=st.integers(0, 2**32 - 1),
    length=st.integers(0, 40),
)
def test_state_of_any_ticks_goes_from_any_lane_to_any(sample, seed, length):
    make, before = sample
    rng = random.Random(seed)
    by_hand(checked(make, [rng.choice(TICKS) for _ in range(length)], before, Tick, seed))


def test_no_operator_with_columns_of_its_own_is_left_out():
    """Every class of kernel that `in_columns` gives is among the lanes above."""
    import rxdag.operators.joining._asof_columns as asof
    import rxdag.operators.keyed._dedupe_columns as dedupe
    import rxdag.operators.keyed._distinct_until_changed_columns as changed
    import rxdag.operators.keyed._totals_columns as totals
    import rxdag.operators.rate._instant_columns as instant
    import rxdag.operators.windows._global_columns as endless
    import rxdag.operators.windows._rolling_columns as rolling
    import rxdag.operators.windows._window_columns as window

    modules = (asof, changed, dedupe, endless, instant, rolling, totals, window)
    kinds = {
        kind
        for module in modules
        for name, kind in vars(module).items()
        if inspect.isclass(kind) and issubclass(kind, Kernel) and kind.__module__ == module.__name__ and name[0] != "_"
    }
    seen = set()
    for samples in LANES.values():
        for make, before in samples:
            driven = checked(make, TICKS[:1], before, Tick).driven(lane="columns")
            seen |= {type(node.kernel) for node in driven.nodes.values()}
    assert kinds <= seen
    columns_modules = {
        kind.__module__ for kind in all_kernels() if kind.__module__.endswith("_columns") and kind.__name__[0] != "_"
    }
    assert columns_modules == {module.__name__ for module in modules}


def all_kernels():
    todo, found = [Kernel], set()
    while todo:
        for kind in todo.pop().__subclasses__():
            found.add(kind)
            todo.append(kind)
    return found


# ---- operators whose state shows in few places only

FEEDS = [(n, "ab"[n % 2 and not 8 < n < 30], 0) for n in range(44)]  # feed b is quiet for a while
TIES = [(n // 4, "ab"[n % 3 == 0], n) for n in range(40)]
LATE = [
    (ts, "a", key) for n in range(12) for ts, key in ((4 * n, n), (4 * n - 9, n % 3), (4 * n - 14, n % 2), (4 * n, n))
]
HIGH_AND_LOW = [(ts, "a", ts % 5) for ts in (*range(12), *range(20, 8, -1), 21, 3, 2)]


def in_order(stream):
    return stream.pipe(ops.event_time(lambda e: e[0], unit="s", out_of_order="9s"))


RARE = {
    "feeds that fall idle": (
        lambda: ops.event_time(lambda e: e[0], unit="s", by=lambda e: e[1], idle_timeout="2s"),
        FEEDS,
        None,
    ),
    "a quiet market": (
        lambda: ops.event_time(lambda e: e[0], unit="s", by=lambda e: e[1], advance="clock"),
        FEEDS,
        None,
    ),
    "reduce with the largest time in the middle": (
        lambda: ops.reduce(0, lambda n, e: n + 1),
        HIGH_AND_LOW,
        lambda s: s.pipe(ops.event_time(lambda e: e[0], unit="s", sequence=lambda e: e[2], out_of_order="99s")),
    ),
    "skip_while of what comes again": (lambda: ops.skip_while(lambda x: x % 7), NUMBERS[1:], None),
    "dedupe of late items": (lambda: ops.dedupe(lambda e: e[2], within="5s"), LATE, in_order),
    "dedupe of few late items": (lambda: ops.dedupe(lambda e: e[2], within="5s", max_keys=9), LATE, in_order),
    "catch with a long stream": (
        lambda s: rxdag.catch(s.pipe(ops.map(fails_on_nine)), s.pipe(ops.delay("9s"))),
        NUMBERS,
        None,
    ),
    "merge_sorted of equal times": (
        lambda s: rxdag.merge_sorted(s, s.pipe(ops.filter(lambda e: e[2] % 3))),
        TIES,
        lambda s: s.pipe(ops.event_time(lambda e: e[0], unit="s", out_of_order="3s")),
    ),
    "as-of join of equal times": (
        lambda s: rxdag.join_asof(s, s.pipe(ops.filter(lambda e: e[2] % 3)), strategy="nearest"),
        TIES,
        lambda s: s.pipe(ops.event_time(lambda e: e[0], unit="s", out_of_order="3s")),
    ),
    "a process that forgets": (lambda: ops.process(Forgets(), ttl="2s", clock="processing"), EVENTS, keyed),
    "lookups that grow old": (lambda: ops.lookup(at_once, key=lambda e: e[2], ttl="1s"), EVENTS, keyed),
}


async def at_once(x):
    return x


def fails_on_nine(x):
    if x == 9:
        raise ValueError("nine")
    return x


class Forgets(ops.KeyedProcess):
    def initial(self):
        return 0

    def on_item(self, ctx, state, item):
        if item[2] == 3:
            ctx.set_timer(ctx.now + S)
        ctx.emit((ctx.key, state))
        return state + 1

    def on_timer(self, ctx, state, name):
        ctx.emit((ctx.key, "timer", state))
        return state

    def on_end(self, ctx, state):
        ctx.emit((ctx.key, "end", state))


@pytest.mark.parametrize("name", RARE)
def test_an_operator_holds_the_laws_of_state_where_it_shows_least(name):
    make, items, before = RARE[name]
    for seed in range(3):
        by_hand(checked(make, items, before, seed=seed))


# ---- markets


class Level(NamedTuple):
    price: float
    size: float


BOOK = [
    {
        "snap": n in (4, 17),
        "n": n,
        "prev": n - 1,
        "bids": [Level(100 - n % 3, n % 4)],
        "asks": [Level(101 + n % 2, n % 3)],
    }
    for n in [*range(12), 14, *range(15, 30), 17, 16]
]
QUOTES = [
    (second + (second * 7) % 3, "ab"[second % 5 == 0], [10.0, 10.5, 10.5, 9.0, 0.0][second % 5], second % 4)
    for second in range(40)
]
MARKET = {
    "book_top": (
        lambda: market.book_top(
            is_snapshot="snap", sequence="n", previous="prev", bids="bids", asks="asks", max_pending=3
        ),
        BOOK,
        lambda s: s.pipe(ops.event_time(lambda m: m["n"])).pipe(ops.key_by(lambda m: m["n"] % 2 * 0)),
    ),
    "tick_rule": (lambda: market.tick_rule(lambda q: q[2], into=lambda q, sign: (q, sign)), QUOTES, keyed),
    "fill_gaps": (
        lambda s: market.resample_ohlc(s, "2s", lambda q: q[2], lambda q: q[3], gap="previous"),
        QUOTES,
        keyed,
    ),
    "rollup": (
        lambda s: market.rollup(
            market.resample_ohlc(s, "2s", lambda q: q[2], lambda q: q[3]), "8s", allowed_lateness="4s"
        ),
        QUOTES,
        keyed,
    ),
    "twap": (lambda: ops.window(windows.session("2s"), market.twap(lambda q: q[2])), QUOTES, keyed),
    "imbalance": (
        lambda: ops.window(windows.tumbling("5s"), market.imbalance(lambda q: q[3], lambda q: q[3] % 3 - 1)),
        QUOTES,
        keyed,
    ),
}


@pytest.mark.parametrize("name", MARKET)
def test_an_operator_of_markets_holds_the_laws_of_state(name):
    make, items, before = MARKET[name]
    by_hand(checked(make, items, before))


# ---- falsy values, and functions that fail

FALSY = [0, None, "", 0.0, False, (), 0, None, "", 1, None, None, 0, "", frozenset(), b""]
FALSY_EVENTS = [(ts, key, value) for ts, (key, value) in enumerate(zip([None, "", 0, ""] * 4, FALSY, strict=True))]


def timed_falsy(stream):
    return stream.pipe(ops.event_time(lambda e: e[0], unit="s"))


def keyed_falsy(stream):
    return timed_falsy(stream).pipe(ops.key_by(lambda e: e[1]))


def second_of(a, b):
    return b


def value_of(event):
    return event[2]


def nothing_of(*parts):
    return None


OVER_FALSY = {
    "map": lambda: ops.map(lambda x: x),
    "filter": lambda: ops.filter(lambda x: x is None),
    "scan": lambda: ops.scan(None, second_of),
    "scan without a first value": lambda: ops.scan(second_of),
    "reduce": lambda: ops.reduce("", second_of),
    "reduce without a first value": lambda: ops.reduce(second_of),
    "last": lambda: ops.last(),
    "first": lambda: ops.first(lambda x: x == ""),
    "pairwise": lambda: ops.pairwise(),
    "batch": lambda: ops.batch(3),
    "batch that overlap": lambda: ops.batch(3, skip=2),
    "distinct_until_changed": lambda: ops.distinct_until_changed(),
    "dedupe": lambda: ops.dedupe(lambda x: x, max_keys=3),
    "explode": lambda: ops.explode(lambda x: [x, None]),
    "debounce": lambda: ops.debounce("1s"),
    "sample": lambda: ops.sample("1s"),
    "audit": lambda: ops.audit("1s"),
    "throttle_latest": lambda: ops.throttle_latest("1s"),
    "delay": lambda: ops.delay("1s"),
    "throttle": lambda: ops.throttle(1, key=lambda x: x, mode="shape"),
    "conflate": lambda: ops.conflate(lambda x: x),
    "map_async": lambda: ops.map_async(nothing_later),
    "lookup": lambda: ops.lookup(nothing_later, key=lambda x: x, into=second_of),
    "flat_map": lambda: ops.flat_map(lambda x: [x]),
    "zip": lambda s: rxdag.zip(s, s.pipe(ops.map(lambda x: x))),
    "combine_latest": lambda s: rxdag.combine_latest(s, s.pipe(ops.filter(lambda x: x is None))),
    "with_latest_from": lambda s: rxdag.with_latest_from(s, s.pipe(ops.filter(lambda x: x == 0))),
}
OVER_FALSY_EVENTS = {
    "scan": lambda: ops.scan(None, nothing_of),
    "scan with a ttl": lambda: ops.scan(0, lambda a, e: e[2], ttl="4s"),
    "scan without a first value": lambda: ops.scan(second_of),
    "reduce": lambda: ops.reduce(None, nothing_of),
    "reduce without a first value": lambda: ops.reduce(second_of),
    "top_n": lambda: ops.top_n(2, lambda e: e[0] % 3, unique=value_of),
    "window": lambda: ops.window(windows.tumbling("4s"), agg.collect(), into=nothing_of),
    "window of folds": lambda: ops.window(windows.sliding("4s", "2s"), agg.fold(None, nothing_of)),
    "window of picks": lambda: ops.window(
        windows.session("3s"), agg.named(f=agg.first(value_of), l=agg.last(value_of), r=agg.reduce(second_of))
    ),
    "window with early results": lambda: ops.window(
        windows.tumbling("9s"), agg.last(value_of), early=2, into=nothing_of
    ),
    "rolling": lambda: ops.rolling("3s", agg.last(value_of), into=nothing_of),
    "rolling items": lambda: ops.rolling(2, agg.first(value_of), into=nothing_of),
    "count window": lambda: ops.window(windows.count(3, slide=2), agg.collect(), into=nothing_of),
    "join_asof": lambda s: rxdag.join_asof(s, s.pipe(ops.filter(lambda e: e[0] % 2)), into=nothing_of),
    "join_asof forward": lambda s: rxdag.join_asof(s, s.pipe(ops.filter(lambda e: e[0] % 2)), strategy="forward"),
    "join_interval": lambda s: rxdag.join_interval(s, s, lower="-1s", upper="2s", into=nothing_of),
    "join_window": lambda s: rxdag.join_window(s, s, windows.tumbling("3s"), into=nothing_of),
    "conflate": lambda: ops.conflate(per="instant", keep="list"),
    "merge_sorted": lambda s: rxdag.merge_sorted(s, s),
}


async def nothing_later(x):
    return None


@pytest.mark.parametrize("name", OVER_FALSY)
def test_an_operator_holds_the_laws_over_falsy_items(name):
    check_operator(OVER_FALSY[name], FALSY)


@pytest.mark.parametrize("name", OVER_FALSY_EVENTS)
def test_an_operator_holds_the_laws_over_falsy_keys_and_results(name):
    check_operator(OVER_FALSY_EVENTS[name], FALSY_EVENTS, before=keyed_falsy)


# ---- accumulators


def subclasses_of_accumulators():
    todo, found = [Accumulator], set()
    while todo:
        for kind in todo.pop().__subclasses__():
            if kind.__module__.startswith("rxdag."):
                found.add(kind)
                todo.append(kind)
    return found


READINGS = [((i * 7) % 5 + 1.0, "a", i % 3) for i in range(12)]
MADE = [
    *(aggregate for _, aggregate in every_aggregate().aggregates),
    agg.var(lambda e: e[0]),
    market.twap(lambda e: e[0]),
    market.imbalance(lambda e: e[2], lambda e: 1),
    agg.ohlcv(lambda e: e[0], lambda e: e[2]).bound(rxdag.contract.Shape(timed=True)),
]


@pytest.mark.parametrize("aggregate", MADE, ids=lambda aggregate: aggregate.name)
def test_each_attribute_of_an_accumulator_that_changes_is_in_its_snapshot(aggregate):
    accumulator = aggregate.accumulator()
    kind = type(accumulator)
    if kind.snapshot is not Accumulator.snapshot:
        return  # it says itself what it holds; that it is all of it shows the law "recover"
    declared = {*kind.state, "_checked"}
    before = {name: imprint(each) for name, each in attributes_of(accumulator).items()}
    for i, reading in enumerate(READINGS):
        accumulator.add_at(reading, i, 0)
    after = {name: imprint(each) for name, each in attributes_of(accumulator).items()}
    assert {name for name in after if after[name] != before.get(name)} <= declared


# ---- the laws can be broken


class _EveryThird(Kernel):
    """Keeps a plain int that its state lacks."""

    state = ("kept",)

    def __init__(self):
        self.kept = 0
        self.skipped = 0

    def on_item(self, item, emit):
        if self.skipped < 2:
            self.skipped += 1
            return emit.filtered(item)
        self.skipped = 0
        self.kept += 1
        return emit(item)


class _FalselyDerived(_EveryThird):
    """Says that it can make anew what it cannot."""

    derived = ("skipped",)


class _Remembers(Kernel):
    """Holds what cannot be saved."""

    state = ("seen",)

    def __init__(self):
        self.seen = {}

    def on_item(self, item, emit):
        self.seen[(item, object)] = lambda: item
        emit(item)


class _Shares(Kernel):
    """Puts its state where a new run does not find it."""

    state = ("n",)
    totals = []

    def __init__(self):
        self.n = 0
        self.totals.append(0)

    def on_item(self, item, emit):
        self.n += 1
        self.totals[-1] += item
        emit(self.totals[-1])


class _TimerIsNoState(Kernel):
    state = ("kept",)

    def __init__(self):
        self.kept = []

    def on_item(self, item, now, emit):
        self.kept.append(item)
        self.timer = now + S

    def on_timer(self, now, emit):
        self.timer = None
        kept, self.kept = self.kept, []
        for item in kept:
            emit(item)

    def on_end(self, emit):
        self.on_timer(0, emit)

    def held(self):
        return len(self.kept)


class _OtherNames(Kernel):
    state = ("n",)

    def __init__(self):
        self.n = 0

    def on_item(self, item, emit):
        self.n += 1
        emit(self.n)

    def snapshot(self):
        return {"count": self.n}

    def restore(self, saved):
        self.n = saved["count"]


class _TuplesBecomeLists(Kernel):
    """Its restored state is not of the same types: a key is a list, and found no more."""

    state = ("last",)

    def __init__(self):
        self.last = {}

    def on_item(self, item, emit):
        self.last[item % 2, "x"] = item
        emit(sum(self.last.values()))

    def snapshot(self):
        return {"last": [[*key, value] for key, value in self.last.items()]}

    def restore(self, saved):
        self.last = {str(key): value for *key, value in saved["last"]}


class _CountsMarks(Kernel):
    """Gives out what depends on how watermarks are cut."""

    state = ("n",)
    wake = MIN

    def __init__(self):
        self.n = 0

    def on_item(self, item, emit):
        emit((item, self.n))

    def on_watermark(self, watermark, emit):
        self.n += 1


class _StateFirst(Kernel):
    """Changes its state, and calls a function then."""

    state = ("n",)

    def __init__(self, fn):
        self._fn = fn
        self.n = 0

    def on_item(self, item, emit):
        self.n += 1
        emit(self._fn(item + self.n))


class _LosesHeld(Kernel):
    """Counts an item as held no more, and calls a function then."""

    state = ("kept",)

    def __init__(self, fn):
        self._fn = fn
        self.kept = []

    def on_item(self, item, emit):
        self.kept.append(item)

    def on_end(self, emit):
        kept, self.kept = self.kept, []
        for item in kept:
            emit(self._fn(item))

    def held(self):
        return len(self.kept)


class _RowsOnly(Kernel):
    state = ("total",)

    def __init__(self):
        self.total = 0

    def on_item(self, item, emit):
        self.total += item["n"]
        emit(item)

    def in_columns(self):
        return _InColumns()


class _InColumns(_RowsOnly):
    """The same, with another form of state."""

    state = ("parts",)

    def __init__(self):
        self.parts = [0]

    def on_columns(self, columns, emit):
        self.parts = [*self.parts, columns.n]
        emit(columns)

    def restore(self, saved):
        self.parts = saved["parts"]


@dataclasses.dataclass(frozen=True)
class Made(Operator):
    """An operator of any kernel, with a function or without."""

    kind: type[Kernel]
    fn: object = None

    def kernel(self):
        return self.kind() if self.fn is None else self.kind(self.fn)

    def shape(self, shape):
        return shape


def passed_on(x):
    return x


@pytest.mark.parametrize(
    ("make", "before", "message"),
    [
        (
            lambda: Made(_EveryThird),
            None,
            "state: attributes of _EveryThird that change must be named in `state`, or in `derived` if restore.. makes them anew, "
            "got neither for skipped",
        ),
        (lambda: Made(_FalselyDerived), None, "recover: from bytes after .* turns must give the same on port out"),
        (
            lambda: Made(_Remembers),
            None,
            r"recover: a key of node \"made\"\['kernel'\]\['seen'\]\[1\]: must be plain data to be saved, got <class 'object'>; "
            "keep it on the operator",
        ),
        (lambda: Made(_Shares), None, "recover: from bytes after .* turns must give the same on port out, got "),
        (lambda: Made(_TimerIsNoState), None, "state: attributes of _TimerIsNoState .* got neither for timer"),
        (
            lambda: Made(_OtherNames),
            None,
            r"state: _OtherNames.snapshot\(\) must have the names in `state`, \['n'\], got \['count'\]",
        ),
        (lambda: Made(_TuplesBecomeLists), None, "recover: from bytes after .* turns must give the same on port out"),
        (
            lambda: Made(_CountsMarks),
            lambda s: s.pipe(ops.event_time(lambda x: x, unit="s")),
            r"marks: further watermarks below those that come \(rows\) must give the same on port out",
        ),
        (
            lambda: Made(_StateFirst, passed_on),
            None,
            "functions: made: fn must be called before the state changes, so that a failed item leaves the state as "
            "it was, got a change of n",
        ),
        (
            lambda: Made(_LosesHeld, passed_on),
            None,
            "functions: made: fn fails, and the books must balance all the same, got node made: in 40",
        ),
        (
            lambda s: s.pipe(ops.select(n=element)).pipe(Made(_RowsOnly)),
            None,
            "recover: rows, then columns, from bytes .*: restore must take what snapshot gave, and failed: KeyError",
        ),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_check_operator_finds_state_that_does_not_last(make, before, message):
    law = message.partition(":")[0]
    with pytest.raises(LawBroken, match=f"^{message}"):
        check_operator(make, NUMBERS, before=before, waive=[each for each in ALL_BUT_STATE if each != law])


ALL_BUT_STATE = ["ends", "books", "columns", "chunks", "runs", "fails", "disposes"]


class Side(enum.Enum):
    BUY = 1


def test_records_and_enums_of_items_may_be_local_and_others_are_given():
    class Local(NamedTuple):
        n: int
        side: Side = Side.BUY

    class Other(enum.Enum):
        A = 1

    keeps = lambda: ops.scan(None, lambda a, item: item)  # noqa: E731
    check_operator(keeps, [Local(n) for n in range(9)])
    other = lambda: ops.scan(None, lambda a, item: Other.A)  # noqa: E731
    with pytest.raises(
        LawBroken, match="recover: .*must be of a class that can be imported by name, got an instance of .*Other; move"
    ):
        check_operator(other, range(9))
    check_operator(other, range(9), types=[Other])


# ---- the driver itself


BY_CLOCK = {
    ("count", 4),
    ("count", 5),
    ("reduce", 6),
    ("reduce", 7),
    ("pairwise", 3),
    ("first", 4),
    ("last", 3),
    ("take", 5),
    ("top_n", 3),
}
"""Samples whose ttl is time of the clock."""

CLOCKLESS = [
    (name, i)
    for name, samples in SAMPLES.items()
    if name
    not in (
        *("audit", "debounce", "delay", "sample", "throttle", "throttle_first", "throttle_latest", "timeout"),
        *("timestamp", "batch"),
        *("arbitrate", "conflate", "process", "event_time", "dedupe", "scan", "lookup", "map_async"),
        *("flat_map", "switch_map", "catch", "merge", "combine_latest", "with_latest_from", "take_until", "skip_until"),
        *("join_interval", "join_asof"),
    )
    for i in range(len(samples))
    if (name, i) not in BY_CLOCK
]


@pytest.mark.parametrize(("name", "i"), CLOCKLESS)
def test_kernels_driven_by_hand_give_what_a_run_gives(name, i):
    """The driver of the laws is a second reading of what a kernel means: where no clock and no order of inputs matters."""
    make, items, before, *_ = SAMPLES[name][i]
    check = checked(make, items, before)
    driven = Drives.run(check.driven())
    for port, expected in check.baseline.outputs.items():
        found = [item for item, *_ in comparable(driven.outputs[f"port.{port}"])]
        assert list(map(repr, found)) == list(map(repr, expected))
    assert driven.problems() == []


def test_a_driven_graph_goes_on_in_the_middle_of_what_waits():
    """Items in front of a node that takes none now are state too."""

    def graph():
        items = rxdag.from_source(Chunked(tuple((n,) for n in range(9))))
        return rxdag.Dag(items.pipe(ops.delay("5s", max_items=1)).to(sinks.collect(), name="out"))

    whole = Drives.run(Driven(graph()))
    for turn in range(whole.turn):
        first, second = Driven(graph()), Driven(graph())
        first.open()
        first.run(turn)
        second.load(Codec().decode(Codec().encode(first.save())))
        second.run()
        assert [item for item, *_ in first.outputs["out"] + second.outputs["out"]] == list(range(9))
        assert second.problems() == []


def test_the_books_of_a_driven_graph_count_what_was_restored():
    def graph():
        return rxdag.Dag(
            rxdag.from_source(sources.range(7)).pipe(ops.batch(3), name="b").to(sinks.collect(), name="out")
        )

    first, second = Driven(graph()), Driven(graph())
    first.open()
    first.run(2)
    saved = first.save()
    second.load(Codec().decode(Codec().encode(saved)))
    assert second.nodes["b"].kernel.held() == 2
    second.run()
    assert (second.nodes["b"].n_in, second.nodes["b"].exits.counts["absorbed"]) == (5, 7)
    assert second.problems() == []


@pytest.mark.parametrize("lanes", [("rows", "columns"), ("columns", "rows")])
@pytest.mark.parametrize("name", ["dedupe", "window", "rolling time"])
def test_state_goes_on_in_another_process(name, lanes, tmp_path):
    """Where texts have other hashes, and nothing is left in memory."""
    code = """
import pathlib, sys
from rxdag.codec import Codec
from tests.laws.test_state import LANES, TICKS, Tick, checked
name, path, lane, turn = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
make, before = LANES[name][0]
driven = checked(make, TICKS, before, Tick).driven(lane=lane)
if path.exists():
    driven.load(Codec().decode(path.read_bytes()))
    driven.run()
else:
    driven.open()
    driven.run(turn)
    path.write_bytes(Codec().encode(driven.save()))
print(repr([row[:4] for row in driven.outputs["port.out"]]))
"""
    make, before = LANES[name][0]
    whole = Drives.run(checked(make, TICKS, before, Tick).driven())
    parts = []
    for seed, lane in enumerate(lanes):
        call = [sys.executable, "-c", code, name, str(tmp_path / "state"), lane, "6"]
        environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
        parts.append(subprocess.run(call, capture_output=True, text=True, check=True, env=environment, cwd=ROOT).stdout)
    first, second = (part.strip()[1:-1] for part in parts)
    assert f"[{first}, {second}]" == repr([row[:4] for row in whole.outputs["port.out"]])


def test_classes_in_values_are_found_at_any_depth():
    assert types_in([{"a": (Level(1.0, 2.0),)}, {Side.BUY}]) == {Level, Side}
