"""The tests of market-data-pipeline itself: with rxdag installed and imported they end exactly as without."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

HIDE = """
import importlib.abc, sys
class Hidden(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "rxdag":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hidden())
"""
USE = """
import rxdag, rxdag.adapters.market_data, rxdag.runtime, rxdag.testing
rxdag.PipelineRuntime
"""


def outcomes(theirs: Path, folder: Path, name: str, plugin: str) -> dict[str, str]:
    """How each of their tests ends, with a plugin of ours loaded first."""
    folder.joinpath(f"{name}.py").write_text(plugin)
    report = folder / f"{name}.xml"
    subprocess.run(
        [
            sys.executable, "-m", "pytest", "-q", "-p", name, "-p", "no:cacheprovider", f"--junitxml={report}",
            "tests/unit/dag", "tests/unit/orchestration",
        ],
        cwd=theirs,
        env=os.environ | {"PYTHONPATH": str(folder)},
        stdout=subprocess.DEVNULL,
        check=False,
        timeout=100,
    )  # fmt: skip
    ends: dict[str, str] = {}
    for case in ET.parse(report).iter("testcase"):
        ended = next((child.tag for child in case if child.tag in ("failure", "error", "skipped")), "passed")
        ends[f"{case.get('classname')}::{case.get('name')}"] = ended
    return ends


def test_with_rxdag_they_end_exactly_as_without(tmp_path):
    theirs = os.environ.get("RXDAG_SIBLINGS", "")
    if not theirs:
        pytest.skip("the source distribution of market-data-pipeline is not there; say make test-siblings")
    path = Path(theirs).resolve()
    without = outcomes(path, tmp_path, "without_rxdag", HIDE)
    with_rxdag = outcomes(path, tmp_path, "with_rxdag", USE)
    assert with_rxdag == without
    assert len(without) >= 67
    assert set(without.values()) == {"passed"}


def test_rxdag_imports_none_of_them():
    code = (
        "import sys, rxdag, rxdag.adapters.market_data, rxdag.orchestration, rxdag.runtime\n"
        "print([name for name in sys.modules if name.startswith(('market_data', 'mds_client', 'ib_insync', 'psycopg'))])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
