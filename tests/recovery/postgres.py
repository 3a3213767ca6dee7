"""Trials of the job from PostgreSQL into PostgreSQL, each in a schema of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.postgres import ask
from tests.recovery.kills import ROOT, Figures, trials_of, write_trades
from tests.recovery.postgres_job import POINTS

TABLES = ("bars", "last", "late")


def load(dsn: str, path: Path) -> None:
    """Load the trades of a file into a table; the ids of rows are in another order than the rows."""
    ask(
        dsn,
        "create table trades (created timestamptz not null default now(), row bigint primary key, ts_ms bigint, symbol text, "
        "trade_id bigint, price float8, qty float8)",
    )
    rows = [line.split(",") for line in path.read_text().splitlines()[1:]]
    for start in range(0, len(rows), 500):
        part = list(enumerate(rows[start : start + 500], start))[::-1]
        values = ", ".join(f"({n}, {ts}, '{symbol}', {i}, {price}, {qty})" for n, (ts, symbol, i, price, qty) in part)
        ask(dsn, f"insert into trades (row, ts_ms, symbol, trade_id, price, qty) values {values}")


def run_job(dsn: str, folder: Path, name: str, *kill: object) -> tuple[int, bool, str]:
    """Run the job; return its exit code, whether it continued from a checkpoint, and what it wrote to stderr."""
    ask(dsn, f"create schema if not exists {name}")
    command = [sys.executable, "-m", "tests.recovery.postgres_job", name, dsn, str(folder / f"{name}.state")]
    is_instant = bool(kill) and kill[0] == "instant"
    command += [] if is_instant else map(str, kill)
    with (folder / f"{name}.txt").open("w+") as errors:
        job = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True, env={**os.environ})
        assert job.stdout is not None
        with job.stdout:
            resumed = job.stdout.readline().startswith("resumed")
            if is_instant:
                time.sleep(int(str(kill[1])) / 1000)
                job.kill()
            code = job.wait(120)
        errors.seek(0)
        return code, resumed, errors.read()


def output(dsn: str, name: str) -> dict[str, object]:
    """Return the rows of the tables, and the number of tables."""
    rows: dict[str, object] = {table: sorted(map(repr, ask(dsn, f"select * from {name}.{table}"))) for table in TABLES}
    return {**rows, "tables": ask(dsn, "select count(*) from pg_tables where schemaname = %s", (name,))}


def check(folder: Path, dsn: str, trials: int, first: int = 0, trades: int = 6_000) -> Figures:
    """Run trials in an empty database."""
    data = folder / "trades.csv"
    write_trades(data, trades)
    load(dsn, data)
    return trials_of(
        range(first, first + trials),
        POINTS,
        lambda name, *kill: run_job(dsn, folder, name, *kill),
        lambda name: output(dsn, name),
    )
