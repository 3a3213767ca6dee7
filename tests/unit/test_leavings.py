"""Items that leave by another exit are streams like any other, in every lane."""

from dataclasses import dataclass

import pytest

import rxdag
from rxdag import aggregates as agg
from rxdag import col, on_error, sinks, sources, windows
from rxdag import operators as ops

S = 10**9


def collected(*streams, columns=True):
    nodes = [stream.to(sinks.collect(), name=f"out{i}") for i, stream in enumerate(streams)]
    plan = rxdag.compile(rxdag.Dag(*nodes), columns=columns)
    result = rxdag.testing.settle_virtual(rxdag.testing.virtual(plan))
    assert result.problems == ()
    assert result.state == "completed", result.error
    return [result[node] for node in nodes]


def numbers(*items):
    return rxdag.from_source(sources.iterable(items))


def timed(*items):
    return numbers(*items).pipe(ops.event_time(lambda x: x, unit="s"))


@pytest.mark.parametrize("columns", [True, False])
@pytest.mark.parametrize(
    ("make", "kept", "left"),
    [
        (lambda: numbers(1, 2, 1, 3).pipe(ops.dedupe(lambda x: x, max_keys=9)), [1, 2, 3], [1]),
        (lambda: numbers(1, 1, 2, 1).pipe(ops.distinct_until_changed()), [1, 2, 1], [1]),
        (lambda: numbers(1, 0, 2).pipe(ops.map(lambda x: 2 // x), on_error=on_error.skip), [2, 1], [0]),
        (lambda: numbers(5, 6, 5, 7).pipe(ops.arbitrate(sequence=lambda x: x)), [5, 6, 7], [5]),
        (lambda: numbers(1, 2, 3, 4).pipe(ops.batch(1, skip=2)), [[1], [3]], [2, 4]),
        (lambda: timed(1, 1, 2).pipe(ops.conflate(lambda x: 0, per="instant")), [1, 2], [1]),
        (lambda: numbers(*range(5)).pipe(ops.throttle(1, burst=2)), [0, 1], [2, 3, 4]),
    ],
)
def test_what_is_dropped_is_a_stream(make, kept, left, columns):
    stream = make()
    assert collected(stream, stream.dropped, columns=columns) == [kept, left]
    assert collected(stream, columns=columns) == [kept]
    assert collected(stream.dropped.pipe(ops.map(lambda x: [x])), columns=columns) == [[[x] for x in left]]


@pytest.mark.parametrize("columns", [True, False])
def test_what_falls_between_windows_keeps_its_time(columns):
    keyed = timed(1, 2, 3, 4, 6).pipe(ops.key_by(lambda x: 0))
    panes = keyed.pipe(ops.window(windows.sliding("2s", "5s"), agg.collect()))
    counted = panes.unassigned.pipe(ops.key_by(lambda x: 0)).pipe(ops.window(windows.tumbling("10s"), agg.collect()))
    values = panes.pipe(ops.map(lambda pane: pane.value))
    assert collected(values, panes.unassigned, columns=columns) == [[[1], [6]], [2, 3, 4]]
    assert [pane.value for pane in collected(counted, columns=columns)[0]] == [[2, 3, 4]]


@pytest.mark.parametrize("columns", [True, False])
def test_what_no_route_takes_is_a_stream(columns):
    routes = numbers(1, 2, 3, 4).pipe(ops.route({"one": lambda x: x == 1, "even": lambda x: x % 2 == 0}))
    assert list(routes) == ["one", "even"]
    assert collected(routes["even"], routes.unrouted, columns=columns) == [[2, 4], [3]]
    by = numbers("a", "b", "c").pipe(ops.route_by(lambda x: x, ["a"]))
    assert collected(by["a"], by.unrouted, columns=columns) == [["a"], ["b", "c"]]


def test_a_node_whose_leavings_are_read_works_on_rows_and_says_why():
    rows = {"n": [1, 2, 1, 3], "t": [1, 2, 3, 4]}
    stream = rxdag.from_source(sources.arrays(rows)).pipe(ops.event_time("t")).pipe(ops.dedupe("n", within="1s"))
    kept = stream.pipe(ops.map(col.n))
    assert (
        "its port dropped is read, item by item"
        in rxdag.compile(rxdag.Dag(kept.to(sinks.collect()), stream.dropped.to(sinks.collect()))).explain()
    )
    assert collected(kept, stream.dropped.pipe(ops.map(lambda row: row["n"]))) == [[1, 2, 3], [1]]
    assert "dedupe" in rxdag.compile(rxdag.Dag(kept.to(sinks.collect(), name="alone"))).lanes.columns


@pytest.mark.parametrize("name", ["dropped", "unrouted", "late", "dead", "out"])
def test_a_route_may_not_be_called_as_a_port_of_all_nodes(name):
    for make in (
        lambda: ops.route({name: lambda x: True}),
        lambda: ops.route({"a": lambda x: True}, default=name),
        lambda: ops.route_by(lambda x: x, [name]),
    ):
        with pytest.raises(rxdag.GraphError, match=f"got '{name}'"):
            make()


class Restamped(rxdag.Kernel):
    """Gives items out at the event time that they are, as themselves or as something that is made of them."""

    def __init__(self, makes):
        self.makes = makes

    def on_item(self, item, emit):
        if self.makes:
            emit.made(item, ts=item, sequence=0, key=None)
            emit.absorbed(1)
        else:
            emit(item, ts=item)


@dataclass(frozen=True)
class Restamp(rxdag.Operator):
    makes: bool
    ports = ("out", "dead")

    def kernel(self):
        return Restamped(self.makes)


@pytest.mark.parametrize("makes", [False, True])
@pytest.mark.parametrize("ts", [2**63, "no time", 1.5])
def test_an_item_that_a_kernel_gives_a_time_that_is_none_leaves_as_dead_and_in_no_other_way(makes, ts):
    stream = numbers(1, ts, 2).pipe(Restamp(makes), on_error=on_error.dead)
    out, dead = collected(stream, stream.dead)
    assert (out, [letter.item for letter in dead]) == ([1, 2], [ts])
