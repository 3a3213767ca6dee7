"""Supervisor: runs many jobs side by side, each by its own policy."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from rxdag.contract import Duration, Timeout, flag, positive_ns, timeout_s
from rxdag.engine.drivers import MonotonicClock
from rxdag.errors import GraphError, RxDagError, Terminated, did_you_mean, text_of
from rxdag.graph import Dag
from rxdag.logs import EventLog
from rxdag.plan import Plan, compile
from rxdag.runtime._dag_job import DagJob, DagRun
from rxdag.runtime._recovery import changes_of
from rxdag.runtime._result import RunResult
from rxdag.runtime._runtime_status import Health, JobStatus, RuntimeStatus, dag_of, health_of
from rxdag.runtime._settings import RestartPolicy, RuntimeSettings, restart_of
from rxdag.runtime._signals import Caught, handled
from rxdag.runtime._streamed import streamed
from rxdag.runtime._supervised import Job, RuntimeEvent, Supervised
from rxdag.runtime._termination import TERMINATION
from rxdag.sources import Backoff

if TYPE_CHECKING:
    from typing import Self

_EVENTS: Final = 1024
"""Number of events buffered for a slow listener; older ones are dropped."""


class Supervisor:
    """The supervision part of a PipelineRuntime. It is used on one event loop.

    Args:
        settings: Settings of the runtime.
    """

    def __init__(self, settings: RuntimeSettings) -> None:
        self.settings = settings
        self._clock = MonotonicClock()
        self._log = EventLog(self._clock, self._later)
        self._jobs: dict[str, Supervised] = {}
        self._waiting: dict[str, tuple[Job, str, Backoff]] = {}
        self._listeners: list[deque[RuntimeEvent]] = []
        self._heard = asyncio.Event()
        self._slots: asyncio.Semaphore | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._chores: list[tuple[float, Callable[[], None]]] = []
        self._doing: list[asyncio.Task[None]] = []

    def __repr__(self) -> str:
        counts = Counter(job.state for job in self._jobs.values()) + Counter({"waiting": len(self._waiting)})
        return f"<{type(self).__name__}: {', '.join(f'{n} {state}' for state, n in counts.items()) or 'no jobs'}>"

    def _check_new(self, name: str) -> None:
        if name in self._jobs or name in self._waiting:
            raise GraphError(f'runtime: "{name}" is already in use; replace() puts another dag in its place')

    def _register(self, name: str, job: Job, restart: RestartPolicy | None, backoff: Backoff | None) -> None:
        self._check_new(name)
        policy, waits = restart_of(restart, backoff, self.settings.restart)
        self._waiting[name] = (job, policy, waits)
        self._tell(RuntimeEvent("created", name, self._clock.now()))
        if self._loop is not None:
            self._begin_waiting()

    def _begin_waiting(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for name, (job, policy, backoff) in waiting.items():
            supervised = Supervised(name, job, policy, backoff, self._slot, self._tell, self._clock, self._log)
            self._jobs[name] = supervised
            supervised.start()

    def _every(self, seconds: float, fn: Callable[[], None]) -> None:
        """Call a function at an interval, from start to stop."""
        self._chores.append((seconds, fn))
        if self._loop is not None:
            self._doing.append(asyncio.create_task(self._repeat(seconds, fn)))

    async def _repeat(self, seconds: float, fn: Callable[[], None]) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                fn()
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException as error:  # an error of the user's function; the next measurement may succeed
                self._log.tell("measure.failed", every_s=seconds, error=error)

    def _later(self, when: int, fn: Callable[[], None]) -> None:
        """Call a function at a time, unless everything has stopped by then. Thread-safe."""
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: `stop` has written what was held
                loop.call_soon_threadsafe(loop.call_later, max(0, when - self._clock.now()) / 1e9, fn)

    def _slot(self) -> contextlib.AbstractAsyncContextManager[Any]:
        return contextlib.nullcontext() if self._slots is None else self._slots

    def _found(self, name: str) -> Supervised:
        if name not in self._jobs:
            known = ", ".join(f'"{each}"' for each in (*self._jobs, *self._waiting)) or "none"
            hint = "; start the runtime first" if name in self._waiting else did_you_mean(name, self._jobs)
            raise GraphError(f'runtime: "{name}" is not running here{hint}; known: {known}')
        return self._jobs[name]

    async def start(self) -> None:
        """Start everything, also again after `stop`; a second call does nothing."""
        if self._loop is not None:
            return
        self._loop = asyncio.get_running_loop()
        most = self.settings.max_concurrent_runs
        self._slots = None if most is None else asyncio.Semaphore(most)
        self._doing = [asyncio.create_task(self._repeat(*chore)) for chore in self._chores]
        for job in self._jobs.values():
            if job.state == "stopped":
                job.start()
        self._begin_waiting()

    async def stop(self, *, drain: bool = True, flush: bool | None = None, timeout: Timeout | None = None) -> None:  # noqa: ASYNC109  # as that of a run
        """Stop everything.

        Args:
            drain: True to stop reading and let everything under way reach the sinks; False to cancel.
            flush: True to close open panes, False to leave them open; by default as given to `add` for each dag.
            timeout: Time after which a drain becomes a cancel, such as 10, "10s" or a timedelta; by default as in the
                settings.

        Raises:
            GraphError: If `timeout` is invalid.
        """
        limit_s = timeout_s(self.settings.drain_timeout if timeout is None else timeout, "runtime.stop: timeout")
        flush = None if flush is None else flag(flush, "runtime.stop: flush")
        for name in self._waiting:
            self._tell(RuntimeEvent("stopped", name, self._clock.now()))
        self._waiting.clear()
        doing, self._doing = self._doing, []
        for task in doing:
            task.cancel()
        try:
            await asyncio.gather(*(j.stop(drain=drain, flush=flush, timeout_s=limit_s) for j in self._jobs.values()))
        finally:
            self._loop = None
            self._log.close()

    async def __aenter__(self) -> Self:
        TERMINATION.enter(self._stop_by)
        try:
            await self.start()
        except BaseException:
            TERMINATION.forget(self._stop_by)
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        TERMINATION.leave(self._stop_by)
        try:
            await self.stop(drain=error is None)
            await TERMINATION.drained(self._stop_by)
        finally:
            is_terminated = TERMINATION.forget(self._stop_by)
        if is_terminated and (error is None or isinstance(error, asyncio.CancelledError | Terminated)):
            raise Terminated(self._ended()) from None

    def run(self, *, until: Duration | None = None, flush: bool | None = None) -> dict[str, RunResult]:
        """Start everything, block until all has ended, and return the results by name.

        In the main thread, Ctrl-C and SIGTERM drain, and a second signal cancels. Then the program ends: SIGTERM raises
        `Terminated`, Ctrl-C raises KeyboardInterrupt, both with the results as attribute `result`.

        Args:
            until: Stop everything after this time.
            flush: Whether drains caused by `until` or signals close open panes; see `stop`.

        Raises:
            RxDagError: If a dag or pipeline has failed and will not be restarted.
            Terminated: After SIGTERM; a SystemExit with code 143.
            KeyboardInterrupt: After Ctrl-C.
        """
        caught, results = asyncio.run(self._run(until, None if flush is None else flag(flush, "runtime.run: flush")))
        return caught.outcome(results)

    async def _run(self, until: Duration | None, flush: bool | None) -> tuple[Caught, dict[str, RunResult]]:
        limit_s = None if until is None else positive_ns(until, "run: until") / 1e9
        await self.start()
        stops: list[asyncio.Task[None]] = []
        loop = asyncio.get_running_loop()

        def stop(name: str) -> None:
            stops.append(loop.create_task(self._stop_by(name, drain=not stops, flush=flush)))

        def react(caught: Caught) -> None:
            # A signal handler interrupts the loop at any point; only this call is safe there and wakes the loop.
            loop.call_soon_threadsafe(stop, caught.name)

        with handled((signal.SIGINT, signal.SIGTERM), react) as caught:
            try:
                async with asyncio.timeout(limit_s):
                    await self._all_over()
            except TimeoutError:
                pass
            finally:
                await self.stop(flush=flush)
                if stops:
                    await asyncio.wait(stops)
        return caught, self._results()

    async def _stop_by(self, name: str, /, *, drain: bool, flush: bool | None = None) -> None:
        """Stop everything, and note in each run which signal asked for it."""
        limit_s = timeout_s(self.settings.drain_timeout, "drain_timeout") if drain else None
        self._log.tell("signal.received", signal=name, action="drain" if drain else "cancel", timeout_s=limit_s)
        for job in self._jobs.values():
            if isinstance(job.run, DagRun):
                job.run.execution.signal = name
        await self.stop(drain=drain, flush=flush)

    async def run_until_complete(self) -> dict[str, RunResult]:
        """Wait until everything has ended for good; return the last result of each dag.

        The results are by name.

        Raises:
            RxDagError: If a dag or pipeline has failed and will not be restarted. The message names all of them; the
                cause is the first error.
        """
        await self.start()
        await self._all_over()
        return self._results()

    async def _all_over(self) -> None:
        while True:
            open_jobs = [job for job in self._jobs.values() if job.comes_again or not job.is_over]
            if not open_jobs:
                return
            # All jobs must end, so any of the open ones can be awaited first.
            await open_jobs[0].changed.wait()

    def _results(self) -> dict[str, RunResult]:
        failed = {
            name: job.error for name, job in self._jobs.items() if job.state == "failed" and job.error is not None
        }
        if failed:
            first = next(iter(failed.values()))
            told = "; ".join(f"{name}: {text_of(error)}" for name, error in failed.items())
            raise RxDagError(f"runtime: {len(failed)} of {len(self._jobs)} failed: {told}") from first
        return self._ended()

    def _ended(self) -> dict[str, RunResult]:
        return {name: job.result for name, job in self._jobs.items() if job.result is not None}

    async def restart(self, name: str, /, *, drain: bool = True) -> None:
        """Stop a dag or pipeline and start it again.

        Raises:
            GraphError: If the name is unknown.
        """
        job = self._found(name)
        with job.coming_again():
            await self._stop_one(job, drain=drain)
            job.restarts += 1
            job.tell("restarted")
            job.start()

    async def replace(
        self,
        name: str,
        dag: Dag | Plan,
        /,
        *,
        drain: bool = True,
        allow_drop: Sequence[str] = (),
        renamed: Mapping[str, str] | None = None,
    ) -> None:
        """Replace a dag with another one.

        The new dag is compiled first, and compared with a checkpoint of the old one if that takes checkpoints. If the new
        dag is refused, nothing changes, and the old dag keeps running.

        Args:
            name: Name of the dag to replace; the new one takes over the name.
            dag: The new dag.
            drain: True to let everything under way in the old dag reach its sinks first.
            allow_drop: Names of changed or removed nodes whose saved state is dropped.
            renamed: New name of a node by its old one.

        Raises:
            GraphError: If the name is unknown, or the new dag cannot be continued after a restart.
            CompileError: If the new dag cannot be compiled.
            CheckpointError: If the new dag cannot continue with the state of the old one; lists all differences.
        """
        plan = dag if isinstance(dag, Plan) else compile(dag)
        job = self._found(name)
        before = job.job
        changes = changes_of({"allow_drop": allow_drop, "renamed": renamed or {}}, "replace")
        following = before.of(plan, changes) if isinstance(before, DagJob) else DagJob(plan)
        if (allow_drop or renamed) and following.recovery is None:
            raise GraphError(
                f'replace: allow_drop and renamed must be for a dag with checkpoints, got "{name}" without'
            )
        await following.check_continues(job.run)
        with job.coming_again():
            await self._stop_one(job, drain=drain)
            job.job = following
            job.run = None  # the books of the old dag have other nodes
            job.tell("replaced")
            self._log.tell("job.replaced", job=name)
            job.start()

    async def _stop_one(self, job: Supervised, *, drain: bool) -> None:
        limit_s = timeout_s(self.settings.drain_timeout, "drain_timeout")
        await job.stop(drain=drain, flush=None, timeout_s=limit_s)

    def status(self) -> RuntimeStatus:
        """Return the status of everything, with the books of what is running."""
        now = self._clock.now()
        # Copies, since another thread may ask, such as that of the metrics.
        jobs = {name: JobStatus.of(job, now) for name, job in tuple(self._jobs.items())}
        jobs |= {
            n: JobStatus(n, job.kind, "created", dag=dag_of(job)) for n, (job, _, _) in tuple(self._waiting.items())
        }
        return RuntimeStatus(self._loop is not None, jobs)

    def health(self) -> Health:
        """Return the overall health.

        It is "ok", "degraded" while something has failed or waits for a restart, or "down".
        """
        return health_of(self.status())

    async def events(self) -> AsyncIterator[RuntimeEvent]:
        """Yield events from now on; a reader over 1,024 events behind misses the oldest."""
        queue: deque[RuntimeEvent] = deque(maxlen=_EVENTS)
        self._listeners.append(queue)
        try:
            while True:
                while queue:
                    yield queue.popleft()
                heard = self._heard
                await heard.wait()
        finally:
            self._listeners.remove(queue)

    def _tell(self, event: RuntimeEvent) -> None:
        for queue in self._listeners:
            queue.append(event)
        # A new one per event, since a reader waits on the one it has seen last.
        heard, self._heard = self._heard, asyncio.Event()
        heard.set()

    def stream(self, name: str, sink: str | None = None, /) -> AsyncIterator[Any]:
        """Yield the items that a dag sends to its `sinks.publisher()`, across restarts.

        Items are delivered on demand; all readers advance in lock-step.

        Args:
            name: Name of the dag.
            sink: Name of the publisher; required if the dag has several.

        Raises:
            GraphError: If the dag is unknown, or has no such publisher.
        """
        return streamed(self._found(name), sink)
