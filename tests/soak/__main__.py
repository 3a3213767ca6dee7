"""`python -m tests.soak --minutes 30`: two runs under live-like load, one on threads and one on asyncio; memory must stay flat.

The feed is cut every few seconds and comes again, brings what it has brought before, what is late and what is bad, and is
faster than what is behind it. Exits with 1 if books do not balance, a warning comes, or memory grows.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import random
import threading
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

import rxdag
from rxdag import aggregates as agg
from rxdag import on_error, sinks, sources, windows
from rxdag import operators as ops

A_SECOND = 4_000
"""Items that come in a second, of each run."""
MOST_MB = 8.0
"""By so much the process may grow between the end of its first tenth and its end."""
SYMBOLS = tuple(f"S{i}" for i in range(50))


class Trade(NamedTuple):
    """What a feed gives."""

    ts: int
    symbol: str
    trade_id: int
    price: Any
    qty: float


class Lost(ConnectionError):
    """The feed is cut."""


async def feed(rng: random.Random) -> AsyncIterator[Trade]:
    """Give trades at a rate, until the line is cut."""
    until = time.time() + rng.uniform(2, 8)
    trade_id = time.time_ns()
    while time.time() < until:
        await asyncio.sleep(0.01)
        now = time.time_ns() // 1_000_000
        for _ in range(A_SECOND // 100):
            trade_id += 0 if rng.random() < 0.02 else 1
            late = rng.randrange(400, 3000) if rng.random() < 0.02 else rng.randrange(50)
            price: Any = "n/a" if rng.random() < 0.005 else 100 + rng.random()
            yield Trade(now - late, rng.choice(SYMBOLS), trade_id, price, 1.0)
    raise Lost("cut")


async def write(items: list[Any], /) -> None:
    """Write a batch to a database that takes its time."""
    await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def database() -> AsyncIterator[Callable[[list[Any]], Awaitable[None]]]:
    """Connect."""
    yield write


def graph(seed: int, seen: dict[str, int]) -> rxdag.Dag:
    """Bars of a feed into a database, and a branch that is too slow for it."""

    def count(name: str) -> Any:
        def counted(_: object) -> None:
            seen[name] = seen.get(name, 0) + 1

        return sinks.call(counted)

    rng = random.Random(seed)
    live = sources.async_iterable(
        lambda: feed(rng),
        reconnect=sources.Backoff(base="50ms", cap="500ms", reset_after="1s"),
        silent_after="5s",
        overflow="drop_oldest",
        max_items=4096,
        of=Trade,
    )
    timed = rxdag.from_source(live, name="feed").pipe(
        ops.event_time("ts", unit="ms", out_of_order="500ms", idle_timeout="1s"), name="timed"
    )
    once = timed.pipe(ops.dedupe("symbol", "trade_id", within="5s"), name="once")
    bars = once.pipe(ops.key_by("symbol")).pipe(
        ops.window(windows.tumbling("1s"), agg.ohlcv("price", "qty")), name="bars", on_error=on_error.dead
    )
    return rxdag.Dag(
        bars.to(sinks.batched(database, max_items=500, max_wait="1s"), name="db"),
        bars.dead.to(count("dead"), name="dead"),
        bars.late.to(count("late"), name="late"),
        once.buffered(max_items=256, overflow="drop_oldest")
        .on("worker")
        .pipe(ops.tap(lambda _: time.sleep(0.0005)), name="slow")
        .to(count("slow"), name="slow_out"),
        name="soak",
    )


def megabytes() -> float:
    """Return the resident memory of the process, MB."""
    gc.collect()
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024


async def on_asyncio(minutes: float, results: dict[str, rxdag.RunResult], seen: dict[str, int]) -> None:
    """Run on an event loop of our own."""
    results["asyncio"] = await rxdag.run_async(graph(2, seen), until=f"{minutes}m")


def main() -> int:
    """Run both, and say how it went."""
    parser = argparse.ArgumentParser(prog="soak")
    parser.add_argument("--minutes", type=float, default=30)
    minutes: float = parser.parse_args().minutes
    warnings.simplefilter("error")
    results: dict[str, rxdag.RunResult] = {}
    seen: dict[str, dict[str, int]] = {"threads": {}, "asyncio": {}}
    beside = threading.Thread(target=lambda: asyncio.run(on_asyncio(minutes, results, seen["asyncio"])))
    run = rxdag.start(graph(1, seen["threads"]))
    beside.start()
    began, samples = time.monotonic(), list[float]()
    while time.monotonic() - began < minutes * 60:
        time.sleep(min(30.0, minutes * 6))
        samples.append(megabytes())
        print(
            f"{time.monotonic() - began:6.0f} s {samples[-1]:7.1f} MB {run.stats().nodes['feed'].made:,} items",
            flush=True,
        )
    results["threads"] = run.drain(timeout="30s")
    beside.join()
    first = samples[len(samples) // 10]
    grown = samples[-1] - first
    is_good = grown <= MOST_MB
    for name, result in sorted(results.items()):
        print(name, seen[name], result.problems)
        print(result)
        is_good = is_good and result.state == "completed" and not result.problems
    print(f"memory: {first:.1f} MB after a tenth, {samples[-1]:.1f} MB at the end, most {max(samples):.1f} MB")
    return 0 if is_good else 1


if __name__ == "__main__":
    raise SystemExit(main())
