"""The main job: real trades to right bars, checked against polars."""

from __future__ import annotations

import gzip
import random
import subprocess
import sys
from pathlib import Path

import pytest

import rxdag
from rxdag import market, sinks, sources
from rxdag.contract import INSTALL, install_line
from rxdag.testing import run_virtual, timeline

polars = pytest.importorskip("polars")


def expected_bars(trades):
    """The bars of a frame of trades, by polars."""
    pl = polars
    return (
        trades.filter((pl.col("price") > 0) & (pl.col("qty") > 0))
        .unique(["venue", "symbol", "trade_id"], keep="first", maintain_order=True)
        .sort("trade_ms", "trade_id", maintain_order=True)
        .with_columns(start=pl.from_epoch("trade_ms", time_unit="ms").dt.truncate("1s"))
        .group_by("start", "venue", "symbol", maintain_order=True)
        .agg(
            open=pl.col("price").first(),
            high=pl.col("price").max(),
            low=pl.col("price").min(),
            close=pl.col("price").last(),
            volume=pl.col("qty").sum(),
            vwap=(pl.col("price") * pl.col("qty")).sum() / pl.col("qty").sum(),
            count=pl.len(),
        )
        .sort("start", "venue", "symbol")
    )


def assert_equal_bars(path: Path, trades):
    expected = expected_bars(trades)
    got = polars.read_csv(path)
    assert got.columns == list(market.BAR_COLUMNS)
    assert got.height == expected.height
    starts = expected["start"].dt.strftime("%Y-%m-%dT%H:%M:%SZ").to_list()
    assert got["start"].to_list() == starts
    for name in ("venue", "symbol", "open", "high", "low", "close", "count"):
        assert got[name].to_list() == expected[name].to_list(), name
    for name in ("volume", "vwap"):
        for mine, theirs in zip(got[name].to_list(), expected[name].to_list(), strict=True):
            assert mine == pytest.approx(theirs, rel=1e-9), name


def demo(*args):
    return subprocess.run(
        [sys.executable, "-m", "rxdag.cli", "demo", *args], capture_output=True, text=True, timeout=110
    )


