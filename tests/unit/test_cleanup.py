"""What is closed before its end: an error of its cleanup fails the run, and nothing that swallows the cancel holds it."""

import asyncio

import pytest

import rxdag
from rxdag import NodeError, sinks, sources
from rxdag import operators as ops


async def forever(cleanup=None):
    try:
        i = 0
        while True:
            yield i
            i += 1
            await asyncio.sleep(0)
    finally:
        if cleanup is not None:
            raise cleanup


def plain(cleanup):
    try:
        yield from range(100)
    finally:
        raise cleanup


BACKOFF = sources.Backoff(base="1h", jitter=0)
STREAMS = {
    "async_iterable": lambda error: rxdag.from_source(sources.async_iterable(lambda: forever(error)), name="n"),
    "async_iterable, live": lambda error: rxdag.from_source(
        sources.async_iterable(lambda: forever(error), reconnect=BACKOFF), name="n"
    ),
    "iterable": lambda error: rxdag.from_source(sources.iterable(plain(error)), name="n"),
    "flat_map, async": lambda error: rxdag.from_source(sources.range(1)).pipe(
        ops.flat_map(lambda x: forever(error)), name="n"
    ),
    "flat_map": lambda error: rxdag.from_source(sources.range(1)).pipe(ops.flat_map(lambda x: plain(error)), name="n"),
    "explode": lambda error: rxdag.from_source(sources.range(1)).pipe(ops.explode(lambda x: plain(error)), name="n"),
}


@pytest.mark.parametrize("stream", STREAMS)
def test_an_error_of_the_cleanup_behind_take_fails_the_run(stream):
    error = ValueError("mine")
    with pytest.raises(NodeError, match="mine") as raised:
        rxdag.run(STREAMS[stream](error).pipe(ops.take(2)).to(sinks.null()))
    assert (raised.value.node, raised.value.__cause__) == ("n", error)


@pytest.mark.parametrize("stream", ["async_iterable", "async_iterable, live", "flat_map, async"])
def test_without_an_error_it_completes(stream):
    assert rxdag.run(STREAMS[stream](None).pipe(ops.take(2)).to(sinks.null())).state == "completed"


async def returns():
    try:
        while True:
            yield 1
            await asyncio.sleep(3600)
    except asyncio.CancelledError:
        return


async def yields_again():
    while True:
        try:
            yield 1
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            continue


@pytest.mark.parametrize("feed", [returns, yields_again])
@pytest.mark.parametrize("reconnect", [None, BACKOFF], ids=["once", "live"])
@pytest.mark.parametrize("end", ["drain", "cancel"])
def test_an_iterator_that_swallows_the_cancel_does_not_hold_the_run(feed, reconnect, end):
    out = rxdag.from_source(sources.async_iterable(feed, reconnect=reconnect)).to(sinks.collect())

    async def main():
        run = rxdag.start_async(out)
        while not run.stats().nodes["collect"].arrived:
            await asyncio.sleep(0.001)
        async with asyncio.timeout(20):
            if end == "drain":
                return await run.drain()
            run.cancel()
            return await run.wait()

    result = asyncio.run(main())
    assert result.state == {"drain": "completed", "cancel": "cancelled"}[end]
    assert result.problems == ()


def test_an_error_of_the_cleanup_of_a_call_that_is_cut_fails_the_run():
    began = asyncio.Event()

    async def call(x):
        if x == 0:
            await began.wait()
            return x
        began.set()
        try:
            await asyncio.sleep(3600)
        finally:
            raise ValueError("mine")

    stream = rxdag.from_source(sources.range(2)).pipe(ops.map_async(call), name="n").pipe(ops.take(1))
    with pytest.raises(NodeError, match='node "n" failed: ValueError: mine'):
        rxdag.run(stream.to(sinks.null()))


# ---- on_reconnect


def once():
    made = []

    async def connection():
        made.append(None)
        yield len(made)

    return connection


def fails(n):
    raise KeyError("bug of mine")


async def coroutine(n):
    return n


@pytest.mark.parametrize(
    ("marker", "text"),
    [
        (fails, "on_reconnect must return an item, and failed on 2: KeyError: 'bug of mine'"),
        (lambda n: coroutine(n), "on_reconnect must return a value, got <coroutine"),
    ],
    ids=["raises", "coroutine"],
)
@pytest.mark.parametrize("policy", [rxdag.on_error.raise_, rxdag.on_error.skip, rxdag.on_error.dead])
def test_a_mistake_in_on_reconnect_ends_the_run_and_is_no_lost_connection(marker, text, policy):
    source = sources.async_iterable(once(), reconnect=sources.Backoff(base="1ms"), on_reconnect=marker)
    with pytest.raises(NodeError, match=f'source "feed": {text}'):
        rxdag.run(rxdag.from_source(source, name="feed", on_error=policy).to(sinks.null()))
