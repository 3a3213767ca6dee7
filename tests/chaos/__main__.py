"""`python -m tests.chaos`: every experiment, at full length; --seconds and --share make it shorter."""

from __future__ import annotations

import argparse
import logging
import time

from tests.chaos import faulty, overload, scale, threads
from tests.chaos.experiment import EXPERIMENTS, Scale

ROOMS = (overload, faulty, threads, scale)


def main() -> int:
    parser = argparse.ArgumentParser(prog="chaos")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long an overload lasts")
    parser.add_argument("--share", type=float, default=1.0, help="share of the full counts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="experiments whose name has this in it")
    args = parser.parse_args()
    logging.getLogger("rxdag").setLevel(logging.ERROR)
    passed = failed = 0
    for name, run in EXPERIMENTS.items():
        if args.only not in name:
            continue
        began = time.monotonic()
        try:
            did = run(Scale(args.seconds, args.share, args.seed))
        except Exception as error:
            failed += 1
            print(f"{name}: FAILED: {type(error).__name__}: {error}", flush=True)
        else:
            passed += 1
            print(f"{name}: {did} [{time.monotonic() - began:.0f} s]: ok", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
