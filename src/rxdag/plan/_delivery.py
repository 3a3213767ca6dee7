"""Delivery: what a graph guarantees for its output if a run with checkpoints is killed and continued."""

from __future__ import annotations

from typing import Any, TypedDict

from rxdag.contract import Delivery, Foreign, Sink, Source, Visible
from rxdag.graph import Dag


class DeliveryFacts(TypedDict):
    """Delivery of a sink in a run with checkpoints.

    Attributes:
        sink: Name of the sink.
        delivery: Number of times that an item is in its output, however often the run was killed.
        visible: When a reader finds the output; None if the sink does not declare it.
        why_repeats: Reason why items may be delivered again; None if they are delivered exactly once.
    """

    sink: str
    delivery: Delivery
    visible: Visible | None
    why_repeats: str | None


def deliveries(dag: Dag) -> list[DeliveryFacts]:
    """Return the delivery of each sink."""
    sinks: dict[str, Any] = {name: node.thing for name, node in dag.nodes.items() if isinstance(node.thing, Sink)}
    return [
        {
            "sink": name,
            "delivery": sink.delivery,
            "visible": sink.visible,
            "why_repeats": None if sink.delivery == "exactly once" else sink.why_repeats,
        }
        for name, sink in sinks.items()
    ]


def obstacles(dag: Dag) -> list[str]:
    """Return why runs of a dag cannot take checkpoints, by node."""
    found: list[str] = []
    for name, node in dag.nodes.items():
        thing: Any = node.thing
        if isinstance(thing, Source) and thing.no_position is not None:
            found.append(f'source "{name}" cannot be continued: {thing.no_position}')
        elif isinstance(thing, Foreign) and not thing.stateless:
            found.append(
                f'node "{name}" is a reactivex operator, whose state cannot be saved; use an operator of rxdag, or pass '
                "stateless=True if it keeps nothing from one item to the next"
            )
    return found
