"""A job with checkpoints that kills itself: `python -m tests.recovery.job FOLDER TRADES [POINT N]`.

It prints whether it continued from a checkpoint. The points are items, the steps of a checkpoint, the publishing of sinks and the naming of files.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

import rxdag
from rxdag import aggregates as agg
from rxdag import checkpoints, sinks, sources, windows
from rxdag import operators as ops
from rxdag.checkpoints._session import SqliteSession
from rxdag.engine import SinkNode

POINTS = ("item", "begin", "put", "commit", "committed", "publish", "published", "replace", "replaced")
STEP_NS = 3_000_000
"""Time between two checkpoints, ns."""


class Trade(msgspec.Struct, frozen=True):
    ts_ms: int
    symbol: str
    trade_id: int
    price: float
    qty: float


class Killer:
    """Kills the process when a point is reached for the n-th time."""

    def __init__(self, point: str, n: int) -> None:
        self.point, self.left = point, n

    def reached(self, point: str) -> None:
        if point == self.point:
            self.left -= 1
            if self.left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)
                time.sleep(60)  # a signal to itself may take a moment

    def around(self, holder: Any, name: str, before: str, after: str | None = None) -> None:
        """Make a method reach points before and after its work."""
        whole: Callable[..., Any] = getattr(holder, name)

        def wrapped(*args: Any, **named: Any) -> Any:
            self.reached(before)
            out = whole(*args, **named)
            if after is not None:
                self.reached(after)
            return out

        setattr(holder, name, wrapped)


def dag(folder: Path, trades: str, reached: Callable[[str], None]) -> rxdag.Dag:
    """Bars by symbol into files, numbered files and a table, late trades into another file; a gate and a thread between."""

    def seen(trade: Trade) -> Trade:
        reached("item")
        return trade

    source = rxdag.from_source(sources.csv(trades, Trade), name="trades")
    timed = source.pipe(ops.event_time("ts_ms", unit="ms", sequence="trade_id", out_of_order="500ms"), name="time")
    once = timed.pipe(ops.map(seen), name="seen").pipe(ops.dedupe("symbol", "trade_id", within="5s"), name="once")
    bars = once.pipe(ops.key_by("symbol"), name="key").pipe(
        ops.window(windows.tumbling("1s"), agg.ohlcv("price", "qty")), name="bars"
    )
    return rxdag.Dag(
        bars.to(sinks.csv(folder / "bars.csv"), name="csv"),
        bars.buffered(max_items=8).on("files").to(sinks.jsonl(folder / "bars.jsonl.gz"), name="jsonl"),
        bars.to(sinks.sqlite(folder / "bars.db", "bars"), name="table"),
        bars.to(sinks.csv(folder / "rolled.csv", roll="4kB"), name="rolled"),
        bars.to(sinks.jsonl(folder / "epochs.jsonl", roll="checkpoint"), name="epochs"),
        bars.late.to(sinks.jsonl(folder / "late.jsonl"), name="late"),
        name="bars",
    )


def main() -> None:
    folder, trades = Path(sys.argv[1]), sys.argv[2]
    killer = Killer(sys.argv[3], int(sys.argv[4])) if len(sys.argv) > 3 else Killer("", 0)
    killer.around(SqliteSession, "begin", "begin")
    killer.around(SqliteSession, "put", "put")
    killer.around(SqliteSession, "commit", "commit", "committed")
    killer.around(SinkNode, "publish", "publish", "published")
    killer.around(Path, "replace", "replace", "replaced")
    store = checkpoints.sqlite(folder / "state.db")
    last = store.latest() if (folder / "state.db").exists() else None
    print("resumed" if last is not None and not last.is_done else "began", flush=True)
    rxdag.run(dag(folder, trades, killer.reached), checkpoints=store, every=f"{STEP_NS}ns", require="exactly")


if __name__ == "__main__":
    main()
