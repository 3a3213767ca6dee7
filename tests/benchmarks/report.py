"""The report: figures as tables, held against budgets, and put into the docs."""

from __future__ import annotations

import dataclasses
import statistics
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmarks.budgets import BYTES_PER_KEY, CHECKPOINT_GROWTH, CHECKPOINTED, PAUSE_MS, RSS_MB, SCRAPED
from tests.benchmarks.checkpointed import Checkpointed
from tests.benchmarks.in_flight import InFlight
from tests.benchmarks.latency import Latency
from tests.benchmarks.measure import Figure
from tests.benchmarks.scaling import Curve, exponent
from tests.benchmarks.watched import Watched

ROOT = Path(__file__).parents[2]
BEGIN, PLAIN_BEGIN, END = "<!-- bench: begin -->", "<!-- bench: begin, plain -->", "<!-- bench: end -->"
PICTURE = "![Time per item over the size of the work, on logarithmic axes](scaling.svg)"
HEAD = [
    "| work | min | median | max | ns/item | items/s | RSS MB | budget | answer |",
    "|---|---|---|---|---|---|---|---|---|",
]


@dataclass(frozen=True)
class Row:
    """A figure and the most that its median may be; None if it has no budget."""

    figure: Figure
    budget: float | None = None

    @property
    def is_over(self) -> bool:
        f = self.figure
        return f.is_correct and self.budget is not None and f.median > self.budget

    def cells(self) -> str:
        f = self.figure
        if not f.is_correct:
            return f"| {f.name} | - | - | - | - | - | - |  | **WRONG** |"
        shown = "" if self.budget is None else f"{self.budget:g}{', **missed**' if self.is_over else ''}"
        ratios = f"{min(f.ratios):.2f} | {f.median:.2f} | {max(f.ratios):.2f}"
        rates = f"{f.ns_per_item:,.0f} | {f.items_per_s:,.0f} | {f.rss_mb:.0f}"
        return f"| {f.name} | {ratios} | {rates} | {shown} | correct |"


