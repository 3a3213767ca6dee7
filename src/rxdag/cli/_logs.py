"""Logs of the command line: on stderr, as text or as JSON lines."""

from __future__ import annotations

import itertools
import logging
import sys
from enum import StrEnum
from typing import Annotated, Final, TextIO

import typer

from rxdag.logs import EventLog, JsonFormatter
from rxdag.schedulers import MonotonicClock


class LogForm(StrEnum):
    """How log lines look."""

    text = "text"
    json = "json"


class LogLevel(StrEnum):
    """What is logged: this and all that is worse."""

    debug = "debug"
    info = "info"
    warning = "warning"
    error = "error"


AsForm = Annotated[
    LogForm,
    typer.Option("--log-format", help="Of the log on stderr. With json, books and progress are left out there."),
]
AtLevel = Annotated[LogLevel, typer.Option("--log-level", help="Least level of what rxdag logs.")]

_TEXT: Final = "%(asctime)s %(levelname)s %(message)s"
_TIME: Final = "%Y-%m-%dT%H:%M:%S%z"


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to what is stderr at that moment: a progress bar stands in for it, and prints lines above itself."""

    def emit(self, record: logging.LogRecord) -> None:
        self.setStream(sys.stderr)
        super().emit(record)


def configure_logs(form: LogForm, level: LogLevel) -> None:
    """Have the log written to stderr; warnings too, if it is JSON.

    Other libraries stay at WARNING: at lower levels some of them log what they receive.
    """
    handler = _Stderr()
    handler.setFormatter(JsonFormatter() if form is LogForm.json else logging.Formatter(_TEXT, _TIME))
    if form is LogForm.text:  # there the command says itself what it has failed with, and on which item
        handler.addFilter(lambda record: getattr(record, "code", None) != "run.failed")
    logging.getLogger().addHandler(handler)
    logging.captureWarnings(form is LogForm.json)
    logging.getLogger("rxdag").setLevel(level.upper())


def is_json_asked(args: list[str]) -> bool:
    """Return True if a command line asks for JSON lines."""
    return "--log-format=json" in args or any(pair == ("--log-format", "json") for pair in itertools.pairwise(args))


def log_failure(error: Exception, exit_code: int, text: str) -> None:
    """Log that the command has failed.

    The message of what is wrong with a spec or a graph is logged too. That of a failed run is not, for it may hold an item.
    """
    detail = text if exit_code == 2 else None
    EventLog(MonotonicClock()).tell("command.failed", exit_code=exit_code, error=error, detail=detail)
