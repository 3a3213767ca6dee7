"""Status of the dags and pipelines of a PipelineRuntime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from rxdag.errors import text_of
from rxdag.graph import Dag
from rxdag.runtime._dag_job import DagJob
from rxdag.runtime._result import RunResult, RunStats
from rxdag.runtime._supervised import Job, JobState, Supervised


@dataclass(frozen=True)
class JobStatus:
    """Status of a dag or pipeline.

    Attributes:
        name: Name of the dag or pipeline.
        kind: "dag" or "pipeline".
        state: "created", "waiting" for its turn, "running", "restarting" while it waits for a restart, "finished",
            "failed" or "stopped".
        restarts: Number of restarts.
        uptime_s: Duration of the current run, s; 0 if none is running.
        error: Error of the last run.
        stats: The books; None if it has not run, or is an opaque pipeline.
        result: Result of the last run; None while it is running.
        dag: The dag; None for an opaque pipeline.
    """

    name: str
    kind: str
    state: JobState
    restarts: int = 0
    uptime_s: float = 0.0
    error: BaseException | None = None
    stats: RunStats | None = field(default=None, repr=False)
    result: RunResult | None = field(default=None, repr=False)
    dag: Dag | None = field(default=None, repr=False)

    @classmethod
    def of(cls, job: Supervised, now: int) -> JobStatus:
        """Return the status of a supervised job."""
        uptime = (now - job.began) / 1e9 if job.state == "running" else 0.0
        stats = None if job.run is None else job.run.stats()
        dag = dag_of(job.job)
        return cls(job.name, job.job.kind, job.state, job.restarts, uptime, job.error, stats, job.result, dag)


def dag_of(job: Job) -> Dag | None:
    """Return the dag of a job; None for an opaque pipeline."""
    return job.plan.dag if isinstance(job, DagJob) else None


@dataclass(frozen=True)
class RuntimeStatus:
    """Status of a runtime.

    Attributes:
        is_started: True from `start` to `stop`.
        jobs: Its dags and pipelines, by name.
    """

    is_started: bool
    jobs: Mapping[str, JobStatus]

    def __str__(self) -> str:
        lines = [f"runtime: {'started' if self.is_started else 'not running'}, {len(self.jobs)} dags and pipelines"]
        width = max((len(name) for name in self.jobs), default=0)
        for job in self.jobs.values():
            more = f", restarted {job.restarts} times" if job.restarts else ""
            error = f": {text_of(job.error)}" if job.error is not None and job.state in ("failed", "restarting") else ""
            lines.append(f"  {job.name:<{width}}  {job.kind}  {job.state}{more}{error}")
            if job.stats is not None and job.stats.checkpoints is not None:
                lines.append(f"  {'':<{width}}  {job.stats.checkpoints}")
        return "\n".join(lines)


HealthState: TypeAlias = Literal["ok", "degraded", "down"]


@dataclass(frozen=True)
class Health:
    """Health of a runtime.

    Attributes:
        state: "ok"; "degraded" while something has failed or waits for a restart; "down" if the runtime is not started,
            or everything has failed.
        components: Health of each dag and pipeline, with the problem if any.
    """

    state: HealthState
    components: Mapping[str, tuple[HealthState, str]]


def health_of(status: RuntimeStatus) -> Health:
    """Return the health of a status."""
    components: dict[str, tuple[HealthState, str]] = {}
    for name, job in status.jobs.items():
        said = "" if job.error is None else text_of(job.error)
        if job.state == "failed":
            components[name] = ("down", said)
        elif job.state == "restarting":
            components[name] = ("degraded", said)
        else:
            components[name] = ("ok", "")
    states = {state for state, _ in components.values()}
    if not status.is_started or states == {"down"}:
        return Health("down", components)
    return Health("degraded" if states - {"ok"} else "ok", components)
