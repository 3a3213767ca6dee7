"""run, start and their async twins: from a definition to a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Unpack

from rxdag.contract import Duration, check_function, flag, positive_ns
from rxdag.errors import GraphError, shown
from rxdag.graph import Dag, SinkNode
from rxdag.plan import Plan, compile
from rxdag.runtime._execution import Execution
from rxdag.runtime._handles import AsyncRun, Run, execute, run_on_loop
from rxdag.runtime._recovery import Checkpoints, Recovery, RecoveryOptions, begun
from rxdag.runtime._result import RunResult, RunStats
from rxdag.runtime._signals import draining_on_signals


def planned(what: tuple[Any, ...], where: str) -> Plan:
    """Return the plan of sinks, a dag, or a plan."""
    if len(what) == 1 and isinstance(what[0], Plan):
        return what[0]
    if len(what) == 1 and isinstance(what[0], Dag):
        return compile(what[0])
    if not what:
        raise GraphError(f"{where}: takes sinks, a Dag or a Plan, got nothing; end a stream with .to(sink)")
    wrong = [each for each in what if not isinstance(each, SinkNode)]
    if wrong:
        hint = "; end the stream with .to(sink), or use .collect()" if hasattr(wrong[0], "pipe") else ""
        raise GraphError(f"{where}: takes sinks, a Dag or a Plan, got {shown(wrong[0])}{hint}")
    return compile(Dag(*what))


def _check_until(until: Duration | None) -> None:
    """Check the time after which a run is drained, before anything is opened for it."""
    if until is not None:
        positive_ns(until, "run: until")


def stop_after(execution: Execution, until: Duration | None, *, is_background: bool = True) -> None:
    """Drain the run after a time."""
    if until is not None:
        when = execution.clock.now() + positive_ns(until, "run: until")
        execution.main.at(when, execution.drain, is_background=is_background)


def report_progress(execution: Execution, tell: Callable[[RunStats], object], every_ns: int) -> None:
    """Call `tell` with the books at intervals, between two items."""

    def tick() -> None:
        tell(execution.stats())
        report_progress(execution, tell, every_ns)

    execution.main.at(execution.clock.now() + every_ns, tick, is_background=True)


def run(
    *what: Dag | Plan | SinkNode[Any, Any],
    until: Duration | None = None,
    flush: bool = False,
    on_progress: Callable[[RunStats], object] | None = None,
    progress_every: Duration = "1s",
    checkpoints: Checkpoints | None = None,
    **recovery: Unpack[RecoveryOptions],
) -> RunResult:
    """Run a graph to its end, on this thread.

    In the main thread, Ctrl-C and SIGTERM drain the run for at most 10 s, and a second signal cancels it. Then the
    program ends: SIGTERM raises `Terminated`, Ctrl-C raises KeyboardInterrupt, both with the result as attribute
    `result`. A run that fails while it drains raises its error. In other threads, signals are not handled.

    Inside a running event loop, as in Jupyter, the graph runs on its own thread while this call blocks.

    Args:
        what: Sinks, or one Dag, or one Plan.
        until: Drain the run after this time.
        flush: True to close open panes, marked `closed_by="end"`, when `until` or a signal ends the run; otherwise they
            are left open and reported.
        on_progress: Function called with the current books, on the thread of the graph.
        progress_every: Time between two calls of `on_progress`.
        checkpoints: A store, or the path of a SQLite store: the run continues from its last checkpoint, and takes
            others. A job that was done returns its result.
        recovery: Options of a run with checkpoints: `every="10s"`, the time from one to the next; `require="exactly"`, to
            refuse sinks that may deliver an item again; `allow_drop=["bars"]`, to drop the state of nodes that have
            changed; `renamed={"old": "new"}`; `fresh=True`, to start over whatever the store holds; `state_types=[Side]`,
            local classes in the state.

    Raises:
        GraphError: If there is nothing to run.
        CheckpointError: If the store cannot be used, or is of another graph.
        NodeError: If a node failed; its cause is the original exception.
        Terminated: After SIGTERM; a SystemExit with code 143.
        KeyboardInterrupt: After Ctrl-C.

    Example:
        >>> numbers = rxdag.from_source(sources.range(1, 6), name="numbers")
        >>> total = numbers.pipe(ops.reduce(0, lambda total, x: total + x)).to(sinks.collect(), name="total")
        >>> result = rxdag.run(total)
        >>> result[total]
        [15]
    """
    plan = planned(what, "run")
    flush = flag(flush, "run: flush")
    if on_progress is not None:
        check_function(on_progress, "run: on_progress", "the books", instead="")
    tell_ns = positive_ns(progress_every, "run: progress_every")
    _check_until(until)
    settings = Recovery.of(checkpoints, recovery, "run")
    with draining_on_signals() as drain:
        execution = begun(Execution(plan), settings)
        execution.flush = flush
        drain.attach(execution)
        stop_after(execution, until)
        if on_progress is not None:
            report_progress(execution, on_progress, tell_ns)
        result = execute(execution)
    return drain.outcome(result)


async def run_async(
    *what: Dag | Plan | SinkNode[Any, Any],
    until: Duration | None = None,
    flush: bool = False,
    checkpoints: Checkpoints | None = None,
    **recovery: Unpack[RecoveryOptions],
) -> RunResult:
    """Run a graph to its end on this event loop; cancelling the task cancels the run.

    Signals are not handled: that is up to the program that owns the loop.

    Args:
        what: Sinks, or one Dag, or one Plan.
        until: Drain the run after this time.
        flush: See `run`.
        checkpoints: See `run`.
        recovery: See `run`.

    Raises:
        GraphError: If there is nothing to run.
        CheckpointError: If the store cannot be used, or is of another graph.
        NodeError: If a node failed.

    Example:
        >>> async def main():
        ...     result = await rxdag.run_async(rxdag.wrap([1, 2, 3]).to(sinks.collect(), name="out"))
        ...     return result["out"]
        >>> asyncio.run(main())
        [1, 2, 3]
    """
    flush = flag(flush, "run_async: flush")
    _check_until(until)
    execution = begun(Execution(planned(what, "run_async")), Recovery.of(checkpoints, recovery, "run_async"))
    execution.flush = flush
    stop_after(execution, until)
    result = await run_on_loop(execution)
    if result.error is not None:
        raise result.error
    return result


def start(
    *what: Dag | Plan | SinkNode[Any, Any],
    flush: bool = False,
    checkpoints: Checkpoints | None = None,
    **recovery: Unpack[RecoveryOptions],
) -> Run:
    """Start a run on its own threads and return a handle; keep the handle.

    Signals are not handled; your own handler may call `begin_drain`.

    Args:
        what: Sinks, or one Dag, or one Plan.
        flush: Whether drains close open panes by default; see `Run.drain`.
        checkpoints: See `run`.
        recovery: See `run`.

    Raises:
        GraphError: If there is nothing to run.
        CheckpointError: If the store cannot be used, or is of another graph.

    Example:
        >>> run = rxdag.start(rxdag.wrap([1, 2, 3]).to(sinks.collect(), name="out"))
        >>> run.wait()["out"]
        [1, 2, 3]
    """
    flush = flag(flush, "start: flush")
    execution = begun(Execution(planned(what, "start")), Recovery.of(checkpoints, recovery, "start"))
    execution.flush = flush
    return Run(execution)


def start_async(
    *what: Dag | Plan | SinkNode[Any, Any],
    flush: bool = False,
    checkpoints: Checkpoints | None = None,
    **recovery: Unpack[RecoveryOptions],
) -> AsyncRun:
    """Start a run on this event loop and return a handle; keep the handle.

    Signals are not handled; your own handler may call `begin_drain`.

    Args:
        what: Sinks, or one Dag, or one Plan.
        flush: Whether drains close open panes by default; see `Run.drain`.
        checkpoints: See `run`.
        recovery: See `run`.

    Raises:
        GraphError: If there is nothing to run.
        CheckpointError: If the store cannot be used, or is of another graph.

    Example:
        >>> async def main():
        ...     run = rxdag.start_async(rxdag.wrap([1, 2, 3]).to(sinks.collect(), name="out"))
        ...     return (await run.wait())["out"]
        >>> asyncio.run(main())
        [1, 2, 3]
    """
    flush = flag(flush, "start_async: flush")
    execution = begun(Execution(planned(what, "start_async")), Recovery.of(checkpoints, recovery, "start_async"))
    execution.flush = flush
    return AsyncRun(execution)
