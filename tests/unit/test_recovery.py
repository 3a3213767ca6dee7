"""Errors that are not the end: tries again, other streams, sources that are opened anew."""

import contextlib
from dataclasses import dataclass

import pytest

import rxdag
from rxdag import on_error, sinks, sources, testing
from rxdag import operators as ops
from rxdag.contract import END, Chunk, Reader, Source

S = 10**9


class Flaky:
    """Fails the first times it sees an item; notes when it was called."""

    def __init__(self, times, error=ConnectionError):
        self.left = dict(times)
        self.error = error
        self.calls = []

    def __call__(self, item):
        self.calls.append(item)
        if self.left.get(item, 0) > 0:
            self.left[item] -= 1
            raise self.error(f"no {item}")
        return item


def outcome(*nodes):
    result = testing.run_virtual(*nodes)
    assert result.problems == ()
    return result


# ---- retry


def test_an_item_is_tried_again_and_those_behind_it_wait():
    flaky = Flaky({2: 2})
    out = (
        rxdag.from_source(sources.range(4))
        .pipe(ops.map(flaky), on_error=on_error.retry(3, base="1s"))
        .to(sinks.collect())
    )
    result = outcome(out)
    assert result[out] == [0, 1, 2, 3]
    assert flaky.calls == [0, 1, 2, 2, 2, 3]


def test_waits_grow_up_to_the_cap():
    flaky = Flaky({0: 4})
    stream = rxdag.from_source(sources.range(1)).pipe(
        ops.map(flaky), on_error=on_error.retry(5, base="1s", factor=3, cap="5s")
    )
    seen = stream.pipe(ops.timestamp()).to(sinks.collect())
    assert [stamped.ts // S for stamped in outcome(seen)[seen]] == [1 + 3 + 5 + 5]


def test_what_fails_every_time_goes_where_then_says_with_its_attempts():
    stream = rxdag.from_source(sources.range(3)).pipe(
        ops.map(Flaky({1: 99})), on_error=on_error.retry(3, base="0s", then=on_error.dead)
    )
    out, dead = stream.to(sinks.collect()), stream.dead.to(sinks.collect())
    result = outcome(out, dead)
    assert result[out] == [0, 2]
    assert [(letter.item, letter.attempts) for letter in result[dead]] == [(1, 3)]


def test_other_errors_and_items_that_are_wrong_are_not_tried_again():
    flaky = Flaky({1: 9}, error=KeyError)
    stream = rxdag.from_source(sources.range(3)).pipe(
        ops.map(flaky), on_error=on_error.retry(5, base="0s", on=(ConnectionError,), then=on_error.skip)
    )
    out = stream.to(sinks.collect())
    assert outcome(out)[out] == [0, 2]
    assert flaky.calls.count(1) == 1
    bad = Flaky({1: 9}, error=rxdag.BadItem)
    stream = rxdag.from_source(sources.range(3)).pipe(ops.map(bad), on_error=on_error.retry(5, base="0s"))
    out, dead = stream.to(sinks.collect()), stream.dead.to(sinks.collect())
    result = outcome(out, dead)
    assert (result[out], [letter.item for letter in result[dead]], bad.calls.count(1)) == ([0, 2], [1], 1)


def test_explode_and_sinks_are_tried_again_too():
    flaky, seen = Flaky({1: 1}), Flaky({2: 2})
    stream = rxdag.from_source(sources.range(3)).pipe(
        ops.explode(lambda x: [flaky(x)] * 2), on_error=on_error.retry(2, base="1s")
    )
    out = stream.to(sinks.call(seen), on_error=on_error.retry(3, base="1s"))
    result = outcome(out)
    assert seen.calls == [0, 0, 1, 1, 2, 2, 2, 2]
    assert result[out] == 6


def test_a_run_that_is_cancelled_while_an_item_waits_for_its_next_try_balances():
    stream = rxdag.from_source(sources.range(5)).pipe(
        ops.map(Flaky({1: 99})), on_error=on_error.retry(99, base="10s", factor=1)
    )
    out = stream.to(sinks.collect())
    run = testing.start(rxdag.Dag(out))
    run.settle()
    run.advance("15s")
    assert run[out] == [0]
    run.cancel()
    result = run.finish()
    assert result.state == "cancelled"
    assert result.problems == ()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: on_error.retry(0), "retry: attempts must be 1 or more, got 0"),
        (lambda: on_error.retry(2, factor=0.5), "factor"),
        (lambda: on_error.retry(2, jitter=2), "jitter"),
        (lambda: on_error.retry(2, then=on_error.retry(2)), "retry: then must be raise, skip or dead"),
        (
            lambda: on_error.retry(2, then="deaf"),
            "retry: then must be one of raise, skip, dead, or a policy of rxdag.on_error, got 'deaf'; did you mean",
        ),
        (
            lambda: sources.reconnecting(sources.range(1), attempts=0),
            "reconnecting: attempts must be 1 or more, or None",
        ),
        (lambda: sources.reconnecting([1]), "reconnecting: takes a source, got [1]"),
    ],
)
def test_what_retry_and_reconnecting_refuse(make, said):
    with pytest.raises(rxdag.GraphError) as caught:
        make()
    assert said in str(caught.value)


