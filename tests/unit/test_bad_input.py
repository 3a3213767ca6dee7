"""What is wrong is said where it is, with what must hold, what came, and the fix."""

import dataclasses
import datetime
from typing import Any, NamedTuple

import numpy as np
import pytest
from reactivex import operators as rx

import rxdag
from rxdag import GraphError, col, market, on_error, sinks, sources, windows
from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag.expressions import Expr
from rxdag.testing import feed


def stream(*items):
    return rxdag.from_source(sources.iterable(items))


def timed(*items):
    return stream(*items).pipe(ops.event_time(lambda x: x))


def dead_of(made):
    out, dead = made.to(sinks.collect()), made.dead.to(sinks.collect())
    result = rxdag.run(out, dead)
    assert result.problems == ()
    return result[out], [str(letter.error) for letter in result[dead]]


# ---- times


@pytest.mark.parametrize(
    ("time", "unit", "said"),
    [
        (np.datetime64("NaT"), "ns", "event_time: a time must not be NaT"),
        (float("nan"), "s", "event_time: a time must not be NaN"),
        (1_723_161_255_208_000_000, "ms", "a time must be within 1677 to 2262"),
        (-(1 << 63), "ns", "is unit= right?"),
    ],
)
def test_a_time_that_is_none_goes_to_dead(time, unit, said):
    out, dead = dead_of(stream(time).pipe(ops.event_time(lambda x: x, unit=unit)))
    assert out == []
    assert said in dead[0]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "a time must be a number, a text, a datetime with a time zone or a numpy datetime64, got None"),
        ("x", "a text must be digits or ISO 8601, such as \"2024-05-06T12:00Z\", got 'x'"),
        (1.5, "a time in ns must be a whole number, got 1.5; pass the unit that it has"),
    ],
)
def test_what_is_no_time_fails_the_node(value, said):
    with pytest.raises(rxdag.NodeError) as caught:
        stream(value).pipe(ops.event_time(lambda x: x)).collect()
    assert said in str(caught.value)


def test_a_naive_datetime_fails_the_node_with_the_fix():
    naive = datetime.datetime(2024, 1, 1)  # noqa: DTZ001  # that is the point
    with pytest.raises(rxdag.NodeError) as caught:
        stream(naive).pipe(ops.event_time(lambda x: x)).collect()
    assert "a datetime must have a time zone" in str(caught.value)
    assert "use .replace(tzinfo=...)" in str(caught.value)


# ---- keys


@pytest.mark.parametrize(
    "operator",
    [
        ops.key_by(lambda x: [x]),
        ops.dedupe(lambda x: [x], max_keys=3),
        ops.arbitrate(lambda x: [x], sequence=lambda x: x),
        ops.conflate(lambda x: [x]),
        ops.throttle(1, key=lambda x: [x]),
        ops.throttle(1, key=lambda x: [x], mode="shape"),
        ops.lookup(lambda x: x, key=lambda x: [x]),
    ],
    ids=["key_by", "dedupe", "arbitrate", "conflate", "throttle", "shape", "lookup"],
)
def test_a_key_without_a_hash_says_so(operator):
    with pytest.raises(rxdag.NodeError) as caught:
        feed(operator, [1])
    assert "a key must be hashable, got [1]; use a tuple" in str(caught.value)


def test_a_key_function_that_raises_goes_by_the_policy():
    failing = lambda x: 1 // x  # noqa: E731
    for operator in (ops.key_by(failing), ops.dedupe(failing, max_keys=3), ops.conflate(failing)):
        out, dead = dead_of(stream(0, 1).pipe(operator, on_error=on_error.dead))
        assert out == [1]
        assert len(dead) == 1


# ---- windows


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: windows.tumbling("0s"), "tumbling: size must be more than 0, got '0s'"),
        (lambda: windows.tumbling("1s", offset="1s"), "tumbling: offset must be less than size '1s', got '1s'"),
        (lambda: windows.tumbling("1s", offset="-1s"), "tumbling: offset must be less than size '1s', got '-1s'"),
        (lambda: windows.sliding("2s", "1s", offset="3s"), "sliding: offset must be less than slide '1s', got '3s'"),
        (lambda: windows.sliding("2s", "0s"), "sliding: slide must be more than 0, got '0s'"),
        (lambda: windows.session("0s"), "session: gap must be more than 0, got '0s'"),
        (lambda: windows.count(0), "count: size must be 1 or more, got 0"),
        (lambda: windows.tumbling("1mo", tz="Mars/North"), "tumbling: tz must be the IANA name of a time zone"),
        (
            lambda: windows.tumbling("5s", tz="UTC"),
            'tumbling: with tz= size must be "1d", "1w", "1mo", "1q" or "1y", got \'5s\'',
        ),
        (lambda: windows.tumbling("1w", offset="1d"), "tumbling: offset must be less than a day, got '1d'"),
        (lambda: ops.dedupe(lambda x: x), "dedupe: must be bounded by within= or max_keys=, got neither"),
    ],
)
def test_what_cannot_be_is_refused_when_it_is_said(make, said):
    with pytest.raises(rxdag.GraphError) as caught:
        make()
    assert said in str(caught.value)


class Silent(agg.Accumulator):
    def add(self, item, /):
        pass

    def result(self):
        return None


class SilentOf(agg.Aggregate):
    def accumulator(self):
        return Silent()


def test_an_aggregate_that_returns_nothing_gives_a_pane_of_none():
    panes = timed(1, 2).pipe(ops.window_all(windows.tumbling("1s"), SilentOf())).collect()
    assert [pane.value for pane in panes] == [None]


