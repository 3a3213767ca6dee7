"""Every example runs as it stands."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_runs(path, tmp_path):
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, timeout=110, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_bars_are_written_by_the_example_and_are_those_of_the_demo(tmp_path):
    import rxdag
    from rxdag import market, sinks, sources

    path = EXAMPLES[0].parent / "bars.py"
    subprocess.run([sys.executable, str(path)], capture_output=True, check=True, timeout=110, cwd=tmp_path)
    trades = rxdag.from_source(sources.simulated_trades(seed=7, trades=50_000))
    rxdag.run(market.trade_bars(trades).to(sinks.csv(tmp_path / "mine.csv", columns=market.BAR_COLUMNS)))
    assert (tmp_path / "out" / "bars.csv").read_text() == (tmp_path / "mine.csv").read_text()
