"""What is watched, as it stands: each dag with its state and its books."""

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
    """A dag as it stands.

    Attributes:
        name: Of the dag.
        state: Of its run, or under supervision.
        restarts: How often it was started again.
        stats: Its books; None if it has none yet.
        dag: The dag; None of a pipeline whose inside nobody knows.
        error: What it has failed with.
    """

    name: str
    state: str
    restarts: int = 0
    stats: RunStats | None = None
    dag: Dag | None = None
    error: BaseException | None = None

    @property
    def is_ready(self) -> bool:
        """True if it runs and its sources are connected, or has ended as it should."""
        return self.state in _ENDED or (self.state in ("running", "draining") and not self.disconnected)

    @property
    def disconnected(self) -> list[str]:
        """Sources that are open and have not the connection that they need."""
        if self.stats is None:
            return []
        return [name for name, source in self.stats.sources.items() if source.is_open and not source.is_connected]


def watermarks_s(stats: RunStats) -> dict[str, float]:
    """Watermarks in s since the epoch, by node; those before the first item and behind the last are none."""
    return {node: mark / 1e9 for node, mark in stats.watermarks.items() if abs(mark) < MAX // 2}


def subjects_of(thing: Any) -> Iterator[Subject]:
    """The dags of a run or of a runtime."""
    if isinstance(thing, PipelineRuntime):
        for job in thing.status().jobs.values():
            yield Subject(job.name, job.state, job.restarts, job.stats, job.dag, job.error)
    elif isinstance(thing, Run | AsyncRun):
        yield books_of(thing)()


def names_of(thing: Any) -> list[str]:
    """Return the names of the dags of a run or of a runtime."""
    return [thing.dag.name] if isinstance(thing, Run | AsyncRun) else list(thing.status().jobs)


def books_of(run: Run | AsyncRun) -> Callable[[], Subject]:
    """Return what reads the books of a run, and does not hold the run."""
    execution = run._execution  # pyright: ignore[reportPrivateUsage]  # its handle, once dropped, cancels it

    def read() -> Subject:
        result = execution.result
        error = None if result is None else result.error
        dag = execution.plan.dag
        return Subject(dag.name, execution.state, 0, execution.stats(), dag, error)

    return read