NAMED = {"raise": on_error.raise_, "skip": on_error.skip, "dead": on_error.dead}


@pytest.mark.parametrize("name", NAMED)
def test_a_policy_may_be_given_by_its_name_wherever_one_is_taken(name):
    source = sources.range(1)
    stream = rxdag.from_source(source, on_error=name)
    keyed = stream.pipe(ops.key_by(lambda x: x), on_error=name)
    routes = keyed.pipe(ops.route({"a": lambda x: True}), on_error=name)
    batched = sinks.batched(_nowhere, on_error=name)
    assert stream.node.on_error is keyed.node.on_error is routes.node.on_error is NAMED[name]
    assert stream.to(sinks.null(), on_error=name).node.on_error is NAMED[name]
    assert stream.to(batched).node.on_error is NAMED[name]
    assert on_error.retry(2, then=name).then is NAMED[name]
    assert rxdag.wrap([1], on_error=name).node.on_error is NAMED[name]
    written = stream.to(rxdag.adapters.writer(_nowhere, on_error=name))
    assert written.node.on_error is NAMED[name]
    dag = rxdag.DagBuilder("d").node("in", source, on_error=name).node("out", sinks.null()).edge("in", "out").build()
    assert dag.nodes["in"].on_error is NAMED[name]


@contextlib.asynccontextmanager
async def _nowhere():
    async def write(batch): ...

    yield write


def test_a_sink_of_ones_own_may_name_its_policy():
    class Mine(type(sinks.null())):
        on_error = "dead"

    assert rxdag.from_source(sources.range(1)).to(Mine()).node.on_error is on_error.dead


def test_what_is_no_policy_is_refused_by_the_name_of_its_node():
    with pytest.raises(rxdag.GraphError) as caught:
        rxdag.from_source(sources.range(1), name="numbers", on_error=ValueError)
    said = "on_error must be one of raise, skip, dead, or a policy of rxdag.on_error, got <class 'ValueError'>"
    assert str(caught.value) == f'iterable "numbers": {said}'


# ---- sources that connect again


class _Line(Reader):
    def __init__(self, connection, closed):
        self._left = list(connection)
        self._closed = closed

    def read(self, max_items):
        if not self._left:
            return END
        item = self._left.pop(0)
        if isinstance(item, Exception):
            raise item
        return Chunk([item])

    def close(self):
        self._closed.append(True)


@dataclass(frozen=True)
class Feed(Source):
    """Each opening is one connection: items, and an error at which it breaks."""

    connections: list
    closed: list

    def open(self, context):
        if not self.connections:
            raise ConnectionError("refused")
        return _Line(self.connections.pop(0), self.closed)


def test_a_source_is_opened_again_when_it_breaks_and_closed_each_time():
    feed = Feed([[1, 2, OSError("reset")], [OSError("again")], [3]], [])
    out = rxdag.from_source(sources.reconnecting(feed, base="1s", jitter=0)).pipe(ops.timestamp()).to(sinks.collect())
    result = outcome(out)
    assert [(stamped.value, stamped.ts // S) for stamped in result[out]] == [(1, 0), (2, 0), (3, 3)]
    assert len(feed.closed) == 3


def test_the_last_error_ends_the_stream_when_no_attempts_are_left():
    feed = Feed([[1, OSError("reset")]], [])
    out = rxdag.from_source(sources.reconnecting(feed, attempts=3, base="1s")).to(sinks.collect())
    with pytest.raises(rxdag.NodeError, match='source "reconnecting": refused'):
        outcome(out)


def test_an_error_of_another_kind_ends_the_stream_at_once():
    feed = Feed([[1, ValueError("bad")], [2]], [])
    out = rxdag.from_source(sources.reconnecting(feed, on=(OSError,))).to(sinks.collect())
    with pytest.raises(rxdag.NodeError, match="bad"):
        outcome(out)
    assert len(feed.connections) == 1


# ---- catch


def test_catch_goes_on_with_the_next_stream_also_behind_a_gate_and_on_other_threads():
    def broken():
        return rxdag.from_source(sources.range(3)).pipe(ops.map(Flaky({1: 9})))

    plain = rxdag.catch(broken(), rxdag.from_source(sources.iterable([7])))
    assert plain.collect() == [0, 7]
    gated = rxdag.catch(broken().buffered(max_items=1), broken(), rxdag.from_source(sources.iterable([7])))
    out = gated.to(sinks.collect())
    result = rxdag.run(out)
    assert (result[out], result.state, result.problems) == ([0, 0, 7], "completed", ())
    hopped = rxdag.catch(broken().on("other"), rxdag.from_source(sources.iterable([7]))).to(sinks.collect())
    assert rxdag.run(hopped)[hopped] == [0, 7]


def test_the_last_stream_of_catch_may_not_fail():
    failing = rxdag.from_source(sources.range(3)).pipe(ops.map(Flaky({0: 9})))
    out = rxdag.catch(rxdag.from_source(sources.range(2)).pipe(ops.map(Flaky({0: 9}))), failing).to(sinks.collect())
    with pytest.raises(rxdag.NodeError, match='node "map_2" failed on 0'):
        outcome(out)
