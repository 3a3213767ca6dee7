"""`python -m tests.stress --kind A --graphs 10000`: random graphs one after the other; exits with 1 if one of them fails."""

from __future__ import annotations

import argparse
import faulthandler
import logging
import math
import sys
import time
import traceback

from tests.engine.kinds import KINDS, Tally
from tests.stress.lanes import check_columns_on_threads, check_columns_restart, check_lanes

FEWEST = 10
"""So many rests a graph there must be, or graphs are not what they are meant to be."""
LONGEST_S = 300.0
"""A graph that takes longer hangs: all stacks are printed, and that is the end."""
ENOUGH = 10
"""After so many failures it stops."""


def lanes(seed: int, tally: Tally) -> None:
    """Graphs of columns give what rows give, restart from bytes, and keep books and bounds on threads."""
    for check in (check_lanes, check_columns_restart, check_columns_on_threads):
        problem = check(seed, tally)
        assert problem is None, problem
    tally.graphs += 1


ALL = {**KINDS, "lanes": lanes}


def torture(kind: str, first: int, graphs: int, seconds: float = math.inf) -> bool:
    """Run graphs of a kind, for so long at most, and say how it went; False if one has failed, or hardly any node has rested."""
    tally, failures, began = Tally(), 0, time.monotonic()
    for seed in range(first, first + graphs):
        if time.monotonic() - began > seconds:
            break
        faulthandler.dump_traceback_later(LONGEST_S, exit=True)
        try:
            ALL[kind](seed, tally)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) and error.args != ("boom",):
                raise
            failures += 1
            print(f"{kind} seed {seed}: {error!r}\n  alone: make stress KIND={kind} SEED={seed}", flush=True)
            if graphs == 1:
                traceback.print_exception(error)
            if failures == ENOUGH:
                break
    faulthandler.cancel_dump_traceback_later()
    print(f"{kind}: {tally}, {failures} failures, {time.monotonic() - began:.0f} s", flush=True)
    if graphs > 1 and not failures and tally.rests < FEWEST * tally.graphs:
        print(f"{kind}: must have {FEWEST} rests a graph or more: then something is tried", flush=True)
        return False
    return not failures


def main() -> int:
    parser = argparse.ArgumentParser(prog="stress")
    parser.add_argument("--kind", choices=[*ALL, "all"], default="all")
    parser.add_argument("--graphs", type=int, default=1000, help="of each kind")
    parser.add_argument("--first", type=int, default=0, help="seed of the first graph")
    parser.add_argument("--seconds", type=float, help="of all kinds together, in place of a number of graphs")
    parser.add_argument("--seed", type=int, help="of the only graph")
    args = parser.parse_args()
    sys.setswitchinterval(1e-5)
    logging.disable(logging.ERROR)  # runs that are stopped say so
    first, graphs = (args.first, args.graphs) if args.seed is None else (args.seed, 1)
    kinds = list(ALL) if args.kind == "all" else [args.kind]
    seconds = math.inf if args.seconds is None else args.seconds / len(kinds)
    passed = [torture(kind, first, graphs if args.seconds is None else 1 << 31, seconds) for kind in kinds]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    raise SystemExit(main())
