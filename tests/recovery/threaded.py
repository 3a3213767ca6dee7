"""Trials of the job over several threads."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.recovery.kills import Figures, run_job, trials_of
from tests.recovery.threaded_job import POINTS


def output(folder: Path) -> dict[str, object]:
    """Return what the job has written: bytes of files, and rows of the table in their order."""
    with closing(sqlite3.connect(folder / "even.db")) as db:
        rows = db.execute("select * from ticks order by rowid").fetchall()
    return {
        "all": (folder / "all.jsonl").read_bytes(),
        "even": (folder / "even.csv").read_bytes(),
        "table": rows,
        "left": sorted(path.name for path in folder.iterdir() if path.name.endswith(".part")),
    }


def check(folder: Path, trials: int, first: int = 0) -> Figures:
    """Run trials in a folder of their own each."""
    return trials_of(
        range(first, first + trials),
        POINTS,
        lambda name, *kill: run_job("threaded_job", folder / name, *kill),
        lambda name: output(folder / name),
    )
