"""The report: figures as tables, held against budgets and a baseline, and put into the docs."""

from __future__ import annotations

import dataclasses
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.measure import Figure
from tests.benchmarks.watched import BUDGET as WATCHED_BUDGET
from tests.benchmarks.watched import Watched

ROOT = Path(__file__).parents[2]
WORSE = 1.15
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"


@dataclass(frozen=True)
class Row:
    """A figure and the budget of its median; None if it has none."""

    figure: Figure
    budget: float | None

    def cells(self) -> str:
        f, budget = self.figure, self.budget
        shown = "" if budget is None else f"{budget:g}{'' if f.median <= budget else ', **missed**'}"
        right = "correct" if f.is_correct else "WRONG"
        low, high = min(f.ratios), max(f.ratios)
        return f"| {f.name} | {low:.2f} | {f.median:.2f} | {high:.2f} | {f.ns_per_item:,.0f} | {shown} | {right} |"


@dataclass(frozen=True)
class Report:
    """What was measured on a machine."""

    machine: str
    items: int
    pairs: int
    rows: list[Row]
    w4: dict[str, tuple[float, float]]
    w4_budgets: dict[str, int]
    w5: tuple[int, int, float]
    w5_budget_mb: float
    w6: dict[str, tuple[list[tuple[int, float]], float]]
    bytes_per_key: dict[str, float]
    bytes_budget: float
    watched: Watched

    def text(self) -> str:
        """All of it, as Markdown."""
        return "\n\n".join([self._heading(), self.table(self.rows), self.others()])

    def _heading(self) -> str:
        return (
            f"CPU time over the plain loop's: {self.items:,} items, {self.pairs} pairs in one process (chunks of 1: a "
            f"tenth of the items, one pair), {self.machine}."
        )

    def table(self, rows: list[Row]) -> str:
        """Figures as a table."""
        head = ["| work | min | median | max | ns/item | budget | answer |", "|---|---|---|---|---|---|---|"]
        return "\n".join([*head, *(row.cells() for row in rows)])

    def others(self) -> str:
        """W4 to W6, and memory."""
        lines = ["| W4, 10,000 items/s | p50 us | p99 us | budget p50 us |", "|---|---|---|---|"]
        lines += [f"| {k} | {a:.0f} | {b:.0f} | {self.w4_budgets[k]} |" for k, (a, b) in self.w4.items()]
        most, cap, grown = self.w5
        lines += [
            "",
            f"W5: at most {most:,} items in flight, `explain()` says {cap:,}; peak RSS grew by {grown:.1f} MB of "
            f"{self.w5_budget_mb:g} MB.",
            "",
            "| W6, time per item | size: ns | exponent |",
            "|---|---|---|",
        ]
        for name, (points, power) in self.w6.items():
            lines.append(f"| {name} | {', '.join(f'{n:,}: {ns:,.0f}' for n, ns in points)} | {power:+.2f} |")
        lines += ["", f"| keyed state | bytes a key, of {self.bytes_budget:g} |", "|---|---|"]
        lines += [f"| {name} | {n:.0f} |" for name, n in self.bytes_per_key.items()]
        w = self.watched
        low, middle, high = min(w.scraped), statistics.median(w.scraped), max(w.scraped)
        lines += [
            "",
            f"Metrics: what is counted for them takes {w.counted_ns:.2f} ns of W1's {w.item_ns:.0f} ns an item (rows, expressions, chunks of 1,024), a scrape of a "
            f"graph of 20 nodes {w.scrape_ms:.1f} ms of CPU; with a scrape a second that is {w.overhead:.1%} of W1 (budget {WATCHED_BUDGET:.0%}). "
            f"W1 scraped every second over W1 that is not: {low:.3f} to {high:.3f}, median {middle:.3f}. Under a hostile client "
            f"(200 slow connections, heads of 1 MB, 100,000 parameters, again and again) W1 takes {statistics.median(w.hostile):.2f} times as long, "
            f"and the server answers.",
        ]
        return "\n".join(lines)

    def summary(self) -> str:
        """The figures at chunks of 1,024, and the others, for the README."""
        rows = [r for r in self.rows if "chunks of" not in r.figure.name or r.figure.name.endswith("chunks of 1,024")]
        lines = ["| work | CPU time over the plain loop's | ns/item |", "|---|---|---|"]
        for row in sorted(rows, key=lambda r: (r.figure.name[:2], r.figure.median)):
            name = row.figure.name.removesuffix(", chunks of 1,024")
            is_ours = name != row.figure.name
            shown = f"**{name[:2]} rxdag, {name[3:]}**" if is_ours else name
            lines.append(f"| {shown} | {row.figure.median:.2f} | {row.figure.ns_per_item:,.0f} |")
        return "\n".join(lines)

    def ratios(self) -> dict[str, float]:
        """Medians by name, to compare with later."""
        return {row.figure.name: round(row.figure.median, 3) for row in self.rows}

    def figures(self) -> dict[str, Any]:
        """All of it, as data."""
        return {
            "machine": self.machine,
            "items": self.items,
            "ratios": {r.figure.name: r.figure.ratios for r in self.rows},
            "ns_per_item": {r.figure.name: r.figure.ns_per_item for r in self.rows},
            "w4_us": self.w4,
            "w5": self.w5,
            "w6": self.w6,
            "bytes_per_key": self.bytes_per_key,
            "watched": dataclasses.asdict(self.watched),
        }

    def wrong(self) -> list[str]:
        """What gave a wrong answer."""
        return [f"{row.figure.name}: the answer is wrong" for row in self.rows if not row.figure.is_correct]

    def over_budget(self) -> list[str]:
        """What is past its budget."""
        out = [
            f"{r.figure.name}: {r.figure.median:.2f} is past the budget of {r.budget:g}"
            for r in self.rows
            if r.budget is not None and r.figure.median > r.budget
        ]
        for kind, (p50, _) in self.w4.items():
            if p50 > self.w4_budgets[kind]:
                out.append(f"W4 {kind}: p50 {p50:.0f} us is past the budget of {self.w4_budgets[kind]} us")
        most, cap, grown = self.w5
        if most > cap or grown > self.w5_budget_mb:
            out.append(f"W5: {most:,} of {cap:,} in flight, {grown:.1f} MB of {self.w5_budget_mb:g} MB")
        if self.watched.overhead > WATCHED_BUDGET:
            out.append(f"metrics: {self.watched.overhead:.1%} of W1 is past the budget of {WATCHED_BUDGET:.0%}")
        out += [f"{k}: {n:.0f} bytes a key" for k, n in self.bytes_per_key.items() if n > self.bytes_budget]
        return out

    def over(self, baseline: dict[str, float]) -> list[str]:
        """What is more than 15 % over the baseline; a single pair says too little."""
        several = {row.figure.name for row in self.rows if len(row.figure.ratios) > 1}
        return [
            f"{name}: {ratio:.2f} is more than 15 % over the baseline's {baseline[name]:.2f}"
            for name, ratio in self.ratios().items()
            if name in baseline and name in several and ratio > baseline[name] * WORSE
        ]


def write_docs(report: Report, drawing: str) -> None:
    """Put the figures where they are shown."""
    _replace(ROOT / "README.md", f"{report.summary()}\n\nMeasured on {report.machine}.")
    _replace(ROOT / "docs/explanation/speed.md", report.text())
    (ROOT / "docs/explanation/scaling.svg").write_text(drawing)


def _replace(path: Path, text: str) -> None:
    before, _, rest = path.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    path.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")
