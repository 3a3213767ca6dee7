"""Supervised: one dag or pipeline, run repeatedly by its policy."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import random
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, TypeAlias

from rxdag.contract import Clock
from rxdag.logs import EventLog
from rxdag.orchestration import FeedbackDecision
from rxdag.runtime._result import RunResult, RunStats
from rxdag.runtime._tasks import failed_by_itself
from rxdag.sources import Backoff

JobState: TypeAlias = Literal["created", "waiting", "running", "restarting", "finished", "failed", "stopped"]
EventKind: TypeAlias = Literal[
    "created", "running", "failed", "restarted", "finished", "stopped", "replaced", "feedback"
]
ENDED: tuple[JobState, ...] = ("finished", "failed", "stopped")
_CODES: Final[dict[JobState, str]] = {
    "running": "job.started",
    "finished": "job.finished",
    "failed": "job.failed",
    "stopped": "job.stopped",
}
"""Log codes, by the state that a job enters."""


@dataclass(frozen=True)
class RuntimeEvent:
    """An event of a dag or pipeline in a PipelineRuntime.

    Attributes:
        kind: "created"; "running": a run has started; "failed" or "finished": a run has ended; "restarted": a new run
            starts after one that ended; "stopped": it was stopped on request; "replaced": another dag has taken its
            name;
            "feedback": see `decision`.
        name: Name of the dag or pipeline.
        at: Time of the event, ns since the epoch.
        restarts: Number of restarts so far.
        error: The error of a failed run.
        decision: The decision of a "feedback" event: the level has changed, or the full rate is restored.
    """

    kind: EventKind
    name: str
    at: int
    restarts: int = 0
    error: BaseException | None = None
    decision: FeedbackDecision | None = None


class Started(Protocol):
    """A run that has begun."""

    def begin_drain(self, *, flush: bool | None = None) -> None: ...
    def cancel(self) -> None: ...
    def stats(self) -> RunStats | None: ...
    async def ended(self) -> BaseException | None:
        """Wait for its end; returns its error."""
        ...

    @property
    def result(self) -> RunResult | None: ...


class Job(Protocol):
    """A dag or a pipeline that a runtime can run."""

    kind: str

    @property
    def takes_checkpoints(self) -> bool: ...
    def start(self, log: EventLog, /) -> Started: ...


class TaskJob:
    """Runs an opaque object with a coroutine `run()`.

    Args:
        thing: The object; stopped by its `stop()` or `close()` if it has one, else by cancelling `run()`.
    """

    kind = "pipeline"
    takes_checkpoints = False

    def __init__(self, thing: Any) -> None:
        self._thing = thing

    def start(self, log: EventLog, /) -> TaskRun:
        return TaskRun(self._thing)


class TaskRun:
    """One call of `run()`."""

    result: RunResult | None = None

    def __init__(self, thing: Any) -> None:
        self._thing = thing
        self._task = asyncio.ensure_future(thing.run())
        self._stopping: asyncio.Future[Any] | None = None
        self._stop_error: BaseException | None = None
        self._is_cut = False

    def begin_drain(self, *, flush: bool | None = None) -> None:
        stop = getattr(self._thing, "stop", None) or getattr(self._thing, "close", None)
        if stop is None:
            self.cancel()
            return
        try:
            stopping = stop()
            if inspect.isawaitable(stopping):
                self._stopping = asyncio.ensure_future(self._stopped(stopping))
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            self._stop_failed(error)

    async def _stopped(self, stopping: Awaitable[Any]) -> None:
        try:
            await stopping
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # unless it was cut, a CancelledError is an error of `stop`
            if not (self._is_cut and isinstance(error, asyncio.CancelledError)):
                self._stop_failed(error)

    def _stop_failed(self, error: BaseException) -> None:
        """Cancel a job that could not be stopped otherwise."""
        self._stop_error = error
        self.cancel()

    def cancel(self) -> None:
        self._is_cut = True
        self._task.cancel()
        if self._stopping is not None:
            self._stopping.cancel()

    def stats(self) -> None:
        return None

    async def ended(self) -> BaseException | None:
        await asyncio.wait([self._task])
        if self._stopping is not None:  # `stop` may end the run before it has finished itself
            await asyncio.wait([self._stopping])
        if self._task.cancelled() and self._is_cut:
            return self._stop_error
        return (failed_by_itself(self._task) if self._task.cancelled() else self._task).exception() or self._stop_error


class Supervised:
    """One dag or pipeline under supervision; used on one event loop.

    Args:
        name: Name of the dag or pipeline.
        job: The job to run.
        restart: "never", "on_failure" or "always".
        backoff: Delays between restarts.
        slots: Limits the number of concurrent runs.
        tell: Called with each event.
        clock: Clock of the runtime.
        log: Log of its events.
    """

    def __init__(
        self,
        name: str,
        job: Job,
        restart: str,
        backoff: Backoff,
        slots: Callable[[], contextlib.AbstractAsyncContextManager[Any]],
        tell: Callable[[RuntimeEvent], None],
        clock: Clock,
        log: EventLog,
    ) -> None:
        self.name = name
        self.job = job
        self.restart = restart
        self.backoff = backoff
        self.state: JobState = "created"
        self.restarts = 0
        self.error: BaseException | None = None
        self.run: Started | None = None
        self.began = 0
        self.changed = asyncio.Event()
        self.comes_again = False
        """True while it is stopped to be started again."""
        self._slots = slots
        self._tell = tell
        self._clock = clock
        self._log = log
        self._task: asyncio.Task[None] | None = None
        self._is_stopping = False
        self._random = random.Random()

    def tell(self, kind: EventKind, error: BaseException | None = None) -> None:
        """Report an event of the job."""
        self._tell(RuntimeEvent(kind, self.name, self._clock.now(), self.restarts, error))

    def _become(self, state: JobState) -> None:
        self.state = state
        code = _CODES.get(state)
        if code is not None:
            error = self.error if state == "failed" else None
            self._log.tell(code, job=self.name, restarts=self.restarts, error=error)
        self._wake()

    def _wake(self) -> None:
        self.changed.set()
        # A new event per state: waiters hold the old one, which stays set.
        self.changed = asyncio.Event()

    @contextlib.contextmanager
    def coming_again(self) -> Generator[None]:
        """Do not count as over meanwhile: it is stopped and started again."""
        self.comes_again = True
        try:
            yield
        finally:
            self.comes_again = False
            self._wake()

    @property
    def is_over(self) -> bool:
        """True if it has ended and will not restart by itself."""
        return self.state in ENDED

    @property
    def result(self) -> RunResult | None:
        """Result of the last run, or None."""
        return None if self.run is None else self.run.result

    def start(self) -> None:
        """Start, or restart once it is over."""
        if self._task is None or self._task.done():
            self._is_stopping = False
            self._become("waiting")
            self._task = asyncio.get_running_loop().create_task(self._live(), name=f"rxdag-{self.name}")

    async def _live(self) -> None:
        failures = 0
        waits, reset_ns = self.backoff.waits(), self.backoff.reset_after_ns()
        while True:
            async with self._slots():
                if self._is_stopping:
                    self._end("stopped")
                    return
                error = await self._once()
            if self._is_stopping:
                self.error = error
                self._end("failed" if error is not None else "stopped", error)
                return
            self.error = error
            self.tell("finished" if error is None else "failed", error)
            lasted = self._clock.now() - self.began
            # A run that lasted was healthy, so its failure counts as the first, and delays start again.
            failures = 0 if error is None else 1 if 0 < reset_ns <= lasted else failures + 1
            given_up = self.backoff.attempts is not None and failures >= self.backoff.attempts
            if self.restart == "never" or given_up or (self.restart == "on_failure" and error is None):
                self._become("finished" if error is None else "failed")
                return
            self._become("restarting")
            wait = waits.wait_ns(max(1, failures), self._random)
            begins = None if self.job.takes_checkpoints else "anew"
            self._log.tell(
                "job.restarting", job=self.name, restarts=self.restarts, wait_s=wait / 1e9, begins=begins, error=error
            )
            await asyncio.sleep(wait / 1e9)
            self.restarts += 1
            self.tell("restarted")

    def _end(self, state: JobState, error: BaseException | None = None) -> None:
        self._become(state)
        self.tell("failed" if state == "failed" else "stopped", error)

    async def _once(self) -> BaseException | None:
        """Run it once; returns its error."""
        self.began = self._clock.now()
        try:
            self.run = run = self.job.start(self._log)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # a dag that cannot be run is a failed run
            return error
        self._become("running")
        self.tell("running")
        try:
            return await run.ended()
        except asyncio.CancelledError:
            # Otherwise the run would continue without supervision.
            run.cancel()
            raise

    async def stop(self, *, drain: bool, flush: bool | None, timeout_s: float | None) -> None:
        """End it: drain it within the time, or cancel."""
        task = self._task
        if task is None or task.done():
            if not self.is_over:
                self._end("stopped")
            return
        self._is_stopping = True
        if self.state == "running" and self.run is not None:
            if drain:
                self.run.begin_drain(flush=flush)
                # Unlike wait_for(), wait() does not cancel the task on a timeout.
                await asyncio.wait([task], timeout=timeout_s)
                if not task.done():
                    self._log.tell("drain.overdue", job=self.name, timeout_s=timeout_s)
            if not task.done():
                self.run.cancel()
                await asyncio.wait([task])
            return
        # It waits for its turn, or for a restart.
        task.cancel()
        await asyncio.wait([task])
        self._end("stopped")
