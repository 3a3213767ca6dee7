"""Snapshots of runs: all nodes and gates, at a moment when every domain is between two items."""

from __future__ import annotations

from typing import Any

from rxdag import engine
from rxdag.engine import Node, Point
from rxdag.errors import RxDagError
from rxdag.runtime._execution import Execution


def why_no_snapshot(execution: Execution) -> str | None:
    """Return why no snapshot of a run can be taken at this moment, or None."""
    if execution.state != "running":
        return f"the run is {execution.state}"
    for scheduler in dict.fromkeys(execution.schedulers.values()):
        if not scheduler.stands():
            return f"scheduler {scheduler.name} is at work"
    return next((why for node in _nodes(execution) if (why := node.why_no_snapshot()) is not None), None)


def snapshot_of(execution: Execution) -> dict[str, Any]:
    """Return the state of a run as plain data, which another run of the same plan can restore.

    Raises:
        RxDagError: If the run is in the middle of something, or the state of a node cannot be saved.
    """
    why = why_no_snapshot(execution)
    if why is not None:
        raise RxDagError(f"snapshot: all nodes must be between two items, but {why}")
    return {"now": execution.clock.now(), "nodes": [engine.snapshot(node) for node in _nodes(execution)]}


def restore_into(execution: Execution, saved: dict[str, Any]) -> None:
    """Restore the state of another run of the same plan into a run that has not begun."""
    nodes = _nodes(execution)
    for node, each in zip(nodes, saved["nodes"], strict=True):
        engine.restore(node, each)
    for node in nodes:
        engine.block(node)


def _nodes(execution: Execution) -> list[Node]:
    program = execution.program
    helpers: list[Point] = program.helpers
    gates = [each for gate in program.gates.values() for each in (gate, gate.reader)]
    return [*program.nodes.values(), *helpers, *gates]