def test_bars_of_the_real_trades_equal_polars_and_none_is_late(data, tmp_path):
    path = data / "binance_20240808_trades.csv.gz"
    done = demo("--data", str(path), "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert_equal_bars(tmp_path / "bars.csv", polars.read_parquet(data / "binance_20240808_trades.parquet"))
    assert (tmp_path / "late.jsonl").read_text() == ""
    assert "55,270" in done.stdout
    assert str(tmp_path / "bars.csv") in done.stdout


def test_bars_of_the_real_trades_are_the_same_from_csv_and_parquet_in_every_lane(data, tmp_path):
    files = {
        "csv": sources.csv(data / "binance_20240808_trades.csv.gz", market.Trade),
        "parquet": sources.parquet(data / "binance_20240808_trades.parquet", market.Trade),
    }
    written = {}
    for name, source in files.items():
        for in_columns in (True, False):
            bars = market.trade_bars(rxdag.from_source(source))
            path = tmp_path / f"{name}{in_columns}.csv"
            plan = rxdag.compile(rxdag.Dag(bars.to(sinks.csv(path, columns=market.BAR_COLUMNS))), columns=in_columns)
            assert ("bars" in plan.lanes.columns) == in_columns
            assert rxdag.run(plan).problems == ()
            written[name, in_columns] = path.read_bytes()
    assert len(set(written.values())) == 1
    assert_equal_bars(path, polars.read_parquet(data / "binance_20240808_trades.parquet"))


def test_doubling_a_tenth_of_the_real_trades_changes_no_bar(data, tmp_path):
    trades = rxdag.from_source(sources.csv(data / "binance_20240808_trades.csv.gz", market.Trade)).collect()
    rng = random.Random(5)
    arrivals = [(trade.recv_ns, i, trade) for i, trade in enumerate(trades)]
    doubled = [
        (at + rng.randrange(2 * 10**9), len(trades) + i, t) for at, i, t in rng.sample(arrivals, len(trades) // 10)
    ]
    received = sorted(arrivals + doubled)
    began = received[0][0]

    def bars_at(speed):
        feed = timeline(*((f"{round((at - began) / speed)}ns", trade) for at, _, trade in received))
        bars = market.trade_bars(rxdag.from_source(feed))
        out, late = bars.to(sinks.collect()), bars.late.to(sinks.collect())
        result = run_virtual(out, late)
        assert result.stats.nodes["bars_once"].dropped == {"repeated": len(doubled)}
        assert result[late] == []
        assert result.problems == ()
        return result[out]

    plain = market.trade_bars(rxdag.from_source(sources.iterable(trades))).collect()
    assert bars_at(1) == bars_at(1000) == plain


def test_fused_and_unfused_give_the_same_bytes_for_the_main_job(tmp_path):
    written = []
    for columns in (True, False):
        trades = rxdag.from_source(sources.simulated_trades(seed=3, trades=5_000, duplicates=0.1))
        bars = market.trade_bars(trades)
        merged = rxdag.merge(*market.by_venue(bars, ["sim_spot", "sim_usdm"]).values())
        path = tmp_path / f"{columns}.csv"
        rxdag.run(rxdag.compile(rxdag.Dag(merged.to(sinks.csv(path))), columns=columns))
        written.append(path.read_bytes())
    assert written[0] == written[1]
    assert len(written[0]) > 5_000


def test_bars_of_simulated_trades_equal_polars(tmp_path):
    trades = rxdag.from_source(sources.simulated_trades(seed=9, trades=20_000, duplicates=0.1)).collect()
    bars = market.trade_bars(rxdag.from_source(sources.iterable(trades)))
    rxdag.run(bars.to(sinks.csv(tmp_path / "bars.csv", columns=market.BAR_COLUMNS)))
    assert_equal_bars(
        tmp_path / "bars.csv", polars.DataFrame([{f: getattr(t, f) for f in t.__struct_fields__} for t in trades])
    )


def test_a_trade_without_price_or_size_is_left_out_and_one_past_the_bound_is_late():
    def trade(ms, price=1.0, qty=1.0, id_=[0]):
        id_[0] += 1
        return market.Trade(0, ms, ms, "v", "s", id_[0], price, qty, False)

    feed = [trade(1000), trade(1100, price=0.0), trade(1200, qty=float("nan")), trade(2250), trade(1999), trade(999)]
    bars = market.trade_bars(rxdag.from_source(sources.iterable(feed)))
    out, late = bars.to(sinks.collect()), bars.late.to(sinks.collect())
    result = rxdag.run(out, late)
    assert [(b.start, b.count) for b in result[out]] == [("1970-01-01T00:00:01Z", 1), ("1970-01-01T00:00:02Z", 1)]
    assert [t.trade_ms for t in result[late]] == [1999, 999]
    assert result.stats.nodes["bars_valid"].filtered == 2


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_500_000_000, "1970-01-01T00:00:01.500Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (1_000_001_000, "1970-01-01T00:00:01.000001Z"),
    ],
)
def test_times_are_written_in_iso_8601_utc(ns, text):
    assert market.iso_utc(ns) == text


# ---- the command line


HEADER = "recv_ns,event_ms,trade_ms,venue,symbol,trade_id,price,qty,buyer_is_maker\n"


