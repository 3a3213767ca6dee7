"""Plan: the compiled dag. Frozen and printable; each run lowers it anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from rxdag.compiler._caught import caught_nodes
from rxdag.compiler._colour import colour, needs_loop
from rxdag.compiler._explain import explanation
from rxdag.compiler._gates import GatePlan, check_queues, cut_segments, fork_nodes, place_gates, queue_of
from rxdag.compiler._grid import give_before, mark_grids
from rxdag.compiler._lanes import Lanes, find_lanes, parks
from rxdag.compiler._region_plan import RegionPlan
from rxdag.compiler._regions import find_regions
from rxdag.compiler._topology import Topology, normalise
from rxdag.compiler._weave import Woven, weave
from rxdag.contract import Duration, Overflow, Publisher, Sink, Source
from rxdag.errors import CompileError, GraphError, shown
from rxdag.graph import Dag, Edge, did_you_mean
from rxdag.schedulers import QUANTUM

if TYPE_CHECKING:
    from reactivex import Observable

PARKED: Final = 16384
"""So many items of columns are worked on at once, if they may wait for each other."""
WIDE: Final = 4096
"""Most items that a region of expressions alone takes at once: a chunk costs as much as a hundred items do."""

FaceOf = Callable[["Plan", str], Any]
_faces: dict[str, FaceOf] = {}


def use_faces(*, observable: FaceOf, publisher: FaceOf) -> None:
    """Say how a plan's nodes become observables and publishers; the runtime does, since they run."""
    _faces.update(observable=observable, publisher=publisher)


@dataclass(frozen=True)
class Plan:
    """A compiled dag.

    Attributes:
        dag: What it was compiled from.
        is_fused: False if every node is lowered from its kernel alone.
        domains: Name of the serial domain of each node.
        segments: Number of the segment of each node.
        gates: The bounded buffers, by edge.
        forks: Nodes that hand over item by item, since their outputs meet again.
        regions: Generated loops, and the nodes they fuse.
        columns_regions: Nodes that hand columns from one to the next.
        lanes: Which nodes work on columns, and why others do not.
        before: Time sources that give the watermark before each item beside columns.
        caught: Nodes that may fail without failing the run: a node behind them goes on.
        grids: How fine the watermarks of each time source are, ns.
        needs_loop: True if a node runs on an asyncio loop.
    """

    dag: Dag
    is_fused: bool
    topology: Topology = field(repr=False)
    domains: dict[str, str]
    segments: dict[str, int]
    gates: dict[Edge, GatePlan]
    forks: frozenset[str]
    regions: tuple[Woven, ...] = field(repr=False)
    columns_regions: tuple[RegionPlan, ...]
    lanes: Lanes = field(repr=False)
    grids: dict[str, int]
    before: frozenset[str]
    caught: frozenset[str]
    needs_loop: bool

    def __repr__(self) -> str:
        return f"<Plan {self.dag.name}: {len(self.members)} segments, {len(self.gates)} gates>"

    @property
    def members(self) -> dict[int, list[str]]:
        """Nodes of each segment."""
        out: dict[int, list[str]] = {}
        for name, number in self.segments.items():
            out.setdefault(number, []).append(name)
        return out

    @property
    def max_held(self) -> int:
        """Hard cap on the items in gates, in sources' queues, parked and in flight, in the whole graph."""
        gates = sum(gate.max_items for gate in self.gates.values())
        queues = sum(max_items for _, max_items in self.queues.values())
        choices = sum(self.topology.is_choice(name) for name in self.dag.nodes)
        parked = PARKED * sum(region.parks for region in self.columns_regions)
        return gates + queues + parked + sum(self.in_flight(number) for number in self.members) + choices

    @property
    def queues(self) -> dict[str, tuple[Overflow, int]]:
        """The queues of sources that are pushed into: what happens if one is full, and most items in it."""
        found: dict[str, tuple[Overflow, int]] = {}
        for name, node in self.dag.nodes.items():
            if isinstance(node.thing, Source) and node.thing.queues:
                wish = queue_of(self.topology, name)
                overflow = getattr(node.thing, "overflow", Overflow.BLOCK) if wish is None else wish.overflow
                most = None if wish is None else wish.max_items
                found[name] = (overflow, getattr(node.thing, "max_items", 0) if most is None else most)
        return found

    def in_flight(self, number: int) -> int:
        """Most items that a segment works on at once."""
        members = self.members[number]
        inputs = [g.max_items for e, g in self.gates.items() if self.segments[e.consumer] == number]
        has_source = any(isinstance(self.dag.nodes[n].thing, Source) for n in members)
        turn = max((n for name, n in self.turns.items() if name in members), default=QUANTUM)
        things = [self.dag.nodes[n].thing for n in members]
        batched = sum(2 * t.batching.max_items for t in things if isinstance(t, Sink) and t.batching is not None)
        return batched or (turn if has_source or not inputs else min(turn, max(inputs)))

    @property
    def turns(self) -> dict[str, int]:
        """Most items that move at once into nodes that work on many of them together, by node."""
        wide = {woven.plan.nodes[0]: WIDE for woven in self.regions if woven.fast is not None}
        heads = {region.nodes[0] for region in self.columns_regions if region.parks}
        made = {edge.consumer for edge in self.lanes.made}  # rows: more of them would not stay in the processor's cache
        return wide | dict.fromkeys(heads, PARKED) | dict.fromkeys(made, WIDE)

    @property
    def max_parked(self) -> int:
        """Most items that wait before a region of columns."""
        return PARKED

    @property
    def max_bytes(self) -> int | None:
        """Hard cap on the bytes in gates that are bound by bytes; None if there is none."""
        bounds = [gate.max_bytes for gate in self.gates.values() if gate.max_bytes is not None]
        return sum(bounds) if bounds else None

    def explain(self, *, service: Mapping[str, Duration] | None = None) -> str:
        """Return what runs where, where data rests, how much at most, and who can stall whom, as text.

        Args:
            service: How long sinks take for an item, by name: then it says how old an item is at most when they have taken it.

        Raises:
            GraphError: If a sink is not known.
        """
        return explanation(self, service or {})

    def source(self, segment: int | str) -> str:
        """Return the generated code of a segment, by its number or the name of one of its nodes.

        Raises:
            GraphError: If there is no such segment.
        """
        if isinstance(segment, str):
            if segment not in self.segments:
                raise GraphError(f'source: node "{segment}" is not known{did_you_mean(segment, self.segments)}')
            segment = self.segments[segment]
        if segment not in self.members:
            raise GraphError(f"source: segment must be 0 to {len(self.members) - 1}, got {segment}")
        texts = [woven.source for woven in self.regions if self.segments[woven.plan.nodes[0]] == segment]
        texts += [
            f"# {' -> '.join(region.nodes)}: columns, handed from kernel to kernel\n"
            for region in self.columns_regions
            if self.segments[region.nodes[0]] == segment
        ]
        return "\n".join(texts) or f"# segment {segment} has no generated code: its nodes are called one by one\n"

    def observable(self, name: str) -> Observable[Any]:
        """Return a node's items as a cold observable: each subscription is a run of its own, disposing cancels it.

        Raises:
            GraphError: If the node is not known.
        """
        if name not in self.dag.nodes:
            raise GraphError(f'observable: node "{name}" is not known{did_you_mean(name, self.dag.nodes)}')
        made: Observable[Any] = _faces["observable"](self, name)
        return made

    def publisher(self, name: str) -> Publisher[Any]:
        """Return a node's items as a publisher (Reactive Streams 1.0.4): no item comes that was not asked for.

        Each subscriber has a run of its own, on a thread of its own; the whole run goes at the subscriber's pace, and
        cancelling the subscription cancels it. `run.publisher` serves several subscribers of one run.

        Raises:
            GraphError: If the node is not known.
        """
        made: Publisher[Any] = _faces["publisher"](self, name)
        return made


