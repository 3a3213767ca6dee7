"""`make bench`: measures, prints tables, writes JSON; with `--compare` fails past a budget or a baseline."""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path

from tests.benchmarks import baseline, checkpointed, in_flight, latency, machine, memory, peers, scaling, watched
from tests.benchmarks.drawing import svg
from tests.benchmarks.measure import Figure
from tests.benchmarks.report import Report, Row, write_docs
from tests.benchmarks.work import Work
from tests.benchmarks.workloads import WORKS

OTHERS = ("W4", "W5", "W6", "memory", "metrics", "checkpoints", "peers")
NAMES = tuple(dict.fromkeys([work.name for work in WORKS])) + OTHERS


def throughput(report: Report, names: set[str], only: str, works: Iterable[Work] = WORKS) -> None:
    """Measure the workloads of those names, every case whose title has that text."""
    for work in works:
        cases = [case for case in work.cases if only in work.title(case)]
        if work.name not in names or not cases:
            continue
        data = work.data(report.items)
        for case in cases:
            _say(work.title(case))
            budget = None if case.budget is None else case.budget.of(report.form)
            try:
                figure = work.measure(case, data, report.pairs)
            except Exception:  # one that fails has no figure, and the others have theirs
                traceback.print_exc()
                figure = Figure(work.title(case), (), 0.0, 0.0, False)
            report.rows.append(Row(figure, budget))


def others(report: Report, names: set[str], seconds: float) -> None:
    """Measure what is no ratio."""
    if "W5" in names:
        _say("W5")
        report.in_flight = in_flight.measure(report.items)
    if "W4" in names:
        _say("W4")
        report.latencies = latency.measure(seconds)
    if "W6" in names:
        _say("W6")
        report.curves = scaling.curves(report.items / 1_000_000)
    if "memory" in names:
        _say("memory")
        report.bytes_per_key = memory.bytes_per_key(max(1000, report.items // 20))
    if "checkpoints" in names:
        _say("checkpoints")
        keys = [n for n in checkpointed.KEYS if n <= report.items]
        report.checkpointed = checkpointed.measure(report.items, max(9, report.pairs), keys)
    if "metrics" in names:
        _say("metrics")
        report.watched = watched.measure(report.items * 10, report.pairs)


def _say(text: str) -> None:
    print(f"measuring {text}", file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    args = _parser().parse_args(arguments)
    unknown = sorted(set(args.names) - set(NAMES))
    if unknown:
        print(f"bench: names must be some of {', '.join(NAMES)}, got {', '.join(unknown)}", file=sys.stderr)
        return 2
    names = set(args.names) or set(NAMES) - {"peers"}
    if os.environ.get("PEERS"):
        names.add("peers")
    report = Report(machine.described(), machine.form(), args.items, args.pairs)
    if not args.only:
        others(report, names, args.seconds)
    throughput(report, names, args.only)
    if "peers" in names:
        works = names - {"peers"} or set(NAMES)
        report.rows += [
            Row(figure) for figure in peers.measure(args.items, args.pairs, works) if args.only in figure.name
        ]
    report.rows.sort(key=lambda row: (len(row.figure.name.split()[0]), row.figure.name.split()[0]))
    print(report.text())
    args.json.parent.mkdir(parents=True, exist_ok=True)
    args.json.write_text(json.dumps(report.figures(), indent=1) + "\n")
    if args.docs:
        write_docs(report, svg(report.curves))
    problems = report.wrong()
    if args.compare:
        base = baseline.load(args.items)
        problems += report.over_budget() + baseline.worse(report.ratios(), base)
        held = "all budgets and the baseline" if base else "all budgets; this machine has no baseline in this form"
        print("\n" + ("\n".join(problems) or f"within {held}"))
    elif problems:
        print("\n" + "\n".join(problems))
    if args.save:
        baseline.save(report.ratios(), args.items)
    return 1 if problems else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench")
    parser.add_argument("names", nargs="*", help=f"what to measure, by default all: {', '.join(NAMES)}")
    parser.add_argument("--only", default="", help="only figures whose title has this text")
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of offered load for W4")
    parser.add_argument(
        "--compare", action="store_true", help="exit 1 past a budget or 15 %% over this machine's baseline"
    )
    parser.add_argument("--save", action="store_true", help="make the figures this machine's baseline")
    parser.add_argument("--docs", action="store_true", help="put the tables into README and docs; draw W6 if compiled")
    parser.add_argument("--json", type=Path, default=Path("out/bench.json"), help="where the figures go")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
