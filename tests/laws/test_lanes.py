"""Rows and columns say the same of items that fail: the same outputs, letters, counts and errors under every policy."""

from __future__ import annotations

import os
import random
from decimal import Decimal
from fractions import Fraction

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

import rxdag
from rxdag import aggregates as agg
from rxdag import col, on_error, sinks, windows
from rxdag import operators as ops
from rxdag.engine import LEAVINGS
from rxdag.graph import stream_of
from rxdag.testing import Chunked, settle_virtual, virtual
from rxdag.testing._check import _Check

EXAMPLES = 400 if os.environ.get("SLOW") == "1" else 6
law = settings(max_examples=EXAMPLES, deadline=None)
pytestmark = pytest.mark.timeout(120 if EXAMPLES < 100 else 1_200)


class Raises:
    """A value whose every method raises."""

    def fail(self, *_):
        raise ZeroDivisionError("of its own")

    __add__ = __radd__ = __sub__ = __neg__ = __mul__ = __rmul__ = __float__ = __str__ = fail
    __lt__ = __gt__ = __le__ = __ge__ = __eq__ = __hash__ = fail

    def __repr__(self):
        return "Raises()"


class Unaddable:
    """A value that is within all bounds and adds to nothing."""

    def __lt__(self, other):
        return True

    __gt__ = __lt__

    def __repr__(self):
        return "Unaddable()"


class FailsLater(Unaddable):
    """A value that fails only once it is added."""

    def __mul__(self, other):
        return self

    __rmul__ = __mul__

    def __add__(self, other):
        raise ZeroDivisionError("when added")

    __radd__ = __add__


INTS, FLOATS = [1, 2, 3, -4, 0], [1.5, -2.25, 0.0, -0.0, 1e300]
DECIMALS = [Decimal("1.5"), Decimal(2), Decimal("-0.5")]
POISON = [None, "a", True, 2**70, 10**400, [1], 1 + 2j, Fraction(1, 3), Raises(), Unaddable(), FailsLater()]
POISON += [float("inf"), Decimal("1.1"), Decimal("NaN"), Decimal("sNaN")]
KEYS = [["a"], ["a", None], [1, 1.0, True], [0.0, -0.0], [Decimal(1), 1, Decimal("1.0")], [(1, "a"), (True, "a")]]

AGGREGATES = {
    "count": agg.count(),
    "sum": agg.sum("x"),
    "mean": agg.mean("x"),
    "var": agg.var("x"),
    "min": agg.min("x"),
    "max": agg.max("x"),
    "first": agg.first("x"),
    "last": agg.last("x"),
    "vwap": agg.vwap("x", "q"),
    "ohlcv": agg.ohlcv("x", "q"),
    "named": agg.named(q=agg.sum("q"), x=agg.sum("x"), mean=agg.mean("x"), vwap=agg.vwap("x", "q"), n=agg.count()),
}
WINDOWS = {"tumbling": windows.tumbling("5ns"), "global": windows.global_()}
WINDOWS |= {"sliding": windows.sliding("6ns", "2ns"), "session": windows.session("2ns")}

OPERATORS = {f"{name} {w}": lambda a=a, each=each: ops.window(each, a)
             for name, a in AGGREGATES.items() for w, each in WINDOWS.items()}  # fmt: skip
OPERATORS |= {
    f"{name} rolling {closed}": lambda a=a, closed=closed: ops.rolling("5ns", a, closed=closed)
    for name, a in AGGREGATES.items()
    for closed in ("right", "left", "both", "none")
}
OPERATORS |= {f"{name} rolling items": lambda a=a: ops.rolling(3, a) for name, a in AGGREGATES.items()}
OPERATORS |= {
    "count": ops.count,
    "sum": lambda: ops.sum("x"),
    "min": lambda: ops.min("x"),
    "max": lambda: ops.max("x"),
    "reduce": lambda: ops.reduce(0, lambda total, item: total + item["x"]),
    "dedupe": lambda: ops.dedupe("x", within="5ns"),
    "dedupe by two": lambda: ops.dedupe("k", "x", within="5ns"),
    "distinct_until_changed": lambda: ops.distinct_until_changed("x"),
    "map": lambda: ops.map(col.x + col.q),
    "filter": lambda: ops.filter(col.x > 0),
    "select": lambda: ops.select(y=col.x * 2 > 1),
    "with_columns": lambda: ops.with_columns(y=-col.x),
    "event_time": lambda: ops.event_time("x", out_of_order="2ns"),
    "guarded": lambda: ops.event_time("x", unit="s", not_before="1970-01-01T00:00Z", not_after="1970-01-01T00:00:02Z"),
    "by magnitude": lambda: ops.event_time("x", unit="auto"),
    "sequence": lambda: ops.event_time("t", sequence="x", out_of_order="2ns"),
    "key_by": lambda: ops.key_by("x"),
    "conflate": lambda: ops.conflate("x", per="instant"),
    "conflate all": lambda: ops.conflate("k", per="instant", keep="all"),
    "throttle_first": lambda: ops.throttle_first("2ns"),
    "route": lambda: ops.route({"a": col.x > 1, "b": col.q > 1}),
    "route_by": lambda: ops.route_by("x", {1: "one", "a": "two"}, default="rest"),
    "partition": lambda: ops.partition(3, "x"),
}
UNKEYED = {"count", "sum", "min", "max", "event_time", "guarded", "by magnitude", "sequence", "key_by"}
ON_ROWS = {"reduce", "throttle_first", *(name for name in OPERATORS if name.endswith(("sliding", "session")))}
POLICIES = [on_error.raise_, on_error.skip, on_error.dead]


