"""Wiring: a plan becomes the nodes, gates and pumps of one run, linked."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from rxdag.contract import Foreign, InnerKernel, Kernel, Sink, Source, releases, size_of
from rxdag.engine import (
    LEAVINGS,
    BatchSinkNode,
    ColumnsNode,
    Cut,
    Exit,
    Fork,
    Gate,
    GatePump,
    Guarded,
    Inlet,
    InnerNode,
    KernelNode,
    KeyEnd,
    Lane,
    Node,
    Point,
    Pump,
    ReleaseNode,
    RowsNode,
    RunContext,
    SinkNode,
    SourceNode,
    StepNode,
)
from rxdag.engine.drivers import FlowScheduler, ForeignNode
from rxdag.graph import Edge
from rxdag.plan import GatePlan, Plan, make_kernel, queue_of
from rxdag.runtime._columns_wiring import columns_node, gather_node, gives_columns, let_meet
from rxdag.runtime._program import Link, Program, place_of
from rxdag.runtime._survey import survey

_DEEPEST: Final = 100
"""Number of nested calls after which a chain is cut: compiled code has no recursion limit, but a finite stack."""


def wire(
    plan: Plan,
    run: RunContext,
    schedulers: dict[str, FlowScheduler],
    called: frozenset[str] = frozenset(),
) -> Program:
    """Make the parts of a run; nothing runs yet.

    Args:
        plan: The plan to run.
        run: The run.
        schedulers: The serial domains, by name.
        called: Nodes whose kernels are called item by item even if they have a node class of their own.
    """
    return _Wiring(plan, run, schedulers, called).program


class _Wiring:
    """Makes the program of a run."""

    def __init__(
        self,
        plan: Plan,
        run: RunContext,
        schedulers: dict[str, FlowScheduler],
        called: frozenset[str],
    ) -> None:
        self.plan = plan
        self.called = called
        self.run = run
        self.schedulers = schedulers
        self.topology = plan.topology
        self.program = Program(plan, schedulers)
        self.entries: dict[tuple[str, int], Node] = {}
        self.depth: dict[str, int] = {}
        for scheduler in dict.fromkeys(schedulers.values()):
            scheduler.domain.run = run
        for name in self.topology.nodes:
            self._make(name)
        for name in plan.lanes.met:
            let_meet(plan, self.program.nodes, name)
        for name in self.topology.nodes:
            self._connect(name)
        for node in [*self.program.nodes.values(), *self.program.helpers.values()]:
            assert isinstance(node, Point)
            node.note_readers()
        survey(self.program)

    def _make(self, name: str) -> None:
        plan, node = self.plan, self.topology.nodes[name]
        made = self._node(name)
        made.domain = self.schedulers[plan.domains[name]].domain
        self.program.nodes[name] = made
        if isinstance(made, Guarded | SourceNode):
            made.is_caught = name in plan.caught
        if isinstance(made, InnerNode):
            made.replays = self.topology.replays(name)
        read = {edge.port for edge in self.topology.out_of[name]}
        for port in node.ports:
            if port in LEAVINGS and port not in read:
                continue
            exit_ = self.program.add_exit(name, port)
            if isinstance(made, SourceNode):
                if port == "out":
                    made.main = exit_
                elif port == "dead":
                    made.letters = exit_
        inputs = len(self.topology.into[name])
        if isinstance(made, KernelNode) and inputs == 1 and made.kernel.fires_before and node.in_shape.ordered:
            made.fires_before = True
        if isinstance(made, KernelNode) and inputs > 1:
            for i in range(inputs):
                inlet = Inlet(made, i)
                inlet.domain = made.domain
                made.inlets.append(inlet)
                self.entries[name, i] = inlet
        else:
            for i in range(max(1, inputs)):
                self.entries[name, i] = made

    def _node(self, name: str) -> Node:
        plan, run = self.plan, self.run
        node = self.topology.nodes[name]
        thing = node.thing
        if isinstance(thing, Source):
            boundary = queue_of(self.topology, name)
            wants = any(edge in plan.lanes.given for edge in self.topology.out_of[name])
            made = SourceNode(name, run, node.on_error, thing, wants_columns=wants, boundary=boundary)
            self._add_pump(made, name)
            return made
        if isinstance(thing, Sink):
            kind_of_sink = SinkNode if thing.batching is None else BatchSinkNode
            return kind_of_sink(name, run, node.on_error, thing, node.in_shape)
        if isinstance(thing, Foreign):
            scheduler = self.schedulers[plan.domains[name]]
            return ForeignNode(name, run, scheduler, thing.build, stateless=thing.stateless)
        if name in plan.lanes.columns:
            return columns_node(plan, run, name)
        kernel = self.topology.kernels[name]
        kind: type[KernelNode] = KernelNode if name in self.called else kernel.node or KernelNode
        if isinstance(kernel, InnerKernel):
            kind = InnerNode
        elif releases(kernel):
            kind = ReleaseNode
        elif type(kernel).expand is not Kernel.expand or node.on_error.kind == "retry":
            kind = StepNode
        make = partial(make_kernel, name, self.topology.operators[name])
        return kind(name, run, node.on_error, make, thing.clock_for(node.in_shape), len(self.topology.into[name]))

    def _add_pump(self, pump: Pump, name: str) -> None:
        scheduler = self.schedulers[self.plan.domains[name]]
        pump.domain = scheduler.domain
        scheduler.add_pump(pump)
        self.program.pumps.append(pump)

    def _connect(self, name: str) -> None:
        """Link the outputs of a node to their readers."""
        made = self.program.nodes[name]
        assert isinstance(made, Point)
        depth = self.depth.get(name, 0) + 1
        has_lanes = self._has_lanes(name)
        if isinstance(made, ColumnsNode):
            made.has_lanes = has_lanes
        for exit_ in made.exits:
            edges = [edge for edge in self.topology.out_of[name] if edge.port == exit_.port]
            if not edges:
                continue
            exits, owners = [exit_], [made]
            in_rows = not gives_columns(made, exit_.port)
            if not in_rows and not any(edge in self.plan.lanes.given for edge in edges):
                exits, owners = self._extend(f"{name}.{exit_.port}: rows", RowsNode(name), exits, owners)
                in_rows = True
            if len(edges) == 1:
                self._link(edges[0], exits, owners, depth, is_lane=has_lanes, in_rows=in_rows)
            else:
                ways = [place_of(edge) for edge in edges]
                fork = self._helper(f"{name}.{exit_.port}: fork", Fork(name), made, exit_.timed, ways)
                self._attach(exits[-1], owners[-1], fork)
                for edge, branch in zip(edges, fork.exits, strict=True):
                    self._link(edge, [*exits, branch], [*owners, fork], depth, is_lane=has_lanes, in_rows=in_rows)
            # Columns nodes drop the keys in their own exits.
            if in_rows and not isinstance(made, ColumnsNode) and self._ends_keys(name, exit_.port):
                exit_.out = KeyEnd(name, exit_.out)

    def _ends_keys(self, name: str, port: str) -> bool:
        """Return True for an output without keys of a node to which some came."""
        nodes = self.topology.nodes
        if nodes[name].port_shape(port).keyed:
            return False
        return any(nodes[edge.producer].port_shape(edge.port).keyed for edge in self.topology.into[name])

    def _helper(self, place: str, helper: Any, beside: Node, timed: bool, ports: Sequence[str] = ("out",)) -> Any:
        helper.domain = beside.domain
        for port in ports:
            helper.add_exit(Exit(port, timed))
        self.program.helpers[place] = helper
        return helper

    def _attach(self, exit_: Exit, owner: Node, reader: Node) -> None:
        exit_.out = exit_.reader = reader
        exit_.is_read = True
        owner.live += 1
        reader.feeders.append(owner)

    def _link(
        self, edge: Edge, exits: list[Exit], owners: list[Point], depth: int, *, is_lane: bool, in_rows: bool
    ) -> None:
        """Link an edge with its lane, gate or cut, and its conversion between rows and columns."""
        entry = self.entries[edge.consumer, edge.input]
        place = place_of(edge)
        gate_plan = self.plan.gates.get(edge)
        if is_lane:
            exits, owners = self._extend(f"{place}: lane", Lane(edge.consumer), exits, owners)
        # A gate already ends the recursion.
        if gate_plan is None and depth >= _DEEPEST:
            exits, owners = self._extend(f"{place}: cut", Cut(edge.consumer), exits, owners)
            depth = 0
        if not in_rows and edge not in self.plan.lanes.given:
            exits, owners = self._extend(f"{place}: rows", RowsNode(edge.consumer), exits, owners)
        behind: list[tuple[Point, Exit]] = []
        if edge in self.plan.lanes.made:
            gather = gather_node(self.plan, edge)
            if gate_plan is None:
                exits, owners = self._extend(f"{place}: columns", gather, exits, owners)
            else:
                self._helper(f"{place}: columns", gather, entry, gather.is_timed)
                self._attach(gather.exits[0], gather, entry)
                entry = gather
                behind.append((gather, gather.exits[0]))
        link = self.program.links[edge] = Link(exits, owners, entry, behind)
        if gate_plan is None:
            self.depth[edge.consumer] = max(self.depth.get(edge.consumer, 0), depth)
            self._attach(exits[-1], owners[-1], entry)
            return
        link.gate = self._gate(gate_plan, edge, entry, owners[-1].domain)
        self._attach(exits[-1], owners[-1], link.gate)

    def _extend(
        self, place: str, helper: Point, exits: list[Exit], owners: list[Point]
    ) -> tuple[list[Exit], list[Point]]:
        self._helper(place, helper, owners[-1], exits[-1].timed)
        self._attach(exits[-1], owners[-1], helper)
        return [*exits, helper.exits[0]], [*owners, helper]

    def _gate(self, plan: GatePlan, edge: Edge, entry: Node, domain: Any) -> Gate:
        consumer = self.program.nodes[edge.consumer]
        size = None
        if plan.max_bytes is not None:
            size = (edge.boundary.size_of if edge.boundary else None) or size_of
        demand = consumer.wants if plan.is_by_demand and isinstance(consumer, SinkNode) else None
        gate = Gate(
            str(edge),
            plan.max_items,
            plan.overflow,
            delay_error=plan.delay_error,
            max_bytes=plan.max_bytes or 0,
            size_of=size,
            demand=demand,
        )
        gate.domain = domain
        if demand is not None and isinstance(consumer, SinkNode):
            consumer.gates.append(gate)
        pump = GatePump(str(edge), edge.consumer, gate)
        pump.out = entry
        # A sink ignores watermarks, so they cause no outputs that would need room.
        pump.marks_without_room = isinstance(consumer, SinkNode)
        pump.ends_without_room = not (isinstance(entry, Inlet) and entry.owner.kernel.may_park)
        pump.is_caught = edge.consumer in self.plan.caught
        gate.reader = pump
        self._add_pump(pump, edge.consumer)
        pump.live = 1
        entry.feeders.append(pump)
        if isinstance(entry, Inlet):
            entry.gate = gate
        self.program.gates[edge] = gate
        return gate

    def _has_lanes(self, name: str) -> bool:
        """Return True for a route whose ways never meet in the segment: a full one then holds up no other."""
        if not self.topology.is_choice(name):
            return False
        reached: set[str] = set()
        by_port: dict[str, set[str]] = {}
        for edge in self.topology.out_of[name]:
            by_port.setdefault(edge.port, set()).update(self._reach(edge))
        for names in by_port.values():
            if names & reached:
                return False
            reached |= names
        return True

    def _reach(self, edge: Edge) -> set[str]:
        """Return the nodes of the segment behind an edge."""
        if edge in self.plan.gates:
            return set()
        found = {edge.consumer}
        todo = [edge.consumer]
        while todo:
            for each in self.topology.out_of[todo.pop()]:
                if each not in self.plan.gates and each.consumer not in found:
                    found.add(each.consumer)
                    todo.append(each.consumer)
        return found