def test_the_demo_runs_on_the_simulator(tmp_path):
    done = demo("--trades", "5000", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert {p.name for p in tmp_path.iterdir()} == {"bars.csv", "bars.html", "late.jsonl"}
    for expected in (
        "trades in",
        "duplicates",
        "late",
        "bars out",
        "last bar per symbol",
        "sim_spot",
        "5,000",
        "bars:",
        "late:",
    ):
        assert expected in done.stdout


def test_the_demo_reads_stdin(tmp_path):
    text = HEADER + "1,1000,1000,v,s,1,2.5,1,true\n"
    done = subprocess.run(
        [sys.executable, "-m", "rxdag.cli", "demo", "--data", "-", "--out", str(tmp_path)],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "bars.csv").read_text().splitlines()[
        1
    ] == "v,s,1970-01-01T00:00:01Z,1970-01-01T00:00:02Z,2.5,2.5,2.5,2.5,1.0,2.5,1"


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("missing.csv", None, "file must exist"),
        ("empty.csv", "", "file must have a header, got an empty file"),
        ("bad.csv", HEADER + "1,1,1,v,s,1,abc,1,true\n", "line 2: column \"price\": must be a number, got 'abc'"),
        ("columns.csv", "a,b\n1,2\n", "header must have the columns of Trade, lacks recv_ns"),
        ("utf8.csv", HEADER.encode() + b"\xff\n", "line 2: must be UTF-8"),
        (
            "cut.csv.gz",
            gzip.compress((HEADER + "1,1,1,v,s,1,1,1,true\n" * 50).encode(), mtime=0)[:-12],
            "the .gz file is truncated",
        ),
    ],
)
def test_bad_input_ends_the_demo_with_1_a_line_and_no_traceback(tmp_path, name, content, expected):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    out = tmp_path / "out"
    done = demo("--data", str(path), "--out", str(out))
    assert done.returncode == 1
    assert expected in done.stderr
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert not list(out.glob("*")) if out.exists() else True
    assert "Traceback" in demo("--data", str(path), "--out", str(out), "--traceback").stderr


def test_bad_rows_can_be_skipped(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(HEADER + "1,1,1,v,s,1,abc,1,true\n1,1000,1000,v,s,1,2.5,1,true\n")
    done = demo("--data", str(path), "--out", str(tmp_path / "out"), "--skip-bad")
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "out" / "bars.csv").read_text().splitlines()) == 2


def test_a_header_alone_gives_files_without_bars(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(HEADER)
    done = demo("--data", str(path), "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "bars.csv").read_text() == ",".join(market.BAR_COLUMNS) + "\n"


@pytest.mark.parametrize("args", [["--nope"], ["--trades", "-1"], ["--speed", "0"]])
def test_wrong_usage_ends_with_2(args):
    done = demo(*args)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_version_and_help():
    def cli(*args):
        return subprocess.run([sys.executable, "-m", "rxdag.cli", *args], capture_output=True, text=True, timeout=60)

    assert cli("--version").stdout == f"{rxdag.build_info()}\n"
    assert "demo" in cli("--help").stdout
    assert cli("demo", "--help").returncode == 0


def test_without_its_extra_the_command_line_says_what_to_install():
    code = "import sys; sys.modules['typer'] = None\nfrom rxdag.cli import main\nmain([])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert install_line("cli") in done.stderr
    assert "Traceback" not in done.stderr


def test_the_readme_installs_as_the_messages_say():
    readme = (Path(__file__).parent.parent / "README.md").read_text()
    assert f"$ {INSTALL.format(extra='cli')} " in readme


def test_a_demo_that_is_terminated_drains_exits_with_143_and_writes_no_open_bar(tmp_path):
    import signal

    args = [sys.executable, "-m", "rxdag.cli", "demo", "--speed", "4", "--out", str(tmp_path)]
    with subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "trades/s" in process.stdout.readline()  # the first line of progress
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    assert "signal.received dag=demo signal=SIGTERM action=drain" in err
    assert "trades of open bars are not written" in out
    seed = rxdag.from_source(sources.simulated_trades(seed=0))
    whole = market.trade_bars(seed).head(len((tmp_path / "bars.csv").read_text().splitlines()) - 1)
    rows = polars.read_csv(tmp_path / "bars.csv")
    assert rows["count"].to_list() == [bar.count for bar in whole]
