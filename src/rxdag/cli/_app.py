"""The commands."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer
from rich.logging import RichHandler

from rxdag import __version__
from rxdag.cli._demo import run_demo

app = typer.Typer(
    help="Streaming DAGs: bounded, correct in event time.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _version(show: bool) -> None:
    if show:
        typer.echo(f"rxdag {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Streaming DAGs: bounded, correct in event time."""
    from rich.console import Console

    handler = RichHandler(console=Console(stderr=True), show_time=False, show_path=False)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler])


@app.command()
def demo(
    data: Annotated[
        str | None,
        typer.Option(help="CSV of trades (.gz too, - for stdin); without it trades are simulated.", metavar="FILE"),
    ] = None,
    out: Annotated[Path, typer.Option(help="Directory for bars.csv and late.jsonl.", metavar="DIR")] = Path("out"),
    trades: Annotated[int, typer.Option(min=0, help="How many trades to simulate.")] = 100_000,
    seed: Annotated[int, typer.Option(help="Of the simulated trades.")] = 0,
    speed: Annotated[
        float | None,
        typer.Option(help="1 for simulated trades in real time, 20 for twenty times that; as fast as it goes without."),
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave malformed lines out instead of stopping.")
    ] = False,
    traceback: Annotated[bool, typer.Option("--traceback", help="Show where an error was raised.")] = False,
) -> None:
    """Make 1 s bars of trades: deduped, right in event time, by venue and symbol."""
    run_demo(data=data, out=out, trades=trades, seed=seed, speed=speed, skip_bad=skip_bad)
