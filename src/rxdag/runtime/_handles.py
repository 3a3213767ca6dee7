"""Runs: the handles that `start` and `start_async` return."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import weakref
from functools import partial
from math import inf
from queue import Empty, Queue
from typing import Any, Final

from rxdag.contract import Publisher, Timeout, refuse_fork, timeout_s
from rxdag.engine.drivers import LoopDriver, drive
from rxdag.errors import RxDagError
from rxdag.graph import Dag
from rxdag.runtime._checkpointing import RunCheckpoint
from rxdag.runtime._execution import Execution
from rxdag.runtime._publish import publisher_of
from rxdag.runtime._result import RunResult, RunStats, State
from rxdag.runtime._stacks import stack_of

_CANCEL_S: Final = 2.0


def run_here(execution: Execution) -> RunResult:
    """Run on this thread to the end; with an event loop if a node needs one."""
    if execution.result is not None:  # an earlier run has done the job
        return execution.result
    if execution.plan.needs_loop:
        with asyncio.Runner() as runner:
            return runner.run(run_on_loop(execution, is_loops_owner=True))
    try:
        execution.open()
        drive(execution.main, execution.is_done, execution.check_stall)
        _raise_what_waits(execution)
    except BaseException as reason:
        execution.abort(reason)
        execution.finish()
        raise
    return execution.finish()


async def run_on_loop(execution: Execution, *, is_loops_owner: bool = False) -> RunResult:
    """Run on this loop to the end; cancelling the task cancels the run."""
    if execution.result is not None:
        return execution.result
    execution.loop = asyncio.get_running_loop()
    how: dict[str, Any] = {"slice_s": inf} if execution.is_virtual else {}
    how["is_loops_owner"] = is_loops_owner
    driver = LoopDriver(execution.main, execution.loop, execution.is_done, execution.check_stall, **how)
    try:
        execution.open()
        driver.start()
        await driver.done
        _raise_what_waits(execution)
    except BaseException as reason:
        execution.abort(reason)
        with contextlib.suppress(asyncio.CancelledError):
            await _settle(execution)
        execution.finish()
        raise
    await _settle(execution)
    # finish() joins threads, which would block the event loop.
    return await asyncio.to_thread(execution.finish) if execution.threads else execution.finish()


def _raise_what_waits(execution: Execution) -> None:
    """Raise an exception that ends the process if the last act of the run, such as closing a sink, raised one."""
    raised = execution.main.domain.raised
    if raised is not None:
        raise raised


async def _settle(execution: Execution) -> None:
    """Wait until the run's tasks have ended."""
    tasks = list(execution._tasks)  # pyright: ignore[reportPrivateUsage]  # the runtime's own
    if tasks:
        await asyncio.wait(tasks, timeout=_CANCEL_S)


