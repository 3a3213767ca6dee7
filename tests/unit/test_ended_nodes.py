"""A node that has failed, and a run that was cancelled, call no function of the user any more, whatever still comes."""

import threading
from dataclasses import dataclass

import pytest

import rxdag
from rxdag import aggregates as agg
from rxdag import element, sinks, sources, testing, windows
from rxdag import operators as ops
from rxdag.contract import Kernel, KeyedProcess, Operator

MANY = 300


class Burst(Kernel):
    """Gives many items out for one, whether or not anybody takes them."""

    passes = False

    def on_item(self, item, emit):
        for i in range(MANY):
            emit(item + i)
        emit.absorbed(1)


@dataclass(frozen=True)
class Bursting(Operator):
    label = "burst"

    def kernel(self):
        return Burst()


class Fails:
    """A function of the user's that counts its calls."""

    def __init__(self):
        self.calls = 0

    def __call__(self, *args):
        self.calls += 1
        raise ValueError("no")


class Called(KeyedProcess):
    def __init__(self, fn):
        self._fn = fn

    def initial(self):
        return 0

    def on_item(self, ctx, state, item):
        return self._fn(item)


async def answer(key):
    return key


ONE_CALL = {
    "map": lambda fn: ops.map(fn),
    "filter": lambda fn: ops.filter(fn),
    "tap": lambda fn: ops.tap(fn),
    "key_by": lambda fn: ops.key_by(fn),
    "event_time": lambda fn: ops.event_time(fn),
    "route": lambda fn: ops.route({"a": fn}),
    "route_multi": lambda fn: ops.route({"a": fn}, multi=True),
    "route_by": lambda fn: ops.route_by(fn, ["a"]),
    "split": lambda fn: ops.split(fn),
    "partition": lambda fn: ops.partition(2, fn),
    "explode": lambda fn: ops.explode(fn),
    "scan": lambda fn: ops.scan(0, fn),
    "scan from the first": lambda fn: ops.scan(fn),
    "reduce": lambda fn: ops.reduce(0, fn),
    "reduce from the first": lambda fn: ops.reduce(fn),
    "sum": lambda fn: ops.sum(fn),
    "min": lambda fn: ops.min(fn),
    "max": lambda fn: ops.max(fn),
    "first": lambda fn: ops.first(fn),
    "last": lambda fn: ops.last(fn),
    "take_while": lambda fn: ops.take_while(fn),
    "skip_while": lambda fn: ops.skip_while(fn),
    "dedupe": lambda fn: ops.dedupe(fn, within="1h"),
    "distinct_until_changed": lambda fn: ops.distinct_until_changed(fn),
    "top_n": lambda fn: ops.top_n(3, fn),
    "conflate": lambda fn: ops.conflate(fn),
    "throttle": lambda fn: ops.throttle(1000, key=fn),
    "arbitrate": lambda fn: ops.arbitrate(lambda x: 0, sequence=fn),
    "flat_map": lambda fn: ops.flat_map(fn),
    "concat_map": lambda fn: ops.concat_map(fn),
    "switch_map": lambda fn: ops.switch_map(fn),
    "lookup": lambda fn: ops.lookup(answer, key=fn),
    "process": lambda fn: ops.process(Called(fn)),
}
TWO_CALLS = {  # the second one finds the item that is to be blamed
    "map_batch": lambda fn: ops.map_batch(fn),
    "rolling": lambda fn: ops.rolling(3, agg.sum(fn)),
    "tumbling": lambda fn: ops.window(windows.tumbling("1s"), agg.sum(fn)),
    "sliding": lambda fn: ops.window(windows.sliding("2s", "1s"), agg.sum(fn)),
    "session": lambda fn: ops.window(windows.session("1s"), agg.sum(fn)),
    "window_all": lambda fn: ops.window_all(windows.tumbling("1s"), agg.sum(fn)),
}
KEYED = {"process", "tumbling", "sliding", "session"}
PORT = {"route": "a", "route_multi": "a", "route_by": "a", "split": "true", "partition": "0"}


