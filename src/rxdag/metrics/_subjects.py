"""The watched dags, each with its state and its books."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from rxdag.contract import MAX
from rxdag.graph import Dag
from rxdag.runtime import AsyncRun, PipelineRuntime, Run, RunStats

_ENDED = ("completed", "finished", "stopped", "cancelled")


@dataclass(frozen=True)
class Subject:
    """State of a watched dag.

    Attributes:
        name: Name of the dag.
        state: State of its run, or its state under supervision.
        restarts: Number of restarts.
        stats: The books; None if there are none yet.
        dag: The dag; None for an opaque pipeline.
        error: The error of a failed run.
    """

    name: str
    state: str
    restarts: int = 0
    stats: RunStats | None = None
    dag: Dag | None = None
    error: BaseException | None = None

    @property
    def is_ready(self) -> bool:
        """Return True if it runs with its sources connected, or has ended successfully."""
        return self.state in _ENDED or (self.state in ("running", "draining") and not self.disconnected)

    @property
    def disconnected(self) -> list[str]:
        """Return the sources that are open but lack a required connection."""
        if self.stats is None:
            return []
        return [name for name, source in self.stats.sources.items() if source.is_open and not source.is_connected]


def watermarks_s(stats: RunStats) -> dict[str, float]:
    """Return watermarks in s since the epoch, by node, without those before the first item and after the end."""
    return {node: mark / 1e9 for node, mark in stats.watermarks.items() if abs(mark) < MAX // 2}


def subjects_of(thing: Any) -> Iterator[Subject]:
    """Yield the dags of a run or of a runtime."""
    if isinstance(thing, PipelineRuntime):
        for job in thing.status().jobs.values():
            yield Subject(job.name, job.state, job.restarts, job.stats, job.dag, job.error)
    elif isinstance(thing, Run | AsyncRun):
        yield books_of(thing)()


def names_of(thing: Any) -> list[str]:
    """Return the names of the dags of a run or of a runtime."""
    return [thing.dag.name] if isinstance(thing, Run | AsyncRun) else list(thing.status().jobs)


def books_of(run: Run | AsyncRun) -> Callable[[], Subject]:
    """Return the reader of the books of a run, which does not keep the run alive."""
    execution = run._execution  # pyright: ignore[reportPrivateUsage]  # its handle, once dropped, cancels it

    def read() -> Subject:
        result = execution.result
        error = None if result is None else result.error
        dag = execution.plan.dag
        return Subject(dag.name, execution.state, 0, execution.stats(), dag, error)

    return read
