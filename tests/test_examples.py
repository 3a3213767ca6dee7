"""Every example runs as it stands."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import feeds

FOLDER = Path(__file__).parent.parent / "examples"
LIVE = FOLDER / "live_trades.py"
EXISTING = FOLDER / "existing_pipeline.py"
EXAMPLES = sorted(path for path in FOLDER.glob("*.py") if path not in (LIVE, EXISTING))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_runs(path, tmp_path):
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, timeout=110, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_the_live_example_shows_bars_over_a_line_that_is_cut(tmp_path):
    def frame(n):
        trade = {"e": "trade", "T": 1_723_161_253_000 + 100 * n, "s": "BTCUSDT", "t": n, "p": f"{100 + n}", "q": "2"}
        return json.dumps({"stream": "btcusdt@trade", "data": trade})

    frames = [frame(n) for n in range(60)]
    frames[20] = json.dumps({"stream": "btcusdt@depth", "data": {"b": []}})
    scripts = [
        [feeds.sends(30), feeds.sends_garbage, feeds.drops],
        [feeds.sends(30), feeds.stalls],
    ]
    with feeds.FeedServer(frames, scripts) as server:
        command = [sys.executable, str(LIVE), server.url, "4"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=110, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "-- connected, connection 1 " in lines
    assert any(line.startswith("-- lost, connection 1 ") for line in lines)
    assert "-- connected, connection 2 " in lines
    assert sum(line.startswith("-- malformed") for line in lines) == 2
    bars = [line for line in lines if line.startswith("BTCUSDT ")]
    assert len(bars) >= 5
    assert "open=100" in bars[0]
    assert "count=10" in bars[0]


def test_bars_are_written_by_the_example_and_are_those_of_the_demo(tmp_path):
    import rxdag
    from rxdag import market, sinks, sources

    path = FOLDER / "bars.py"
    subprocess.run([sys.executable, str(path)], capture_output=True, check=True, timeout=110, cwd=tmp_path)
    trades = rxdag.from_source(sources.simulated_trades(seed=7, trades=50_000))
    rxdag.run(market.trade_bars(trades).to(sinks.csv(tmp_path / "mine.csv", columns=market.BAR_COLUMNS)))
    assert (tmp_path / "out" / "bars.csv").read_text() == (tmp_path / "mine.csv").read_text()


def test_an_example_without_its_package_says_what_is_missing(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['market_data_pipeline'] = None\n")
    env = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, str(EXISTING)], capture_output=True, text=True, timeout=60, env=env)
    assert done.returncode == 1
    assert done.stderr == 'market_data_pipeline is not installed: pip install "rxdag[market-data]"\n'


def test_the_spec_makes_the_bars_of_the_graph_in_python(tmp_path):
    import rxdag
    from rxdag import sinks

    trades = [sys.executable, str(FOLDER / "bars.py")]
    subprocess.run(trades, capture_output=True, check=True, timeout=110, cwd=tmp_path)
    dag = rxdag.load_spec(FOLDER / "bars.yaml", replace={"out": sinks.collect(), "late": sinks.null()})
    bars = [(*pane.key, pane.value.open, pane.value.close) for pane in rxdag.run(dag)["out"]]
    rows = (tmp_path / "out" / "bars.csv").read_text().splitlines()[1:]
    names = (tmp_path / "out" / "bars.csv").read_text().splitlines()[0].split(",")
    at = [names.index(name) for name in ("venue", "symbol", "open", "close")]
    assert bars == [(r[at[0]], r[at[1]], float(r[at[2]]), float(r[at[3]])) for r in (row.split(",") for row in rows)]
