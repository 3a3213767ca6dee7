"""Plan: the compiled dag. Frozen and printable; each run makes its own nodes from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, overload

from rxdag.contract import Duration, Overflow, Publisher, Sink, Source, flag
from rxdag.engine import COLUMNS_QUANTUM, QUANTUM
from rxdag.errors import CompileError, GraphError, did_you_mean, shown
from rxdag.graph import Dag, Edge
from rxdag.plan._catching import caught_nodes
from rxdag.plan._domains import assign_domains, needs_loop
from rxdag.plan._explain import explanation
from rxdag.plan._facts import PlanFacts, facts_of
from rxdag.plan._gates import GatePlan, check_queues, cut_segments, place_gates, queue_of
from rxdag.plan._lanes import Lanes, find_lanes
from rxdag.plan._replaced import check_replaced
from rxdag.plan._topology import Topology, normalise

if TYPE_CHECKING:
    from reactivex import Observable

FaceOf = Callable[["Plan", str], Any]
_faces: dict[str, FaceOf] = {}


def use_faces(*, observable: FaceOf, publisher: FaceOf) -> None:
    """Register how a plan's nodes become observables and publishers; the runtime calls this."""
    _faces.update(observable=observable, publisher=publisher)


def _face(which: str) -> FaceOf:
    """Return how it becomes that; a program that has run nothing yet has not loaded the runtime."""
    if which not in _faces:
        import_module("rxdag.runtime")
    return _faces[which]


