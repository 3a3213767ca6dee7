import dataclasses
from typing import NamedTuple, TypedDict

import msgspec
import pytest
from reactivex import operators as rxops

import rxdag
from rxdag import GraphError, GraphWarning, col, on_error, sinks, sources, windows
from rxdag import aggregates as agg
from rxdag import operators as ops


class Trade(msgspec.Struct):
    price: float
    symbol: str


@dataclasses.dataclass
class Order:
    price: float


class Quote(NamedTuple):
    bid: float


class Row(TypedDict):
    a: int


def trades():
    return rxdag.from_source(sources.iterable([Trade(1.0, "A")], of=Trade), name="trades")


def message(fn):
    with pytest.raises(GraphError) as caught:
        fn()
    return str(caught.value)


def test_a_graph_error_is_a_value_error():
    assert issubclass(GraphError, ValueError)


def test_what_is_no_operator_says_where_it_goes():
    s = trades()
    assert "a reactivex operator goes into .rx(...)" in message(lambda: s.pipe(rxops.pairwise()))
    assert "sinks go into .to(...)" in message(lambda: s.pipe(sinks.collect()))
    assert "start a stream with rxdag.from_source" in message(lambda: s.pipe(sources.range(3)))
    assert "pipe: takes an operator, got 3" in message(lambda: s.pipe(3))
    assert "pipe: takes one operator or more, got none" in message(lambda: s.pipe())
    assert "operators of rxdag go into pipe" in message(lambda: s.rx(ops.take(1)))
    assert "to: takes a sink" in message(lambda: s.to(ops.take(1)))
    assert "sources.iterable(...) makes one" in message(lambda: rxdag.from_source([1]))
    assert message(lambda: rxdag.merge()) == "merge: takes one stream or more, got none"
    assert message(lambda: rxdag.merge(3)) == "merge: takes streams, got 3"


@pytest.mark.parametrize("field", ["prize", col.prize])
@pytest.mark.parametrize("of", [Trade, Order, Row])
def test_a_misspelt_field_is_an_error_at_once_with_the_nearest_name(field, of):
    stream = rxdag.from_source(sources.iterable([], of=of))
    text = message(lambda: stream.pipe(ops.key_by(field)))
    assert f'key_by: key: {of.__name__} has no field "prize"' in text
    assert ('did you mean "price"?' in text) == (of is not Row)


def test_fields_are_checked_in_every_operator_and_aggregate_that_takes_them():
    s = trades()
    timed = s.pipe(ops.event_time(lambda t: 0))
    for op in (
        ops.filter("nope"),
        ops.map(col.nope),
        ops.dedupe("nope", max_keys=1),
        ops.event_time("nope"),
        ops.event_time(lambda t: 0, sequence="nope"),
        ops.route({"x": "nope"}),
    ):
        assert 'Trade has no field "nope"' in message(lambda op=op: s.pipe(op))
    keyed = timed.pipe(ops.key_by("symbol"))
    for aggregate in (
        agg.ohlcv("nope", "price"),
        agg.vwap("price", "nope"),
        agg.sum("nope"),
        agg.named(x=agg.sum("nope")),
    ):
        assert 'has no field "nope"' in message(lambda a=aggregate: keyed.pipe(ops.window(windows.tumbling("1s"), a)))


def test_fields_are_read_from_records_and_mappings():
    for item in (Trade(2.0, "A"), Order(2.0), {"price": 2.0}):
        assert rxdag.from_source(sources.iterable([item])).pipe(ops.map(col.price)).collect() == [2.0]
    assert rxdag.from_source(sources.iterable([Quote(3.0)])).pipe(ops.map(col.bid)).collect() == [3.0]


def test_an_unknown_port_lists_the_known_ones():
    s = trades().pipe(ops.map(lambda t: t), name="m")
    assert message(lambda: s.late) == 'map "m": has no port "late"; its ports are out, dead, dropped'
    routes = trades().pipe(ops.route({"fx": lambda t: True}, default="rest"))
    assert 'has no port "fix"; did you mean "fx"?' in message(lambda: routes["fix"])
    assert list(routes) == ["fx", "rest"]


