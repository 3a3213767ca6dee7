"""Exit codes of a run that a signal has ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from rxdag.errors import Terminated

R = TypeVar("R")


def with_exit_code(run: Callable[[], R]) -> tuple[R, int]:
    """Run, and return the result with the exit code: 0, 130 after Ctrl-C, 143 after SIGTERM."""
    try:
        return run(), 0
    except Terminated as end:
        return cast("R", end.result), 143
    except KeyboardInterrupt as end:
        if "result" not in vars(end):
            raise  # not the error of a drained run
        return cast("R", vars(end)["result"]), 130
