"""`rxdag demo`: real or simulated trades to right bars, with progress and a table."""

from __future__ import annotations

import sys
from collections import deque
from pathlib import Path
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table

import rxdag
from rxdag import market, on_error, render, sinks, sources
from rxdag.cli._exit import with_exit_code
from rxdag.cli._next_steps import next_steps
from rxdag.cli._progress import Progressing
from rxdag.contract import install_line
from rxdag.errors import MissingExtra
from rxdag.market import BAR_COLUMNS, Bar, Trade
from rxdag.runtime import RunResult, RunStats

_LOOK_AHEAD: Final = 2_000
"""Number of trades read to find the venues."""
_CHARTED: Final = 2_000
"""Maximum number of bars per symbol in the chart."""
_WIDTH: Final = 100
"""Width of the full table, in characters; on a narrower terminal high and low are left out."""


Bars = dict[tuple[str, str], deque[Bar]]


def demo_dag(trades: rxdag.Stream[Trade], out: Path, venues: list[str], last: Bars) -> rxdag.Dag:
    """Return the main job as a dag.

    Args:
        trades: Trades in order of receipt.
        out: Directory of the files.
        venues: Ports of the route; other venues go to "other".
        last: Filled with the last bars of each symbol.
    """
    bars = market.trade_bars(trades)

    def keep_last(bar: Bar) -> None:
        last.setdefault((bar.venue, bar.symbol), deque(maxlen=_CHARTED)).append(bar)

    merged = rxdag.merge(*market.by_venue(bars, venues).values()).named("merged") if venues else bars
    return rxdag.Dag(
        merged.pipe(rxdag.operators.tap(keep_last), name="last").to(
            sinks.csv(out / "bars.csv", columns=BAR_COLUMNS), name="bars_csv"
        ),
        bars.late.to(sinks.jsonl(out / "late.jsonl"), name="late_jsonl"),
        name="demo",
    )


def run_demo(*, data: str | None, out: Path, trades: int, seed: int, speed: float | None, skip_bad: bool) -> int:
    """Run it, print the table, and return the exit code; raises the error of the run."""
    source: rxdag.Source[Trade]
    if data is None:
        source = sources.simulated_trades(seed, trades=trades, speed=speed)
        ahead: rxdag.Source[Trade] = sources.simulated_trades(seed, trades=min(trades, _LOOK_AHEAD))
    else:
        source = ahead = sources.csv(data, Trade)
    policy = on_error.skip if skip_bad else on_error.raise_
    venues: list[str] = []
    if data != "-":
        seen = rxdag.from_source(ahead, name="trades", on_error=policy).head(_LOOK_AHEAD)
        venues = sorted({trade.venue for trade in seen})
    last: Bars = {}
    stream = rxdag.from_source(source, name="trades", on_error=policy)
    dag = demo_dag(stream, out, venues, last)
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    if console.is_terminal:
        with Progressing(console, _progress) as progress:
            update = progress.update
            result, code = with_exit_code(lambda: rxdag.run(dag, on_progress=update, progress_every="200ms"))
    else:
        result, code = with_exit_code(lambda: rxdag.run(dag, on_progress=_print_progress, progress_every="2s"))
    _report(console, result, last, out)
    return code


def _progress(stats: RunStats) -> str:
    came, bars = stats.nodes["trades"].made, stats.nodes["bars_csv"].passed
    speed = came / stats.elapsed_s if stats.elapsed_s > 0 else 0
    return f"{came:,} trades, {bars:,} bars, {speed:,.0f} trades/s"


def _print_progress(stats: RunStats) -> None:
    print(_progress(stats), flush=True)


def _report(console: Console, result: RunResult, last: Bars, out: Path) -> None:
    nodes = result.stats.nodes
    came = nodes["trades"].made
    speed = came / result.stats.elapsed_s if result.stats.elapsed_s > 0 else 0
    names = ("trades in", "malformed", "invalid", "duplicates", "late", "bars out", "trades/s")
    counts = _table(*names, title="demo")
    values = [
        came,
        sum(nodes["trades"].dropped.values()),
        nodes["bars_valid"].filtered,
        nodes["bars_once"].dropped.get("repeated", 0),
        nodes["bars"].late,
        nodes["bars_csv"].passed,
        round(speed),
    ]
    counts.add_row(*(f"{value:,}" for value in values))
    console.print(counts)
    wide = console.width >= _WIDTH
    prices = ("open", "high", "low", "close") if wide else ("open", "close")
    bars = _table("venue", "symbol", "last bar", *prices, "volume", "count", title="last bar per symbol")
    for _, (*_, bar) in sorted(last.items()):
        shown = [f"{getattr(bar, name):.10g}" for name in prices]
        bars.add_row(bar.venue, bar.symbol, bar.start[11:], *shown, f"{bar.volume:.6g}", f"{bar.count:,}")
    if last:
        console.print(bars)
    if result.was_drained:
        held = nodes["bars"].held
        console.print(f"drained: {held:,} trades of open bars are not written, so that no bar is half a bar")
    chart = _chart(last, out)
    drawn = f"none; {install_line('charts')} draws one" if chart is None else str(chart)
    print(f"bars:  {out / 'bars.csv'}\nlate:  {out / 'late.jsonl'}\nchart: {drawn}\n")
    print(next_steps(chart, called=sys.argv[0]), flush=True)


def _chart(last: Bars, out: Path) -> Path | None:
    """Write the chart and return its path; None if plotly is not installed."""
    bars = [bar for _, of_symbol in sorted(last.items()) for bar in of_symbol]
    try:
        page = render.candlesticks(bars, by=lambda bar: f"{bar.venue} {bar.symbol}", title="1 s bars", most=_CHARTED)
    except MissingExtra:
        return None
    path = out / "bars.html"
    path.write_text(page, encoding="utf-8")
    return path


def _table(*names: str, title: str) -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for name in names:
        is_text = name in ("venue", "symbol", "last bar")
        table.add_column(name, justify="left" if is_text else "right", no_wrap=True)
    return table
