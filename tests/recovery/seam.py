"""A job that reads a history and a live source, and kills itself: `python -m tests.recovery.seam FOLDER KIND [POINT N]`.

The history is a CSV file, the live source a file of JSON lines or an async generator. The points are items of the output and
the commits of checkpoints. It prints after how many items it continued.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

import rxdag
from rxdag import checkpoints, sinks, sources
from rxdag import operators as ops
from rxdag.checkpoints._session import SqliteSession
from tests.recovery.job import Killer

ITEMS = 15_000
HISTORY = range(10_000)
LIVE = range(9_000, ITEMS)
SEAM = len(HISTORY)
"""Number of the first item that only the live source has."""


class Trade(msgspec.Struct, frozen=True):
    ts_ms: int
    trade_id: int


def write_inputs(folder: Path) -> None:
    """Write both files; the live source begins before the end of the history."""
    (folder / "history.csv").write_text("ts_ms,trade_id\n" + "".join(f"{10 * i},{i}\n" for i in HISTORY))
    lines = [msgspec.json.encode(Trade(10 * i, i)).decode() + "\n" for i in LIVE]
    (folder / "live.jsonl").write_text("".join(lines))


async def feed() -> AsyncIterator[Trade]:
    for i in LIVE:
        if i % 200 == 0:
            await asyncio.sleep(0.001)
        yield Trade(10 * i, i)


def source(folder: Path, kind: str) -> sources.Source[Trade]:
    history = sources.csv(folder / "history.csv", Trade)
    if kind == "file":
        live = sources.jsonl(folder / "live.jsonl", Trade)
        return sources.then(history, live, key="trade_id", overlap="20s", time="ts_ms", unit="ms")
    live = sources.async_iterable(feed, of=Trade, replay=True)
    if kind == "feed, by number":
        return sources.then(history, live, sequence="trade_id", consecutive=True)
    return sources.then(history, live, key="trade_id", overlap=2_000, max_items=3_000)


def main() -> None:
    folder, kind = Path(sys.argv[1]), sys.argv[2]
    killer = Killer(sys.argv[3], int(sys.argv[4])) if len(sys.argv) > 3 else Killer("", 0)
    killer.around(SqliteSession, "commit", "commit", "committed")

    def seen(trade: Trade) -> Trade:
        killer.reached("item")
        if trade.trade_id % 200 == 0:
            time.sleep(0.001)  # or else all items are through before the second checkpoint
        return trade

    trades = rxdag.from_source(source(folder.parent, kind), name="trades")
    out = trades.pipe(ops.map(seen), name="seen").to(sinks.csv(folder / "out.csv"), name="out")
    store = checkpoints.sqlite(folder / "state.db")
    run = rxdag.run(rxdag.Dag(out, name="seam"), checkpoints=store, every="1ms", require="exactly")
    print(ITEMS - run.stats.nodes["trades"].made)


if __name__ == "__main__":
    main()
