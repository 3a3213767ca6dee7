"""Deliveries: how long it takes from receipt of an item to its delivery, in virtual time."""

import asyncio
from dataclasses import dataclass, field

import pytest
from prometheus_client import CollectorRegistry
from tests.unit.test_checkpointed_runs import Steady

import rxdag
from rxdag import checkpoints, metrics, sinks, sources, testing
from rxdag import operators as ops
from rxdag.contract import Sink, Writer
from rxdag.engine.drivers import VirtualClock
from rxdag.runtime import Execution
from rxdag.runtime._recovery import Recovery, begun
from rxdag.testing import settle_virtual


def took(stats, sink="out"):
    """Return the writes by the bound of their bucket, s, and the sum, s."""
    deliveries = stats.deliveries[sink]
    ends = [bound / 1e9 for bound in deliveries.bounds] + [float("inf")]
    return {end: n for end, n in zip(ends, deliveries.counts, strict=True) if n}, deliveries.total_ns / 1e9


def by_hand(build):
    """Return a run of a source that is fed by hand, and its input."""
    run = testing.start(build(rxdag.from_source(testing.manual(), name="in")))
    return run, run.inputs["in"]


async def two_seconds(item):
    await asyncio.sleep(2)


def test_an_item_that_waits_for_nothing_takes_no_time():
    run, entry = by_hand(lambda items: items.to(sinks.collect(), name="out"))
    run.advance("7s")
    entry.push("a")
    run.advance("10ms")
    entry.push("b")
    run.settle()
    assert took(run.stats()) == ({0.0001: 2}, 0.0)


def test_one_chunk_in_ten_milliseconds_is_followed():
    run, entry = by_hand(lambda items: items.buffered(max_items=8).to(sinks.collect(), name="out"))
    for item in range(100):
        entry.push(item)
        run.advance("1ms")
    assert took(run.stats()) == ({0.0001: 10}, 0.0)


def test_a_write_takes_as_long_as_its_oldest_item_has_waited():
    run, entry = by_hand(lambda items: items.to(sinks.acall(two_seconds), name="out"))
    entry.push("a")
    run.advance("1s")
    entry.push("b")
    run.advance("0.5s")
    entry.push("c")  # it waits with the other one for the end of the first write, and they are one write, of 4 s
    run.advance("10s")
    assert took(run.stats()) == ({2.5: 1, 5.0: 1}, 2.0 + 5.0)


def test_each_of_several_writes_in_a_turn_takes_as_long_as_the_turn():
    """The sink is written one item at a time, and one chunk of five is passed on in one turn."""
    clock = VirtualClock()
    numbers = rxdag.from_source(sources.range(5), name="numbers")
    dag = rxdag.Dag(numbers.to(sinks.call(lambda n: clock.advance_to(clock.now() + 1_000_000_000)), name="out"))
    result = settle_virtual(Execution(rxdag.compile(dag), clock))
    assert took(result.stats)[1] == 1.0 + 2.0 + 3.0 + 4.0 + 5.0


@pytest.mark.parametrize(
    ("overflow", "expected"),
    [
        ("block", 2.0 + (6.0 - 0.4) + (8.0 - 2.0)),
        ("drop_oldest", 2.0 + (6.0 - 0.8)),
        ("drop_newest", 2.0 + (6.0 - 0.4)),
    ],
)
def test_items_that_a_gate_drops_have_no_part_in_it(overflow, expected):
    """Items come at 0, 0.4, 0.8 and 1.2 s. The gate has room for two; the source keeps the fourth until 2 s, if it can."""
    run, entry = by_hand(
        lambda items: items.buffered(max_items=2, overflow=overflow).to(sinks.acall(two_seconds), name="out")
    )
    for item in range(4):
        entry.push(item)
        run.advance("0.4s")
    run.advance("20s")
    assert took(run.stats())[1] == expected


class Target:
    def __init__(self):
        self.saved = []

    async def write(self, items):
        self.saved.append(items)


def test_a_batch_takes_as_long_as_its_first_item_has_waited():
    target = Target()
    run, entry = by_hand(lambda items: items.to(sinks.batched(lambda: target, max_items=3, max_wait="5s"), name="out"))
    for item in range(4):
        entry.push(item)
        run.advance("1s")
    run.advance("10s")
    assert target.saved == [[0, 1, 2], [3]]
    assert took(run.stats()) == ({2.5: 1, 5.0: 1}, 2.0 + 5.0)


