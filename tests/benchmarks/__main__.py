"""`make bench`: measures, prints tables, writes JSON; with `--compare` fails past a budget or a baseline."""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.benchmarks import memory, peers, watched
from tests.benchmarks.latency import hand_over_us, in_flight
from tests.benchmarks.measure import Figure, pairs, peak_rss_mb
from tests.benchmarks.report import Report, Row, write_docs
from tests.benchmarks.scaling import curves, exponent, svg
from tests.benchmarks.workloads import WORKLOADS

HERE = Path(__file__).parent
BASELINE = HERE / "baseline.json"
W4_BUDGETS = {"same thread": 5, "thread hop": 30, "asyncio": 30}
W5_BUDGET_MB = 5


def throughput(items: int, count: int, chunks: tuple[int, ...]) -> list[Row]:
    """W1 to W3: every variant at every size of chunks, with its budget at 1,024."""
    found: list[Row] = []
    for work in WORKLOADS:
        rows = work.data(items)
        given = {"rows": rows, "columns": work.columns(rows)}

        def measure(name: str, fn: Callable[[], Any], budget: float | None = None, more: int = 1) -> None:
            figure = pairs(name, lambda: work.loop(rows), fn, items, count * more)  # called at once
            found.append(Row(figure, budget))

        for name, other in work.others.items():
            measure(f"{work.name} {name}", lambda o=other: o(rows))
        for name, whole in work.whole_set.items():
            measure(f"{work.name} {name}, the whole set at once", lambda w=whole: w(given["columns"]))
        for name, variant in work.variants.items():
            for chunk in chunks:
                measure(
                    f"{work.name} {name}, chunks of {chunk:,}",
                    lambda v=variant, c=chunk: v.fn(given[v.lane], c),
                    variant.budget if chunk == 1024 else None,
                    3 if variant.lane == "columns" and count > 1 else 1,  # what is over soon needs more pairs
                )
    return found


def one_by_one(items: int) -> list[Row]:
    """Every variant with chunks of one item, over a tenth of the data."""
    return [
        Row(row.figure, None) for row in throughput(items // 10, 1, (1,)) if row.figure.name.endswith("chunks of 1")
    ]


def latency(seconds: float) -> dict[str, tuple[float, float]]:
    """W4: p50 and p99 of a hand-over, us."""
    return {kind: hand_over_us(kind, 10_000, int(10_000 * seconds)) for kind in W4_BUDGETS}


def backpressure(items: int) -> tuple[int, int, float]:
    """W5: most in flight, what explain() says, and by how many MB the process grew."""
    before = peak_rss_mb()
    most, cap = in_flight(items)
    return most, cap, peak_rss_mb() - before


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench")
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--chunks", type=int, nargs="+", default=[64, 1024, 8192, 32768])
    parser.add_argument("--seconds", type=float, default=5.0, help="of offered load for W4")
    parser.add_argument("--compare", action="store_true", help="exit 1 past a budget or 15 %% over the baseline")
    parser.add_argument("--save", action="store_true", help="make the figures the baseline")
    parser.add_argument("--docs", action="store_true", help="put the tables into README and docs, and draw W6")
    parser.add_argument("--json", type=Path, default=Path("out/bench.json"), help="where the figures go")
    args = parser.parse_args()
    w5 = backpressure(args.items // 10)  # first, while the process is small
    w4 = latency(args.seconds)
    rows = throughput(args.items, args.pairs, tuple(args.chunks)) + one_by_one(args.items)
    rows.sort(key=lambda row: row.figure.name[:2])
    if os.environ.get("PEERS"):
        rows += [Row(figure, None) for figure in peers.measure(args.items, args.pairs)]
    grown = curves(args.items / 1_000_000)
    report = Report(
        machine=f"{platform.system()} {platform.machine()}, {os.cpu_count()} shared cores of {_cpu_model()}, "
        f"CPython {platform.python_version()}",
        items=args.items,
        pairs=args.pairs,
        rows=rows,
        w4=w4,
        w4_budgets=W4_BUDGETS,
        w5=w5,
        w5_budget_mb=W5_BUDGET_MB,
        w6={name: (points, exponent(points)) for name, points in grown.items()},
        bytes_per_key=memory.bytes_per_key(max(1000, args.items // 5)),
        bytes_budget=memory.BUDGET,
        watched=watched.measure(args.items * 30, args.pairs),
    )
    print(report.text())
    args.json.parent.mkdir(parents=True, exist_ok=True)
    args.json.write_text(json.dumps(report.figures(), indent=1) + "\n")
    if args.docs:
        write_docs(report, svg(grown))
    if args.save:
        BASELINE.write_text(json.dumps(report.ratios(), indent=1) + "\n")
    problems = report.wrong()
    if args.compare:
        problems += report.over_budget() + report.over(json.loads(BASELINE.read_text()) if BASELINE.exists() else {})
        print("\n" + ("\n".join(problems) or "within all budgets and the baseline"))
    elif problems:
        print("\n" + "\n".join(problems))
    return 1 if problems else 0


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


__all__ = ["Figure", "main", "throughput"]

if __name__ == "__main__":
    raise SystemExit(main())
