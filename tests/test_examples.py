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


def output_of(name, *args, cwd):
    done = subprocess.run(
        [sys.executable, str(FOLDER / f"{name}.py"), *map(str, args)],
        capture_output=True,
        text=True,
        timeout=110,
        cwd=cwd,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def number(text):
    return int(text.replace(",", ""))


class TestOutputs:
    def test_first_graph(self, tmp_path):
        lines = output_of("first_graph", 6, cwd=tmp_path)
        assert lines[:2] == ["[0, 20, 40]", "[0, 20, 40]"]
        assert lines[5].split() == ["even", "6", "3", "3", "filtered"]

    def test_quotes_are_conflated_and_no_trade_is_lost(self, tmp_path):
        came, trades, *symbols = output_of("conflate_quotes", cwd=tmp_path)
        n, shown, replaced = (number(word) for word in came.split() if word[0].isdigit())
        assert n == 40_000 == shown + replaced
        assert replaced > 0
        assert trades == "10,000 trades came, 10,000 were counted"
        last = {}
        import rxdag
        from rxdag import sources

        for quote in rxdag.from_source(sources.simulated_quotes(seed=7, quotes=40_000)):
            last[f"{quote.venue} {quote.symbol}"] = quote.update_id
        assert symbols == [f"{key}: the screen stands at update {last[key]:,}" for key in sorted(last)]

    def test_feeds_are_arbitrated(self, tmp_path):
        lines = output_of("arbitrate_feeds", cwd=tmp_path)
        assert lines[0].endswith("2,997 are left")
        assert lines[2:] == ["in sequence: 3 symbols", "lost on all of them: AAA 500 to 502"]

    def test_four_real_connections_are_arbitrated(self, tmp_path, data):
        lines = output_of("arbitrate_feeds", data / "bequant_4conn.jsonl.gz", cwd=tmp_path)
        assert lines[0] == "3,875 updates came over four connections, 980 are left"
        assert lines[2] == "in sequence: 9 symbols"

    def test_messages_are_routed_and_bad_ones_kept(self, tmp_path):
        (counts, first) = output_of("dead_letters", cwd=tmp_path)
        n, trades, quotes, others, dead = (number(word) for word in counts.split() if word[0].isdigit())
        assert n == trades + quotes + others + dead == 2000
        assert 0 < dead < 100
        assert json.loads(first)["error"]
        letters = (tmp_path / "out" / "dead.jsonl").read_text().splitlines()
        assert len(letters) == dead
        for line in (tmp_path / "out" / "trades.jsonl").read_text().splitlines():
            assert json.loads(line)["kind"] == "trade"

    def test_spreads_are_those_of_polars(self, tmp_path):
        import polars as pl

        import rxdag
        from rxdag import sources

        lines = output_of("spreads", cwd=tmp_path)
        trades = rxdag.from_source(sources.simulated_trades(seed=7, trades=10_000)).collect()
        quotes = rxdag.from_source(sources.simulated_quotes(seed=7, quotes=40_000)).collect()

        def frame(items):
            rows = pl.DataFrame([{name: getattr(item, name) for name in item.__struct_fields__} for item in items])
            return rows.with_columns(key=pl.col("venue") + " " + pl.col("symbol"))

        left = frame(trades).unique(["key", "trade_id"]).sort("trade_ms", "trade_id")
        right = frame(quotes).sort("event_ms", "update_id")
        joined = pl.concat(
            left.filter(pl.col("key") == key).join_asof(
                right.filter(pl.col("key") == key), left_on="trade_ms", right_on="event_ms", tolerance=60_000
            )
            for key in left["key"].unique()
        ).drop_nulls("bid")
        middle = (pl.col("bid") + pl.col("ask")) / 2
        expected = joined.group_by("key").agg(
            n=pl.len(),
            mean=(2 * (pl.col("price") - middle).abs() / middle).mean() * 1e4,
            median=(2 * (pl.col("price") - middle).abs() / middle).median() * 1e4,
        )
        found = {line[:24].strip(): line[24:].split() for line in lines[2:]}
        assert len(found) == 6
        for key, n, mean, median in expected.rows():
            assert found[key][:3] == [f"{n:,}", f"{median:.4f}", f"{mean:.4f}"], key

    def test_an_old_pipeline_and_an_observable_in_one_graph(self, tmp_path):
        lines = output_of("wrap_existing", cwd=tmp_path)
        assert lines[:2] == ["old pipeline: source closed", "3,000 trades in 30 batches of the old pipeline"]
        assert lines[-1].split() == ["heartbeat", "10.00"]

    def test_a_store_slows_its_source_down(self, tmp_path):
        lines = output_of("backpressure_feedback", cwd=tmp_path)
        assert any(line.startswith("hard: pressure") for line in lines)
        assert lines[-1].startswith("in the end ")

    def test_three_workers_make_what_one_makes(self, tmp_path):
        lines = output_of("sharded_workers", cwd=tmp_path)
        shares = [number(line.split()[2]) for line in lines[:3]]
        assert lines[3] == f"one worker: {sum(shares):,} bars; the same as all shares together: True"
        assert all(line.split()[2] == line.split()[4] for line in lines[:3])  # what the metrics say


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
    assert done.stderr == "market_data_pipeline is not installed: pip install '.[market-data]'\n"


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
