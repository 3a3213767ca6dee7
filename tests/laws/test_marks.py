"""Laws of watermarks: how they are cut makes no difference, and what is said to be in order is in order."""

from __future__ import annotations

import asyncio
import inspect
import os
import random
from dataclasses import dataclass, replace
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

import rxdag
from rxdag import operators as ops
from rxdag import sinks, sources
from rxdag.contract import MIN, Kernel, Operator
from rxdag.graph import Input, Node, stream_of
from rxdag.testing import settle_virtual, virtual
from tests.unit import samples

S = 10**9
EXAMPLES = 200 if os.environ.get("SLOW") == "1" else 10
law = settings(max_examples=EXAMPLES, deadline=None)
pytestmark = pytest.mark.timeout(300 if EXAMPLES < 200 else 2_400)

IN_TIME = {
    f"{name} {i}": (make, before)
    for name, each in samples.SAMPLES.items()
    for i, (make, _, before, *waived) in enumerate(each)
    if before in (samples.timed, samples.keyed) and not waived
}
EVENTS = st.lists(st.tuples(st.integers(-30, 30), st.sampled_from("ab"), st.integers(0, 9)), max_size=30)
SEEDS = st.integers(0, 2**32 - 1)


class _TimeKernel(Kernel):
    """Gives watermarks two seconds behind the largest time, each in one step or in several."""

    makes_time = True

    def __init__(self, seed):
        self.rng = None if seed is None else random.Random(seed)
        self.mark = MIN

    def on_item(self, item, emit):
        emit(item, ts=item[0] * S, sequence=item[2])
        mark = (item[0] - 2) * S - 1
        if mark <= self.mark:
            return
        for _ in range(0 if self.rng is None else self.rng.randint(0, 4)):
            low = max(self.mark, mark - 9 * S)
            some = self.rng.choice([self.rng.randint(low, mark), self.rng.randint(low // S, mark // S) * S - 1])
            if self.mark < some < mark:
                self.mark = some
                emit.watermark(some)
        self.mark = mark
        emit.watermark(mark)


@dataclass(frozen=True)
class Time(Operator[Any, Any]):
    seed: int | None

    def shape(self, shape):
        return replace(shape, timed=True)

    def kernel(self):
        return _TimeKernel(self.seed)


class _ShowKernel(Kernel):
    def on_item(self, item, ts, key, emit):
        emit((ts, key, item))


@dataclass(frozen=True)
class Show(Operator[Any, Any]):
    """Shows the event time and the key of each item."""

    def kernel(self):
        return _ShowKernel()


def built(make, stream):
    if inspect.signature(make).parameters:
        return make(stream)
    return stream_of(Node(make(), (Input(stream.node, stream.port),)))


def outputs(events, seed, make, before):
    stream = rxdag.from_source(sources.iterable(events)).pipe(Time(seed))
    if before is samples.keyed:
        stream = stream.pipe(ops.key_by(lambda e: e[1]))
    node = built(make, stream).node
    outs = {}
    for port in node.ports:
        out = stream_of(node, port)
        outs[port] = (out.pipe(Show()) if node.port_shape(port).timed else out).to(sinks.collect())
    result = settle_virtual(virtual(rxdag.compile(rxdag.Dag(*outs.values()))))
    assert result.problems == ()
    assert result.state == "completed", result.error
    return {port: result[out] for port, out in outs.items()}


@pytest.mark.parametrize("name", IN_TIME)
@law
@given(events=EVENTS, seed=SEEDS)
def test_how_watermarks_are_cut_makes_no_difference(name, events, seed):
    make, before = IN_TIME[name]
    events.sort(key=lambda e: e[0] + random.Random(seed).uniform(0, 4))
    assert repr(outputs(events, seed, make, before)) == repr(outputs(events, None, make, before))


def times(events, seed, make, before):
    """Event times of what leaves by each port that is said to be in order, of events in order that come one by one."""
    rng = random.Random(seed)

    async def one_by_one():
        for event in sorted(events):
            yield event
            await asyncio.sleep(rng.choice((0, 0, 0.3, 1, 2)))

    timed = rxdag.from_source(sources.async_iterable(one_by_one)).pipe(ops.event_time(lambda e: e[0], unit="s"))
    node = built(make, timed.pipe(ops.key_by(lambda e: e[1])) if before is samples.keyed else timed).node
    outs = [
        stream_of(node, port).pipe(Show()).to(sinks.collect()) for port in node.ports if node.port_shape(port).ordered
    ]
    if not outs:
        return []
    rest = [stream_of(node, port).to(sinks.null()) for port in node.ports if not node.port_shape(port).ordered]
    result = settle_virtual(virtual(rxdag.compile(rxdag.Dag(*outs, *rest))))
    assert result.problems == ()
    return [[ts for ts, _, _ in result[out]] for out in outs]


def is_ordered(make, before):
    timed = rxdag.from_source(sources.iterable([])).pipe(ops.event_time(lambda e: e[0], unit="s"))
    node = built(make, timed.pipe(ops.key_by(lambda e: e[1])) if before is samples.keyed else timed).node
    return any(node.port_shape(port).ordered for port in node.ports)


ORDERED = [name for name, (make, before) in IN_TIME.items() if is_ordered(make, before)]


@pytest.mark.parametrize("name", ORDERED)
@law
@given(events=EVENTS, seed=SEEDS)
def test_what_is_said_to_be_in_order_is_in_order(name, events, seed):
    for ts in times(events, seed, *IN_TIME[name]):
        assert ts == sorted(ts)


def test_operators_that_hand_items_on_keep_their_order():
    kept = {name.split()[0] for name in ORDERED}
    assert kept == {
        "conflate",
        "dedupe",
        "default_if_empty",
        "delay",
        "distinct_until_changed",
        "explode",
        "filter",
        "first",
        "lookup",
        "map_async",
        "merge_sorted",
        "pairwise",
        "partition",
        "shard",
        "rolling",
        "route",
        "route_by",
        "scan",
        "skip",
        "skip_until",
        "skip_while",
        "split",
        "take",
        "take_until",
        "take_while",
        "throttle",
        "throttle_first",
        "timeout",
        "timestamp",
        "top_n",
        "unkey",
    }
