"""A job over several threads that kills itself: `python -m tests.recovery.threaded_job FOLDER [POINT N]`.

Two sources are merged by time, with gates, calls on the event loop, a throttle that delays, a slow sink and an async sink. It prints whether
it continued from a checkpoint. The points are items of each thread, calls, and the steps of a checkpoint and of a write.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

import rxdag
from rxdag import checkpoints, sinks, sources
from rxdag import operators as ops
from rxdag.checkpoints._session import SqliteSession
from rxdag.sinks import BatchEpoch
from tests.recovery.job import Killer

POINTS = ("left", "right", "call", "answer", "slow", "put", "commit", "committed", "write", "written")
ITEMS = 1_500
"""Number of items of each source."""


class Tick(msgspec.Struct, frozen=True):
    feed: str
    ts_ms: int
    n: int


class Table:
    """A table in SQLite, written to on the event loop; rows and epoch change in one transaction."""

    def __init__(self, path: Path, reached: Callable[[str], None]) -> None:
        self._path, self._reached = path, reached

    async def open(self) -> None:
        self._db = sqlite3.connect(self._path)
        self._db.executescript(
            "create table if not exists ticks (feed, ts_ms, n); create table if not exists epochs (id); "
            "insert into epochs select '' where not exists (select * from epochs)"
        )

    async def last_epoch(self) -> str:
        await asyncio.sleep(0.001)
        return str(self._db.execute("select id from epochs").fetchone()[0])

    async def write(self, batch: list[Tick], epoch: BatchEpoch) -> None:
        self._reached("write")
        await asyncio.sleep(0.002)
        with self._db:
            moved = self._db.execute("update epochs set id = ? where id = ?", (epoch.id, epoch.after))
            assert moved.rowcount == 1
            self._db.executemany("insert into ticks values (?, ?, ?)", [(t.feed, t.ts_ms, t.n) for t in batch])
        self._reached("written")

    async def close(self) -> None:
        self._db.close()


def dag(folder: Path, reached: Callable[[str], None]) -> rxdag.Dag:
    """Two sources on threads of their own, merged by time; calls and a throttle behind them; two sinks at different speeds."""

    def feed(name: str, step_ms: int) -> rxdag.Stream[Tick]:
        def tick(n: int) -> Tick:
            reached(name)
            return Tick(name, 1_000 + step_ms * n, n)

        numbers = rxdag.from_source(sources.range(ITEMS), name=f"{name}.numbers")
        ticks = numbers.buffered(max_items=64).on(name).pipe(ops.map(tick), name=f"{name}.ticks")
        return ticks.pipe(ops.event_time("ts_ms", unit="ms"), name=f"{name}.time")

    async def answer(tick: Tick) -> Tick:
        reached("call")
        await asyncio.sleep(tick.n % 5 / 5_000)  # later calls are often answered first
        reached("answer")
        return tick

    def slow(tick: Tick) -> Tick:
        reached("slow")
        time.sleep(0.0002)
        return tick

    both = (
        rxdag.merge_sorted(feed("left", 20), feed("right", 30))
        .named("both")
        .pipe(ops.map_async(answer, concurrency=8), name="answers")
    )
    even = both.buffered(max_items=32).on("even").pipe(ops.throttle(2_000, burst=8, mode="shape"), name="even")
    out = both.buffered(max_items=16).on("slow").pipe(ops.map(slow), name="slowly")
    return rxdag.Dag(
        out.to(sinks.jsonl(folder / "all.jsonl"), name="all"),
        even.to(sinks.csv(folder / "even.csv"), name="even_file"),
        even.to(sinks.batched(Table(folder / "even.db", reached)), name="table"),
        name="threaded",
    )


def main() -> None:
    folder = Path(sys.argv[1])
    killer = Killer(sys.argv[2], int(sys.argv[3])) if len(sys.argv) > 2 else Killer("", 0)
    killer.around(SqliteSession, "put", "put")
    killer.around(SqliteSession, "commit", "commit", "committed")
    store = checkpoints.sqlite(folder / "state.db")
    job: Any = dag(folder, killer.reached)
    run = rxdag.start(job, checkpoints=store, every="5ms", require="exactly")
    stats = run.stats().checkpoints
    print("resumed" if stats is not None and stats.resumed_from is not None else "began", flush=True)
    run.wait()


if __name__ == "__main__":
    main()
