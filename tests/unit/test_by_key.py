"""Operators that carry state go by key behind key_by, keep the key, and forget a key after its ttl."""

import math
from dataclasses import dataclass

import pytest
from tests.unit.drive import Driven

import rxdag
from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag import sinks, sources, windows
from rxdag.contract import Emit, Kernel, Operator, Shape

S = 10**9


class _WithKey(Kernel):
    def on_item(self, item: object, ts: int, key: object, emit: Emit[object]) -> None:
        emit((key, item, ts // S))


@dataclass(frozen=True)
class WithKey(Operator[object, object]):
    """Shows each item with its key and second."""

    def kernel(self) -> _WithKey:
        return _WithKey()


def keyed(rows):
    """Rows (second, key, value)."""
    stream = rxdag.from_source(sources.iterable(rows)).pipe(ops.event_time(lambda row: row[0], unit="s"))
    return stream.pipe(ops.key_by(lambda row: row[1]))


def values(rows):
    return keyed(rows).pipe(ops.map(lambda row: row[2]))


def shown(stream):
    return stream.pipe(WithKey()).collect()


def refused(make):
    with pytest.raises(rxdag.GraphError) as caught:
        make()
    return str(caught.value)


ROWS = [(0, "b", 5), (1, "a", 1), (2, "b", 7), (3, "a", 4), (4, "b", 6), (5, "a", 2)]

BY_KEY = {
    "count": (lambda: ops.count(), [("a", 3, 5), ("b", 3, 5)]),
    "sum": (lambda: ops.sum(), [("a", 7, 5), ("b", 18, 5)]),
    "min": (lambda: ops.min(), [("a", 1, 5), ("b", 5, 5)]),
    "max": (lambda: ops.max(), [("a", 4, 5), ("b", 7, 5)]),
    "first": (lambda: ops.first(), [("b", 5, 0), ("a", 1, 1)]),
    "first that": (lambda: ops.first(lambda n: n % 2 == 0), [("a", 4, 3), ("b", 6, 4)]),
    "last": (lambda: ops.last(), [("a", 2, 5), ("b", 6, 4)]),
    "last that": (lambda: ops.last(lambda n: n > 3), [("a", 4, 3), ("b", 6, 4)]),
    "take": (lambda: ops.take(2), [("b", 5, 0), ("a", 1, 1), ("b", 7, 2), ("a", 4, 3)]),
    "skip": (lambda: ops.skip(2), [("b", 6, 4), ("a", 2, 5)]),
    "take_while": (lambda: ops.take_while(lambda n: n < 7), [("b", 5, 0), ("a", 1, 1), ("a", 4, 3), ("a", 2, 5)]),
    "take_while inclusive": (
        lambda: ops.take_while(lambda n: n < 5, inclusive=True),
        [("b", 5, 0), ("a", 1, 1), ("a", 4, 3), ("a", 2, 5)],
    ),
    "skip_while": (lambda: ops.skip_while(lambda n: n < 4 or n == 5), [("b", 7, 2), ("a", 4, 3), ("b", 6, 4), ("a", 2, 5)]),
    "pairwise": (
        lambda: ops.pairwise(),
        [("b", (5, 7), 2), ("a", (1, 4), 3), ("b", (7, 6), 4), ("a", (4, 2), 5)],
    ),
    "distinct_until_changed": (lambda: ops.distinct_until_changed(lambda n: n > 3), [("b", 5, 0), ("a", 1, 1), ("a", 4, 3), ("a", 2, 5)]),
    "scan": (
        lambda: ops.scan(0, lambda total, n: total + n),
        [("b", 5, 0), ("a", 1, 1), ("b", 12, 2), ("a", 5, 3), ("b", 18, 4), ("a", 7, 5)],
    ),
    "reduce": (lambda: ops.reduce(lambda x, y: x * y), [("a", 8, 5), ("b", 210, 5)]),
    "reduce from a first value": (lambda: ops.reduce(2, lambda x, y: x * y), [("a", 16, 5), ("b", 420, 5)]),
    "scan without a first value": (
        lambda: ops.scan(lambda x, y: x * y),
        [("b", 5, 0), ("a", 1, 1), ("b", 35, 2), ("a", 4, 3), ("b", 210, 4), ("a", 8, 5)],
    ),
    "batch": (lambda: ops.batch(2), [("b", [5, 7], 2), ("a", [1, 4], 3), ("a", [2], 5), ("b", [6], 4)]),
    "batch skip": (
        lambda: ops.batch(2, skip=1),
        [("b", [5, 7], 2), ("a", [1, 4], 3), ("b", [7, 6], 4), ("a", [4, 2], 5), ("a", [2], 5), ("b", [6], 4)],
    ),
    "rolling": (
        lambda: ops.rolling(2, agg.collect()),
        [("b", [5], 0), ("a", [1], 1), ("b", [5, 7], 2), ("a", [1, 4], 3), ("b", [7, 6], 4), ("a", [4, 2], 5)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BY_KEY)
def test_an_operator_with_state_goes_by_key_and_keeps_the_key(name):
    make, expected = BY_KEY[name]
    assert shown(values(ROWS).pipe(make())) == expected


@pytest.mark.parametrize("name", BY_KEY)
def test_behind_unkey_it_works_on_the_stream_as_a_whole(name):
    make, _ = BY_KEY[name]
    plain = rxdag.from_source(sources.iterable([row[2] for row in ROWS])).pipe(make()).collect()
    whole = values(ROWS).pipe(ops.unkey()).pipe(make())
    assert whole.node.port_shape("out").keyed is False
    assert whole.collect() == plain


TTL = {
    "count": (lambda: ops.count(ttl="3s"), [("a", 2, 4), ("b", 1, 7), ("a", 1, 10)]),
    "sum": (lambda: ops.sum(ttl="3s"), [("a", 3, 4), ("b", 4, 7), ("a", 8, 10)]),
    "min": (lambda: ops.min(ttl="3s"), [("a", 1, 4), ("b", 4, 7), ("a", 8, 10)]),
    "max": (lambda: ops.max(ttl="3s"), [("a", 2, 4), ("b", 4, 7), ("a", 8, 10)]),
    "first": (lambda: ops.first(ttl="3s"), [("a", 1, 1), ("b", 4, 5), ("a", 8, 8)]),
    "last": (lambda: ops.last(ttl="3s"), [("a", 2, 2), ("b", 4, 5), ("a", 8, 8)]),
    "take": (lambda: ops.take(1, ttl="3s"), [("a", 1, 1), ("b", 4, 5), ("a", 8, 8)]),
    "skip": (lambda: ops.skip(1, ttl="3s"), [("a", 2, 2)]),
    "take_while": (lambda: ops.take_while(lambda n: n != 2, ttl="3s"), [("a", 1, 1), ("b", 4, 5), ("a", 8, 8)]),
    "skip_while": (lambda: ops.skip_while(lambda n: n in (1, 8), ttl="3s"), [("a", 2, 2), ("b", 4, 5)]),
    "pairwise": (lambda: ops.pairwise(ttl="3s"), [("a", (1, 2), 2)]),
    "distinct_until_changed": (
        lambda: ops.distinct_until_changed(lambda n: 0, ttl="3s"),
        [("a", 1, 1), ("b", 4, 5), ("a", 8, 8)],
    ),
    "scan": (lambda: ops.scan(0, lambda n, _: n + 1, ttl="3s"), [("a", 1, 1), ("a", 2, 2), ("b", 1, 5), ("a", 1, 8)]),
    "scan without a first value": (
        lambda: ops.scan(lambda x, y: x + y, ttl="3s"),
        [("a", 1, 1), ("a", 3, 2), ("b", 4, 5), ("a", 8, 8)],
    ),
    "reduce": (lambda: ops.reduce(1, lambda x, y: x + y, ttl="3s"), [("a", 4, 4), ("b", 5, 7), ("a", 9, 10)]),
    "reduce without a first value": (
        lambda: ops.reduce(lambda x, y: x + y, ttl="3s"),
        [("a", 3, 4), ("b", 4, 7), ("a", 8, 10)],
    ),
    "batch": (lambda: ops.batch(9, ttl="3s"), [("a", [1, 2], 2), ("b", [4], 5), ("a", [8], 8)]),
    "batch skip": (lambda: ops.batch(3, skip=4, ttl="3s"), [("a", [1, 2], 2), ("b", [4], 5), ("a", [8], 8)]),
    "rolling": (
        lambda: ops.rolling(9, agg.collect(), ttl="3s"),
        [("a", [1], 1), ("a", [1, 2], 2), ("b", [4], 5), ("a", [8], 8)],
    ),
}


@pytest.mark.parametrize("name", TTL)
def test_a_key_ends_when_nothing_has_come_for_its_ttl(name):
    make, expected = TTL[name]
    assert shown(values([(1, "a", 1), (2, "a", 2), (5, "b", 4), (8, "a", 8)]).pipe(make())) == expected


@pytest.mark.parametrize("name", TTL)
def test_a_key_lasts_up_to_its_ttl_and_no_longer(name):
    make, _ = TTL[name]
    bounds = []
    for gap in (3 * S - 1, 3 * S):
        driven = Driven(make())
        driven.item(2, ts=0, key="a")
        driven.item(1, ts=gap, key="a")
        driven.mark(4 * S)
        bounds.append(driven.exits.seen)
    assert bounds[0] != bounds[1]


@pytest.mark.parametrize("name", TTL)
def test_keys_are_freed_by_the_watermark_whatever_comes(name):
    make, _ = TTL[name]
    driven = Driven(make())
    for second in range(1000):
        driven.item(2, ts=second * S, key=second)
        driven.mark(second * S - 1)
    assert len(driven.kernel.snapshot()["keys"]) <= 3
    driven.mark(2000 * S)
    assert driven.kernel.snapshot()["keys"] == []
    assert driven.kernel.held() == 0


@pytest.mark.parametrize("name", TTL)
def test_a_ttl_of_the_clock_frees_keys_as_it_goes_on(name):
    make, _ = TTL[name]
    driven = Driven(make(), Shape(keyed=True))
    for second in range(1000):
        driven.item(2, key=second, now=second * S)
    assert len(driven.kernel.snapshot()["keys"]) <= 3


def test_results_of_keys_that_end_come_out_by_the_clock_without_an_item():
    driven = Driven(ops.count(ttl="3s"), Shape(keyed=True))
    driven.item("x", key="a", now=0)
    driven.item("x", key="a", now=2 * S)
    driven.clock(5 * S - 1)
    assert driven.out == []
    driven.clock(5 * S)
    assert driven.out == [2]


def test_an_item_of_another_key_does_not_keep_a_key_alive_and_one_that_is_left_out_does():
    rows = [(0, "a", 1), (2, "a", 9), (4, "a", 9), (6, "a", 1), (6, "b", 1), (8, "b", 1), (9, "a", 1)]
    firsts = keyed(rows).pipe(ops.first(lambda row: row[2] == 1, ttl="3s"))
    assert firsts.collect() == [(0, "a", 1), (6, "b", 1), (9, "a", 1)]


def test_a_late_item_is_no_news_of_a_key_that_the_watermark_has_forgotten():
    driven = Driven(ops.scan(0, lambda n, _: n + 1, ttl="3s"))
    driven.item("x", ts=10 * S, key="a")
    driven.mark(20 * S)
    driven.item("x", ts=11 * S, key="a")
    driven.item("x", ts=12 * S, key="a")
    assert driven.out == [1, 1, 1]


# ---- operators of the clock


def timed_out(operator, marbles):
    """What comes out in which second for a letter a second, which its lower case is the key of; "-" is none."""
    driven = Driven(operator, Shape(keyed=True))
    seen = []

    def note(second):
        seen.extend((second, item) for item in driven.out[len(seen) :])

    for second, letter in enumerate(marbles):
        driven.clock(second * S)
        if letter not in "-|":
            driven.item(letter, key=letter.lower())
        elif letter == "|":
            driven.end()
        note(second)
    return seen


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        (ops.debounce("3s"), [(4, "A"), (6, "B")]),
        (ops.audit("3s"), [(3, "A"), (5, "B")]),
        (ops.sample("4s"), [(4, "A"), (4, "B")]),
        (ops.throttle_first("3s"), [(0, "a"), (2, "b")]),
        (ops.throttle_latest("3s"), [(0, "a"), (2, "b"), (3, "A"), (5, "B")]),
        (ops.throttle(1, per="3s"), [(0, "a"), (2, "b")]),
        (ops.throttle(1, per="2s", mode="shape"), [(0, "a"), (2, "A"), (2, "b"), (4, "B")]),
        (ops.batch(9, max_wait="3s"), [(3, ["a", "A"]), (5, ["b", "B"])]),
    ],
    ids=["debounce", "audit", "sample", "throttle_first", "throttle_latest", "throttle", "shape", "batch"],
)
def test_each_key_waits_on_its_own(operator, expected):
    got = timed_out(operator, "aAbB------|")
    assert sorted(got, key=lambda each: each[0]) == expected


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        (ops.debounce("9s", ttl="2s"), [(3, "A"), (5, "B")]),
        (ops.audit("9s", ttl="2s"), [(3, "A"), (5, "B")]),
        (ops.sample("9s", ttl="2s"), [(3, "A"), (5, "B")]),
        (ops.throttle_latest("9s", ttl="2s"), [(0, "a"), (2, "b"), (3, "A"), (5, "B")]),
        (ops.batch(9, max_wait="9s", ttl="2s"), [(3, ["a", "A"]), (5, ["b", "B"])]),
    ],
    ids=["debounce", "audit", "sample", "throttle_latest", "batch"],
)
def test_what_waits_comes_out_when_its_key_ends(operator, expected):
    assert timed_out(operator, "aAbB------|") == expected


