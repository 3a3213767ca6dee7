"""DagJob: a dag that a runtime starts, restarts and replaces."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from functools import partial
from typing import Any

from rxdag.checkpoints import Checkpoint, StoreSession
from rxdag.contract import flag, positive_ns
from rxdag.errors import RxDagError
from rxdag.logs import EventLog
from rxdag.plan import Plan
from rxdag.runtime._execution import Execution
from rxdag.runtime._front import stop_after
from rxdag.runtime._graph_changes import Changes
from rxdag.runtime._handles import AsyncRun, Run
from rxdag.runtime._recovery import Recovery, begun, check_continues
from rxdag.runtime._result import RunResult, RunStats
from rxdag.runtime._shadow import Shadow
from rxdag.runtime._supervised import Started


class DagJob:
    """Runs a dag: on the event loop if a node needs one, else on its own threads, so that it does not delay others.

    Args:
        plan: The plan to run.
        until: Drain each run after this time.
        kind: "dag", or "pipeline" for a dag made from a linear pipeline.
        flush: True to close open panes on drains.
        recovery: Settings of its checkpoints; None for a dag that takes none.
    """

    def __init__(
        self,
        plan: Plan,
        until: Any = None,
        kind: str = "dag",
        *,
        flush: bool = False,
        recovery: Recovery | None = None,
    ) -> None:
        self.plan = plan
        self.recovery = recovery
        self.flush = flag(flush, "flush")
        self.kind = kind
        self.until = until
        if until is not None:
            positive_ns(until, "until")

    @property
    def takes_checkpoints(self) -> bool:
        """True if a restart continues from the last checkpoint."""
        return self.recovery is not None

    def of(self, plan: Plan, changes: Changes) -> DagJob:
        """Return a job with the same settings that runs another plan.

        Args:
            plan: The other plan.
            changes: Changes of the graph, for its checkpoints.
        """
        recovery = None if self.recovery is None else replace(self.recovery, changes=changes)
        return DagJob(plan, self.until, flush=self.flush, recovery=recovery)

    async def check_continues(self, run: Started | None) -> None:
        """Check that the job can continue from the checkpoints of another one, which may be running.

        Args:
            run: The last run of the other job; if it is still running, a checkpoint of it is taken.

        Raises:
            GraphError: If the graph cannot be continued.
            CheckpointError: If it cannot continue from the last checkpoint, or none can be taken.
        """
        recovery = self.recovery
        if recovery is None:
            return
        check = partial(
            check_continues,
            self.plan,
            changes=recovery.changes,
            state_types=recovery.state_types,
            exactly=recovery.is_exact,
        )
        if isinstance(run, DagRun) and not run.is_over.is_set():
            check(await run.checkpoint())
        elif not isinstance(recovery.store, Shadow):
            with recovery.store.open(self.plan.dag.job) as session:
                check(session)

    def start(self, log: EventLog, /) -> DagRun:
        return DagRun(self, log)


class DagRun:
    """One run of a dag."""

    def __init__(self, job: DagJob, log: EventLog) -> None:
        loop = asyncio.get_running_loop()
        self.execution = execution = begun(Execution(job.plan, log=log), job.recovery)
        if job.recovery is not None:  # a restart continues
            job.recovery = replace(job.recovery, fresh=False)
        execution.on_done(lambda: self._forget_changes(job))
        execution.flush = job.flush
        stop_after(execution, job.until)
        self.is_over = asyncio.Event()
        if execution.result is not None:  # an earlier run has done the job
            self.is_over.set()
        execution.on_done(lambda: _tell(loop, self.is_over))
        self.handle: AsyncRun | Run = AsyncRun(execution) if job.plan.needs_loop else Run(execution)

    def _forget_changes(self, job: DagJob) -> None:
        """Forget declared changes once a checkpoint of the changed graph exists: a restart must not apply them again."""
        checkpointing = self.execution.checkpointing
        if job.recovery is not None and checkpointing is not None and checkpointing.last is not None:
            job.recovery = replace(job.recovery, changes=Changes())

    async def checkpoint(self) -> StoreSession:
        """Take a checkpoint, and return the store that it is in.

        Raises:
            RxDagError: If it cannot be taken.
        """
        checkpointing = self.execution.checkpointing
        assert checkpointing is not None
        loop = asyncio.get_running_loop()
        taken: asyncio.Queue[Checkpoint | Exception] = asyncio.Queue()

        def tell(outcome: Checkpoint | Exception) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed, so nothing waits
                loop.call_soon_threadsafe(taken.put_nowait, outcome)

        self.execution.main.call(partial(checkpointing.request, tell))
        self.execution.on_done(lambda: tell(RxDagError("checkpoint: the run must be running, but it has ended")))
        outcome = await taken.get()
        if isinstance(outcome, Exception):
            raise outcome
        return checkpointing.session

    @property
    def result(self) -> RunResult | None:
        return self.handle.result

    def begin_drain(self, *, flush: bool | None = None) -> None:
        self.handle.begin_drain(flush=flush)

    def cancel(self) -> None:
        self.handle.cancel()

    def stats(self) -> RunStats:
        return self.handle.stats()

    async def ended(self) -> BaseException | None:
        await self.is_over.wait()
        result = self.result
        return RxDagError("run: must have ended, got one that has not") if result is None else result.error


def _tell(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed, so nothing waits
        loop.call_soon_threadsafe(event.set)
