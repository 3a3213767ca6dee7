"""Stopping: how a drain and a failure reach what does not end by itself."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from rxdag.contract import FLUSHED
from rxdag.engine import InnerNode
from rxdag.plan import MAIN

if TYPE_CHECKING:
    from rxdag.runtime._execution import Execution

_GRACE_NS: Final = 500_000_000
"""Time that a reading thread has to notice a drain before its gates are closed from outside, ns."""
FAIL_S: Final = 10.0
"""Time in which a run that has failed delivers what is under way, s."""


def begin_drain(run: Execution, *, flush: bool) -> None:
    """Stop reading. Thread-safe."""
    for source in run.program.sources:
        source.stop("flush" if flush else "drain")
    _stop_streams(run)
    when = run.clock.now() + _GRACE_NS
    run.main.at(when, partial(_close_gates_of_threads, run, None, flush=flush), is_background=True, is_patient=True)


def begin_failure(run: Execution, error: Exception) -> None:
    """Stop reading, and let what is under way reach the sinks, for a limited time. Thread-safe."""
    for source in run.program.sources:
        source.stop("fail", error)
    _stop_streams(run)
    _close_gates_of_threads(run, error)
    run.main.at(run.clock.now() + round(FAIL_S * 1e9), partial(_give_up, run), is_background=True)


def _stop_streams(run: Execution) -> None:
    """Stop the streams of items: they may be endless, and their source may have ended."""
    for node in run.program.nodes.values():
        if isinstance(node, InnerNode):
            node.domain.driver.call(node.drain)


def _close_gates_of_threads(run: Execution, error: Exception | None, *, flush: bool = False) -> None:
    """End the gates behind sources that hang in a read; further items of their threads are discarded."""
    for source in run.program.sources:
        if source.is_closed or run.plan.domains[source.name] == MAIN:
            continue
        for edge, gate in run.program.gates.items():
            if edge.producer == source.name:
                gate.close_from_outside(error, FLUSHED if flush else None)


def _give_up(run: Execution) -> None:
    """Cancel a failed run, unless it only waits for what is being closed."""
    if not all(node.is_ended for node in run.program.nodes.values()):
        run.events.overdue(FAIL_S)
        run.cancel()
