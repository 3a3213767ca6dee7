"""Facts of a plan as plain data: lanes and schedulers of the nodes, buffers and their bounds, possible stalls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, TypedDict

from rxdag.contract import Duration, Foreign, Kernel, Sink, Source, positive_ns, releases
from rxdag.errors import GraphError, did_you_mean
from rxdag.graph import Edge, parameters
from rxdag.plan._delivery import DeliveryFacts, deliveries, obstacles
from rxdag.plan._domains import MAIN
from rxdag.plan._lanes import PARTED
from rxdag.plan._stalls import stalls

if TYPE_CHECKING:
    from rxdag.plan._plan import Plan


class NodeFacts(TypedDict):
    """Facts about a node.

    Attributes:
        role: Source, operator or sink.
        call: The call that made it, as written.
        segment: Number of its segment.
        runs_on: Name of its scheduler.
        lane: "rows" or "columns".
        why_rows: Reason why it works on rows although it gets columns; None if it works on columns or gets none.
        notes: Conversions between rows and columns at this node, items that a source may miss, and where the answers to
            its calls are recorded.
    """

    name: str
    role: Literal["source", "operator", "sink"]
    call: str
    segment: int
    runs_on: str
    lane: Literal["rows", "columns"]
    why_rows: str | None
    notes: list[str]


class GateFacts(TypedDict):
    """A bounded buffer on an edge; `max_bytes` is None if only the items are counted."""

    overflow: str
    max_items: int
    max_bytes: int | None
    reason: str


class EdgeFacts(TypedDict):
    """A link from an output port to an input, with its gate; None if no item can rest there."""

    edge: str
    producer: str
    port: str
    consumer: str
    input: int
    gate: GateFacts | None


class QueueFacts(TypedDict):
    """The queue of a push source."""

    source: str
    overflow: str
    max_items: int


class StallFacts(TypedDict):
    """A fork whose slow branches can make the sinks behind the others wait."""

    fork: str
    slow: list[str]
    others: list[str]


class AgeFacts(TypedDict):
    """Maximum age of an item when a sink has written it.

    Attributes:
        ahead: Maximum number of items before it.
        each_ns: Time for each of them, ns.
        waits_for_others: True if this is the time of a slower sink for which this one waits.
    """

    sink: str
    max_age_ns: int
    ahead: int
    each_ns: int
    waits_for_others: bool


class PlanFacts(TypedDict):
    """A plan, as returned by `plan.explain(form="dict")`; `json.dumps` takes it.

    Attributes:
        dag: Name of the dag.
        segments: Number of segments.
        schedulers: Number of schedulers.
        nodes: The nodes, by segment.
        edges: The links, with their gates.
        queues: The queues of push sources.
        bursts: Nodes in which the outputs of one input can rest.
        unbounded: Nodes that are reactivex operators, whose memory is unknown.
        stalls: The forks at which a slow branch can stall the others.
        max_items: Maximum number of items in gates, queues and in flight.
        max_bytes: Maximum number of bytes in byte-bounded gates; None without any.
        ages: Maximum age of items at the sinks whose service time was given.
        deliveries: Delivery of each sink in a run with checkpoints.
        no_checkpoints: Reasons why a run of the graph cannot take checkpoints; empty if it can.
    """

    dag: str
    segments: int
    schedulers: int
    nodes: list[NodeFacts]
    edges: list[EdgeFacts]
    queues: list[QueueFacts]
    bursts: list[str]
    unbounded: list[str]
    stalls: list[StallFacts]
    max_items: int
    max_bytes: int | None
    ages: list[AgeFacts]
    deliveries: list[DeliveryFacts]
    no_checkpoints: list[str]


def facts_of(plan: Plan, service: Mapping[str, Duration]) -> PlanFacts:
    """Return the facts of a plan.

    Raises:
        GraphError: If `service` names a sink that the plan does not have.
    """
    topology = plan.topology
    return {
        "dag": plan.dag.name,
        "segments": len(plan.members),
        "schedulers": len(set(plan.domains.values())),
        "nodes": [_node(plan, name, number) for number, names in plan.members.items() for name in names],
        "edges": [_edge(plan, edge) for edge in topology.edges],
        "queues": [
            {"source": name, "overflow": overflow.value, "max_items": n} for name, (overflow, n) in plan.queues.items()
        ],
        "bursts": [n for n, k in topology.kernels.items() if not k.passes and type(k).expand is Kernel.expand],
        "unbounded": [name for name, node in topology.nodes.items() if isinstance(node.thing, Foreign)],
        "stalls": [
            {"fork": stall.fork, "slow": list(stall.slow), "others": list(stall.others)}
            for stall in stalls(topology, plan.gates)
        ],
        "max_items": plan.max_held,
        "max_bytes": plan.max_bytes,
        "ages": _ages(plan, service),
        "deliveries": deliveries(plan.dag),
        "no_checkpoints": obstacles(plan.dag),
    }


def _node(plan: Plan, name: str, segment: int) -> NodeFacts:
    node, lanes = plan.topology.nodes[name], plan.lanes
    notes: list[str] = []
    if any(edge in lanes.made for edge in plan.topology.into[name]):
        notes.append("rows become columns")
    if name in lanes.met:
        notes.append(f"its ways meet in order at {lanes.met[name]}")
    if isinstance(node.thing, Source) and node.thing.may_miss is not None:
        notes.append(node.thing.may_miss)
    if (answers := plan.topology.note_on_answers(name)) is not None:
        notes.append(answers)
    if name in lanes.parted:
        notes.append(f"gives rows: {PARTED}")
    return {
        "name": name,
        "role": "source" if isinstance(node.thing, Source) else "sink" if isinstance(node.thing, Sink) else "operator",
        "call": parameters(node),
        "segment": segment,
        "runs_on": _where(plan, name),
        "lane": "columns" if name in lanes.columns else "rows",
        "why_rows": lanes.why_rows.get(name),
        "notes": notes,
    }


def _where(plan: Plan, name: str) -> str:
    domain = plan.domains[name]
    if domain != MAIN:
        return domain
    return "the event loop" if plan.needs_loop else "the caller's thread"


def _edge(plan: Plan, edge: Edge) -> EdgeFacts:
    gate = plan.gates.get(edge)
    return {
        "edge": str(edge),
        "producer": edge.producer,
        "port": edge.port,
        "consumer": edge.consumer,
        "input": edge.input,
        "gate": None
        if gate is None
        else {
            "overflow": gate.overflow.value,
            "max_items": gate.max_items,
            "max_bytes": gate.max_bytes,
            "reason": gate.reason,
        },
    }


def _ages(plan: Plan, service: Mapping[str, Duration]) -> list[AgeFacts]:
    """Return the maximum age of an item when a sink has taken it, from the service times of the sinks."""
    for name in service:
        if name not in plan.dag.sinks:
            raise GraphError(f'explain: service of "{name}" must be of a sink{did_you_mean(name, plan.dag.sinks)}')
    times = {name: positive_ns(each, f'explain: service of "{name}"') for name, each in service.items()}
    before: dict[str, int] = {}
    for name in plan.topology.nodes:
        kernel = plan.topology.kernels.get(name)
        if kernel is not None and releases(kernel):
            before[name] = 0  # newer items replace the ones waiting before it
            continue
        ways = [before[e.producer] + _resting(plan, e) for e in plan.topology.into[name]]
        if not ways:
            queue = plan.queues.get(name)
            ways = [(queue[1] if queue else 0) + plan.in_flight(plan.segments[name])]
        before[name] = max(ways)
    paces = {slow: stall.others for stall in stalls(plan.topology, plan.gates) for slow in stall.slow}
    ages: list[AgeFacts] = []
    for name, time in times.items():
        slowest = max([time, *(times[slow] for slow, others in paces.items() if slow in times and name in others)])
        ages.append(
            {
                "sink": name,
                "max_age_ns": (before[name] + 1) * slowest,
                "ahead": before[name],
                "each_ns": slowest,
                "waits_for_others": slowest > time,
            }
        )
    return ages


def _resting(plan: Plan, edge: Edge) -> int:
    """Return the number of items that may be before one that enters a gate."""
    gate = plan.gates.get(edge)
    return 0 if gate is None else gate.max_items + plan.in_flight(plan.segments[gate.edge.consumer])