def test_an_output_by_timer_is_not_counted():
    run, entry = by_hand(lambda items: items.pipe(ops.debounce("3s")).to(sinks.collect(), name="out"))
    entry.push("a")
    run.advance("10s")
    assert run.seen("out") == ["a"]
    assert took(run.stats()) == ({}, 0.0)


@dataclass(frozen=True)
class Shown(Sink):
    """A sink that shows rows behind checkpoints."""

    rows: list = field(default_factory=list, repr=False)
    label = "shown"
    delivery = "exactly once"
    visible = "at checkpoints"

    def open(self, context):
        return ShownWriter(self.rows)


class ShownWriter(Writer):
    def __init__(self, rows):
        self.rows, self.waiting, self.saved = rows, [], []

    def write(self, chunk):
        self.waiting += chunk.items

    def save(self):
        self.saved, self.waiting = self.saved + self.waiting, []
        return list(self.saved)

    def publish(self):
        self.rows.extend(self.saved)
        self.saved = []

    def restore(self, saved):
        self.saved = saved
        self.publish()

    def close(self, *, ok):
        if ok:
            self.rows.extend(self.waiting)


def shown(every, **options):
    rows = tuple({"n": i} for i in range(10))
    dag = rxdag.Dag(rxdag.from_source(Steady(rows), name="rows").to(Shown(), name="out"), name="job")
    execution = Execution(rxdag.compile(dag), VirtualClock())
    return settle_virtual(
        begun(execution, None if every is None else Recovery.of(checkpoints.memory(), {"every": every}, "run"))
    )


def test_rows_behind_a_checkpoint_are_delivered_when_it_is_durable():
    """Rows at 0, 10, ... 90 ms; checkpoints at 45 and 90 ms, and one at the end."""
    result = shown("45ms")
    total = sum(0.045 - at / 1000 for at in (0, 10, 20, 30, 40)) + sum(0.09 - at / 1000 for at in (50, 60, 70, 80))
    assert took(result.stats)[1] == pytest.approx(total)
    assert sum(took(result.stats)[0].values()) == 10


def test_rows_without_checkpoints_are_delivered_when_they_are_written():
    assert took(shown(None).stats) == ({0.0001: 10}, 0.0)


@dataclass(frozen=True)
class Large:
    """A row that says that it has 10 MB."""

    n: int

    def __sizeof__(self):
        return 10_000_000


def test_a_checkpoint_is_taken_early_if_more_than_64_mb_would_travel_with_it():
    dag = rxdag.Dag(
        rxdag.from_source(Steady(tuple(map(Large, range(10)))), name="rows").to(Shown(), name="out"), name="job"
    )
    store = checkpoints.memory()
    execution = begun(Execution(rxdag.compile(dag), VirtualClock()), Recovery.of(store, {"every": "1h"}, "run"))
    seen = []
    execution.main.at(55_000_000, lambda: seen.append(execution.checkpointing.last))
    execution.main.at(65_000_000, lambda: seen.append(execution.checkpointing.last.id))
    settle_virtual(execution)
    assert seen == [None, 1]
    assert execution.checkpointing.last.id == 3  # the early one, the seal and the end


def test_totals_are_a_metric_and_in_the_status():
    registry = CollectorRegistry()
    numbers = rxdag.from_source(sources.range(5), name="numbers").pipe(ops.filter(lambda n: n > 1), name="some")
    dag = rxdag.Dag(numbers.to(sinks.collect(), name="out"), name="job")
    run = rxdag.start(dag, checkpoints=checkpoints.memory())
    metrics.watch(run, registry=registry)
    run.wait()
    for count, n in {"in": 5, "out": 3, "lost": 0}.items():
        labels = {"dag": "job", "node": "some", "count": count}
        assert registry.get_sample_value("rxdag_node_items_since_first_start", labels) == n
    assert metrics.status(run)["job"]["totals"]["some"] == {
        "arrived": 5,
        "passed": 3,
        "filtered": 2,
        "out": {"out": 3},
    }


def test_deliveries_are_a_metric_and_in_the_status():
    registry = CollectorRegistry()
    run = rxdag.start(rxdag.Dag(rxdag.from_source(sources.range(3)).to(sinks.collect(), name="out"), name="job"))
    metrics.watch(run, registry=registry)
    run.wait()
    labels = {"dag": "job", "node": "out"}
    assert registry.get_sample_value("rxdag_delivery_seconds_bucket", {**labels, "le": "500.0"}) == 1
    assert registry.get_sample_value("rxdag_delivery_seconds_count", labels) == 1
    assert metrics.status(run)["job"]["deliveries"]["out"]["n"] == 1
