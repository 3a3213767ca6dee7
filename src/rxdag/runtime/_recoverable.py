"""Recoverable graphs: what in a graph hinders a run from being continued after a restart."""

from __future__ import annotations

from typing import Any

from rxdag.contract import Sink, Source
from rxdag.errors import GraphError
from rxdag.graph import Node, parameters
from rxdag.plan import Plan, deliveries, obstacles


def check_recoverable(plan: Plan, *, exactly: bool) -> None:
    """Check that a run of a plan can be saved and continued.

    Args:
        plan: The plan.
        exactly: True if each sink must deliver exactly once.

    Raises:
        GraphError: Lists all problems.
    """
    problems = obstacles(plan.dag)
    if exactly:
        sources: dict[str, Any] = {name: plan.dag.nodes[name].thing for name in plan.dag.sources}
        problems += [
            f'source "{name}" must read every item, but {source.may_miss}'
            for name, source in sources.items()
            if source.may_miss is not None
        ]
        problems += [
            f'sink "{each["sink"]}" must deliver exactly once, got one that delivers at least once: {each["why_repeats"]}'
            for each in deliveries(plan.dag)
            if each["why_repeats"] is not None
        ]
    unnamed = [name for name, node in plan.dag.nodes.items() if _needs_name(plan, name, node)]
    if unnamed:
        calls = ", ".join(parameters(plan.dag.nodes[name]) for name in unnamed)
        problems.append(
            f"sources, sinks and operators with state must have a name of their own, given by name= or .named(), by which their state "
            f"is found again, got none for {calls}"
        )
    if problems:
        raise GraphError(f'dag "{plan.dag.name}": checkpoints: {"; ".join(problems)}')


def _needs_name(plan: Plan, name: str, node: Node) -> bool:
    if node.identity.name is not None:
        return False
    kernel = plan.topology.kernels.get(name)
    return isinstance(node.thing, Source | Sink) or (kernel is not None and bool(type(kernel).state))
