"""Faults: nodes that raise, sinks that fail, clocks that jump, sources that are lost, feeds that lie."""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any
from unittest import mock

import rxdag
from rxdag import aggregates as agg
from rxdag import on_error, sinks, sources, windows
from rxdag import operators as ops
from tests import feeds
from tests.chaos.experiment import Scale, experiment, require, seeded, sound


@experiment
def operator_that_raises_on_one_item_in_a_hundred(scale: Scale) -> str:
    n = scale.of(1_000_000)

    def fragile(item: int) -> int:
        if item % 100 == 7:
            raise ValueError(item)
        return item

    stream = rxdag.from_source(sources.range(n)).pipe(ops.map(fragile), on_error=on_error.dead, name="fragile")
    letters: list[int] = []
    out = stream.to(sinks.null(), name="out")
    dead = stream.dead.to(sinks.call(lambda letter: letters.append(letter.item)), name="dead")
    result = sound(rxdag.run(out, dead))
    expected = list(range(7, n, 100))
    require(letters == expected, f"{len(letters)} dead letters, not {len(expected)}")
    require(result["out"] + len(letters) == n, f"{result['out']} + {len(letters)} != {n}")
    return f"{result['out']:,} delivered + {len(letters):,} dead letters = {n:,}"


@experiment
def poison_item_with_retry(scale: Scale) -> str:
    calls: dict[int, int] = {}

    def fragile(item: int) -> int:
        calls[item] = calls.get(item, 0) + 1
        if item % 50 == 3 or (item % 50 == 5 and calls[item] < 3):
            raise OSError(item)
        return item

    n = scale.of(5000)
    policy = on_error.retry(3, base="100us", then=on_error.dead)
    stream = rxdag.from_source(sources.range(n)).pipe(ops.map(fragile), on_error=policy)
    out, dead = stream.to(sinks.collect(), name="out"), stream.dead.to(sinks.collect(), name="dead")
    result = sound(rxdag.run(out, dead))
    require(result["out"] == [x for x in range(n) if x % 50 != 3], "order or items differ")
    require([letter.item for letter in result["dead"]] == list(range(3, n, 50)), "dead letters differ")
    require({letter.attempts for letter in result["dead"]} <= {3}, "attempts differ")
    return f"{len(result['out']):,} in order, {len(result['dead'])} poison items dead after 3 attempts each"


@experiment
def dead_letter_sink_that_fails(scale: Scale) -> str:
    def boom(item: Any) -> Any:
        raise ValueError(item)

    failed = 0
    for seed in range(scale.of(50)):
        at = random.Random(seed).randint(1, 500)
        seen: list[Any] = []

        def takes(letter: Any, seen: list[Any] = seen, at: int = at) -> None:
            seen.append(letter)
            if len(seen) == at:
                raise OSError("disk full")

        stream = rxdag.from_source(sources.range(100_000)).pipe(ops.map(boom), on_error=on_error.dead)
        run = rxdag.start(stream.to(sinks.null()), stream.dead.on("letters").to(sinks.call(takes), name="dead"))
        try:
            run.wait(30)
        except rxdag.NodeError as error:
            failed += "disk full" in str(error)
        result = sound(run.result, "failed")
        held = max(gate.high_water for gate in result.stats.gates.values())
        require(held <= 4096, f"{held} letters were held")
        require(len(seen) == at, f"{len(seen)} letters were taken, not {at}")
    require(failed == scale.of(50), f"{failed} runs failed with the sink's own error")
    return f"{failed} runs stopped with the sink's own error, at most 4,096 letters held"


