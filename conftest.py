"""Runs the code of README and docs, and the examples in docstrings; refuses compiled modules that are not of the sources."""

from __future__ import annotations

import asyncio
import os
import warnings
from pathlib import Path

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser
from sybil.parsers.rest import DocTestParser

TRADES = "ts_ms,symbol,trade_id,price,qty\n1000,A,1,10.0,1\n1400,A,2,11.0,2\n1300,B,3,5.0,1\n2600,A,4,12.0,0\n4000,B,5,6.0,1\n"


def in_a_folder(namespace: dict) -> None:
    """Each document runs in a folder of its own, with a file of trades."""
    import tempfile

    namespace["_home"] = os.getcwd()
    folder = namespace["_folder"] = tempfile.mkdtemp(prefix="rxdag-docs-")
    os.chdir(folder)
    Path("trades.csv").write_text(TRADES)


def back_home(namespace: dict) -> None:
    """Leave the folder and remove it."""
    import shutil

    os.chdir(namespace["_home"])
    shutil.rmtree(namespace["_folder"])


def with_names(namespace: dict) -> None:
    """Docstrings show the example only; the names are those of the README."""
    import rxdag
    from rxdag import aggregates, checkpoints, deploy, market, operators, render, sinks, sources, testing, windows

    namespace |= {
        "rxdag": rxdag,
        "col": rxdag.col,
        "element": rxdag.element,
        "lit": rxdag.lit,
        "ops": operators,
        "agg": aggregates,
        "sinks": sinks,
        "sources": sources,
        "windows": windows,
    }
    namespace |= {
        "asyncio": asyncio,
        "market": market,
        "deploy": deploy,
        "checkpoints": checkpoints,
        "render": render,
        "on_error": rxdag.on_error,
        "testing": testing,
        "feed": testing.feed,
        "play": testing.play,
        "aggregate": testing.aggregate,
        "Trade": market.Trade,
    }
    in_a_folder(namespace)


documents = Sybil(parsers=[PythonCodeBlockParser()], patterns=["*.md"], setup=in_a_folder, teardown=back_home)
docstrings = Sybil(parsers=[DocTestParser()], patterns=["*.py"], path="src", setup=with_names, teardown=back_home)
pytest_collect_file = (documents + docstrings).pytest()


def pytest_configure() -> None:
    """Refuse to test compiled modules of other sources."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # what import says of it is said below
        import rxdag
    changed = rxdag.build_info().changed
    if changed:
        raise pytest.UsageError(
            f"{', '.join(changed)}: not what was compiled, and Python would run the compiled modules; run `make compiled` to "
            "test the compiled form, or `make plain` to test the plain one"
        )


def pytest_report_header() -> str:
    """Say which form is tested."""
    import rxdag

    return str(rxdag.build_info())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List what was skipped last, with the reason."""
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped:
        terminalreporter.section("skipped")
        for report in skipped:
            terminalreporter.line(f"{report.nodeid}: {report.longrepr[-1] if report.longrepr else ''}")
