"""`python -m tests.recovery --trials 200`: kills of a job with checkpoints; exits with 1 if any output is wrong."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.recovery.kills import check


def main() -> int:
    parser = argparse.ArgumentParser(prog="recovery")
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="seed of the first trial")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = check(Path(folder), args.trials, args.first)
    for line in figures.wrong:
        print(line)
    print(figures)
    return 1 if figures.wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
