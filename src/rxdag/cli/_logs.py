"""Logs of the command line: on stderr, as text or as JSON lines."""

from __future__ import annotations

import itertools
import logging
import sys
from enum import StrEnum
from typing import Annotated, Final, TextIO

import typer

from rxdag.engine.drivers import MonotonicClock
from rxdag.logs import EventLog, JsonFormatter


class LogForm(StrEnum):
    """The form of log lines."""

    text = "text"
    json = "json"


class LogLevel(StrEnum):
    """The lowest level that is logged."""

    debug = "debug"
    info = "info"
    warning = "warning"
    error = "error"


AsForm = Annotated[
    LogForm,
    typer.Option("--log-format", help="Form of the log on stderr. With json, books and progress are omitted there."),
]
AtLevel = Annotated[LogLevel, typer.Option("--log-level", help="Lowest level that rxdag logs.")]

_TEXT: Final = "%(asctime)s %(levelname)s %(message)s"
_TIME: Final = "%Y-%m-%dT%H:%M:%S%z"


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to the current `sys.stderr`: a progress bar replaces it, and prints lines above itself."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr  # not by setStream, which flushes the former one: that may be closed
        super().emit(record)


def configure_logs(form: LogForm, level: LogLevel) -> None:
    """Write the log to stderr, and warnings too if it is JSON.

    Other libraries stay at WARNING: at lower levels some of them log what they receive.
    """
    handler = _Stderr()
    handler.setFormatter(JsonFormatter() if form is LogForm.json else logging.Formatter(_TEXT, _TIME))
    if form is LogForm.text:  # the command itself prints the error with the item
        handler.addFilter(lambda record: getattr(record, "code", None) != "run.failed")
    logging.getLogger().addHandler(handler)
    logging.captureWarnings(form is LogForm.json)
    logging.getLogger("rxdag").setLevel(level.upper())


def is_json_asked(args: list[str]) -> bool:
    """Return True if a command line asks for JSON lines."""
    return "--log-format=json" in args or any(pair == ("--log-format", "json") for pair in itertools.pairwise(args))


def log_failure(error: Exception, exit_code: int, text: str) -> None:
    """Log that the command has failed.

    The message is logged if a spec or a graph is wrong, but not if a run has failed: it may contain an item.
    """
    detail = text if exit_code == 2 else None
    EventLog(MonotonicClock()).tell("command.failed", exit_code=exit_code, error=error, detail=detail)
