"""The commands of recordings: `rxdag record` and `rxdag replay`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from rxdag import sources
from rxdag.cli._choices import Durable, OnFull, Unit
from rxdag.cli._load import load
from rxdag.cli._logs import AsForm, AtLevel, LogForm, LogLevel, configure_logs
from rxdag.cli._options import Allow, Outside, Set, Spec, Traceback
from rxdag.cli._record import run_record
from rxdag.cli._replay import run_replay
from rxdag.cli._replay_journal import run_replay_journal


def replay(
    file: Annotated[
        str,
        typer.Argument(help="Recorded .csv or .jsonl file, also compressed, or folder of a journal.", metavar="FILE"),
    ],
    only: Annotated[
        list[str] | None,
        typer.Option("--source", help="Write only this source of a journal. Repeatable.", metavar="NAME"),
    ] = None,
    time: Annotated[str | None, typer.Option(help="Field with the time of receipt.", metavar="FIELD")] = None,
    unit: Annotated[
        Unit | None, typer.Option(help="Unit of that field; by default ns, if the times are then plausible.")
    ] = None,
    speed: Annotated[float, typer.Option(help="1 for the recorded pace, 20 for twenty times as fast.", min=1e-6)] = 1.0,
    at_once: Annotated[bool, typer.Option("--at-once", help="Write as fast as possible.")] = False,
    until: Annotated[str | None, typer.Option(help="Stop after this time.", metavar="DURATION")] = None,
    log_format: AsForm = LogForm.text,
    log_level: AtLevel = LogLevel.warning,
    traceback: Traceback = False,
) -> None:
    """Write a recorded file or journal to stdout as JSON lines: at the recorded pace, faster, or at once.

    A journal holds times of receipt; its sources are merged in order of arrival.
    """
    configure_logs(log_format, log_level)
    if Path(file).is_dir():
        for option, value in (("--time", time), ("--unit", unit)):
            if value is not None:
                raise typer.BadParameter(
                    "must be left out for a journal, which has times of receipt", param_hint=option
                )
        raise typer.Exit(run_replay_journal(Path(file), only or [], None if at_once else speed, until))
    if only:
        raise typer.BadParameter(
            "must be left out for a file; only a journal has several sources", param_hint="--source"
        )
    if time is None and not at_once:
        raise typer.BadParameter("must be given, or --at-once", param_hint="--time")
    raise typer.Exit(run_replay(file, None if at_once else time, None if unit is None else unit.value, speed, until))


def record(
    spec: Spec,
    names: Annotated[
        list[str], typer.Option("--source", help="Name of a source to record. Repeatable.", metavar="NAME")
    ],
    to: Annotated[Path, typer.Option(help="Folder of the journal; an existing one is continued.", metavar="DIR")],
    durable: Annotated[
        Durable, typer.Option(help="written: survive the process; synced: survive a power failure too.")
    ] = Durable.written,
    on_full: Annotated[
        OnFull, typer.Option(help="On a full disk, stop, or pass items unrecorded and count them.")
    ] = OnFull.stop,
    max_age: Annotated[
        str | None, typer.Option(help="Delete records older than this, such as 7d.", metavar="DURATION")
    ] = None,
    max_bytes: Annotated[
        int | None, typer.Option(help="Delete the oldest records if the journal exceeds this size.", min=1 << 20)
    ] = None,
    sets: Set = None,
    allow: Allow = None,
    outside: Outside = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Do not print the books.")] = False,
    log_format: AsForm = LogForm.text,
    log_level: AtLevel = LogLevel.warning,
    traceback: Traceback = False,
) -> None:
    """Record sources of a graph into a journal, until they end or SIGTERM. The rest of the graph does not run."""
    configure_logs(log_format, log_level)
    dag = load(spec, sets or [], allow or [], outside=outside).dag
    retention = None if max_age is None and max_bytes is None else sources.Retention(max_age, max_bytes)
    kept: dict[str, Any] = {"durable": durable.value, "on_full": on_full.value, "retention": retention}
    raise typer.Exit(run_record(dag, names, to, **kept, quiet=quiet or log_format is LogForm.json))