@pytest.mark.parametrize("operator", [ops.throttle_first("9s", ttl="2s"), ops.throttle(1, per="9s", ttl="2s")])
def test_a_key_that_was_forgotten_is_not_throttled(operator):
    assert timed_out(operator, "aA--a|") == [(0, "a"), (4, "a")]
    assert timed_out(operator, "aAaAa|") == [(0, "a")]


@pytest.mark.parametrize(
    "operator", [ops.throttle_first("2s"), ops.throttle_latest("2s"), ops.throttle(1, per="2s")], ids=repr
)
def test_a_key_whose_interval_is_over_is_not_remembered(operator):
    driven = Driven(operator, Shape(keyed=True))
    for second in range(1000):
        driven.item("x", key=second, now=second * S)
    assert len(driven.kernel.snapshot()["keys"]) <= 2


def test_empty_lists_of_a_key_come_out_until_it_ends():
    operator = ops.batch(9, max_wait="2s", emit_empty=True, ttl="5s")
    assert timed_out(operator, "a---------|") == [(2, ["a"]), (4, []), (5, [])]
    assert refused(lambda: rxdag.from_source(sources.range(3)).pipe(operator)) == (
        "batch: ttl= with emit_empty=True needs a keyed stream; put ops.key_by(...) before it"
    )


