"""`make bench`: measures, prints a table, writes JSON; with `--compare` fails past a budget or a baseline."""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.benchmarks.latency import hand_over_us, in_flight
from tests.benchmarks.measure import Figure, pairs, peak_rss_mb
from tests.benchmarks.scaling import curves, exponent, svg
from tests.benchmarks.workloads import WORKLOADS

HERE = Path(__file__).parent
BASELINE = HERE / "baseline.json"
WORSE = 1.15


def throughput(items: int, count: int, chunks: tuple[int, ...]) -> list[tuple[Figure, float | None]]:
    """W1 to W3: every variant at every size of chunks, with its budget at 1,024."""
    found: list[tuple[Figure, float | None]] = []
    for work in WORKLOADS:
        rows = work.data(items)
        given = {"rows": rows, "columns": work.columns(rows)}

        def measure(name: str, fn: Callable[[], Any], budget: float | None = None) -> None:
            found.append((pairs(name, lambda: work.loop(rows), fn, items, count), budget))  # called at once

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
                )
    return found


def table(found: list[tuple[Figure, float | None]]) -> str:
    """The figures as Markdown."""
    lines = ["| work | min | median | max | ns/item | budget | answer |", "|---|---|---|---|---|---|---|"]
    for figure, budget in found:
        low, high = min(figure.ratios), max(figure.ratios)
        shown = f"{budget:g}{'' if figure.median <= budget else ' **missed**'}" if budget is not None else ""
        right = "correct" if figure.is_correct else "WRONG"
        lines.append(
            f"| {figure.name} | {low:.2f} | {figure.median:.2f} | {high:.2f} | {figure.ns_per_item:.0f} | {shown} | {right} |"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench")
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--chunks", type=int, nargs="+", default=[1, 64, 1024, 8192, 32768])
    parser.add_argument("--seconds", type=float, default=5.0, help="of offered load for W4")
    parser.add_argument("--compare", action="store_true", help="exit 1 past a budget or 15 %% over the baseline")
    parser.add_argument("--save", action="store_true", help="make the figures the baseline")
    parser.add_argument("--svg", type=Path, help="where to draw W6")
    args = parser.parse_args()
    found = throughput(args.items, args.pairs, tuple(args.chunks))
    print(
        f"CPU time over the plain loop's, {args.items:,} items, {args.pairs} pairs, {platform.platform()}, "
        f"CPython {platform.python_version()}\n"
    )
    print(table(found))
    print("\n| W4, 10,000 items/s | p50 us | p99 us |\n|---|---|---|")
    for kind in ("same thread", "thread hop", "asyncio"):
        p50, p99 = hand_over_us(kind, 10_000, int(10_000 * args.seconds))
        print(f"| {kind} | {p50:.0f} | {p99:.0f} |")
    before = peak_rss_mb()
    most, cap = in_flight(args.items // 10)
    print(
        f"\nW5: at most {most:,} items in flight, explain() says {cap:,}; peak RSS grew by {peak_rss_mb() - before:.1f} MB"
    )
    grown = curves(args.items / 1_000_000)
    for name, points in grown.items():
        shown = ", ".join(f"{size:,}: {ns:.0f} ns" for size, ns in points)
        print(f"W6 {name}: {shown}; exponent {exponent(points):+.2f}")
    if args.svg:
        args.svg.write_text(svg(grown))
    figures = {figure.name: round(figure.median, 3) for figure, _ in found}
    if args.save:
        BASELINE.write_text(json.dumps(figures, indent=1) + "\n")
    wrong = [figure.name for figure, _ in found if not figure.is_correct]
    if wrong:
        print(f"\nwrong answers: {', '.join(wrong)}")
        return 1
    return compare(found, figures) if args.compare else 0


def compare(found: list[tuple[Figure, float | None]], figures: dict[str, float]) -> int:
    """Print what is past its budget or its baseline; 1 if there is anything."""
    baseline = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    problems = [
        f"{f.name}: {f.median:.2f} is past the budget of {b:g}" for f, b in found if b is not None and f.median > b
    ]
    for name, ratio in figures.items():
        if name in baseline and ratio > baseline[name] * WORSE:
            problems.append(f"{name}: {ratio:.2f} is more than 15 % over the baseline's {baseline[name]:.2f}")
    print("\n" + ("\n".join(problems) or "within all budgets and the baseline"))
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
