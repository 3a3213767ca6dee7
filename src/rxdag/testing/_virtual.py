"""Whole dags in virtual time: single-threaded, deterministic, and as fast as it goes."""

from __future__ import annotations

import asyncio
from typing import Any

from rxdag.contract import Duration, Source, flag
from rxdag.engine.drivers import VirtualClock, VirtualDeadlockError, VirtualLoop, drive_virtual
from rxdag.errors import Stalled
from rxdag.graph import Dag, SinkNode
from rxdag.plan import Plan
from rxdag.runtime import Execution, RunResult, planned, run_on_loop, stop_after


def run_virtual(
    *what: Dag | Plan | SinkNode[Any, Any], until: Duration | None = None, flush: bool = False
) -> RunResult:
    """Run a graph in virtual time, on this thread.

    The clock starts at 0, or at the first record of a journal that is read. It moves only when nothing is left to do at
    the current instant. If several inputs are ready, each delivers one item per turn, in the order of the nodes.
    Coroutines of async nodes run on a loop with the same virtual clock.

    Args:
        what: Sinks, or one Dag, or one Plan.
        until: Drain at this time.
        flush: True to close open panes in that drain; see `rxdag.run`.

    Raises:
        NodeError: If a node failed.
        Stalled: If nothing is left to do, but the run has not ended.

    Example:
        >>> beats = rxdag.from_source(sources.interval("1h"), name="beats").to(sinks.collect(), name="out")
        >>> testing.run_virtual(beats, until="3h")["out"]
        [0, 1, 2]
    """
    result = settle_virtual(virtual(planned(what, "run_virtual"), until=until, flush=flush))
    if result.error is not None:
        raise result.error
    return result


def clock_of(plan: Plan) -> VirtualClock:
    """Return a virtual clock for a plan: at 0, or at the beginning of the recording that it reads."""
    things = (node.thing for node in plan.dag.nodes.values())
    starts = [thing.recorded_at for thing in things if isinstance(thing, Source)]
    return VirtualClock(min((at for at in starts if at is not None), default=0))


def virtual(plan: Plan, *, until: Duration | None = None, flush: bool = False) -> Execution:
    """Return a run in virtual time that has not started.

    Example:
        >>> out = rxdag.wrap([1, 2, 3]).to(sinks.collect(), name="out")
        >>> execution = testing.virtual(rxdag.compile(rxdag.Dag(out)))
        >>> testing.settle_virtual(execution)["out"]
        [1, 2, 3]
    """
    execution = Execution(plan, clock_of(plan))
    execution.flush = flag(flush, "run_virtual: flush")
    stop_after(execution, until, is_background=False)
    return execution


def settle_virtual(execution: Execution) -> RunResult:
    """Run to the end, and return the result, whatever the outcome.

    Example:
        >>> quotients = rxdag.wrap([1, 0]).pipe(ops.map(lambda x: 1 / x)).to(sinks.collect(), name="out")
        >>> testing.settle_virtual(testing.virtual(rxdag.compile(rxdag.Dag(quotients)))).state
        'failed'
    """
    clock = execution.clock
    if not isinstance(clock, VirtualClock):
        raise TypeError("settle_virtual: the run must be on a virtual clock")
    if execution.plan.needs_loop:
        with asyncio.Runner(loop_factory=lambda: VirtualLoop(clock)) as runner:
            try:
                return runner.run(run_on_loop(execution))
            except VirtualDeadlockError:
                raise _stalled(execution) from None
    try:
        execution.open()
        if not drive_virtual(execution.main, clock, execution.is_done, execution.check_stall):
            raise _stalled(execution)
    except BaseException as reason:
        execution.abort(reason)
        execution.finish()
        raise
    return execution.finish()


def _stalled(execution: Execution) -> Exception:
    if execution.error is not None:
        return execution.error
    waiting = [s.name for s in execution.program.sources if not s.is_closed]
    return Stalled(
        f'run "{execution.plan.dag.name}": must be able to end, but no timer is left in virtual time; '
        f"sources that are open: {', '.join(waiting) or 'none'}"
    )
