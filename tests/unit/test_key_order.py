"""The order of keys, in which panes and results leave: the same for some of them as for all."""

import datetime as dt
import enum
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.test_checkpointed_runs import Steady, settled, virtual

import rxdag
from rxdag import aggregates as agg
from rxdag import checkpoints, sinks, sources, windows
from rxdag import operators as ops
from rxdag.operators._order import in_order


class Side(enum.Enum):
    SELL = 2
    BUY = 1


class Venue(enum.StrEnum):
    X = "x"


class Pair(NamedTuple):
    symbol: str
    side: object


@dataclass(frozen=True)
class Book:
    name: str


KEYS = [
    *("b", "a", Venue.X, "y", 3, 1.5, Decimal(2), True, None, b"a", Side.SELL, Side.BUY, Book("b"), Book("a")),
    *(("a", None), ("a", "b"), ("a", 1), ("b", Side.BUY), ("b", Side.SELL), Pair("a", Side.BUY), ("c",)),
    dt.date(2026, 1, 2),
    dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
]


@given(st.permutations(KEYS), st.sets(st.sampled_from(range(len(KEYS)))))
def test_some_keys_have_the_order_that_they_have_among_all(keys, some):
    whole = in_order(keys)
    assert whole == in_order(KEYS)
    chosen = [KEYS[i] for i in some]
    assert in_order(chosen) == [key for key in whole if any(key is each for each in chosen)]


def test_keys_of_several_types_leave_by_type_and_then_by_value():
    assert in_order(["b", 2, None, "a", 1]) == [None, 1, 2, "a", "b"]
    assert in_order([Side.SELL, Side.BUY]) == [Side.BUY, Side.SELL]


def test_keys_that_cannot_be_compared_at_all_stay_in_order_of_arrival():
    naive, aware = dt.datetime(2026, 1, 2), dt.datetime(2026, 1, 1, tzinfo=dt.UTC)  # noqa: DTZ001
    assert in_order([naive, aware]) == [naive, aware]


ROWS = tuple({"ts": i, "key": key, "n": i} for i, key in enumerate([None, 3, "c", "b", "a"]))


@pytest.mark.parametrize("early", [None, 100])
def test_panes_leave_in_one_order_though_a_run_stops_between_them(early):
    def dag():
        timed = rxdag.from_source(Steady(ROWS), name="rows").pipe(ops.event_time("ts", unit="ms"), name="time")
        panes = (
            timed.pipe(ops.key_by("key"))
            .pipe(ops.window(windows.global_(), agg.count(), into=lambda pane: pane.key, early=early), name="panes")
            .buffered(max_items=1)
        )
        return rxdag.Dag(
            panes.pipe(ops.throttle(10, mode="shape", max_items=1), name="slow").to(sinks.collect(), name="out"),
            name="job",
        )

    expected = [None, 3, "a", "b", "c"]
    held = []
    for at_ms in (55, 155, 255, 355, 455):
        store = checkpoints.memory()
        first = virtual(dag(), store, every="1h")
        first.main.at(at_ms * 1_000_000, first.drain)
        held.append(settled(first).stats.nodes["panes"].held)
        assert settled(virtual(dag(), store))["out"] == expected
    assert held == [2, 1, 0, 0, 0]


@pytest.mark.parametrize("columns", [True, False])
@pytest.mark.parametrize(
    ("keys", "shown"),
    [
        ([1, True, 1.0, 1.0], ["1", "1.0"]),
        ([0.0, -0.0, -0.0, 0.0], ["0.0", "-0.0"]),
        ([Decimal("1.0"), 1, Decimal(1), 1], ["Decimal('1.0')", "Decimal('1')"]),
    ],
)
def test_a_pane_shows_the_first_of_equal_keys(keys, shown, columns):
    stream = rxdag.from_source(sources.arrays({"ts": [0, 1, 60, 61], "k": keys})).pipe(ops.event_time("ts", unit="s"))
    panes = stream.pipe(ops.key_by("k")).pipe(ops.window(windows.tumbling("1m"), agg.count())).to(sinks.collect())
    result = rxdag.run(rxdag.compile(rxdag.Dag(panes), columns=columns))
    assert [repr(pane.key) for pane in result[panes]] == shown
