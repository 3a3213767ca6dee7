"""Progress of a run on a terminal: a bar if its inputs are finite, else counts."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

from rxdag.runtime import RunStats


def share_of(stats: RunStats) -> float | None:
    """Return the share read of the slowest input, from 0 to 1; None if an input has no end."""
    known = [source.progress for source in stats.sources.values()]
    ended = [name for name, source in stats.sources.items() if source.progress is None and not source.is_open]
    shares = [share for share in known if share is not None]
    return min(shares) if shares and len(shares) + len(ended) == len(known) else None


class Progressing:
    """A progress line on a terminal, shown while it is entered.

    Args:
        console: The terminal.
        said: Returns the text next to the bar.
    """

    def __init__(self, console: Console, said: Callable[[RunStats], str]) -> None:
        self._said = said
        self._bar = Progress(
            SpinnerColumn(),
            BarColumn(24),
            TaskProgressColumn(),
            TextColumn("{task.description}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task("starting", total=None)

    def update(self, stats: RunStats) -> None:
        """Show the state of a run."""
        share = share_of(stats)
        total, done = (None, 0.0) if share is None else (1.0, share)
        self._bar.update(self._task, description=self._said(stats), total=total, completed=done)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
