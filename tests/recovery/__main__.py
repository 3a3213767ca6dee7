"""`python -m tests.recovery --trials 200`: kills of jobs with checkpoints; exits with 1 if any output is wrong."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import pytest

from tests.recovery.kills import check
from tests.recovery.outside import check as check_outside
from tests.recovery.postgres import check as check_postgres
from tests.recovery.threaded import check as check_threaded
from tests.servers import postgresql


def main() -> int:
    parser = argparse.ArgumentParser(prog="recovery")
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="seed of the first trial")
    args = parser.parse_args()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        figures = check(Path(folder), args.trials, args.first)
        print(figures, flush=True)
        wrong += figures.wrong
    with tempfile.TemporaryDirectory() as folder:
        threaded = check_threaded(Path(folder), args.trials, args.first)
        print(f"over threads: {threaded}", flush=True)
        wrong += threaded.wrong
    with tempfile.TemporaryDirectory() as folder:
        outside = check_outside(Path(folder), args.trials, args.first)
        print(outside, flush=True)
        wrong += outside.wrong
        if outside.falls_short:
            wrong.append("half of the trials must have a checkpoint to continue from, and a tenth a kill in a commit")
    try:
        with tempfile.TemporaryDirectory() as folder, postgresql() as dsn:
            database = check_postgres(Path(folder), dsn, args.trials, args.first)
            print(database, flush=True)
            wrong += database.wrong
    except pytest.skip.Exception as skipped:
        print(f"PostgreSQL is left out: {skipped}")
    for line in wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
