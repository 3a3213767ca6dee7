"""A join that would hold all items of a stream while another one is silent is told when the dag is made."""

import warnings

import pytest

import rxdag
from rxdag import GraphWarning, sinks, sources, windows
from rxdag import operators as ops


async def quotes():
    yield 1


def keyed(source, name, **how):
    stream = rxdag.from_source(source, name=name).pipe(ops.event_time(lambda x: x, unit="ms", **how))
    return stream.pipe(ops.key_by(lambda x: "k"))


def stored(name="trades"):
    return keyed(sources.range(3), name)


def live(**how):
    return keyed(sources.async_iterable(quotes), "quotes", **how)


JOINS = {
    "join_asof": rxdag.join_asof,
    "join_interval": lambda a, b: rxdag.join_interval(a, b, lower="-1s", upper="1s"),
    "join_window": lambda a, b: rxdag.join_window(a, b, windows.tumbling("1s")),
}


def told(stream):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        rxdag.Dag(stream.to(sinks.null()), name="x")
    return [str(each.message) for each in found if each.category is GraphWarning]


@pytest.mark.parametrize("name", JOINS)
def test_a_join_with_a_live_source_that_never_falls_idle_is_warned_of(name):
    assert told(JOINS[name](stored(), live())) == [
        f'dag "x": {name} must not wait for live sources without an idle timeout, got async_iterable "quotes"; while one '
        "is silent, the join holds all items of the others: pass idle_timeout= to ops.event_time"
    ]


def test_a_source_with_a_queue_is_live():
    queued = keyed(sources.callback(lambda push: lambda: None, overflow="drop_oldest"), "called")
    assert [text.partition("got ")[2].partition(";")[0] for text in told(rxdag.join_asof(live(), queued))] == [
        'async_iterable "quotes", callback "called"'
    ]


ONE = live()
HARMLESS = {
    "stored sources": lambda: rxdag.join_asof(stored(), stored("more")),
    "an idle timeout": lambda: rxdag.join_asof(stored(), live(idle_timeout="1s")),
    "a watermark by the clock": lambda: rxdag.join_asof(stored(), live(advance="clock")),
    "one source on both sides": lambda: rxdag.join_asof(ONE, ONE.pipe(ops.filter(lambda x: x > 1))),
    "processing time": lambda: rxdag.join_asof(stored(), live(), clock="processing"),
    "a bound": lambda: rxdag.merge_sorted(stored(), live()),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_a_dag_that_holds_no_more_while_a_source_is_silent_is_not_warned_of(name):
    assert told(HARMLESS[name]()) == []