@dataclass(frozen=True)
class Plan:
    """A compiled dag.

    Attributes:
        dag: The definition.
        domains: Name of the serial domain of each node.
        segments: Number of the segment of each node.
        gates: The bounded buffers, by edge.
        lanes: Which nodes work on columns, and why the others do not.
        caught: Nodes whose failure does not fail the run, because a later node switches to another stream.
        needs_loop: True if a node runs on an asyncio loop.
    """

    dag: Dag
    topology: Topology = field(repr=False)
    domains: dict[str, str]
    segments: dict[str, int]
    gates: dict[Edge, GatePlan]
    lanes: Lanes = field(repr=False)
    caught: frozenset[str]
    needs_loop: bool

    def __repr__(self) -> str:
        return f"<Plan {self.dag.name}: {len(self.dag.nodes)} nodes, {len(self.members)} segments, {len(self.gates)} gates>"

    @property
    def members(self) -> dict[int, list[str]]:
        """Return the nodes of each segment."""
        out: dict[int, list[str]] = {}
        for name, number in self.segments.items():
            out.setdefault(number, []).append(name)
        return out

    @property
    def max_held(self) -> int:
        """Return the maximum number of items in gates, source queues and in flight."""
        gates = sum(gate.max_items for gate in self.gates.values())
        queues = sum(max_items for _, max_items in self.queues.values())
        choices = sum(self.topology.is_choice(name) for name in self.dag.nodes)
        return gates + queues + sum(self.in_flight(number) for number in self.members) + choices

    @property
    def queues(self) -> dict[str, tuple[Overflow, int]]:
        """Return overflow policy and capacity of the queue of each push source."""
        found: dict[str, tuple[Overflow, int]] = {}
        for name, node in self.dag.nodes.items():
            if isinstance(node.thing, Source) and node.thing.queues:
                wish = queue_of(self.topology, name)
                overflow = getattr(node.thing, "overflow", Overflow.BLOCK) if wish is None else wish.overflow
                most = None if wish is None else wish.max_items
                found[name] = (overflow, getattr(node.thing, "max_items", 0) if most is None else most)
        return found

    def in_flight(self, number: int) -> int:
        """Return the maximum number of items that a segment processes at once."""
        members = self.members[number]
        inputs = [g.max_items for e, g in self.gates.items() if self.segments[e.consumer] == number]
        sources = {n for n in members if isinstance(self.dag.nodes[n].thing, Source)}
        things = [self.dag.nodes[n].thing for n in members]
        batched = sum(2 * t.batching.max_items for t in things if isinstance(t, Sink) and t.batching is not None)
        if batched:
            return batched
        if sources or not inputs:
            return COLUMNS_QUANTUM if any(edge.producer in sources for edge in self.lanes.given) else QUANTUM
        return min(QUANTUM, max(inputs))

    @property
    def max_bytes(self) -> int | None:
        """Return the maximum number of bytes in byte-bounded gates; None without any."""
        bounds = [gate.max_bytes for gate in self.gates.values() if gate.max_bytes is not None]
        return sum(bounds) if bounds else None

    @overload
    def explain(self, *, service: Mapping[str, Duration] | None = None, form: Literal["text"] = "text") -> str: ...
    @overload
    def explain(self, *, service: Mapping[str, Duration] | None = None, form: Literal["dict"]) -> PlanFacts: ...
    def explain(
        self, *, service: Mapping[str, Duration] | None = None, form: Literal["text", "dict"] = "text"
    ) -> str | PlanFacts:
        """Describe where nodes run, where items wait, and who can block whom.

        The bound of every gate is included, and the delivery of each sink in a run with checkpoints. What checkpoints
        cost is in `run.stats().checkpoints`, since it depends on the run. The text form is for people; the dict has the same facts as plain data,
        which `json.dumps` accepts.

        Args:
            service: Time that a sink needs per item, by sink name; the result then includes the maximum age of an item
                when it has been written.
            form: "text", or "dict" for a `PlanFacts`.

        Raises:
            GraphError: If a sink is unknown, or `form` is neither.
        """
        if form not in ("text", "dict"):
            raise GraphError(f'explain: form must be "text" or "dict", got {shown(form)}')
        facts = facts_of(self, service or {})
        return facts if form == "dict" else explanation(facts)

    def observable(self, name: str) -> Observable[Any]:
        """Return the items of a node as a cold observable.

        Each subscription is a separate run; disposing it cancels the run.

        Raises:
            GraphError: If the node is unknown.
        """
        if name not in self.dag.nodes:
            raise GraphError(f'observable: node "{name}" is not known{did_you_mean(name, self.dag.nodes)}')
        made: Observable[Any] = _face("observable")(self, name)
        return made

    def publisher(self, name: str) -> Publisher[Any]:
        """Return the items of a node as a publisher (Reactive Streams 1.0.4).

        Items are delivered only on request. Each subscriber has its own run, on its own thread; the whole run advances
        at the pace of the subscriber, and cancelling the subscription cancels it. To serve several subscribers from one
        run, use `run.publisher`.

        Raises:
            GraphError: If the node is unknown.
        """
        made: Publisher[Any] = _face("publisher")(self, name)
        return made


def compile(dag: Dag, /, *, columns: bool = True) -> Plan:
    """Compile a dag.

    Args:
        dag: The definition.
        columns: False to run every node on rows, with the same output.

    Raises:
        CompileError: If `dag` is not a dag, or a node cannot be run.
        GraphError: If `columns` is neither True nor False.

    Example:
        >>> out = rxdag.from_source(sources.range(3), name="numbers").to(sinks.collect(), name="out")
        >>> plan = rxdag.compile(rxdag.Dag(out))
        >>> rxdag.run(plan)["out"], rxdag.run(plan)["out"]
        ([0, 1, 2], [0, 1, 2])
    """
    if not isinstance(dag, Dag):
        raise CompileError(f"compile: takes a Dag, got {shown(dag)}; rxdag.Dag(sink, ...) makes one")
    flag(columns, "compile: columns")
    topology = normalise(dag)
    check_queues(topology)
    check_replaced(topology)
    domains = assign_domains(topology)
    gates = place_gates(topology, domains)
    lanes = find_lanes(topology, gates) if columns else Lanes()
    topology = lanes.in_lanes(topology)
    return Plan(
        dag=dag,
        topology=topology,
        domains=domains,
        segments=cut_segments(topology, gates),
        gates=gates,
        lanes=lanes,
        needs_loop=needs_loop(topology),
        caught=caught_nodes(topology),
    )
