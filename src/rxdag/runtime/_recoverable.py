"""Recoverable graphs: what in a graph hinders a run from being continued after a restart."""

from __future__ import annotations

from typing import Any

from rxdag.contract import Foreign, Sink, Source
from rxdag.errors import GraphError
from rxdag.graph import Node, parameters
from rxdag.plan import Plan


def check_recoverable(plan: Plan, *, exactly: bool) -> None:
    """Check that a run of a plan can be saved and continued.

    Args:
        plan: The plan.
        exactly: True if each sink must deliver exactly once.

    Raises:
        GraphError: Lists all problems.
    """
    problems = [problem for name, node in plan.dag.nodes.items() for problem in _problems(plan, name, node, exactly)]
    unnamed = [name for name, node in plan.dag.nodes.items() if _needs_name(plan, name, node)]
    if unnamed:
        calls = ", ".join(parameters(plan.dag.nodes[name]) for name in unnamed)
        problems.append(
            f"sources, sinks and operators with state must have a name of their own, given by name= or .named(), by which their state "
            f"is found again, got none for {calls}"
        )
    if problems:
        raise GraphError(f'dag "{plan.dag.name}": checkpoints: {"; ".join(problems)}')


def _problems(plan: Plan, name: str, node: Node, exactly: bool) -> list[str]:
    thing: Any = node.thing
    if isinstance(thing, Source) and thing.no_position is not None:
        return [f'source "{name}" cannot be continued: {thing.no_position}']
    if exactly and isinstance(thing, Source) and thing.may_miss is not None:
        return [f'source "{name}" must read every item, but {thing.may_miss}']
    if isinstance(thing, Foreign) and not thing.stateless:
        return [
            f'node "{name}" is a reactivex operator, whose state cannot be saved; use an operator of rxdag, or pass '
            "stateless=True if it keeps nothing from one item to the next"
        ]
    if exactly and isinstance(thing, Sink) and thing.delivery != "exactly once":
        return [f'sink "{name}" must deliver exactly once, got one that delivers at least once']
    return []


def _needs_name(plan: Plan, name: str, node: Node) -> bool:
    if node.identity.name is not None:
        return False
    kernel = plan.topology.kernels.get(name)
    return isinstance(node.thing, Source | Sink) or (kernel is not None and bool(type(kernel).state))
