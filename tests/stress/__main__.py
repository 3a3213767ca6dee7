"""`python -m tests.stress --seconds 60`: seeds one after the other until the time is over."""

from __future__ import annotations

import argparse
import sys
import time

from tests.stress.lanes import check_columns_on_threads, check_lanes
from tests.stress.laws import check_lowerings, check_threads


def main() -> int:
    parser = argparse.ArgumentParser(prog="stress")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--start", type=int, default=0)
    args = parser.parse_args()
    sys.setswitchinterval(1e-5)
    began, passed, failed, seed = time.monotonic(), 0, 0, args.start
    while time.monotonic() - began < args.seconds and failed < 10:
        for check in (check_lowerings, check_threads, check_lanes, check_columns_on_threads):
            problem = check(seed)
            passed += problem is None
            if problem is not None:
                failed += 1
                print(problem, flush=True)
        seed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