@experiment
def wall_clock_that_jumps(scale: Scale) -> str:
    true = time.time_ns
    off = 0
    rng = seeded(scale, "clock")
    n = scale.of(600)

    def wall() -> int:
        return true() + off

    ticks = rxdag.from_source(sources.interval("5ms", count=n), name="in")
    timed = ticks.pipe(ops.event_time(lambda x: x * 1_000_000))
    bars = timed.pipe(ops.window_all(windows.tumbling("50ms"), agg.count())).to(sinks.collect(), name="bars")
    each = ticks.to(sinks.collect(), name="ticks")
    apart = ticks.pipe(ops.throttle_first("5us")).to(sinks.collect(), name="apart")
    stop = threading.Event()

    def jump() -> None:
        nonlocal off
        while not stop.wait(0.01):
            off = rng.choice([0, 3600, -3600, 7 * 86400]) * 10**9

    with mock.patch.object(time, "time_ns", wall):
        thread = threading.Thread(target=jump)
        thread.start()
        began = time.monotonic()
        result = sound(rxdag.run(bars, each, apart))
        lasted = time.monotonic() - began
        stop.set()
        thread.join()
    require(result["ticks"] == list(range(n)), "a timer fired twice, or not at all")
    kept = result["apart"]  # of those that a busy machine was late for, some come at once
    require(len(kept) > n // 2 and kept == sorted(set(kept)), "a throttle stood still")
    require([pane.value for pane in result["bars"]] == [50] * (n // 50) + [n % 50] * (n % 50 > 0), "event time changed")
    require(lasted < n * 0.005 * 3 + 5, f"timers stood still: {lasted:.1f} s")
    return f"{n} ticks and {len(result['bars'])} windows as ever, while the wall clock jumped hours both ways"


@experiment
def a_hundred_losses_of_a_source(scale: Scale) -> str:
    rng = seeded(scale, "losses")
    losses = scale.of(100)
    lengths = [rng.randint(0, 50) for _ in range(losses)]
    state = {"opened": 0, "at": 0, "open": 0, "most": 0}

    async def connect() -> AsyncIterator[int]:
        n = state["opened"]
        state["opened"] += 1
        state["open"] += 1
        state["most"] = max(state["most"], state["open"])
        try:
            for _ in range(lengths[n] if n < losses else 10**9):
                await asyncio.sleep(0)
                yield state["at"]
                state["at"] += 1
                if n == losses and state["at"] > total + 100:
                    await asyncio.sleep(3600)
            raise OSError("lost")
        finally:
            state["open"] -= 1

    total = sum(lengths)
    backoff = sources.Backoff(base="100us", cap="1ms", jitter=0.5)
    feed = rxdag.from_source(sources.async_iterable(connect, reconnect=backoff), name="feed")
    got: list[int] = []
    enough = threading.Event()

    def note(item: int) -> None:
        got.append(item)
        if len(got) == total + 100:
            enough.set()

    events = feed.side("events").to(sinks.collect(), name="events")
    run = rxdag.start(feed.to(sinks.call(note)), events)
    require(enough.wait(60), f"{len(got)} items came of {total + 100}")
    result = sound(run.drain("20s"))
    kinds = [event.kind for event in result["events"]]
    require(got[: total + 100] == list(range(total + 100)), "items were lost, doubled or out of order")
    require(kinds.count("lost") == losses, f"{kinds.count('lost')} losses told, not {losses}")
    require(state["most"] == 1, f"{state['most']} connections at once")
    return f"{losses} losses, {total + 100:,} items in order, one connection at a time"


@experiment
def hostile_feed(scale: Scale) -> str:
    rng = seeded(scale, "hostile")
    frames = [json.dumps({"n": n}) for n in range(200_000)]
    ways = [feeds.drops, feeds.closes, feeds.truncates, feeds.sends_nonsense]

    def script() -> list[Any]:
        acts: list[Any] = []
        for _ in range(rng.randint(0, 6)):
            acts.append(rng.choice([feeds.sends(rng.randint(1, 200)), feeds.sends_garbage, feeds.doubles(5)]))
        return [*acts, rng.choice([*ways, feeds.stalls])]

    with feeds.FeedServer(frames, [script() for _ in range(5000)]) as server:
        source = sources.websocket(
            server.url,
            reconnect=sources.Backoff(base="1ms", cap="20ms"),
            silent_after="50ms",
            max_items=10_000,
            overflow="drop_oldest",
        )
        feed = rxdag.from_source(source, name="feed", on_error=on_error.dead)
        once = feed.pipe(ops.dedupe(lambda x: x["n"], max_keys=100_000))
        out = once.pipe(ops.map(lambda x: x["n"])).to(sinks.collect(), name="out")
        dead = feed.dead.to(sinks.null(), name="dead")
        events = feed.side("events").to(sinks.null(), name="events")
        result = sound(rxdag.run(out, dead, events, until=f"{scale.seconds}s"))
    got = result["out"]
    require(got, "no item came")
    require(all(a < b for a, b in pairwise(got)), "items out of order")
    return (
        f"{server.connections:,} connections, {len(got):,} items in order, {result['dead']:,} malformed frames, "
        f"{result['events']:,} events"
    )