@dataclass
class Report:
    """What was measured on a machine; what was not is empty.

    Attributes:
        machine: A line for people.
        form: In which rxdag ran: "compiled" or "plain".
        items: How many the largest workloads worked on.
        pairs: How many of each figure.
    """

    machine: str
    form: str
    items: int
    pairs: int
    rows: list[Row] = field(default_factory=list)
    latencies: list[Latency] = field(default_factory=list)
    in_flight: InFlight | None = None
    curves: dict[str, Curve] = field(default_factory=dict)
    bytes_per_key: dict[str, float] = field(default_factory=dict)
    watched: Watched | None = None
    checkpointed: Checkpointed | None = None

    def text(self) -> str:
        """Return all of it, as Markdown."""
        parts = [
            f"CPU time over the plain loop's: {self.items:,} items (workloads that take long: fewer), {self.pairs} pairs "
            f"in one process, {self.machine}.",
            "\n".join([*HEAD, *(row.cells() for row in self.rows)]) if self.rows else "",
            self._latencies(),
            self._in_flight(),
            self._curves(),
            self._bytes(),
            self._watched(),
            self._checkpointed(),
        ]
        return "\n\n".join(part for part in parts if part)

    def _latencies(self) -> str:
        if not self.latencies:
            return ""
        lines = ["| W4, us | hand-over p50 | p99 | p99.9 | due p50 | p99 | p99.9 | budget |", "|---|" + "---|" * 7]
        for each in self.latencies:
            cells = " | ".join(f"{us:,.1f}" for us in (*each.handed, *each.due))
            budget = each.budget(self.form)
            lines.append(f"| {each.name.removeprefix('W4 ')} | {cells} | {'' if budget is None else f'{budget:g}'} |")
        return "\n".join(lines)

    def _in_flight(self) -> str:
        w5 = self.in_flight
        if w5 is None:
            return ""
        return (
            f"W5, {w5.items:,} items: at most {w5.most:,} in flight, `explain()` says {w5.cap:,}; the process grew by "
            f"{w5.rss_mb:.1f} MB of {RSS_MB} MB."
        )

    def _curves(self) -> str:
        if not self.curves:
            return ""
        lines = ["| W6, time per item | size: ns | exponent |", "|---|---|---|"]
        for name, points in self.curves.items():
            shown = ", ".join(f"{n:,}: {ns:,.0f}" for n, ns in points)
            lines.append(f"| {name} | {shown} | {exponent(points):+.2f} |")
        return "\n".join(lines)

    def _bytes(self) -> str:
        if not self.bytes_per_key:
            return ""
        lines = [f"| keyed state | bytes a key, of {BYTES_PER_KEY} |", "|---|---|"]
        return "\n".join([*lines, *(f"| {name} | {n:.0f} |" for name, n in self.bytes_per_key.items())])

    def _watched(self) -> str:
        w = self.watched
        if w is None:
            return ""
        return (
            f"Metrics: a scrape of a graph of 20 nodes takes {w.scrape_ms:.1f} ms of CPU; one a second is {w.overhead:.1%} of a "
            f"run (budget {SCRAPED:.0%}). W1 scraped every second over W1 that is not: {min(w.scraped):.3f} to "
            f"{max(w.scraped):.3f}, median {statistics.median(w.scraped):.3f}. Under a hostile client (200 slow connections, "
            f"heads of 1 MB, 100,000 parameters, again and again) W1 takes {statistics.median(w.hostile):.2f} times as long, "
            f"and the server answers."
        )

    def _checkpointed(self) -> str:
        c = self.checkpointed
        if c is None:
            return ""
        lines = [
            "| open bars | pause ms, min | median | max | checkpoint MB | state MB | growth MB |",
            "|---|" + "---|" * 6,
        ]
        for each in c.held:
            ms = each.pause_ms
            pauses = f"{min(ms):.1f} | {statistics.median(ms):.1f} | {max(ms):.1f}"
            sizes = f"{each.checkpoint_mb:.1f} | {each.state_mb:.0f} | {each.growth_mb:.0f}"
            lines.append(f"| {each.keys:,} | {pauses} | {sizes} |")
        overhead = (
            f"Checkpoints: W2 of 10,000 symbols with one a second over W2 without, {len(c.overheads)} pairs: "
            f"{min(c.overheads):.3f} to {max(c.overheads):.3f}, median {c.overhead:.3f} (budget {CHECKPOINTED:g}), "
            f"{statistics.median(c.taken):g} checkpoints a run."
        )
        return "\n".join([overhead, "", *lines])

    def summary(self) -> str:
        """Return W1 to W3 with what else does the same work, for the README."""
        lines = ["| work | CPU time over the plain loop's | ns/item |", "|---|---|---|"]
        shown = [row for row in self.rows if row.figure.is_correct and row.figure.name[:3] in ("W1 ", "W2 ", "W3 ")]
        for row in sorted(shown, key=lambda row: (row.figure.name[:2], row.figure.median)):
            name = row.figure.name
            is_ours = row.budget is not None
            work = f"**{name[:2]} rxdag{name[2:]}**" if is_ours else name
            lines.append(f"| {work} | {row.figure.median:.2f} | {row.figure.ns_per_item:,.0f} |")
        return "\n".join(lines)

    def ratios(self) -> dict[str, float]:
        """Return medians by name, to compare with later; a single pair says too little."""
        return {
            row.figure.name: round(row.figure.median, 3)
            for row in self.rows
            if row.figure.is_correct and len(row.figure.ratios) > 1
        }

    def figures(self) -> dict[str, Any]:
        """Return all of it, as data."""
        return {
            "machine": self.machine,
            "form": self.form,
            "items": self.items,
            "figures": {
                f.name: {
                    "ratios": f.ratios,
                    "ns_per_item": f.ns_per_item,
                    "items_per_s": f.items_per_s,
                    "rss_mb": f.rss_mb,
                    "budget": row.budget,
                }
                for row in self.rows
                if (f := row.figure).is_correct
            },
            "wrong": self.wrong(),
            "latencies_us": {
                each.name: {"handed": each.handed._asdict(), "due": each.due._asdict()} for each in self.latencies
            },
            "in_flight": None if self.in_flight is None else dataclasses.asdict(self.in_flight),
            "curves": {name: {"ns": points, "exponent": exponent(points)} for name, points in self.curves.items()},
            "bytes_per_key": self.bytes_per_key,
            "watched": None if self.watched is None else dataclasses.asdict(self.watched),
            "checkpointed": None if self.checkpointed is None else dataclasses.asdict(self.checkpointed),
        }

    def wrong(self) -> list[str]:
        """Return a line for each wrong answer."""
        return [f"{row.figure.name}: the answer is wrong" for row in self.rows if not row.figure.is_correct]

    def over_budget(self) -> list[str]:
        """Return a line for each figure that is past its budget."""
        out = [
            f"{row.figure.name}: {row.figure.median:.2f} is past the budget of {row.budget:g}"
            for row in self.rows
            if row.is_over
        ]
        for each in self.latencies:
            budget = each.budget(self.form)
            if budget is not None and each.handed.p50 > budget:
                out.append(f"{each.name}: p50 {each.handed.p50:.1f} us is past the budget of {budget:g} us")
        w5 = self.in_flight
        if w5 is not None and (w5.most > w5.cap or w5.rss_mb > RSS_MB):
            out.append(f"W5: {w5.most:,} of {w5.cap:,} in flight, {w5.rss_mb:.1f} MB of {RSS_MB} MB")
        if self.watched is not None and self.watched.overhead > SCRAPED:
            out.append(f"metrics: {self.watched.overhead:.1%} of a run is past the budget of {SCRAPED:.0%}")
        out += self._checkpoints_over_budget()
        return out + [f"{k}: {n:.0f} bytes a key" for k, n in self.bytes_per_key.items() if n > BYTES_PER_KEY]

    def _checkpoints_over_budget(self) -> list[str]:
        c = self.checkpointed
        if c is None:
            return []
        out = (
            []
            if c.overhead <= CHECKPOINTED
            else [f"checkpoints: {c.overhead:.3f} is past the budget of {CHECKPOINTED:g}"]
        )
        for each in c.held:
            pause = statistics.median(each.pause_ms)
            budget = PAUSE_MS.get(each.keys)
            if budget is not None and pause > budget.of(self.form):
                out.append(
                    f"checkpoints, {each.keys:,} keys: {pause:.1f} ms is past the budget of {budget.of(self.form):g} ms"
                )
            if each.growth > CHECKPOINT_GROWTH:
                out.append(
                    f"checkpoints, {each.keys:,} keys: growth by {each.growth:.2f} of the state, past {CHECKPOINT_GROWTH:g}"
                )
        return out


def write_docs(report: Report, drawing: str) -> None:
    """Put the figures of a form where they are shown: in the README and the drawing, those of the compiled form."""
    page = ROOT / "docs/explanation/speed.md"
    if report.form != "compiled":
        _replace(page, PLAIN_BEGIN, report.text())
        return
    _replace(ROOT / "README.md", BEGIN, f"{report.summary()}\n\nMeasured on {report.machine}.")
    _replace(page, BEGIN, f"{report.text()}\n\n{PICTURE}")
    (ROOT / "docs/explanation/scaling.svg").write_text(drawing)


def _replace(path: Path, begin: str, text: str) -> None:
    before, _, rest = path.read_text().partition(begin)
    after = rest.partition(END)[2]
    path.write_text(f"{before}{begin}\n{text}\n{END}{after}")
