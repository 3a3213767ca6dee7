"""Trials: a job is killed a few times, then run to its end; its output must be that of a job that was never killed."""

from __future__ import annotations

import gzip
import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.recovery.job import POINTS

ROOT = Path(__file__).parents[2]
MOST = {
    "item": 9_000,
    "left": 1_500,
    "right": 1_500,
    "call": 3_000,
    "answer": 3_000,
    "slow": 3_000,
    "put": 150,
    "instant": 600,
}
"""Highest number of times at which a point kills; others: 12."""


@dataclass
class Figures:
    """Results of trials: how many, with how many kills, how many of them a run continued behind, and what was wrong."""

    trials: int = 0
    kills: int = 0
    resumed: int = 0
    wrong: list[str] = field(default_factory=lambda: list[str]())

    def __str__(self) -> str:
        return f"{self.trials} trials, {self.kills} kills, {self.resumed} resumed, {len(self.wrong)} wrong"


def write_trades(path: Path, n: int) -> None:
    """Write trades of four symbols: some late, some twice."""
    rng, ts = random.Random(1), 0
    rows = ["ts_ms,symbol,trade_id,price,qty"]
    for i in range(n):
        ts += rng.randint(1, 60)
        late = rng.choice([0, 0, 0, 100, 400, 900])
        trade_id = i if rng.random() < 0.95 else max(0, i - 1)
        rows.append(
            f"{max(ts - late, 0)},{rng.choice('ABCD')},{trade_id},{rng.randint(100, 200) / 10},{rng.randint(1, 9)}"
        )
    path.write_text("\n".join(rows) + "\n")


def run_job(module: str, folder: Path, *args: object) -> tuple[int, bool, str]:
    """Run a job; return its exit code, whether it continued from a checkpoint, and what it wrote to stderr."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", f"tests.recovery.{module}", str(folder), *map(str, args)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, env={**os.environ})
    return done.returncode, done.stdout.startswith("resumed"), done.stderr


def output(folder: Path) -> dict[str, object]:
    """Return what the job has written: bytes of files, and rows of the table."""
    with sqlite3.connect(folder / "bars.db") as db:
        rows = db.execute("select * from bars order by symbol, start").fetchall()
    db.close()
    return {
        "csv": (folder / "bars.csv").read_bytes(),
        "jsonl": gzip.decompress((folder / "bars.jsonl.gz").read_bytes()),
        "rolled": {path.name: path.read_bytes() for path in folder.glob("rolled-*.csv")},
        "epochs": b"".join(path.read_bytes() for path in sorted(folder.glob("epochs-*.jsonl"))),
        "late": (folder / "late.jsonl").read_bytes(),
        "table": rows,
        "left": sorted(path.name for path in folder.iterdir() if path.name.endswith(".part")),
    }


def check(folder: Path, trials: int, first: int = 0, trades: int = 6_000) -> Figures:
    """Run trials of the job with files and a table of SQLite."""
    data = folder / "trades.csv"
    write_trades(data, trades)
    return trials_of(
        range(first, first + trials),
        POINTS,
        lambda name, *kill: run_job("job", folder / name, data, *kill),
        lambda name: output(folder / name),
    )


def trials_of(
    seeds: range,
    points: Sequence[str],
    run: Callable[..., tuple[int, bool, str]],
    read: Callable[[str], dict[str, object]],
) -> Figures:
    """Run trials; each has one to three kills, drawn from its number.

    Args:
        seeds: Numbers of the trials.
        points: Where the job can be killed.
        run: Runs the job of a name, killed at a point when that is reached for the n-th time; returns as `run_job`.
        read: Returns the output of a name.
    """
    figures = Figures()
    code, _, stderr = run("whole")
    assert code == 0, stderr
    whole = read("whole")
    for seed in seeds:
        rng = random.Random(seed)
        name = f"trial{seed}"
        tried: list[str] = []
        was_killed = False
        for _ in range(rng.randint(1, 3)):
            point = rng.choice(points)
            kill = (point, rng.randint(1, MOST.get(point, 12)))
            code, resumed, stderr = run(name, *kill)
            tried.append(f"{point} {kill[1]}: {code}")
            figures.resumed += resumed and was_killed
            was_killed = code == -9
            figures.kills += was_killed
            if code not in (0, -9):
                figures.wrong.append(f"trial {seed}: {tried}: {stderr[-2000:]}")
        code, resumed, stderr = run(name)
        figures.resumed += resumed and was_killed
        figures.trials += 1
        got = read(name) if code == 0 else {}
        differs = [part for part, value in whole.items() if got.get(part) != value]
        if code or differs:
            figures.wrong.append(f"trial {seed}: {tried}: exit {code}, other {differs}: {stderr[-2000:]}")
    return figures
