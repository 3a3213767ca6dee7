"""A reactivex operator that subscribes late to its input gets every item."""

import pytest
import reactivex
from reactivex import operators as rx
from reactivex.scheduler import NewThreadScheduler

import rxdag
from rxdag import operators as ops
from rxdag import sinks, sources, testing

LATE = {
    "start_with": (rx.start_with(7), [7, 0, 1, 2]),
    "concat": (lambda s: reactivex.concat(reactivex.of(7, 8), s), [7, 8, 0, 1, 2]),
    "delay_subscription": (rx.delay_subscription(0.01), [0, 1, 2]),
    "subscribe_on": (rx.subscribe_on(NewThreadScheduler()), [0, 1, 2]),
}
PLACES = {
    "behind a source": lambda stream: stream,
    "behind a gate": lambda stream: stream.buffered(max_items=1),
    "on a thread": lambda stream: stream.on("far").pipe(ops.map(lambda x: x)),
    "behind a call": lambda stream: stream.pipe(ops.map_async(same)),
}


async def same(item):
    return item


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", LATE)
def test_an_operator_that_subscribes_late_gets_every_item(name, place):
    operator, expected = LATE[name]
    assert PLACES[place](rxdag.from_source(sources.range(3))).rx(operator).collect() == expected


def test_a_source_begins_once_the_operator_behind_it_has_subscribed():
    stream = rxdag.from_source(sources.interval("1s", count=3)).rx(rx.delay_subscription(10.0))
    out = stream.to(sinks.collect(), name="out")
    result = testing.settle_virtual(testing.virtual(rxdag.compile(rxdag.Dag(out))))
    assert (result[out], result.stats.elapsed_s) == ([0, 1, 2], 13.0)


def test_an_operator_that_ignores_its_input_ends_the_source():
    result = rxdag.run(
        rxdag.from_source(sources.range(3), name="in").rx(lambda _: reactivex.of(7)).to(sinks.collect(), name="out")
    )
    assert result["out"] == [7]
    assert result.problems == ()
