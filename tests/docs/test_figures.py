"""Every limit and default that the documentation names is that of the code; tables that stand twice are the same."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest

from rxdag import metrics
from rxdag import operators as ops
from rxdag.cli._app import keda, top
from rxdag.deploy import _keda
from rxdag.engine import _domain, _gate
from rxdag.engine.drivers import _drivers
from rxdag.plan import _gates
from rxdag.runtime import RuntimeSettings, _signals, _wiring
from rxdag.sinks import _arrow as arrow_sink
from rxdag.sources import _iterable, _live
from rxdag.sources import _parquet as parquet_source
from tests.docs.pages import PAGES, ROOT


def default(fn: Any, name: str) -> Any:
    return inspect.signature(fn).parameters[name].default


LIVE = _live.gate("here", None, "drop_oldest").max_items

FIGURES = [
    ("how-to/own-sink.md", r"all the items that are waiting, up to ([\d,]+)\.", _domain.QUANTUM),
    ("how-to/own-sink.md", r"A gate of ([\d,]+) items is placed before the sink", _gates.ASYNC_ITEMS),
    ("how-to/database-batches.md", r"the gate before it holds ([\d,]+) items", _gates.ASYNC_ITEMS),
    ("explanation/backpressure.md", r"most ([\d,]+) items for each segment", _domain.QUANTUM),
    ("explanation/backpressure.md", r"or ([\d,]+) rows of columns", _domain.COLUMNS_QUANTUM),
    ("explanation/backpressure.md", r"A full gate of ([\d,]+) items or more opens again", _gate._HYSTERESIS_FROM),
    ("explanation/backpressure.md", r"bursts of at most ([\d,]+) items", _iterable._BURST),
    ("explanation/backpressure.md", r"once a turn has taken ([\d,]+) ms", _domain.TURNS_NS // 10**6),
    ("explanation/backpressure.md", r"time slice of ([\d,]+) ms", round(_drivers._SLICE_S * 1000)),
    ("explanation/one-way-flow.md", r"After ([\d,]+) nodes in a row", _wiring._DEEPEST),
    ("explanation/speed.md", r"In a chunk, up to ([\d,]+) items share this cost", _domain.QUANTUM),
    ("explanation/speed.md", r"share a chunk of ([\d,]+) items", _domain.QUANTUM),
    ("explanation/speed.md", r"works in batches of ([\d,]+) items", _domain.COLUMNS_QUANTUM),
    ("explanation/speed.md", r"in batches of up to ([\d,]+) rows", _domain.COLUMNS_QUANTUM),
    ("how-to/scale-on-kubernetes.md", r"one pod for every ([\d,]+) items", _keda._BACKLOG_ITEMS),
    ("how-to/scale-on-kubernetes.md", r"one pod for every ([\d.]+) seconds of work", _keda._BUSY_SHARE),
    ("reference/graphs-and-runs.md", r"drain the run for at most ([\d,]+) s", int(_signals.DEADLINE_S)),
    ("reference/sources-and-sinks.md", r"Size of that gate; by default ([\d,]+)", LIVE),
    ("reference/sources-and-sinks.md", r"Size of the gate behind the source; by default ([\d,]+)", LIVE),
    ("reference/sources-and-sinks.md", r"read in batches of ([\d,]+) rows", parquet_source._BATCH_ROWS),
    ("reference/sources-and-sinks.md", r"of the first ([\d,]+) items", arrow_sink._GROUP_ROWS),
    ("changelog.md", r"from the first ([\d,]+) items", arrow_sink._GROUP_ROWS),
    ("reference/metrics.md", r"[Bb]y default ([\d,]+) waiting items", _keda._BACKLOG_ITEMS),
    ("tutorials/from-rxpy.md", r"ops\.flat_map\(fn, concurrency=([\d,]+)\)", default(ops.flat_map, "concurrency")),
]  # fmt: skip
"""Page, a sentence with the figure as its group, and the figure in the code."""


def number(text: str) -> float:
    return float(text.replace(",", ""))


def flat(page: str) -> str:
    return " ".join((ROOT / "docs" / page).read_text().split())


@pytest.mark.parametrize(("page", "sentence", "value"), FIGURES, ids=[f"{page}-{value}" for page, _, value in FIGURES])
def test_a_figure_is_that_of_the_code(page, sentence, value):
    found = re.findall(sentence, flat(page))
    assert found
    assert {number(text) for text in found} == {value}


@pytest.mark.parametrize("figure", ["1,024", "16,384", "65,536"])
def test_no_page_names_a_size_of_a_chunk_that_is_not_checked(figure):
    """In what people write; the reference is made of docstrings."""
    for path in sorted((ROOT / "docs").rglob("*.md")):
        page = path.relative_to(ROOT / "docs").as_posix()
        if page.startswith("reference/") or page == "changelog.md":
            continue
        text = re.sub(r"```.*?```", "", path.read_text(), flags=re.S)
        text = " ".join(text.split())
        checked = sum(
            figure in found[0] for p, sentence, _ in FIGURES if p == page for found in re.finditer(sentence, text)
        )
        assert text.count(figure) == checked, page


def test_every_port_of_metrics_is_the_default():
    named = re.findall(r"(?:localhost:|--metrics-port )(\d{4,})", "\n".join(page.read_text() for page in PAGES))
    assert len(named) > 5
    defaults = {default(metrics.serve, "port"), default(keda, "port"), int(default(top, "url").partition(":")[2])}
    assert defaults == {int(port) for port in named}


def test_a_drain_has_the_same_limit_from_settings_and_from_a_signal():
    assert RuntimeSettings().drain_timeout == f"{_signals.DEADLINE_S:g}s"


def test_the_soak_takes_as_long_as_is_said():
    (minutes,) = re.findall(r"^MINUTES \?= (\d+)$", (ROOT / "Makefile").read_text(), re.M)
    assert minutes == "30"
    assert "`make soak` runs two graphs for half an hour" in flat("explanation/backpressure.md")


# ---- benchmarks


def measured(path: str) -> str:
    return (ROOT / path).read_text().partition("<!-- bench: begin -->")[2].partition("<!-- bench: end -->")[0]


def test_the_benchmarks_of_the_readme_are_those_of_the_page_on_speed():
    rows = re.findall(r"^\| \**(W[123] .*?)\** \| ([\d.]+) \| ([\d,]+) \|$", measured("README.md"), re.M)
    assert len(rows) > 30
    speed = measured("docs/explanation/speed.md")
    table = re.findall(r"^\| (W[123] .*?) \| [\d.]+ \| ([\d.]+) \| [\d.]+ \| ([\d,]+) \|", speed, re.M)
    assert sorted((name.replace("rxdag ", ""), *figures) for name, *figures in rows) == sorted(table)


def test_the_readme_and_the_page_on_speed_name_the_same_machine():
    (machine,) = re.findall(r"Measured on (.*)\.\n", measured("README.md"))
    assert machine in measured("docs/explanation/speed.md")