# ---- graphs


@pytest.mark.parametrize(
    "operator",
    [
        lambda s: s.pipe(ops.window_all(windows.tumbling("1s"), agg.count())),
        lambda s: s.pipe(ops.rolling("1s", agg.count())),
        lambda s: s.pipe(ops.conflate(per="instant")),
        lambda s: s.pipe(ops.dedupe(lambda x: x, within="1s", clock="event")),
        lambda s: s.pipe(ops.scan(0, lambda n, x: n, ttl="1s", clock="event")),
        lambda s: s.pipe(ops.arbitrate(sequence=lambda x: x, clock="event")),
        lambda s: rxdag.merge_sorted(s),
        lambda s: rxdag.join_asof(s, s),
    ],
)
def test_operators_of_event_time_are_refused_where_there_is_none(operator):
    for without in (
        timed(1).rx(rx.map(lambda x: x)),
        timed(1).pipe(ops.map_batch(lambda batch: batch)),
        timed(1).pipe(ops.map_async(lambda x: x, ordered=False)),
    ):
        with pytest.raises(rxdag.GraphError) as caught:
            operator(without)
        assert "put ops.event_time(...) before it" in str(caught.value)


def test_a_port_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(rxdag.GraphError) as caught:
        stream(1).pipe(ops.map(lambda x: x)).late  # it raises
    assert str(caught.value) == 'map: has no port "late"; its ports are out, dead, dropped'


def test_an_item_after_the_end_is_refused():
    feed_in = sources.ingress(max_items=2)
    feed_in.push(1)
    feed_in.complete()
    with pytest.raises(rxdag.RxDagError):
        feed_in.push(2)
    assert rxdag.from_source(feed_in).collect() == [1]


class Typed(NamedTuple):
    text: str
    seconds: float
    ok: bool
    raw: bytes | None
    some: str | None
    ts: int
    price: float


OF_TEXT = {
    "agg.sum": lambda f: ops.window_all(windows.tumbling("1s"), agg.sum(f)),
    "agg.mean": lambda f: ops.window_all(windows.tumbling("1s"), agg.mean(f)),
    "agg.std": lambda f: ops.window_all(windows.tumbling("1s"), agg.std(f)),
    "agg.vwap": lambda f: ops.window_all(windows.tumbling("1s"), agg.vwap("price", f)),
    "agg.ohlcv": lambda f: ops.window_all(windows.tumbling("1s"), agg.ohlcv(f, "price")),
    "agg.quantile": lambda f: ops.window_all(windows.tumbling("1s"), agg.quantile(f, 0.5)),
    "agg.named": lambda f: ops.window_all(windows.tumbling("1s"), agg.named(n=agg.count(), s=agg.sum(f))),
    "ops.sum": lambda f: ops.sum(f),
    "market.tick_rule": lambda f: market.tick_rule(f),
    "market.twap": lambda f: ops.window_all(windows.tumbling("1s"), market.twap(f)),
    "market.imbalance": lambda f: ops.window_all(windows.tumbling("1s"), market.imbalance(f, "price")),
}


@pytest.mark.parametrize("name", OF_TEXT)
@pytest.mark.parametrize("field", ["text", "some", col.text, lambda t: t.text])
def test_what_takes_numbers_is_refused_a_field_of_text_when_the_graph_is_made(name, field):
    timed = rxdag.from_source(sources.iterable([], of=Typed)).pipe(ops.event_time("ts"))
    if callable(field) and not isinstance(field, Expr):
        timed.pipe(OF_TEXT[name](field))  # a function is not known before it is called
        return
    with pytest.raises(GraphError, match="must be a number, got .*, which is a text"):
        timed.pipe(OF_TEXT[name](field))


@pytest.mark.parametrize("field", ["seconds", "ok", "raw", col.seconds])
def test_event_time_of_a_field_whose_type_has_no_times_is_refused_when_the_graph_is_made(field):
    with pytest.raises(
        GraphError, match="ts must be a number, a text, a datetime or a numpy datetime64, got the field .* of type"
    ):
        rxdag.from_source(sources.iterable([], of=Typed)).pipe(ops.event_time(field))


def test_event_time_of_a_float_says_how_to_pass_it():
    with pytest.raises(GraphError, match='of type float; pass the unit that it has: unit="s", "ms", "us" or "auto"'):
        rxdag.from_source(sources.iterable([], of=Typed)).pipe(ops.event_time("seconds"))


@pytest.mark.parametrize(
    "kind", [int, np.int64, np.datetime64, datetime.datetime, datetime.date, object, Any, int | None, "int | str"]
)
def test_event_time_of_a_field_that_may_be_a_time_is_taken(kind):
    item = dataclasses.make_dataclass("Item", [("when", kind)])
    rxdag.from_source(sources.iterable([], of=item)).pipe(ops.event_time("when"))


@pytest.mark.parametrize("given", ["2", -1, 1.5, None, True])
def test_head_says_itself_what_it_takes(given):
    with pytest.raises(rxdag.GraphError, match="head: max_items must be .*0 or more, got"):
        rxdag.from_source(sources.range(3)).head(given)


@pytest.mark.parametrize("given", ["2", -1, 1.5, True])
def test_collect_says_itself_what_it_takes(given):
    with pytest.raises(rxdag.GraphError, match="collect: max_items must be .*0 or more, got"):
        rxdag.from_source(sources.range(3)).collect(max_items=given)
