"""Lanes: which nodes work on columns, and why the others do not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from rxdag.contract import AnyOperator, ColumnsKernel, FanInKernel, Foreign, Kernel, Overflow, Sink, Source, Splitter
from rxdag.engine import LEAVINGS
from rxdag.graph import Edge
from rxdag.plan._gates import GatePlan
from rxdag.plan._meetings import Meetings
from rxdag.plan._topology import Topology

SIDE_PORTS = ("late", "dead")
PARTED = "its branches meet again, in the order of items"


@dataclass(frozen=True)
class Lanes:
    """The nodes that run on columns, and why others do not.

    Attributes:
        columns: Nodes that take or make columns.
        why_rows: Reason of each node that works on rows although it gets columns.
        kernels: Kernels that work on columns.
        given: Edges that carry columns.
        made: Edges on which rows are converted to columns.
        met: Routes whose branches meet again on columns, with the node where they meet.
        parted: Nodes that work on columns but emit rows, since their branches meet again.
    """

    columns: frozenset[str] = frozenset()
    why_rows: dict[str, str] = field(default_factory=lambda: dict[str, str]())
    kernels: dict[str, Kernel] = field(default_factory=lambda: dict[str, Kernel]())
    given: frozenset[Edge] = frozenset()
    made: frozenset[Edge] = frozenset()
    met: dict[str, str] = field(default_factory=lambda: dict[str, str]())
    parted: frozenset[str] = frozenset()

    def in_lanes(self, topology: Topology) -> Topology:
        """Return the topology with the kernels that will run."""
        return replace(topology, kernels={**topology.kernels, **self.kernels})


def find_lanes(topology: Topology, gates: Mapping[Edge, GatePlan]) -> Lanes:
    """Choose the lane of each node.

    Branches that meet again without a gate must be ordered item by item. If the branches of a route meet again on
    columns, the meeting restores the order. Any other node whose branches meet emits rows, or works on rows if the
    branches begin at several of its ports. Either changes the lanes behind it.
    """
    meetings = Meetings(topology, gates)
    parted: dict[str, bool] = {}
    while True:
        finder = _Finder(topology, gates, meetings, parted)
        for name in topology.nodes:
            finder.place(name)
        lanes = finder.found()
        found = meetings.parted(lanes.columns, lanes.given)
        fresh = {name: by_ports for name, by_ports in found.items() if name not in parted and not finder.met(name)}
        if not fresh:
            return lanes
        # Rows at one node change the lanes after it, so all are chosen again; the set only grows, so this ends.
        parted |= fresh


class _Finder:
    """Finds the lanes, given the nodes whose branches meet again.

    Args:
        parted: Those nodes; True if the branches begin at several ports.
    """

    def __init__(
        self, topology: Topology, gates: Mapping[Edge, GatePlan], meetings: Meetings, parted: dict[str, bool]
    ) -> None:
        self.topology = topology
        self.gates = gates
        self.meetings = meetings
        self.parted = parted
        self.columns: set[str] = set()
        self.why_rows: dict[str, str] = {}
        self.kernels: dict[str, Kernel] = {}
        self.made: set[Edge] = set()
        self.given: set[Edge] = set()

    def offers(self, edge: Edge) -> bool:
        """Return True if the edge can carry columns: its producer emits some, and a gate on it keeps them whole."""
        producer = edge.producer
        if producer not in self.columns or producer in self.parted or edge.port in (*SIDE_PORTS, *LEAVINGS):
            return False
        gate = self.gates.get(edge)
        # These gates drop or measure single items.
        if gate is not None and (gate.overflow is not Overflow.BLOCK or gate.max_bytes is not None):
            return False
        kernel = self.kernels.get(producer)
        return kernel is None or kernel.gives_columns

    def place(self, name: str) -> None:
        """Choose the lane of a node, those before it having theirs."""
        thing = self.topology.nodes[name].thing
        edges = self.topology.into[name]
        offered = [self.offers(edge) for edge in edges]
        if isinstance(thing, Source):
            if thing.gives_columns:
                self.columns.add(name)
            return
        if isinstance(thing, Sink):
            if any(offered) and thing.takes_columns:
                self.columns.add(name)
            elif any(offered):
                self.why_rows[name] = "the sink takes items"
        elif isinstance(thing, AnyOperator):
            self.place_operator(name, thing, offered)
        self.given |= {
            edge for edge, is_offered in zip(edges, offered, strict=True) if is_offered and self.takes(name, edge)
        }

    def takes(self, name: str, edge: Edge) -> bool:
        """Return True if a node takes the columns that an edge offers; a plain sink makes items of them itself."""
        if name in self.columns:
            return True
        thing = self.topology.nodes[name].thing
        return (
            isinstance(thing, Sink)
            and thing.where != "async"
            and not (thing.paces or thing.one_by_one or thing.batching is not None or edge in self.gates)
        )

    def place_operator(self, name: str, thing: AnyOperator, offered: list[bool]) -> None:
        """Choose the lane of an operator."""
        kernel = self.topology.kernels.get(name)
        if not any(offered) and not isinstance(kernel, ColumnsKernel):
            return
        found = self.in_columns(name, thing, kernel, offered)
        left = [e.port for e in self.topology.out_of[name] if e.port in LEAVINGS]
        if left and isinstance(found, Kernel) and not isinstance(found, ColumnsKernel):
            found = f"its port {left[0]} is read, item by item"
        if isinstance(found, Kernel):
            self.columns.add(name)
            self.kernels[name] = found
            self.made |= {e for e, is_offered in zip(self.topology.into[name], offered, strict=True) if not is_offered}
        else:
            self.why_rows[name] = found

    def in_columns(self, name: str, thing: AnyOperator, kernel: Kernel | None, offered: list[bool]) -> Kernel | str:
        """Return the kernel of columns of an operator, or why it works on rows."""
        if isinstance(thing, Foreign) or kernel is None:
            return "a reactivex operator takes items"
        if self.topology.nodes[name].on_error.kind == "retry":
            return "it tries items again, one by one"
        if isinstance(kernel, ColumnsKernel):
            if self.meetings.is_between(name):
                return "branches meet again behind it, in the order of items"
            return kernel.in_columns()
        if not all(offered):
            return "not all its inputs are columns"
        if self.parted.get(name):
            return PARTED
        if thing.clock_for(self.topology.nodes[name].in_shape) != "event":
            return "it works in processing time"
        return kernel.in_columns()

    def met(self, name: str) -> str | None:
        """Return where the ways of a route meet again on columns; None if they do not, or not all of them."""
        kernel = self.kernels.get(name)
        if not isinstance(kernel, Splitter):
            return None
        edges = self.topology.out_of[name]
        ends = {self.end_of_way(edge) for edge in edges}
        if len(ends) != 1 or len({edge.port for edge in edges}) < len(edges):
            return None
        return ends.pop()

    def end_of_way(self, edge: Edge) -> str | None:
        """Return the node with several inputs to which a way leads over nodes that emit at once only."""
        while edge in self.given and edge not in self.gates:
            name = edge.consumer
            kernel = self.kernels.get(name)
            if kernel is None or not _is_immediate(kernel):
                return None
            if len(self.topology.into[name]) > 1:
                return name if kernel.gives_columns else None
            edges = self.topology.out_of[name]
            if len(edges) != 1 or isinstance(kernel, Splitter):
                return None
            edge = edges[0]
        return None

    def found(self) -> Lanes:
        """Return the lanes found; a source whose columns no node takes reads rows."""
        taken = {edge.producer for edge in self.given if edge.consumer in self.columns}
        given = {
            edge
            for edge in self.given
            if edge.producer in taken or not isinstance(self.topology.nodes[edge.producer].thing, Source)
        }
        met = {name: end for name in self.columns if (end := self.met(name)) is not None}
        return Lanes(
            columns=frozenset(self.columns),
            why_rows=self.why_rows,
            kernels=self.kernels,
            given=frozenset(given),
            made=frozenset(self.made),
            met=met,
            parted=frozenset(self.parted.keys() & self.columns),
        )


def _is_immediate(kernel: Kernel) -> bool:
    """Return True if the kernel emits nothing, watermarks included, outside of `on_item`."""
    kind = type(kernel)
    base = FanInKernel if isinstance(kernel, FanInKernel) else Kernel
    methods = ("on_start", "on_watermark", "on_timer", "on_input_end", "on_end")
    return not kernel.makes_time and all(getattr(kind, name, None) is getattr(base, name, None) for name in methods)
