"""A job whose answers are recorded, which kills itself: `python -m tests.recovery.answered KIND FOLDER [POINT N]`.

The points are calls, items of the output, appends to the journal and commits of checkpoints. It prints 1 if it continued from one, else 0.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import rxdag
from rxdag import checkpoints, sinks, sources
from rxdag import operators as ops
from rxdag.checkpoints._session import SqliteSession
from rxdag.journal import JournalWriter
from tests.recovery.job import Killer

POINTS = ("call", "item", "append", "appended", "commit", "committed")
ITEMS = 400


def dag(kind: str, source: Any, record: Path, out: Path, answer: Any) -> rxdag.Dag:
    """Return the job behind any source; its kind is `map_async`, `ordered` or `lookup`."""
    if kind == "lookup":
        operator = ops.lookup(answer, key=lambda n: n % 50, ttl="40ms", max_keys=30, concurrency=8, record=record)
    else:
        operator = ops.map_async(answer, ordered=kind == "ordered", concurrency=8, record=record)
    asked = rxdag.from_source(source, name="ticks").pipe(operator, name="asked", on_error="skip")
    return rxdag.Dag(asked.to(sinks.jsonl(out), name="out"), name="answered")


def received(folder: Path) -> list[int]:
    """Return the items in the journal."""
    if not (folder / "journal").exists():
        return []
    try:
        return rxdag.from_source(sources.journal_reader(folder / "journal", source="ticks"), name="ticks").collect()
    except rxdag.NodeError:  # killed before the first item
        return []


def main() -> None:
    kind, folder = sys.argv[1], Path(sys.argv[2])
    killer = Killer(sys.argv[3], int(sys.argv[4])) if len(sys.argv) > 4 else Killer("", 0)
    killer.around(SqliteSession, "commit", "commit", "committed")
    killer.around(JournalWriter, "append", "append", "appended")
    begin = len(received(folder))

    async def feed() -> AsyncIterator[int]:
        for n in range(begin, ITEMS):
            killer.reached("item")
            yield n
            if n % 7 == 0:
                await asyncio.sleep(0.001)

    async def answer(asked: int) -> list[Any]:
        with (folder / "calls").open("a") as calls:
            calls.write(f"{asked}\n")
        killer.reached("call")
        luck = os.urandom(4)
        await asyncio.sleep(luck[0] / 50_000)
        if luck[1] < 20:
            raise ValueError("no answer")
        return [asked, luck.hex()]

    store = checkpoints.sqlite(folder / "state.db")
    live = sources.journal(sources.async_iterable(feed), folder / "journal")
    job = dag(kind, live, folder / "journal", folder / "out.jsonl", answer)
    run = rxdag.start(job, checkpoints=store, every="5ms")
    stats = run.stats().checkpoints
    print(int(stats is not None and stats.resumed_from is not None), flush=True)
    run.wait()


if __name__ == "__main__":
    main()