@st.composite
def items_of(draw, poison=POISON):
    """Items out of order, some of which have a poisoned value."""
    rng = draw(st.randoms(use_true_random=False))
    some, rate = rng.sample(poison, 3), rng.choice([0, 0.1, 0.3, 0.6])
    base, keys = rng.choice([INTS, FLOATS, INTS + FLOATS, DECIMALS]), rng.choice(KEYS)
    ts, items = 0, []
    for _ in range(draw(st.integers(1, 25))):
        ts += rng.randint(-2, 3)
        x = rng.choice(some if rng.random() < rate else base)
        items.append({"t": ts, "k": rng.choice(keys), "x": x, "q": rng.randint(0, 3)})
    return items


def cut(items, rng):
    """The items in chunks."""
    rate, chunks = rng.choice([0, 0.2, 0.5]), [[]]
    for item in items:
        chunks[-1].append(item)
        if rng.random() < rate:
            chunks.append([])
    return tuple(tuple(chunk) for chunk in chunks if chunk)


def timed(chunks, columns, name="in"):
    source = rxdag.from_source(Chunked(chunks, gives_columns=columns), name=name)
    return source.pipe(ops.event_time("t", out_of_order="4ns")).pipe(ops.key_by("k"))


def shown(output):
    """An output as text, which also tells 1 from 1.0, and a letter with its error."""
    error = getattr(output, "error", None)
    return repr(output) if error is None else f"{output.item!r}: {type(error).__name__}: {error}"


def said(made, *, columns, has_dead=True):
    """All that a node says in one lane, and whether it worked on columns."""
    node = made._node if hasattr(made, "_node") else made.node
    ports = [port for port in node.ports if port not in LEAVINGS and (has_dead or port != "dead")]
    kept = [stream_of(node, port).to(sinks.collect(), name=f"port.{port}") for port in ports]
    plan = rxdag.compile(rxdag.Dag(*kept), columns=columns)
    [name] = [name for name, each in plan.dag.nodes.items() if each is node]
    result = settle_virtual(virtual(plan))
    assert result.problems == ()
    # Behind a failure, how many later items a lane has already looked at depends on the size of its runs.
    has_all = result.state == "completed"
    outputs = {port: [*map(shown, result[f"port.{port}"])] for port in ports if has_all or port not in ("late", "dead")}
    stats = result.stats.nodes[name]
    # A join that ends early discards the right items that it had no reason to purge yet.
    spent = stats.absorbed + stats.discarded
    counts = (stats.passed, spent, stats.made, stats.late, stats.dead, stats.dropped, stats.unrouted)
    return name in plan.lanes.columns, (result.state, str(result.error), outputs, counts if has_all else None)


@pytest.mark.parametrize("name", OPERATORS)
@law
@given(items=items_of(), policy=st.sampled_from(POLICIES), seed=st.integers(0, 99))
def test_a_poisoned_item_has_the_same_fate_in_both_lanes(name, items, policy, seed):
    chunks = cut(items, random.Random(seed))

    def made(columns):
        stream = timed(chunks, columns)
        stream = stream.pipe(ops.unkey()) if name in UNKEYED else stream
        return stream.pipe(OPERATORS[name](), on_error=policy)

    has_dead = policy is on_error.dead
    works, by_columns = said(made(True), columns=True, has_dead=has_dead)
    assert works is (name not in ON_ROWS)
    assert by_columns == said(made(False), columns=False, has_dead=has_dead)[1]


@pytest.mark.parametrize("fields", [None, {"right_x": "x", "right_s": "s"}])
@pytest.mark.parametrize("strategy", ["backward", "forward", "nearest"])
@law
@given(left=items_of(), right=items_of(), seed=st.integers(0, 99))
def test_an_as_of_join_says_the_same_in_both_lanes(strategy, fields, left, right, seed):
    chunks = [cut(items, random.Random(seed)) for items in (left, right)]

    def made(columns):
        sides = [timed(chunk, columns, f"in{i}") for i, chunk in enumerate(chunks)]
        if fields is None:
            return rxdag.join_asof(*sides, strategy=strategy)
        return rxdag.join_asof(*sides, strategy=strategy, fields=fields)

    works, by_columns = said(made(True), columns=True)
    assert works
    assert by_columns == said(made(False), columns=False)[1]


BEHIND_KEYS = {
    "tumbling": lambda: ops.window(windows.tumbling("5ns"), agg.count()),
    "global": lambda: ops.window(windows.global_(), agg.sum("x")),
    "rolling": lambda: ops.rolling("5ns", agg.sum("x"), closed="both"),
    "rolling items": lambda: ops.rolling(2, agg.sum("x")),
    "rows behind": lambda: ops.window(windows.sliding("6ns", "2ns"), agg.count()),
}


@pytest.mark.parametrize("name", BEHIND_KEYS)
@law
@given(items=items_of(poison=[1, 1.5, 2**70]), seed=st.integers(0, 99))
def test_a_key_is_the_first_seen_of_equal_ones_after_a_restart_in_the_other_lane_too(name, items, seed):
    check = _Check(
        lambda stream: stream.pipe(BEHIND_KEYS[name]()),
        lambda stream: stream.pipe(ops.event_time("t", out_of_order="4ns")).pipe(ops.key_by("k")),
        items,
        None,
        random.Random(seed),
    )
    check.columns()
    check.recover()
