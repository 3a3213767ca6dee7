"""A run that has failed ends soon, whatever it was waiting for, and its books balance."""

import asyncio
import contextlib

import pytest
from reactivex import operators as rx

import rxdag
from rxdag import NodeError, on_error, sinks, sources, testing
from rxdag import operators as ops


async def slow(item):
    await asyncio.sleep(3600)


async def fails(item):
    raise ValueError("busy")


async def ticks(item):
    while True:
        await asyncio.sleep(0.3)
        yield item


@contextlib.asynccontextmanager
async def slow_target():
    yield slow


def broken_after_a_second():
    def broken(item):
        raise ValueError("boom")

    return rxdag.from_source(sources.timer("1s")).pipe(ops.map(broken), name="broken").to(sinks.null())


def ended(*outs):
    """Run beside a branch that fails after 1 s of virtual time; return the result."""
    plan = rxdag.compile(rxdag.Dag(broken_after_a_second(), *outs))
    result = testing.settle_virtual(testing.virtual(plan))
    assert isinstance(result.error, NodeError)
    assert (result.state, result.error.node, result.problems) == ("failed", "broken", ())
    return result


SOURCES = {
    "that has ended": lambda: rxdag.from_source(sources.range(5)),
    "that has ended behind a gate": lambda: rxdag.from_source(sources.range(5)).buffered(max_items=100),
    "that goes on behind a gate": lambda: rxdag.from_source(sources.interval("1ms")).buffered(max_items=100),
}
AGAIN_IN_AN_HOUR = on_error.retry(3, base="1h", cap="1h")
WAITS = {
    "throttle": lambda s: s.pipe(ops.throttle(1, per="1h", mode="shape", max_items=2)).to(sinks.null()),
    "map_async": lambda s: s.pipe(ops.map_async(slow, concurrency=2)).to(sinks.null()),
    "lookup": lambda s: s.pipe(ops.lookup(slow, key=lambda x: x)).to(sinks.null()),
    "retry": lambda s: s.pipe(ops.map_async(fails), on_error=AGAIN_IN_AN_HOUR).to(sinks.null()),
    "acall": lambda s: s.to(sinks.acall(slow)),
    "rx": lambda s: s.rx(rx.delay(3600.0)).to(sinks.null()),
    "batched": lambda s: s.to(sinks.batched(slow_target, timeout=None)),
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("wait", WAITS)
def test_a_failed_run_waits_for_nothing_longer_than_ten_seconds(wait, source):
    assert ended(WAITS[wait](SOURCES[source]())).stats.elapsed_s <= 11.0


@pytest.mark.parametrize("operator", [ops.flat_map, ops.concat_map, ops.switch_map])
def test_a_failed_run_stops_the_streams_of_items_at_once(operator):
    seen = []
    result = ended(rxdag.from_source(sources.range(1)).pipe(operator(ticks)).to(sinks.call(seen.append)))
    assert result.stats.elapsed_s == 1.0
    assert seen == [0, 0, 0]


def test_a_failed_run_delivers_what_comes_out_in_these_ten_seconds():
    seen = []
    result = ended(rxdag.from_source(sources.range(3)).pipe(ops.delay("5s")).to(sinks.call(seen.append)))
    assert seen == [0, 1, 2]
    assert result.stats.elapsed_s == 5.0


def test_a_cleanup_that_takes_longer_is_not_cut_short():
    left = []

    @contextlib.asynccontextmanager
    async def target():
        async def write(batch):
            """Take a batch."""

        try:
            yield write
        finally:
            await asyncio.sleep(20)
            left.append("rolled back")

    result = ended(rxdag.from_source(sources.range(3)).to(sinks.batched(target)))
    assert left == ["rolled back"]
    assert result.stats.elapsed_s == 21.0
