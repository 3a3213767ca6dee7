"""First looks say what did not come out: lists, loops, observables, publishers and `testing.feed` warn of losses."""

import asyncio
import logging
import threading
import time
import warnings

import pytest

import rxdag
from rxdag import GraphWarning, on_error, sinks, sources, testing, windows
from rxdag import aggregates as agg
from rxdag import operators as ops


def of(*items):
    return rxdag.from_source(sources.iterable(items))


def timed(*seconds):
    return of(*seconds).pipe(ops.event_time(lambda x: x, unit="s"))


def slow(x):
    time.sleep(0.001)
    return x


LOST = {
    "dead": (
        lambda: of(1, 0).pipe(ops.map(lambda x: 1 // x), name="n", on_error=on_error.dead),
        "1 dead at n: read port dead to see them and why",
    ),
    "late": (
        lambda: timed(10, 1, 20).pipe(ops.window_all(windows.tumbling("1s"), agg.count()), name="n"),
        "1 late at n: read port late",
    ),
    "unrouted": (
        lambda: of(1, 0).pipe(ops.route({"a": lambda x: x}), name="n")["a"],
        "1 unrouted at n: add a route, or default=",
    ),
    "unassigned": (
        lambda: timed(0, 1, 2, 3).pipe(ops.window_all(windows.sliding("1s", "2s"), agg.count()), name="n"),
        "2 unassigned at n: they fall between windows; port unassigned has them",
    ),
    "unmatched": (
        lambda: rxdag.zip(of(1, 2, 3), of(1)),
        r"2 dropped \(unmatched\) at zip: they found no partner; port dropped has them",
    ),
    "gate": (
        lambda: (
            rxdag.from_source(sources.range(100))
            .buffered(max_items=1, overflow="drop_newest")
            .on("x")
            .pipe(ops.map(slow), name="n")
        ),
        "dropped by the full gate .* -> n: use a larger max_items, or another overflow policy",
    ),
    "queue": (
        lambda: rxdag.from_source(sources.callback(pushes, max_items=1, overflow="drop_newest"), name="n"),
        r"2 dropped \(overflow\) at n: they found the queue full; use a larger max_items",
    ),
}


def pushes(push):
    for x in range(3):
        push(x)
    push.complete()


def looped(stream):
    return list(stream)


def async_looped(stream):
    async def main():
        return [x async for x in stream]

    return asyncio.run(main())


def observed(stream):
    got = []
    rxdag.to_observable(stream).subscribe(got.append)
    return got


def observed_of_plan(stream):
    got = []
    plan = rxdag.compile(rxdag.Dag(stream.to(sinks.null(), name="out")))
    plan.observable("out").subscribe(got.append)
    return got


LOOKS = {
    "collect": lambda stream: stream.collect(),
    "head": lambda stream: stream.head(1000),
    "for": looped,
    "async for": async_looped,
    "to_observable": observed,
    "plan.observable": observed_of_plan,
}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("kind", LOST)
def test_a_look_warns_of_what_did_not_come_out(look, kind):
    make, text = LOST[kind]
    with pytest.warns(GraphWarning, match=text):
        assert LOOKS[look](make())


@pytest.mark.parametrize("look", ["collect", "head", "for", "async for"])
def test_the_warning_is_of_the_line_that_looks(look):
    make, _ = LOST["dead"]
    with pytest.warns(GraphWarning) as told:
        LOOKS[look](make())
    assert [each.filename for each in told] == [__file__]


def test_a_look_that_stops_early_does_not_warn_of_what_it_left_unread():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stream = of(1, 2, *[0] * 5000).pipe(ops.map(lambda x: 1 / x), on_error=on_error.dead)
        assert stream.head(1) == [1.0]
        assert next(iter(stream)) == 1.0


@pytest.mark.parametrize("look", LOOKS)
def test_a_look_that_loses_nothing_says_nothing(look):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert LOOKS[look](of(1, 2).pipe(ops.filter(lambda x: x > 1))) == [2]


def test_where_warnings_are_errors_an_observable_fails_with_it():
    told = []
    make, _ = LOST["dead"]
    rxdag.to_observable(make()).subscribe(on_error=told.append, on_completed=lambda: told.append("completed"))
    assert [type(each) for each in told] == [GraphWarning]


def test_a_publisher_of_a_plan_warns():
    over = threading.Event()

    class Subscriber:
        def on_subscribe(self, subscription):
            subscription.request(10)

        def on_next(self, item): ...

        def on_error(self, error): ...

        def on_complete(self):
            over.set()

    make, text = LOST["dead"]
    plan = rxdag.compile(rxdag.Dag(make().to(sinks.null(), name="out"), name="told"))

    def look():
        plan.publisher("out").subscribe(Subscriber())
        assert over.wait(10)
        for thread in threading.enumerate():
            if thread.name == "rxdag-told":
                thread.join(10)

    with pytest.warns(GraphWarning, match=text):
        look()


def test_what_a_join_leaves_out_is_what_a_join_is_for():
    left, right = (timed(1, 2, 3).pipe(ops.key_by(lambda x: 0)) for _ in "ab")
    joined = rxdag.join_interval(left, right.pipe(ops.filter(lambda x: x == 1)), lower="0s", upper="0s")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(joined.collect()) == 1


def test_feed_warns_of_items_that_are_lost():
    with pytest.warns(GraphWarning, match="1 dead at min: read port dead"):
        assert testing.feed(ops.min(), [float("nan"), 1]) == [1]


# ---- the hint of a run that is silent


def silent(stream, caplog):
    with caplog.at_level(logging.WARNING, "rxdag"):
        testing.run_virtual(stream.pipe(ops.filter(lambda x: False)).to(sinks.null()))
    return [record.message for record in caplog.records]


def feed():
    return rxdag.from_source(testing.timeline(*(("0s", i) for i in range(10)), end="20s"))


def test_a_silent_run_without_event_time_is_not_asked_for_its_unit(caplog):
    assert silent(feed(), caplog) == []


def test_a_silent_run_with_event_time_is_asked_for_its_unit(caplog):
    (said,) = silent(feed().pipe(ops.event_time(lambda x: x + 10**9, unit="ms")), caplog)
    assert said.endswith("is unit= of event_time right?")


def test_a_result_gives_no_advice_on_a_loss_whose_port_is_read():
    safe = of(1, 0).pipe(ops.map(lambda x: 1 // x), name="n", on_error=on_error.dead)
    out, dead = safe.to(sinks.collect(), name="out"), safe.dead.to(sinks.collect(), name="dead")
    text = str(rxdag.run(out, dead))
    assert "1 dead" in text
    assert "1 dead at n" not in text


def test_the_output_of_a_node_in_a_result_is_without_what_it_left_out():
    once = of("a", "a", "b").pipe(ops.dedupe(lambda x: x, max_keys=9), name="once")
    out, repeats = once.to(sinks.collect(), name="out"), once.dropped.to(sinks.collect(), name="repeats")
    rows = [line.split() for line in str(rxdag.run(out, repeats)).splitlines()]
    assert ["once", "3", "2", "1", "dropped", "(repeated)"] in rows
