"""Gates, and the segments between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rxdag.contract import Boundary, InnerKernel, Overflow, Sink, Source, releases
from rxdag.errors import CompileError
from rxdag.graph import Edge
from rxdag.plan._topology import Topology

HOP_ITEMS: Final = 4096
ASYNC_ITEMS: Final = 1024
NEWEST_ITEMS: Final = 64


@dataclass(frozen=True)
class GatePlan:
    """A bounded buffer on an edge.

    Attributes:
        edge: The edge.
        max_items: Maximum number of items.
        reason: Why the gate is there.
        overflow: What to do with an item that arrives when it is full.
        delay_error: With Overflow.ERROR, whether the waiting items are delivered before the error.
        is_by_demand: True if it has room only for the items that its consumer requests.
        max_bytes: Maximum number of bytes, as measured by the boundary; None for no limit.
    """

    edge: Edge
    max_items: int
    reason: str
    overflow: Overflow = Overflow.BLOCK
    delay_error: bool = True
    is_by_demand: bool = False
    max_bytes: int | None = None


def place_gates(topology: Topology, domains: dict[str, str]) -> dict[Edge, GatePlan]:
    """Put a gate wherever data can rest: between domains, before nodes that can refuse items, and on request."""
    gates: dict[Edge, GatePlan] = {}
    for edge in topology.edges:
        reasons: list[str] = []
        items = HOP_ITEMS
        if domains[edge.producer] != domains[edge.consumer]:
            reasons.append(f"hop from {domains[edge.producer]} to {domains[edge.consumer]}")
        thing = topology.nodes[edge.consumer].thing
        if isinstance(thing, Sink) and thing.where == "async":
            reasons.append("its sink is async")
            items = ASYNC_ITEMS
        paces = isinstance(thing, Sink) and thing.paces
        if paces:
            reasons.append("its sink says how much it takes")
            items = ASYNC_ITEMS
        kernel = topology.kernels.get(edge.consumer)
        if kernel is not None and kernel.may_park:
            reasons.append("its consumer can refuse for a while")
        wish = edge.boundary or Boundary()
        if queue_of(topology, edge.producer) is wish:
            # The boundary already configures the source's queue; a gate would hold as many items again.
            wish = Boundary(scheduler=wish.scheduler)
        if wish.max_items is not None:
            reasons.append("buffered")
            items = wish.max_items
        if reasons and "buffered" not in reasons:
            items = min(items, _most_behind(topology, edge, items))
        if reasons:
            by_demand = paces and "buffered" not in reasons
            gates[edge] = GatePlan(
                edge, items, ", ".join(reasons), wish.overflow, wish.delay_error, by_demand, wish.max_bytes
            )
    return gates


def queue_of(topology: Topology, source: str) -> Boundary | None:
    """Return the boundary that the user put directly after a source with its own queue: it configures that queue."""
    thing = topology.nodes[source].thing
    out = topology.out_of[source]
    if not isinstance(thing, Source) or not thing.queues or len(out) != 1 or out[0].boundary is None:
        return None
    wish = out[0].boundary
    return None if wish.max_items is None or wish.max_bytes is not None else wish


def check_queues(topology: Topology) -> None:
    """Check that no source that cannot be paused has to wait.

    Raises:
        CompileError: If the queue of a source that cannot be paused would block; names all of them.
    """
    problems: list[str] = []
    for name, node in topology.nodes.items():
        thing = node.thing
        if not isinstance(thing, Source) or not thing.queues or thing.can_wait:
            continue
        governs = queue_of(topology, name)
        if (getattr(thing, "overflow", Overflow.BLOCK) if governs is None else governs.overflow) is Overflow.BLOCK:
            choices = ", ".join(f'"{policy.value}"' for policy in Overflow if policy is not Overflow.BLOCK)
            problems.append(
                f'source "{name}": this source cannot be paused, so overflow= must be one of {choices}, '
                f'got "block"; set it where the source is made: {node.label}(..., overflow=...)'
            )
    if problems:
        raise CompileError("; ".join(problems))


def _most_behind(topology: Topology, edge: Edge, items: int) -> int:
    """Return the capacity of a gate: small after a node that emits its newest items only when there is space."""
    producer = topology.kernels.get(edge.producer)
    if producer is None or not releases(producer):
        return items
    consumer = topology.kernels.get(edge.consumer)
    if isinstance(consumer, InnerKernel):
        return min(items, consumer.concurrency or items)
    thing = topology.nodes[edge.consumer].thing
    return 1 if isinstance(thing, Sink) and thing.where == "async" else NEWEST_ITEMS


def cut_segments(topology: Topology, gates: dict[Edge, GatePlan]) -> dict[str, int]:
    """Return the segment number of each node; nodes connected without a gate share one."""
    root = {name: name for name in topology.nodes}

    def find(name: str) -> str:
        while root[name] != name:
            # Halves the path: a long chain of nodes stays cheap.
            root[name] = root[root[name]]
            name = root[name]
        return name

    for edge in topology.edges:
        if edge not in gates:
            root[find(edge.consumer)] = find(edge.producer)
    numbers: dict[str, int] = {}
    return {name: numbers.setdefault(find(name), len(numbers)) for name in topology.nodes}