class _Handle:
    """The common part of both kinds of runs."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution
        # Dropping the handle cancels the run, so that no thread is left.
        self._finalizer = weakref.finalize(self, execution.cancel)
        self._finalizer.atexit = False
        # It refers to the run, whose error may refer to the handle by a frame of its traceback.
        execution.on_done(self._finalizer.detach)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.dag.name}: {self.state}>"

    @property
    def state(self) -> State:
        """Return the state: created, running, draining, completed, failed or cancelled."""
        return self._execution.state

    @property
    def dag(self) -> Dag:
        """Return the dag of the run."""
        return self._execution.plan.dag

    @property
    def result(self) -> RunResult | None:
        """Return the result, also of a failed run; None until the run has ended."""
        return self._execution.result

    def stats(self) -> RunStats:
        """Return the current books."""
        return self._execution.stats()

    def publisher(self, name: str, /) -> Publisher[Any]:
        """Return a `sinks.publisher()` of this run.

        It serves any number of subscribers, in lock-step.

        Raises:
            GraphError: If there is no such sink.
        """
        return publisher_of(self._execution, name)

    def begin_drain(self, *, flush: bool | None = None) -> None:
        """Begin a drain, and return at once; see `Run.drain`.

        It may be called from any thread, a signal handler, or inside an operator.
        """
        refuse_fork(self._execution.pid, "run.begin_drain")
        self._execution.drain(flush=flush)

    def cancel(self) -> None:
        """Stop the run now; items under way are discarded, and no file looks complete.

        It may be called wherever `begin_drain` may.
        """
        refuse_fork(self._execution.pid, "run.cancel")
        self._execution.cancel()

    def _outcome(self) -> RunResult:
        result = self._execution.result
        if result is None:
            raise RxDagError("run: must have ended, got one that has not")
        if result.error is not None:
            raise result.error
        return result


class Run(_Handle):
    """A handle on a run on its own threads, returned by `rxdag.start`.

    If the handle is garbage-collected without `wait`, the run is cancelled.
    """

    def __init__(self, execution: Execution) -> None:
        super().__init__(execution)
        self._thread = threading.Thread(
            target=_run_quietly, args=(execution,), name=f"rxdag-{execution.plan.dag.name}", daemon=True
        )
        self._thread.start()

    def wait(self, timeout: Timeout | None = None) -> RunResult:
        """Block until the run ends, and return the result.

        Args:
            timeout: Longest time to wait, such as 10, "10s" or a timedelta; None for no limit.

        Raises:
            GraphError: If `timeout` is invalid.
            TimeoutError: If the run has not ended in time; it continues.
            RxDagError: If called from code of the run itself, which would wait for itself.
            NodeError: If a node failed.
        """
        self._refuse_own_threads("wait")
        refuse_fork(self._execution.pid, "run.wait")
        limit_s = timeout_s(timeout, "run.wait: timeout")
        if not self._execution.done.wait(limit_s):
            raise TimeoutError(f"run: did not end within {limit_s:g} s; it is still running")
        self._thread.join()
        return self._outcome()

    def drain(self, timeout: Timeout | None = None, *, flush: bool | None = None) -> RunResult:
        """Stop reading, let everything under way reach the sinks, and wait for the end.

        Args:
            timeout: Time after which the run is cancelled, such as 10, "10s" or a timedelta; None for no limit.
            flush: True to close open panes, marked `closed_by="end"`; False to leave them open and report them. By
                default the value passed to `start`.

        Raises:
            GraphError: If `timeout` is invalid.
            RxDagError: If user code does not return even after the cancel; the message names the node and shows its
                stack. Also if called from code of the run itself, which would wait for itself.
            NodeError: If a node failed.
        """
        self._refuse_own_threads("drain")
        refuse_fork(self._execution.pid, "run.drain")
        limit_s = timeout_s(timeout, "run.drain: timeout")
        self._execution.drain(flush=flush)
        if not self._execution.done.wait(limit_s):
            self._execution.events.overdue(limit_s)
            self._execution.cancel()
            if not self._execution.done.wait(_CANCEL_S):
                raise RxDagError(f"drain: user code must return, but hangs in {self._where_stuck()}")
        return self._outcome()

    def _where_stuck(self) -> str:
        """Return the node and the stack of the call in progress in the main domain."""
        return "{}:\n{}".format(*stack_of(self._execution.main, self._execution.plan))

    def checkpoint(self, timeout: Timeout | None = None) -> RunCheckpoint:
        """Take a checkpoint now, and return it once it is durable.

        Args:
            timeout: Longest time to wait, such as 10, "10s" or a timedelta; None for no limit.

        Raises:
            RxDagError: If the run takes no checkpoints or has ended, or if this is called from its own code.
            CheckpointError: If the checkpoint cannot be written.
            StateError: If a node has a state that cannot be saved.
            TimeoutError: If it is not taken in time.
        """
        self._refuse_own_threads("checkpoint")
        refuse_fork(self._execution.pid, "run.checkpoint")
        limit_s = timeout_s(timeout, "run.checkpoint: timeout")
        checkpointing = self._execution.checkpointing
        if checkpointing is None:
            raise RxDagError("run.checkpoint: the run must take checkpoints; pass checkpoints= to rxdag.start")
        taken: Queue[RunCheckpoint | Exception] = Queue()
        self._execution.main.call(partial(checkpointing.request, taken.put))
        self._execution.on_done(
            lambda: taken.put(RxDagError("run.checkpoint: the run must be running, but it has ended"))
        )
        try:
            outcome = taken.get(timeout=limit_s)
        except Empty:
            raise TimeoutError(f"run.checkpoint: no checkpoint was taken within {limit_s:g} s") from None
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _refuse_own_threads(self, what: str) -> None:
        """Raise if this thread belongs to the run: it would wait for itself."""
        if threading.get_ident() in {scheduler.thread for scheduler in self._execution.schedulers.values()}:
            raise RxDagError(
                f"run.{what}: must not be called by code that the run executes, since it waits for the run; use "
                "run.begin_drain() or run.cancel()"
            )


class AsyncRun(_Handle):
    """A handle on a run on this event loop, returned by `rxdag.start_async`."""

    def __init__(self, execution: Execution) -> None:
        super().__init__(execution)
        self._task = asyncio.get_running_loop().create_task(run_on_loop(execution))

    async def wait(self, timeout: Timeout | None = None) -> RunResult:  # noqa: ASYNC109  # the twin of Run.wait
        """Await the end of the run; cancelling this wait does not cancel the run.

        Args:
            timeout: See `Run.wait`.

        Raises:
            GraphError: If `timeout` is invalid.
            TimeoutError: If the run has not ended in time; it continues.
            NodeError: If a node failed.
        """
        limit_s = timeout_s(timeout, "run.wait: timeout")
        done, _ = await asyncio.wait((self._task,), timeout=limit_s)
        if not done:
            raise TimeoutError(f"run: did not end within {limit_s:g} s; it is still running")
        await self._task
        return self._outcome()

    async def drain(self, timeout: Timeout | None = None, *, flush: bool | None = None) -> RunResult:  # noqa: ASYNC109  # the twin of Run.drain
        """Stop reading, let everything under way reach the sinks, and await the end.

        See `Run.drain`.
        """
        limit_s = timeout_s(timeout, "run.drain: timeout")
        self._execution.drain(flush=flush)
        try:
            # Shielded, since wait_for() cancels what it awaits on a timeout, and that would abort the run.
            await asyncio.wait_for(asyncio.shield(self._task), limit_s)
        except TimeoutError:
            self._execution.events.overdue(limit_s)
            self._execution.cancel()
            await asyncio.shield(self._task)
        return self._outcome()


def _run_quietly(execution: Execution) -> None:
    """Run on this thread; the handle reports failures."""
    try:
        run_here(execution)
    except BaseException as reason:  # no caller could catch it; wait() raises it
        if not execution.done.is_set():
            execution.abort(reason)
            execution.finish()


def in_loop() -> bool:
    """Return True if an event loop runs on this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def execute(execution: Execution) -> RunResult:
    """Run on this thread; if a loop runs here already (Jupyter), on a thread of its own.

    Raises:
        NodeError: If a node failed.
    """
    if in_loop():
        thread = threading.Thread(target=_run_quietly, args=(execution,), name="rxdag-run", daemon=True)
        thread.start()
        try:
            thread.join()
        except BaseException:
            # Ctrl-C interrupts only this thread.
            execution.cancel()
            thread.join(_CANCEL_S)
            raise
        if execution.result is None:
            raise RxDagError("run: must have ended, got one that has not")
        result = execution.result
    else:
        result = run_here(execution)
    if result.error is not None:
        raise result.error
    return result
