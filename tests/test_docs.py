"""What the documentation shows beside Python: specs, configurations and commands."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import rxdag
from tests import servers

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
TRADES = "ts_ms,symbol,trade_id,price,qty\n1000,A,1,10.0,1\n1400,A,2,11.0,2\n2600,A,4,12.0,3\n"


def blocks(language):
    for page in PAGES:
        for text in re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.M | re.S):
            yield pytest.param(text, id=f"{page.name}: {text.splitlines()[0][:40]}")


def commands():
    """Each command of rxdag that ends by itself, with what is shown below it."""
    for page in PAGES:
        for text in re.findall(r"^```console\n(.*?)^```", page.read_text(), re.M | re.S):
            for command, shown in re.findall(r"^\$ (rxdag [^\n]*)\n((?:[^$\n][^\n]*\n)*)", text, re.M):
                if "&" not in command and " top " not in command:
                    yield pytest.param(command.partition(" | ")[0], shown, id=f"{page.name}: {command[:50]}")


@pytest.mark.parametrize("text", [block for block in blocks("yaml") if "nodes:" in block.values[0]])
def test_a_spec_that_is_shown_is_one(text, tmp_path):
    assert rxdag.load_spec(text=text, base=tmp_path).nodes


@pytest.mark.parametrize("text", [block for block in blocks("yaml") if "scrape_configs:" in block.values[0]])
def test_a_configuration_of_prometheus_is_one(text, tmp_path):
    promtool = servers.binary("promtool", package="prometheus")
    (tmp_path / "prometheus.yaml").write_text(text)
    done = subprocess.run(
        [promtool, "check", "config", tmp_path / "prometheus.yaml"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_every_block_of_yaml_is_one_or_the_other():
    for block in blocks("yaml"):
        assert "nodes:" in block.values[0] or "scrape_configs:" in block.values[0]


@pytest.mark.parametrize(("command", "shown"), list(commands()))
def test_a_command_does_what_is_shown(command, shown, tmp_path):
    spec = next(block.values[0] for block in blocks("yaml") if block.values[0].startswith("# bars.yaml"))
    (tmp_path / "bars.yaml").write_text(spec)
    for name in ("trades.csv", "today.csv"):
        (tmp_path / name).write_text(TRADES)
    done = subprocess.run(
        [sys.executable, "-m", "rxdag.cli", *shlex.split(command)[1:]],
        cwd=tmp_path, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    if shown:
        assert done.stdout == shown
