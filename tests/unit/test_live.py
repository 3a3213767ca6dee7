"""Live sources: connections that are lost are made again, in order, and the books say what came."""

import asyncio
import contextlib
import json
import os
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests import feeds

import rxdag
from rxdag import on_error, sinks, sources, testing
from rxdag import operators as ops
from rxdag.contract import SourceContextAround
from rxdag.errors import GraphError, NodeError

MS = 1_000_000


class Feed:
    """Makes connections by script: items, seconds to wait as floats, and what it ends with."""

    def __init__(self, *scripts):
        self.scripts = list(scripts)
        self.opened = 0
        self.open_now = 0
        self.most_open = 0

    async def __call__(self):
        script = self.scripts[min(self.opened, len(self.scripts) - 1)]
        self.opened += 1
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        try:
            for act in script:
                if isinstance(act, Exception):
                    raise act
                if isinstance(act, float):
                    await asyncio.sleep(act)
                else:
                    yield act
        finally:
            self.open_now -= 1


def followed(feed, backoff=None, until="100s", **how):
    """What came and what happened, with the times in ms."""
    backoff = backoff or sources.Backoff(base="1s", jitter=0)
    stream = rxdag.from_source(sources.async_iterable(feed, reconnect=backoff, **how), name="feed")
    run = testing.start(
        stream.pipe(ops.map(lambda x: x)).to(sinks.call(lambda x: out.append((run.now // MS, x)))),
        stream.side("events", of=sources.ConnectionEvent).to(sinks.call(lambda e: events.append(e))),
    )
    out, events = [], []
    run.advance(until)
    run.drain()
    result = run.finish()
    assert result.problems == ()
    return out, [(e.at // MS, e.kind, e.connection) for e in events], events, result


def test_an_iterator_that_ends_or_fails_is_a_lost_connection_and_another_is_made():
    feed = Feed(["a", OSError("cut")], ["b"], ["c", 1000.0])
    out, told, events, result = followed(feed, until="10s")
    assert out == [(0, "a"), (1000, "b"), (2000, "c")]
    assert told == [
        (0, "connected", 1),
        (0, "lost", 1),
        (0, "retrying", 1),
        (1000, "connected", 2),
        (1000, "lost", 2),
        (1000, "retrying", 2),
        (2000, "connected", 3),
    ]
    assert str(events[1].error) == "cut"
    assert events[4].error is None
    assert events[2].wait_ns == 10**9
    assert result.state == "completed"
    assert (feed.open_now, feed.most_open) == (0, 1)


def test_waits_grow_while_connections_bring_nothing_and_begin_anew_when_one_does():
    feed = Feed([OSError()], [OSError()], [OSError()], ["x"], [OSError()], [1000.0])
    _, told, events, _ = followed(feed, sources.Backoff(base="1s", factor=2, cap="3s", jitter=0))
    assert [e.wait_ns // 10**9 for e in events if e.kind == "retrying"] == [1, 2, 3, 1, 2]


def test_a_connection_counts_as_of_use_only_if_it_lasted():
    feed = Feed(["x"], ["x"], [2.0, "x", 9.0], [1000.0])
    backoff = sources.Backoff(base="1s", factor=2, jitter=0, reset_after="5s")
    _, _, events, _ = followed(feed, backoff)
    assert [e.wait_ns // 10**9 for e in events if e.kind == "retrying"] == [1, 2, 1]


def test_jitter_is_drawn_from_the_seed_of_the_run():
    def waits(seed):
        stream = rxdag.from_source(
            sources.async_iterable(
                Feed([OSError()]), reconnect=sources.Backoff(base="1s", factor=1, jitter=0.5, attempts=6)
            )
        )
        events = stream.side("events").to(sinks.collect())
        run = testing.start(stream.to(sinks.null()), events, seed=seed)
        run.finish()
        return [e.wait_ns for e in run[events] if e.kind == "retrying"]

    assert waits(1) == waits(1)
    assert waits(1) != waits(2)
    assert all(5 * 10**8 <= wait <= 15 * 10**8 for wait in waits(3))
    assert len(set(waits(3))) == 5


def test_after_so_many_useless_connections_it_is_given_up_and_the_run_fails():
    stream = rxdag.from_source(
        sources.async_iterable(Feed(["a"], [OSError("refused")]), reconnect=sources.Backoff(attempts=3)), name="feed"
    )
    out, events = stream.to(sinks.collect()), stream.side("events").to(sinks.collect())
    run = testing.start(out, events)
    result = run.finish()
    assert run[out] == ["a"]
    assert [e.kind for e in run[events]][-2:] == ["lost", "given up"]
    assert 'source "feed": gave up after 3 connections in a row that delivered nothing, of 4 in all: refused' in str(
        result.error
    )
    assert "see reconnect=Backoff(attempts=...)" in str(result.error)
    assert result.problems == ()


def test_a_silent_connection_counts_as_lost():
    feed = Feed(["a", 3.0, "b", 60.0, "never"], ["c", 1000.0])
    out, told, events, _ = followed(feed, silent_after="5s", until="12s")
    assert out == [(0, "a"), (3000, "b"), (9000, "c")]
    assert (8000, "lost", 1) in told
    assert str(events[1].error) == "was silent for 5s"


def test_a_timeout_of_the_feeds_own_is_not_taken_for_silence():
    _, _, events, _ = followed(Feed(["a", TimeoutError("mine")], [99.0]), silent_after="50s", until="10s")
    assert str(events[1].error) == "mine"


def test_silence_without_reconnect_fails_the_run():
    stream = rxdag.from_source(sources.async_iterable(Feed(["a", 60.0]), silent_after="5s"), name="feed")
    result = testing.start(stream.to(sinks.collect())).finish()
    assert str(result.error) == 'source "feed": was silent for 5s'


def test_a_connection_that_is_not_made_in_time_counts_as_lost():
    made = 0

    async def connect():
        nonlocal made
        made += 1
        await asyncio.sleep(3600 if made == 2 else 2)
        return Feed(["a"])()

    out, told, events, _ = followed(connect, silent_after="5s", until="12s")
    assert out == [(2000, "a"), (12_000, "a")]
    assert told[:6] == [
        (2000, "connected", 1),
        (2000, "lost", 1),
        (2000, "retrying", 1),
        (8000, "lost", 2),
        (8000, "retrying", 2),
        (12_000, "connected", 3),
    ]
    assert str(events[3].error) == "was silent for 5s"


def test_a_connection_may_be_closed_for_longer_than_it_may_be_silent():
    class Lingering:
        def __init__(self):
            self.items = iter("ab")

        def __aiter__(self):
            return self

        async def __anext__(self):
            for item in self.items:
                return item
            raise StopAsyncIteration

        async def aclose(self):
            await asyncio.sleep(60)

    stream = rxdag.from_source(sources.async_iterable(Lingering, silent_after="5s"), name="feed")
    out = stream.to(sinks.collect())
    result = testing.start(out).finish()
    assert (result.error, result[out]) == (None, ["a", "b"])


class CancelledByItself:
    """An iterator whose closing raises a CancelledError of its own."""

    def __init__(self, items):
        self.items = iter(items)

    def __aiter__(self):
        return self

    async def __anext__(self):
        for item in self.items:
            return item
        raise StopAsyncIteration

    async def aclose(self):
        raise asyncio.CancelledError("mine")


@pytest.mark.parametrize("most", [2, 5])
def test_a_cancelled_error_of_closing_fails_the_run_whether_it_is_left_or_has_ended(most):
    stream = rxdag.from_source(sources.async_iterable(lambda: CancelledByItself("abc")), name="feed")
    result = testing.start(stream.pipe(ops.take(most)).to(sinks.null())).finish()
    assert isinstance(result.error.__cause__, asyncio.CancelledError)
    assert result.error.__cause__.args == ("mine",)
    assert result.problems == ()


async def ends_when_cancelled():
    yield "a"
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(60)


async def goes_on_when_cancelled():
    yield "a"
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(60)
    yield "b"


@pytest.mark.parametrize("feed", [ends_when_cancelled, goes_on_when_cancelled])
def test_silence_is_told_of_an_iterator_that_swallows_the_cancel(feed):
    stream = rxdag.from_source(sources.async_iterable(feed, silent_after="5s"), name="feed")
    result = testing.start(stream.to(sinks.null())).finish()
    assert str(result.error) == 'source "feed": was silent for 5s'


def test_a_feed_that_is_not_silent_sets_hardly_any_timer(monkeypatch):
    reschedule, calls = asyncio.Timeout.reschedule, []
    monkeypatch.setattr(asyncio.Timeout, "reschedule", lambda self, when: calls.append(when) or reschedule(self, when))
    feed = Feed([*range(1_000)], [99.0])
    out, _, _, _ = followed(feed, silent_after="50s", until="10s")
    assert len(out) == 1_000
    assert len(calls) < 10


def test_silence_is_counted_from_the_last_item():
    feed = Feed(["a", 4.0, "b", 4.9, "c", 99.0], [99.0])
    _, told, _, _ = followed(feed, silent_after="5s", until="15s")
    assert told[:2] == [(0, "connected", 1), (13_900, "lost", 1)]


def test_while_nothing_is_asked_of_it_a_connection_is_not_silent():
    async def slow(_):
        await asyncio.sleep(60)

    feed = Feed(["a", "b", "c", 1000.0])
    stream = rxdag.from_source(sources.async_iterable(feed, reconnect=sources.Backoff(), silent_after="5s"))
    out = stream.buffered(max_items=1).to(sinks.acall(slow))
    events = stream.side("events").to(sinks.collect())
    run = testing.start(out, events)
    run.advance("100s")
    assert [e.kind for e in run[events]] == ["connected"]
    run.drain()
    assert run.finish().problems == ()


def test_a_marker_goes_before_the_items_of_each_further_connection():
    out, *_ = followed(Feed(["a"], [OSError()], ["b", 99.0]), on_reconnect=lambda n: f"#{n}", until="20s")
    assert [x for _, x in out] == ["a", "#3", "b"]


def test_a_reset_book_begins_anew_in_order():
    feed = Feed([("add", 1), ("add", 2)], [("add", 5), 99.0])
    stream = rxdag.from_source(
        sources.async_iterable(feed, reconnect=sources.Backoff(base="1s"), on_reconnect=lambda n: ("reset", n))
    )
    book = stream.pipe(ops.scan(0, lambda total, item: 0 if item[0] == "reset" else total + item[1]))
    run = testing.start(out := book.to(sinks.collect()))
    run.advance("10s")
    run.drain()
    run.finish()
    assert run[out] == [1, 3, 0, 5]


def test_what_is_read_on_drops_by_its_policy():
    async def slow(_):
        await asyncio.sleep(1)

    feed = Feed([*range(100), 1000.0])
    source = sources.async_iterable(feed, reconnect=sources.Backoff(), overflow="drop_oldest", max_items=3)
    run = testing.start(out := rxdag.from_source(source, name="feed").to(sinks.acall(slow)))
    run.advance("50s")
    run.drain()
    result = run.finish()
    assert result.problems == ()
    (edge,) = result.stats.edges
    assert edge.dropped > 0
    assert edge.received + edge.dropped == 100
    assert run[out][-3:] == [97, 98, 99]


def test_a_drain_between_two_connections_ends_the_run():
    feed = Feed([OSError()])
    stream = rxdag.from_source(sources.async_iterable(feed, reconnect=sources.Backoff(base="1h")))
    run = testing.start(stream.to(sinks.null()))
    run.advance("5s")
    run.drain()
    result = run.finish()
    assert result.state == "completed"
    assert run.now < 10 * 10**9


def test_a_hundred_losses_lose_no_item_and_open_one_connection_at_a_time():
    rest = iter(range(100))
    feed = Feed(*[[next(rest), OSError()] for _ in range(100)], [1000.0])
    out, told, _, result = followed(feed, sources.Backoff(base="1s", jitter=0.5), until="300s")
    assert [x for _, x in out] == list(range(100))
    assert feed.most_open == 1
    assert sum(kind == "lost" for _, kind, _ in told) == 100


def test_an_iterator_needs_no_aiter_of_its_own():
    class Numbers:
        def __aiter__(self):
            return Bare()

    class Bare:
        n = 0

        async def __anext__(self):
            self.n += 1
            if self.n > 3:
                raise StopAsyncIteration
            return self.n

    assert rxdag.from_source(sources.async_iterable(Numbers)).collect() == [1, 2, 3]


def test_a_burst_of_items_wakes_the_run_once():
    async def burst():
        for n in range(100):
            yield n

    source = sources.async_iterable(burst)
    woken = []

    @dataclass(frozen=True)
    class Watched(sources.Source):
        where = "async"

        def open(self, context):
            around = SourceContextAround(context)
            around.wake = lambda: woken.append(None) or context.wake()
            return source.open(around)

    assert rxdag.from_source(Watched()).collect() == list(range(100))
    assert len(woken) == 2  # for the items, and for the end


def test_a_coroutine_function_may_make_the_iterator():
    async def connect():
        await asyncio.sleep(1)
        return Feed(["a"])()

    assert testing.run_virtual(out := rxdag.from_source(sources.async_iterable(connect)).to(sinks.collect()))[out] == [
        "a"
    ]


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"reconnect": 3}, "async_iterable: reconnect must be a sources.Backoff(...) or None, got 3"),
        ({"on_reconnect": str}, "async_iterable: on_reconnect goes with reconnect=sources.Backoff(...)"),
        ({"silent_after": "0s"}, "async_iterable: silent_after must be more than 0"),
        ({"max_items": 0}, "async_iterable: max_items must be 1 or more"),
        ({"overflow": "spill"}, "async_iterable: overflow must be one of block, drop_oldest"),
    ],
)
def test_bad_arguments_are_said_at_once(how, said):
    with pytest.raises(GraphError) as raised:
        sources.async_iterable(Feed([]), **how)
    assert str(raised.value).startswith(said)


def test_an_iterator_cannot_be_made_twice():
    async def items():
        yield 1

    with pytest.raises(GraphError, match="reconnect needs a function that makes an iterable for each connection"):
        sources.async_iterable(items(), reconnect=sources.Backoff())
    with pytest.raises(GraphError, match="Backoff: attempts must be 1 or more, or None, got 0"):
        sources.Backoff(attempts=0)
    with pytest.raises(GraphError, match="Backoff: factor must be 1 or more"):
        sources.Backoff(factor=0.5)


# ---- WebSockets, against a local server

FRAMES = [json.dumps({"n": n}) for n in range(200)]
FAST = sources.Backoff(base="1ms", factor=1, jitter=0)


def read(server, n, *, policy=on_error.skip, **how):
    """Read until `n` items have come; returns them, the kinds of events, and the dead letters."""
    got, enough = [], threading.Event()

    def note(item):
        got.append(item["n"] if isinstance(item, dict) else item)
        if len(got) == n:
            enough.set()

    how = {"reconnect": FAST, **how}
    stream = rxdag.from_source(sources.websocket(server.url, **how), name="ws", on_error=policy)
    out = stream.to(sinks.call(note))
    events = stream.side("events").to(sinks.collect())
    dead = stream.dead.to(sinks.collect())
    run = rxdag.start(out, events, dead)
    assert enough.wait(20), got
    result = run.drain("20s")
    assert result.problems == ()
    return got, [e.kind for e in result[events]], result[dead]


def test_frames_come_in_order_over_every_kind_of_loss():
    scripts = [
        [feeds.sends(10), feeds.drops],
        [feeds.sends(10), feeds.closes],
        [feeds.sends(10), feeds.truncates],
        [feeds.sends(10), feeds.sends_nonsense],
        [feeds.sends(10), feeds.stalls],
        [feeds.sends(150), feeds.stalls],
    ]
    with feeds.FeedServer(FRAMES, scripts) as server:
        got, events, _ = read(server, 200, silent_after="100ms")
    assert got == list(range(200))
    assert server.connections == 6
    assert events.count("connected") == 6
    assert events.count("lost") == 5


def test_garbage_goes_the_way_of_the_policy_and_the_line_stays():
    with feeds.FeedServer(FRAMES, [[feeds.sends(5), feeds.sends_garbage, feeds.sends(195), feeds.stalls]]) as server:
        got, events, dead = read(server, 200, policy=on_error.dead)
    assert got == list(range(200))
    assert events == ["connected"]
    assert [letter.item for letter in dead] == ['{"stream": "btc', b"\xff\xfe\x00"]


def test_garbage_ends_the_run_by_default_behind_what_came():
    with feeds.FeedServer(FRAMES, [[feeds.sends(5), feeds.sends_garbage, feeds.stalls]]) as server:
        stream = rxdag.from_source(sources.websocket(server.url), name="ws")
        seen = []
        with pytest.raises(NodeError, match='source "ws"'):
            rxdag.run(stream.to(sinks.call(lambda x: seen.append(x["n"]))))
    assert seen == [0, 1, 2, 3, 4]


def test_doubled_frames_are_left_to_dedupe():
    with feeds.FeedServer(FRAMES, [[feeds.doubles(200), feeds.stalls]]) as server:
        stream = rxdag.from_source(sources.websocket(server.url))
        once = stream.pipe(ops.dedupe(lambda x: x["n"], max_keys=1000)).pipe(ops.take(200))
        assert [x["n"] for x in once.collect()] == list(range(200))


def test_what_is_to_be_said_is_said_on_every_connection():
    said = [feeds.hears(), feeds.hears(), feeds.sends(1)]
    scripts = [[*said, feeds.drops], [*said, feeds.stalls]]
    with feeds.FeedServer(FRAMES, scripts) as server:
        read(server, 2, subscribe=[{"op": "subscribe", "to": ["btc"]}, "hello"])
    assert server.heard == ['{"op":"subscribe","to":["btc"]}', "hello"] * 2


def test_a_frame_can_be_typed_or_be_no_item_and_a_marker_is_not_decoded():
    def decode(frame):
        n = json.loads(frame)["n"]
        return n if n % 2 else None

    with feeds.FeedServer(FRAMES, [[feeds.sends(4), feeds.drops], [feeds.sends(4), feeds.stalls]]) as server:
        got, *_ = read(server, 5, decode=decode, on_reconnect=lambda n: f"#{n}")
    assert got == [1, 3, "#2", 5, 7]


def test_a_server_that_is_not_there_is_given_up():
    with feeds.FeedServer(FRAMES, [[]]) as server:
        url = server.url
    source = sources.websocket(url, reconnect=sources.Backoff(base="1ms", attempts=3))
    with pytest.raises(NodeError, match="gave up after 3 connections in a row"):
        rxdag.from_source(source).collect()


def test_a_slow_consumer_makes_the_peer_wait_and_loses_nothing():
    seen = []

    async def slow(item):
        seen.append(item["n"])
        await asyncio.sleep(0)

    with feeds.FeedServer(FRAMES, [[feeds.sends(200), feeds.stalls]]) as server:
        source = rxdag.from_source(sources.websocket(server.url)).buffered(max_items=2)
        rxdag.run(source.pipe(ops.take(200)).to(sinks.acall(slow)))
    assert seen == list(range(200))


@pytest.mark.parametrize(
    ("url", "how", "said"),
    [
        ("http://x", {}, 'websocket: url must begin with "ws://" or "wss://", got \'http://x\''),
        ("ws://x", {"decode": 3}, "websocket: decode must be a function of a frame, got 3"),
        (
            "ws://x",
            {"subscribe": [3]},
            "websocket: subscribe must be text, bytes, a mapping, or several of these, got 3",
        ),
        ("ws://x", {"max_frame_bytes": 0}, "websocket: max_frame_bytes must be 1 or more, got 0"),
    ],
)
def test_bad_arguments_of_a_websocket_are_said_at_once(url, how, said):
    with pytest.raises(GraphError) as raised:
        sources.websocket(url, **how)
    assert str(raised.value) == said


DATA = Path(os.environ.get("RXDAG_DATA", "../shared/data"))
RAW = DATA / "binance_20240808_raw"


@pytest.mark.skipif(not RAW.exists(), reason=f"needs the captures in {RAW}; set RXDAG_DATA to their folder")
@pytest.mark.parametrize(
    ("file", "first", "n", "speed"),
    [
        ("spot_btcusdt_20240808.gz", 5000, 150, 1),
        ("usdm_btcusdt_20240808.gz", 5000, 5000, 20),
        ("spot_btcusdt_20240808.gz", 5000, 2000, 20),
    ],
)
def test_captured_frames_replayed_at_their_pace_arrive_as_they_were(file, first, n, speed):
    times, frames = feeds.captured(RAW / file, first, n)
    with feeds.FeedServer(frames, [[feeds.replays(speed, times), feeds.stalls]]) as server:
        source = sources.websocket(server.url, decode=lambda frame: frame, max_items=4096, overflow="drop_oldest")
        got = rxdag.from_source(source).pipe(ops.take(n)).collect()
    assert got == frames