@pytest.mark.parametrize(("name", "calls"), [*((name, 1) for name in ONE_CALL), *((name, 2) for name in TWO_CALLS)])
def test_a_node_that_has_failed_calls_nothing_any_more(name, calls):
    fn = Fails()
    stream = rxdag.from_source(sources.iterable([1])).pipe(ops.event_time(element))
    if name in KEYED:
        stream = stream.pipe(ops.key_by(lambda x: 0))
    stream = stream.pipe(Bursting()).pipe((ONE_CALL | TWO_CALLS)[name](fn), name="fails")
    if name in PORT:
        stream = stream[PORT[name]]
    plan = rxdag.compile(rxdag.Dag(stream.to(sinks.null(), name="out")))
    result = testing.settle_virtual(testing.virtual(plan))
    assert str(result.error) == f'node "fails" failed on {2 if name.endswith(" from the first") else 1}: ValueError: no'
    assert fn.calls == calls
    assert result.problems == ()


def items():
    return rxdag.from_source(sources.iterable(list(range(MANY))))


def timed(key=lambda x: x):
    return items().pipe(ops.event_time(element), ops.key_by(key))


class Alarms(KeyedProcess):
    """Sets a timer for each key, and one call for its end."""

    def __init__(self, fn, where):
        self._fn = fn
        self._where = where

    def initial(self):
        return 0

    def on_item(self, ctx, state, item):
        if self._where == "timer":
            ctx.set_timer(10_000)
        return state

    def on_timer(self, ctx, state, name):
        self._fn(ctx.key)
        return state

    def on_end(self, ctx, state):
        if self._where == "end":
            self._fn(ctx.key)


class Cancels:
    """A function of the user's that cancels its run in its first call, once `run` is there."""

    def __init__(self):
        self.calls = 0
        self.may_go = threading.Event()
        self.run = None

    def __call__(self, item):
        assert self.may_go.wait(60)
        self.calls += 1
        if self.calls == 1:
            self.run.cancel()
        return item

    def calls_of(self, stream):
        """How often it is called in a run that it cancels."""
        self.run = rxdag.start(stream.to(sinks.null()))
        self.may_go.set()
        result = self.run.wait(60)
        assert (result.state, result.problems) == ("cancelled", ())
        return self.calls


FIRING = {
    "tumbling": lambda fn: timed().pipe(ops.window(windows.tumbling("1s"), agg.count(), into=fn)),
    "tumbling, many panes of one key": lambda fn: timed(lambda x: 0).pipe(
        ops.window(windows.tumbling("1ns"), agg.count(), into=fn)
    ),
    "sliding": lambda fn: timed().pipe(ops.window(windows.sliding("2s", "1s"), agg.count(), into=fn)),
    "session": lambda fn: timed().pipe(ops.window(windows.session("1s"), agg.count(), into=fn)),
    "lateness": lambda fn: timed().pipe(
        ops.window(windows.tumbling("1s"), agg.count(), into=fn, allowed_lateness="1s")
    ),
    "count": lambda fn: timed().pipe(ops.window(windows.global_(), agg.count(), into=fn)),
    "window_all": lambda fn: timed().pipe(ops.window_all(windows.tumbling("1ns"), agg.count(), into=fn)),
    "timers": lambda fn: timed().pipe(ops.process(Alarms(fn, "timer"))),
    "ends": lambda fn: timed().pipe(ops.process(Alarms(fn, "end"))),
    "behind": lambda fn: timed().pipe(ops.window(windows.tumbling("1s"), agg.count()), ops.tap(fn)),
}


@pytest.mark.parametrize("where", FIRING)
def test_a_firing_in_which_the_run_is_cancelled_calls_nothing_any_more(where):
    cancels = Cancels()
    assert cancels.calls_of(FIRING[where](cancels)) == 1


BEHIND = {
    "a map": lambda stream: stream.pipe(ops.map(element + 1)),
    "a filter": lambda stream: stream.pipe(ops.filter(element > -1)),
    "both": lambda stream: stream.pipe(ops.filter(element > -1), ops.map(element + 1)),
    "nothing": lambda stream: stream,
}


@pytest.mark.parametrize("what", BEHIND)
def test_behind_expressions_at_most_one_item_more_gets_through_a_cancel(what):
    cancels = Cancels()
    assert cancels.calls_of(BEHIND[what](items()).pipe(ops.tap(cancels))) <= 2
