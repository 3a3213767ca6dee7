"""Arguments that may change between a checkpoint and the run that continues from it, and those that may not."""

import asyncio

import pytest
from tests.unit.test_checkpointed_runs import Steady, settled, virtual

import rxdag
from rxdag import aggregates as agg
from rxdag import checkpoints, sinks, windows
from rxdag import operators as ops
from rxdag.errors import CheckpointError


async def slowly(row):
    await asyncio.sleep(0.025)
    return row


async def found(key):
    return key


ADJUSTED = {
    "dedupe": (lambda within: ops.dedupe("n", within=within), "5s", "500ms"),
    "event_time, disorder": (lambda lag: ops.event_time("ts", unit="ms", out_of_order=lag), "300ms", "1s"),
    "event_time, silence": (lambda idle: ops.event_time("ts", unit="ms", idle_timeout=idle), "5ms", "1s"),
    "event_time, future": (lambda most: ops.event_time("ts", unit="ms", max_future=most), "100d", "200d"),
    "audit": (lambda wait: ops.audit(wait), "25ms", "60ms"),
    "debounce": (lambda quiet: ops.debounce(quiet), "25ms", "5ms"),
    "delay": (lambda by: ops.delay(by), "200ms", "50ms"),
    "sample": (lambda every: ops.sample(every), "25ms", "70ms"),
    "throttle, rate": (lambda rate: ops.throttle(rate, burst=2), 20, 50),
    "throttle, shape": (lambda rate: ops.throttle(rate, mode="shape"), 20, 80),
    "throttle, burst": (lambda burst: ops.throttle(10, burst=burst), 5, 1),
    "throttle_first": (lambda interval: ops.throttle_first(interval), "25ms", "80ms"),
    "throttle_latest": (lambda interval: ops.throttle_latest(interval), "25ms", "80ms"),
    "timeout": (lambda silence: ops.timeout(silence), "50ms", "2s"),
    "scan": (lambda ttl: ops.scan(0, lambda n, row: n + row["n"], ttl=ttl), "5s", "1s"),
    "map_async, calls": (lambda n: ops.map_async(slowly, concurrency=n), 4, 1),
    "map_async, patience": (lambda patience: ops.map_async(slowly, timeout=patience), "1s", "2s"),
    "lookup": (lambda ttl: ops.lookup(found, key="key", ttl=ttl), "1s", "20ms"),
}
"""An operator of one argument, and two values of that."""


def job(operator):
    rows = rxdag.from_source(Steady(), name="rows")
    timed = rows if operator.label == "event_time" else rows.pipe(ops.event_time("ts", unit="ms"), name="time")
    keyed = timed.pipe(ops.key_by("key"), name="key") if operator.label == "scan" else timed
    return rxdag.Dag(keyed.pipe(operator, name="node").to(sinks.collect(), name="out"), name="job")


def suspended(dag, store, at_ms):
    run = virtual(dag, store, every="1h")
    run.main.at(at_ms * 1_000_000, run.drain)
    return settled(run)


@pytest.mark.parametrize("at_ms", [35, 505])
@pytest.mark.parametrize("name", ADJUSTED)
def test_a_run_continues_with_another_value(name, at_ms):
    make, old, new = ADJUSTED[name]
    store = checkpoints.memory()
    first = suspended(job(make(old)), store, at_ms)

    second = settled(virtual(job(make(new)), store, start=at_ms * 1_000_000))

    assert (second.state, second.error, second.problems) == ("completed", None, ())
    assert first.items_in + second.items_in == 100
    whole = settled(virtual(job(make(old)), checkpoints.memory()))["out"]
    if name.split(",")[0] in ("dedupe", "event_time", "timeout", "scan", "delay", "map_async", "lookup"):
        assert second["out"] == whole


@pytest.mark.parametrize(("old", "new"), [("1960-01-01T00:00Z", None), (None, "1960-01-01T00:00Z")])
def test_a_run_continues_with_other_guards_of_times_or_without(old, new):
    store = checkpoints.memory()
    suspended(job(ops.event_time("ts", unit="ms", not_before=old)), store, 35)
    second = settled(virtual(job(ops.event_time("ts", unit="ms", not_before=new)), store, start=35_000_000))
    assert (second.state, second.error) == ("completed", None)


def test_a_dedupe_forgets_by_the_new_span():
    rows = tuple({"ts": ts, "key": "a", "n": 1} for ts in (0, 100, 900, 1000))
    store = checkpoints.memory()

    def dag(within):
        timed = rxdag.from_source(Steady(rows), name="rows").pipe(ops.event_time("ts", unit="ms"), name="time")
        return rxdag.Dag(
            timed.pipe(ops.dedupe("n", within=within), name="node").to(sinks.collect(), name="out"), name="job"
        )

    suspended(dag("5s"), store, 15)
    second = settled(virtual(dag("200ms"), store, start=15_000_000))
    assert [row["ts"] for row in second["out"]] == [0, 900]


REFUSED = {
    "a size": (
        lambda size: ops.window(windows.tumbling(size), agg.count()),
        "3s",
        "5s",
        'window was tumbling("3s"), and is tumbling("5s")',
    ),
    "a limit that begins": (
        lambda within: ops.dedupe("n", within=within, max_keys=50),
        None,
        "5s",
        'within was left out, and is "5s"',
    ),
    "a limit of another kind": (lambda most: ops.dedupe("n", max_keys=most), 50, 60, "max_keys was 50, and is 60"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_arguments_must_stay(name):
    make, old, new, message = REFUSED[name]

    def dag(value):
        timed = rxdag.from_source(Steady(), name="rows").pipe(ops.event_time("ts", unit="ms"), name="time")
        keyed = timed.pipe(ops.key_by("key"), name="key")
        return rxdag.Dag(keyed.pipe(make(value), name="node").to(sinks.collect(), name="out"), name="job")

    store = checkpoints.memory()
    suspended(dag(old), store, 505)
    with pytest.raises(CheckpointError) as raised:
        virtual(dag(new), store)
    assert f'node "node": {message}; undo that, or pass allow_drop=["node"]' in str(raised.value)


@pytest.mark.parametrize("name", ADJUSTED)
def test_an_adjustable_argument_is_one_of_the_call(name):
    """A misspelt name would adjust nothing."""
    make, old, _ = ADJUSTED[name]
    operator = make(old)
    given = dict(rxdag.contract.made_by(operator).arguments)
    assert set(operator.adjustable) & set(given)
