"""Snapshots of runs: all nodes and gates, at a moment when every domain is between two items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rxdag import engine
from rxdag.engine import Node
from rxdag.errors import RxDagError, StateError, text_of
from rxdag.runtime._program import Program, place_of

if TYPE_CHECKING:
    from rxdag.runtime._execution import Execution


def why_no_snapshot(execution: Execution) -> str | None:
    """Return why no snapshot of a run can be taken at this moment, or None; on the only thread of the run."""
    for scheduler in dict.fromkeys(execution.schedulers.values()):
        if not scheduler.stands():
            return f"scheduler {scheduler.name} is at work"
    return why_unsavable(execution)


def why_unsavable(execution: Execution) -> str | None:
    """Return why the state of a run cannot be saved though all its domains stand, or None."""
    if execution.state != "running":
        return f"the run is {execution.state}"
    if execution.commit.has_begun:
        return "the sinks are being closed"
    nodes = places_of(execution.program).values()
    return next((why for node in nodes if (why := node.why_no_snapshot()) is not None), None)


def snapshot_of(execution: Execution) -> dict[str, Any]:
    """Return the state of a run, all of whose domains stand, as plain data; another run of its plan can take it up.

    Raises:
        RxDagError: If a node has a state that cannot be saved.
    """
    why = why_unsavable(execution)
    if why is not None:
        raise RxDagError(f"snapshot: all nodes must be between two items, but {why}")
    saved = {name: engine.snapshot(node) for name, node in places_of(execution.program).items()}
    return {"now": execution.clock.now(), "nodes": saved}


def restore_into(execution: Execution, saved: dict[str, Any]) -> None:
    """Restore the state of another run into a run that has not begun; places without saved state begin empty.

    Raises:
        StateError: Lists the nodes whose state cannot be migrated.
    """
    program = execution.program
    nodes = places_of(program)
    problems: list[str] = []
    for name, node in nodes.items():
        try:
            if name in saved["nodes"]:
                engine.restore(node, saved["nodes"][name])
        except StateError as error:
            problems.append(f'node "{name}": {text_of(error)}, or pass allow_drop=["{name}"]')
    if problems:
        raise StateError("; ".join(problems))
    for node in nodes.values():
        engine.block(node)
    for node in program.nodes.values():
        node.restored = node.held()
    for link, book in zip(program.links.values(), program.edges(), strict=True):
        link.restored = book.held


def places_of(program: Program) -> dict[str, Node]:
    """Return what has state in a run, by its place in the graph."""
    gates: dict[str, Node] = {}
    for edge, gate in program.gates.items():
        gates[f"{place_of(edge)}: gate"] = gate
        gates[f"{place_of(edge)}: pump"] = gate.reader
    return {**program.nodes, **program.helpers, **gates}