def test_event_time_operators_need_event_time_and_keyed_ones_a_key():
    s = trades()
    window = ops.window(windows.tumbling("1s"), agg.count())
    assert (
        message(lambda: s.pipe(window))
        == "window: needs event time, and the stream has none; put ops.event_time(...) before it"
    )
    timed = s.pipe(ops.event_time(lambda t: 0))
    assert (
        message(lambda: timed.pipe(window))
        == "window: needs a keyed stream; put ops.key_by(...) before it, or take ops.window_all(...)"
    )
    assert "needs event time" in message(lambda: s.pipe(ops.dedupe("price", within="1s", clock="event")))
    behind_rx = timed.pipe(ops.key_by("symbol")).rx(rxops.map(lambda t: t))
    assert "needs event time" in message(lambda: behind_rx.pipe(window))


def test_a_name_is_given_once_and_looks_like_one():
    s = trades()
    assert "must be named once" in message(lambda: s.named("other"))
    for name in ("a b", "-a", ".a", ""):
        assert message(lambda name=name: s.pipe(ops.take(1), name=name)) == (
            f"take: a name must be letters, digits, _, - or ., and not start with - or ., got {name!r}"
        )
    assert s.pipe(ops.take(1)).named("few").node.name == "few"


@pytest.mark.parametrize("name", ["1s", "1", "1e3", "0x10", "2024-01-01", "1_000", "1.5", "_x", "é", "null"])
def test_a_name_may_begin_with_a_digit_everywhere(name):
    numbers = rxdag.from_source(sources.range(3), name=name)
    dag = rxdag.Dag(numbers.to(sinks.collect(), name=f"{name}-out"), name=name)
    read = rxdag.load_spec(text=rxdag.dump_spec(dag))
    assert (read.name, list(read.nodes)) == (dag.name, [name, f"{name}-out"])
    builder = rxdag.DagBuilder(name)
    builder.node(name, sources.range(3))
    builder.node(f"{name}-out", sinks.collect())
    builder.edge(name, f"{name}-out")
    for each in (dag, read, builder.build()):
        assert rxdag.testing.run_virtual(each)[f"{name}-out"] == [0, 1, 2]


def test_two_nodes_of_one_name_are_an_error_and_unnamed_ones_are_numbered():
    s = trades()
    twice = s.pipe(ops.take(1), name="x").pipe(ops.take(1), name="x").to(sinks.null())
    assert message(lambda: rxdag.Dag(twice)) == 'dag "dag": each name must belong to one node, got twice: "x"'
    numbered = s.pipe(ops.take(1)).pipe(ops.take(1)).pipe(ops.take(1), name="take_2").to(sinks.null())
    assert list(rxdag.Dag(numbered).nodes) == ["trades", "take", "take_3", "take_2", "null"]


def test_a_dag_takes_sinks():
    s = trades()
    assert "end the stream with .to(sink)" in message(lambda: rxdag.Dag(s))
    assert "must have one sink or more, got none" in message(lambda: rxdag.Dag())
    assert "end the stream with .to(sink), or use .collect()" in message(lambda: rxdag.run(s))
    assert "got nothing" in message(lambda: rxdag.run())


def test_a_sink_that_was_not_passed_is_warned_of_once_at_the_users_line():
    s = trades()
    out = s.to(sinks.null(), name="out")
    s.to(sinks.null(), name="forgotten")
    expected = 'dag "dag": null "forgotten" is attached to iterable "trades" but was not passed; it will not run'
    with pytest.warns(GraphWarning, match=expected) as caught:
        rxdag.Dag(out)
    assert caught[0].filename == __file__
    rxdag.Dag(out)


def test_a_sink_that_runs_in_a_dag_of_its_own_is_not_warned_of():
    s = trades()
    first, second = s.to(sinks.null()), s.to(sinks.collect())
    with pytest.warns(GraphWarning):
        rxdag.run(first)
    rxdag.run(second)
    rxdag.run(first)
    assert s.head(1)


