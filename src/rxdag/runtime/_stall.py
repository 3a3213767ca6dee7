"""Stalls: runs in which nothing can proceed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rxdag.engine import InnerNode, Pump, SinkNode
from rxdag.engine.drivers import ForeignNode, all_quiet
from rxdag.errors import Stalled

if TYPE_CHECKING:
    from rxdag.runtime._execution import Execution


def stop_if_stalled(run: Execution) -> None:
    """Stop a run if nothing in the graph can ever proceed."""
    program = run.program
    if run.error is None:
        for pump in program.pumps:
            if pump.is_parked:
                break
        else:
            return
    schedulers = list(dict.fromkeys(run.schedulers.values()))
    epochs = [scheduler.epoch for scheduler in schedulers]
    parked = [pump for pump in program.pumps if pump.is_parked and not pump.is_finished]
    if run.has_tasks() or run.is_cancelled or run.is_done() or _may_be_woken(run):
        return
    if not parked and run.error is None:
        return
    # Nothing may have happened since the first look, tasks that came and went included.
    if all_quiet(schedulers) and not run.has_tasks() and epochs == [scheduler.epoch for scheduler in schedulers]:
        if run.error is None:
            run.events.of_run("run.stalled", gates=", ".join(full_gates(parked)))
            run.fail(stalled(parked))
        run.cancel()  # what is under way can go nowhere


def _may_be_woken(run: Execution) -> bool:
    """Return True if a source, or a reactivex operator on its own thread, may still emit."""
    program = run.program
    waits = any(source.is_idle for source in program.sources)
    waits |= any(isinstance(node, InnerNode | SinkNode) and node.waits for node in program.nodes.values())
    return waits or any(isinstance(node, ForeignNode) and not node.is_ended for node in program.nodes.values())


def full_gates(parked: list[Pump]) -> list[str]:
    """Return the names of the full gates before which pumps wait."""
    return sorted({gate.name for pump in parked for gate in pump.gates if gate.is_full})


def stalled(parked: list[Pump]) -> Stalled:
    """Return the error of a run in which nothing can move."""
    full = full_gates(parked)
    closed = sorted(pump.name for pump in parked if not any(gate.is_full for gate in pump.gates))
    what = [f"the gates {', '.join(full)} are full"] if full else []
    what += [f"what follows {', '.join(closed)} takes no items and has set no timer"] if closed else []
    fix = (
        "a node that combines two streams must buffer the one that is ahead: put a larger "
        ".buffered(max_items=...) before it, or one with an overflow policy that drops"
    )
    return Stalled(f"run: a node must be able to proceed, but {' and '.join(what)}; {fix}")