def compile(dag: Dag, /, *, fuse: bool = True, columns: bool = True) -> Plan:
    """Compile a dag.

    Args:
        dag: The definition.
        fuse: False to lower every node from its kernel alone: slower, with the same output.
        columns: False to have everything work on rows, with the same output.

    Raises:
        CompileError: If a node cannot be lowered.
    """
    if not isinstance(dag, Dag):
        raise CompileError(f"compile: takes a Dag, got {shown(dag)}; rxdag.Dag(sink, ...) makes one")
    topology = normalise(dag)
    check_queues(topology)
    domains = colour(topology)
    gates = place_gates(topology, domains)
    lanes, regions, forks = _fuse(topology, gates, columns=columns) if fuse else (Lanes(), [], set[str]())
    topology = lanes.in_lanes(topology)
    return Plan(
        dag=dag,
        is_fused=fuse,
        topology=topology,
        domains=domains,
        segments=cut_segments(topology, gates),
        gates=gates,
        forks=frozenset(forks if fuse else fork_nodes(topology, gates, set())),
        regions=tuple(_woven(dag.name, topology, r, forks) for r in regions if r.nodes[0] not in lanes.columns),
        columns_regions=tuple(
            replace(region, parks=parks(topology, region, lanes.columns))
            for region in regions
            if region.nodes[0] in lanes.columns
        ),
        lanes=lanes,
        grids=mark_grids(topology) if fuse else {name: 1 for name, k in topology.kernels.items() if k.makes_time},
        before=give_before(topology) if fuse else frozenset(),
        needs_loop=needs_loop(topology),
        caught=caught_nodes(topology),
    )


def _fuse(
    topology: Topology, gates: dict[Edge, GatePlan], *, columns: bool
) -> tuple[Lanes, list[RegionPlan], set[str]]:
    """Lanes and regions; what hands over item by item gives rows, which changes the lanes behind it.

    Rows become columns only where short runs of them may wait for more: of a few items they would cost more than they save.
    """
    itemwise: set[str] = set()
    kept: set[Edge] = set()
    while True:
        lanes = find_lanes(topology, itemwise, kept) if columns else Lanes()
        there = lanes.in_lanes(topology)
        regions, forks = find_regions(there, gates, lanes.columns)
        parking = {region.nodes[0] for region in regions if lanes.made and parks(there, region, lanes.columns)}
        fresh = (forks & lanes.columns) - itemwise
        hurried = {edge for edge in lanes.made if edge.consumer not in parking}
        if not fresh and not hurried:
            return lanes, regions, forks
        itemwise |= fresh
        kept |= hurried


def shapes_of(topology: Topology, region: RegionPlan) -> dict[str, tuple[bool, bool]]:
    """Whether there are event times and keys: where each node takes items, and at each of its ports."""
    shapes: dict[str, tuple[bool, bool]] = {}
    for name in region.nodes:
        node = topology.nodes[name]
        shapes[name] = (node.in_shape.timed, node.in_shape.keyed)
        for port in node.ports:
            shape = node.port_shape(port)
            shapes[f"{name}.{port}"] = (shape.timed, shape.keyed)
    return shapes


def _woven(dag: str, topology: Topology, region: RegionPlan, forks: set[str]) -> Woven:
    """Generate the loops of a region."""
    kernels = {name: topology.kernels[name] for name in region.nodes}
    itemwise = any(name in forks for name in region.nodes)
    return weave(dag, region, kernels, shapes_of(topology, region), itemwise=itemwise)