def test_describe_and_mermaid_show_nodes_and_edges():
    s = trades()
    routes = s.pipe(ops.route({"a": lambda t: True}), name="r")
    dag = rxdag.Dag(routes["a"].to(sinks.null(), name="out"), name="d")
    assert dag.describe().splitlines()[0] == "dag d: 3 nodes, 2 edges"
    assert "<- r.a" in dag.describe()
    assert dag.mermaid() == (
        'flowchart LR\n  n0(["trades"])\n  n1["r"]\n  n2[("out")]\n  n0 --> n1\n  n1 -- "a" --> n2'
    )


def test_replace_puts_other_ends_into_the_same_dag():
    out = trades().pipe(ops.map(col.price)).to(sinks.null(), name="out")
    dag = rxdag.Dag(out)
    other = dag.replace({"trades": sources.iterable([Trade(5.0, "B")]), "out": sinks.collect()})
    assert rxdag.run(other)["out"] == [5.0]
    assert rxdag.run(other)[out] == [5.0]
    assert rxdag.run(dag)[out] == 1
    text = message(lambda: dag.replace({"trade": sources.range(1), "map": sources.range(1), "out": sources.range(1)}))
    assert 'node "trade" is not known; did you mean "trades"?' in text
    assert 'node "map" is an operator' in text
    assert 'node "out" is a sink and can only be replaced by one' in text


def test_the_result_of_a_sink_that_did_not_run_is_an_error():
    a, b = trades().to(sinks.null(), name="a"), trades().to(sinks.null(), name="b")
    result = rxdag.run(a)
    assert message(lambda: result[b]) == 'result: sink "b" was not in the run; its sinks are a'
    assert "was not in the run" in message(lambda: result["zzz"])