# ---- what is behind them


@pytest.mark.parametrize(
    "operator", [ops.last(), ops.batch(9), ops.batch(9, skip=8), ops.debounce("9h"), ops.audit("9h"), ops.sample("9h")]
)
def test_what_comes_out_with_its_own_time_is_not_late_behind(operator):
    rows = [(0, "a", 1), (50, "b", 2), (90, "b", 3)]
    panes = keyed(rows).pipe(operator).pipe(ops.window(windows.tumbling("10s"), agg.count()))
    out, late = panes.to(sinks.collect()), panes.late.to(sinks.collect())
    result = rxdag.testing.run_virtual(out, late)
    assert result[late] == []
    assert [(pane.key, pane.start // S) for pane in result[out]] == [("a", 0), ("b", 90)]


@pytest.mark.parametrize(
    "make",
    [
        lambda **how: ops.count(**how),
        lambda **how: ops.max(lambda row: row[2], **how),
        lambda **how: ops.reduce(lambda a, b: b, **how),
        lambda **how: ops.reduce(0, lambda n, row: n + 1, **how),
    ],
)
@pytest.mark.parametrize("how", [{}, {"ttl": "20s"}, {"ttl": "20s", "clock": "processing"}], ids=str)
def test_totals_of_keys_are_not_late_behind(make, how):
    rows = [(0, "a", 1), (50, "b", 2), (90, "b", 3)]
    panes = keyed(rows).pipe(make(**how)).pipe(ops.window(windows.tumbling("10s"), agg.count()))
    out, late = panes.to(sinks.collect()), panes.late.to(sinks.collect())
    result = rxdag.testing.run_virtual(out, late)
    assert result[late] == []
    assert sum(pane.value for pane in result[out]) == (3 if how == {"ttl": "20s"} else 2)


# ---- what does not look at the key, and what counts all


def test_head_counts_the_items_of_all_keys_and_reads_no_further():
    read = []
    numbers = rxdag.from_source(sources.range(10**6)).pipe(ops.tap(read.append)).pipe(ops.key_by(lambda n: n % 2))
    assert numbers.head(3) == [0, 1, 2]
    assert len(read) < 10**6


def test_collect_stops_with_an_error_at_the_first_item_too_many():
    read = []
    numbers = rxdag.from_source(sources.range(10**6)).pipe(ops.tap(read.append)).pipe(ops.key_by(lambda n: n % 2))
    with pytest.raises(rxdag.BufferOverflow) as caught:
        numbers.collect(max_items=3)
    assert str(caught.value) == (
        "collect: max_items must be at least the number of items, got 3 for more items; head(3) returns the first ones"
    )
    assert len(read) < 10**6


@pytest.mark.parametrize("max_items", [3, 4, None])
def test_collect_of_no_more_than_it_may_is_all(max_items):
    assert rxdag.from_source(sources.range(3)).collect(max_items=max_items) == [0, 1, 2]


def test_collect_of_nothing_may_be_asked_for():
    assert rxdag.from_source(sources.range(0)).collect(max_items=0) == []
    with pytest.raises(rxdag.BufferOverflow, match="got 0"):
        rxdag.from_source(sources.range(1)).collect(max_items=0)


def test_a_keyed_take_reads_its_source_to_the_end():
    out = values(ROWS).pipe(ops.take(0)).to(sinks.collect())
    result = rxdag.run(out)
    assert result[out] == []
    assert (result.items_in, result.problems) == (6, ())
    assert result.stats.nodes["take"].filtered == 6


@pytest.mark.parametrize(
    "operator",
    [ops.delay("1s"), ops.timeout("9s"), ops.window_all(windows.tumbling("9s"), agg.count())],
    ids=["delay", "timeout", "window_all"],
)
def test_what_does_not_look_at_the_key_works_on_the_whole_stream(operator):
    got = rxdag.testing.run_virtual(out := values(ROWS).pipe(operator).to(sinks.collect()))[out]
    plain = rxdag.testing.run_virtual(out := values(ROWS).pipe(ops.unkey()).pipe(operator).to(sinks.collect()))[out]
    assert got == plain


def test_window_all_drops_the_key_and_delay_keeps_it():
    whole = values(ROWS).pipe(ops.window_all(windows.tumbling("9s"), agg.sum(lambda n: n)))
    assert [(pane.key, pane.value) for pane in whole.collect()] == [(None, 25)]
    assert whole.node.port_shape("out").keyed is False
    assert values(ROWS).pipe(ops.delay("1s")).node.port_shape("out").keyed is True


def test_unkey_keeps_event_time_and_columns():
    rows = rxdag.from_source(sources.arrays({"t": [1, 2, 3], "s": ["a", "b", "a"]}))
    whole = rows.pipe(ops.event_time("t", unit="s")).pipe(ops.key_by("s")).pipe(ops.unkey())
    out = whole.pipe(ops.window_all(windows.tumbling("2s"), agg.count())).to(sinks.collect())
    plan = rxdag.compile(rxdag.Dag(out))
    assert "unkey" in plan.lanes.columns
    assert [(pane.start // S, pane.value) for pane in rxdag.run(plan)[out]] == [(0, 1), (2, 2)]


# ---- values without an order


@pytest.mark.parametrize("values", [[math.nan, 1.0, 3.0], [1.0, math.nan, 3.0], [None, 1.0, 3.0], [3.0, 1.0, None]])
@pytest.mark.parametrize("is_keyed", [False, True])
def test_a_value_without_an_order_goes_to_dead_wherever_it_stands(values, is_keyed):
    for operator, expected in ((ops.min(), 1.0), (ops.max(), 3.0)):
        stream = rxdag.from_source(sources.iterable(values))
        node = (stream.pipe(ops.key_by(lambda _: "k")) if is_keyed else stream).pipe(operator)
        out, dead = node.to(sinks.collect()), node.dead.to(sinks.collect())
        result = rxdag.run(out, dead)
        assert result[out] == [expected]
        (letter,) = result[dead]
        assert str(letter.error) in (
            f"{operator.name}: value must have an order, got nan",
            f"{operator.name}: value must have an order, got None",
        )


# ---- what is refused


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: ops.take(1, ttl="0s"), "take: ttl must be more than 0, got '0s'"),
        (lambda: ops.count(clock="event"), "count: clock goes with ttl=, got 'event' alone"),
        (lambda: ops.skip(1, ttl="1s", clock="wall"), 'skip: clock must be "event" or "processing", got \'wall\''),
        (
            lambda: ops.distinct_until_changed(max_keys=3, ttl="1s"),
            "distinct_until_changed: must be bounded by max_keys= or by ttl=, got both",
        ),
        (
            lambda: ops.rolling("5s", agg.count(), ttl="1s"),
            "rolling: ttl= and clock= go with a number of items, got a period; with a period, a key expires after '5s'",
        ),
        (
            lambda: ops.throttle(1, mode="shape", ttl="1s"),
            'throttle: ttl= goes with mode="drop", got "shape", where a bucket lasts until its last item has left',
        ),
        (
            lambda: rxdag.from_source(sources.range(3)).pipe(ops.pairwise(ttl="1s", clock="event")),
            'pairwise: clock="event" needs event time, and the stream has none; put ops.event_time(...) before it',
        ),
    ],
)
def test_what_a_ttl_refuses(make, said):
    assert refused(make) == said


def test_the_last_item_gives_the_one_that_it_replaces_to_port_dropped():
    stream = rxdag.from_source(sources.iterable([1, 2, 3])).pipe(ops.last())
    out, dropped = stream.to(sinks.collect()), stream.dropped.to(sinks.collect())
    result = rxdag.run(out, dropped)
    assert (result[out], result[dropped]) == ([3], [1, 2])
