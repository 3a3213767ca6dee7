"""Failures outside of `on_item` end the run, name the node, and lose no earlier output."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest

import rxdag
from rxdag import operators as ops
from rxdag import sinks, testing
from rxdag.contract import MAX
from tests.foreign import engine
from tests.foreign.entries import EachMark, Own, filtered, own, timed
from tests.foreign.reference import play


class Fails(EachMark):
    """Pass items on and fail in the given method."""

    def __init__(self, where):
        self.where = where

    def fail(self, where):
        if where == self.where:
            raise LookupError(f"in {where}")

    def on_start(self, now, emit):
        self.fail("on_start")

    def on_item(self, item, emit):
        emit(item)

    def on_watermark(self, watermark, emit):
        if watermark > 5:
            self.fail("the last on_watermark" if watermark == MAX else "on_watermark")

    def on_end(self, emit):
        self.fail("on_end")


EXPECTED = {
    "on_start": [],
    "on_watermark": [1, 4],
    "the last on_watermark": [1, 4, 12],
    "on_end": [1, 4, 12],
}


def but_for_nine(item):
    """Leave out 9: it raises the failing watermark, and `test_marks` pins which of the two comes first."""
    return item != 9


def start(way, where):
    stream = engine.WAYS[way]((1, 4, 9, 12)).pipe(ops.event_time(lambda item: item, out_of_order="2ns"))
    out = stream.pipe(Own(lambda: Fails(where)), name="fails").pipe(ops.filter(but_for_nine)).to(sinks.collect())
    run = rxdag.start(engine.compiled(out))
    with contextlib.suppress(rxdag.NodeError):
        run.wait()
    return run.result, out


@pytest.mark.parametrize("where", [where for where in EXPECTED if where != "on_start"])
def test_the_reference_fails_where_the_kernel_does(where):
    steps = [timed(lambda item: item, out_of_order=2), own(lambda: Fails(where)), filtered(but_for_nine)]
    played = play([replace(step, name=f"step{i}") for i, step in enumerate(steps)], (1, 4, 9, 12))
    assert played.ports["out"] == EXPECTED[where]
    assert repr(played.failure.cause) == repr(LookupError(f"in {where}"))


@pytest.mark.parametrize("where", EXPECTED)
@pytest.mark.parametrize("way", engine.WAYS)
def test_a_failure_without_an_item_names_the_node(where, way):
    result, out = start(way, where)
    assert result.state == "failed"
    assert result.problems == ()
    assert result.error.node == "fails"
    assert result.error.item is None
    assert repr(result.error.__cause__) == repr(LookupError(f"in {where}"))
    assert result[out] == EXPECTED[where]


def test_a_failure_in_on_timer_names_the_node():
    class FailsByTheClock(Fails):
        def on_start(self, now, emit):
            self.timer = now + 5

        def on_timer(self, now, emit):
            raise LookupError(f"at {now}")

    stream = rxdag.from_source(testing.timeline(("1ns", 1), ("9ns", 2)))
    out = stream.pipe(Own(lambda: FailsByTheClock("")), name="fails").to(sinks.collect())
    result = testing.settle_virtual(testing.virtual(engine.compiled(out)))
    assert (result.error.node, repr(result.error.__cause__)) == ("fails", "LookupError('at 5')")
    assert result[out] == [1]
    assert result.problems == ()