def test_bad_arguments_are_errors_when_the_operator_is_made():
    cases = {
        lambda: ops.take(-1): "take: max_items must be 0 or more, got -1",
        lambda: ops.take(True): "take: max_items must be a whole number, 0 or more, got True",
        lambda: ops.map(
            3
        ): "map: fn must be a field's name, an expression of col.<name> or a function of the item, got 3",
        lambda: ops.tap(col.x): "tap: fn must be a function, got col.x",
        lambda: ops.filter(
            3
        ): "filter: predicate must be a field's name, an expression of col.<name> or a function of the item, got 3",
        lambda: ops.scan(0, 3): "scan: fn must be a function, got 3",
        lambda: ops.explode(
            None
        ): "explode: fn must be a field's name, an expression of col.<name> or a function of the item, got None",
        lambda: ops.key_by(): "key_by: takes a function or one field or more, got none",
        lambda: ops.key_by(
            "a", "b", names=("x",)
        ): "key_by: names must have one name for each of the 2 fields, got ('x',)",
        lambda: ops.dedupe(
            "a"
        ): 'dedupe: must be bounded by within= or max_keys=, got neither; pass within="5s", for example',
        lambda: ops.dedupe(within="1s"): "dedupe: takes a function or one field or more as key, got none",
        lambda: ops.dedupe("a", max_keys=0): "dedupe: max_keys must be 1 or more, or None, got 0",
        lambda: ops.dedupe("a", within="0s"): "dedupe: within must be more than 0, got '0s'",
        lambda: ops.dedupe("a", within="1s", clock="sun"): 'dedupe: clock must be "event" or "processing", got \'sun\'',
        lambda: ops.event_time("t", unit="m"): 'event_time: unit must be "ns", "us", "ms", "s" or "auto", got \'m\'',
        lambda: ops.event_time("t", out_of_order="x"): "event_time: out_of_order must be a duration",
        lambda: ops.route({}): "route: must have one route or more, got none",
        lambda: ops.route({"dead": "x"}): (
            "route: a port must have a name other than out, dead, late, dropped, unassigned, unrouted, got 'dead'"
        ),
        lambda: ops.route({"a": "x"}, default="a"): 'route: default must be a port of its own, got "a"',
        lambda: ops.window(3, agg.count()): "window: takes windows first, such as windows.tumbling(...), got 3",
        lambda: ops.window(windows.tumbling("1s"), 3): "window: takes an aggregate second, such as agg.count(), got 3",
        lambda: ops.window(
            windows.tumbling("1s"), agg.count(), into=3
        ): "window: into must be a function of the pane, got 3",
        lambda: windows.tumbling("0s"): "tumbling: size must be more than 0, got '0s'",
        lambda: windows.tumbling("1s", offset="1s"): "tumbling: offset must be less than size '1s', got '1s'",
        lambda: agg.named(): "named: takes one aggregate or more, got none",
        lambda: agg.named(a=3): "named: a must be an aggregate, got 3",
        lambda: agg.sum(
            3
        ): "sum: value must be a field's name, an expression of col.<name> or a function of the item, got 3",
        lambda: sources.iterable(3): "iterable: items must be iterable, got 3",
        lambda: sources.range("a"): "range: takes (stop), (start, stop) or (start, stop, step), got ('a',)",
        lambda: sources.ingress(
            max_items=0
        ): 'ingress: max_items must be 1 or more, or 0 with overflow="drop_newest", got 0',
        lambda: sources.csv(
            "x", int
        ): "csv: of must be a msgspec.Struct, dataclass, NamedTuple or TypedDict, got <class 'int'>",
        lambda: sources.simulated_trades(duplicates=2): "simulated_trades: duplicates must be 0 to 1, got 2",
        lambda: rxdag.Dag(rxdag.from_source(sources.range(1)).to(sinks.null())).shard(
            "0",  # type: ignore[arg-type]
            2,
        ): "dag \"dag\": shard: must be worker 0 to n - 1 of n, got '0' of 2",
        lambda: sources.simulated_quotes(quotes=-1): "simulated_quotes: quotes must be 0 or more, got -1",
        lambda: sources.simulated_quotes(speed=0): "simulated_quotes: speed must be more than 0, got 0",
        lambda: sources.simulated_trades(speed=0): "simulated_trades: speed must be more than 0, got 0",
        lambda: sources.simulated_trades(trades=-1): "simulated_trades: trades must be 0 or more, got -1",
        lambda: sources.async_iterable(3): "async_iterable: takes a function that returns an async iterable, got 3",
        lambda: sinks.call(3): "call: fn must be a function, got 3",
        lambda: sinks.acall(3): "acall: fn must be a coroutine function, got 3",
        lambda: sinks.stdout(form="xml"): 'stdout: form must be "text" or "jsonl", got \'xml\'',
        lambda: trades().buffered(
            max_items=0
        ): 'buffered: max_items must be 1 or more, or 0 with overflow="drop_newest", got 0',
        lambda: trades().pipe(
            ops.take(1),
            on_error="skipp",  # type: ignore[call-overload]
        ): (
            "take: on_error must be one of raise, skip, dead, or a policy of rxdag.on_error, got 'skipp'; did you mean "
            '"skip"?'
        ),
        lambda: trades().pipe(ops.take(1), ops.take(1), name="x"): "pipe: name= and on_error= go with one operator",
    }
    for make, expected in cases.items():
        assert expected in message(make)


def test_a_coroutine_function_in_call_is_sent_to_acall():
    async def save(item): ...

    assert "use sinks.acall" in message(lambda: sinks.call(save))


def test_an_expression_has_no_truth_value():
    with pytest.raises(TypeError, match=r"col\.a has no truth value"):
        bool(col.a)
    with pytest.raises(TypeError, match=r"and \.is_in\(values\) instead of in"):
        assert col.a in [1]
    assert repr(col["odd name"]) == "col['odd name']"


def test_one_operator_serves_two_runs_without_meeting():
    total = ops.scan(0, lambda a, b: a + b)
    stream = rxdag.from_source(sources.range(4)).pipe(total)
    assert stream.collect() == stream.collect() == [0, 1, 3, 6]


def test_an_on_error_policy_on_a_reactivex_operator_cannot_be_given():
    assert not hasattr(trades().rx(rxops.pairwise()), "on_error")
    assert on_error.dead.kind == "dead"
