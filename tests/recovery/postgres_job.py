"""A job from PostgreSQL into PostgreSQL that kills itself: `python -m tests.recovery.postgres_job SCHEMA DSN STATE [POINT N]`.

It prints whether it continued from a checkpoint. The points are those of the other job, and the ends of transactions.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import msgspec
import psycopg

import rxdag
from rxdag import aggregates as agg
from rxdag import checkpoints, sinks, sources, windows
from rxdag import operators as ops
from rxdag.checkpoints._session import SqliteSession
from rxdag.engine import SinkNode
from tests.recovery.job import STEP_NS, Killer

POINTS = ("item", "begin", "put", "commit", "committed", "publish", "published", "transaction", "transacted", "instant")


class Trade(msgspec.Struct, frozen=True):
    created: datetime
    ts_ms: int
    symbol: str
    trade_id: int
    price: float
    qty: float


def dag(schema: str, dsn: str, reached: Callable[[str], None]) -> rxdag.Dag:
    """Bars by symbol and late trades into tables; revisions of bars in place of older ones."""

    def seen(trade: Trade) -> Trade:
        reached("item")
        return trade

    rows = sources.postgres(dsn, "trades", Trade, order=("created", "row"), settle="1ms")
    timed = rxdag.from_source(rows, name="trades").pipe(
        ops.event_time("ts_ms", unit="ms", sequence="trade_id", out_of_order="500ms"), name="time"
    )
    once = timed.pipe(ops.map(seen), name="seen").pipe(ops.dedupe("symbol", "trade_id", within="5s"), name="once")
    bars = once.pipe(ops.key_by("symbol", names=("symbol",)), name="key").pipe(
        ops.window(windows.tumbling("1s"), agg.ohlcv("price", "qty"), early=3), name="bars"
    )
    return rxdag.Dag(
        bars.to(sinks.postgres(dsn, f"{schema}.bars"), name="appended"),
        bars.to(sinks.postgres(dsn, f"{schema}.last", upsert=("symbol", "start")), name="upserted"),
        bars.late.to(sinks.postgres(dsn, f"{schema}.late"), name="late"),
        name="bars",
    )


def main() -> None:
    schema, dsn, state = sys.argv[1:4]
    killer = Killer(sys.argv[4], int(sys.argv[5])) if len(sys.argv) > 4 else Killer("", 0)
    killer.around(SqliteSession, "begin", "begin")
    killer.around(SqliteSession, "put", "put")
    killer.around(SqliteSession, "commit", "commit", "committed")
    killer.around(SinkNode, "publish", "publish", "published")
    killer.around(psycopg.Transaction, "__exit__", "transaction", "transacted")
    store = checkpoints.sqlite(state)
    last = store.latest() if Path(state).exists() else None
    print("resumed" if last is not None and not last.is_done else "began", flush=True)
    rxdag.run(dag(schema, dsn, killer.reached), checkpoints=store, every=f"{STEP_NS}ns", require="exactly")


if __name__ == "__main__":
    main()
