"""Lanes: which nodes work on columns, and why the others do not."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from rxdag.contract import AnyOperator, Foreign, Kernel, Sink, Source, Splitter
from rxdag.engine._ledger import LEAVINGS
from rxdag.expressions import attribute_names
from rxdag.graph import Edge
from rxdag.plan._topology import Topology

_SIDE_PORTS = ("late", "dead")


@dataclass(frozen=True)
class Lanes:
    """What runs on columns.

    Attributes:
        columns: Nodes that take columns, or make them.
        why_rows: Of each node that gets columns and works on rows, the reason.
        kernels: Kernels that work on columns.
        made: Edges along which rows come that are made columns.
    """

    columns: frozenset[str] = frozenset()
    why_rows: dict[str, str] = field(default_factory=lambda: dict[str, str]())
    kernels: dict[str, Kernel] = field(default_factory=lambda: dict[str, Kernel]())
    made: frozenset[Edge] = frozenset()

    def in_lanes(self, topology: Topology) -> Topology:
        """The topology with the kernels that will run."""
        return replace(topology, kernels={**topology.kernels, **self.kernels})


class _Finder:
    """Finds the lanes, given the edges whose rows are made columns."""

    def __init__(self, topology: Topology, itemwise: set[str], made: set[Edge]) -> None:
        self.topology = topology
        self.itemwise = itemwise
        self.made = made
        self.columns: set[str] = set()
        self.why_rows: dict[str, str] = {}
        self.kernels: dict[str, Kernel] = {}

    def gives(self, edge: Edge) -> bool:
        """True if columns come along the edge."""
        if edge in self.made:
            return True
        producer = edge.producer
        if producer not in self.columns or producer in self.itemwise or edge.port in _SIDE_PORTS:
            return False
        kernel = self.kernels.get(producer)
        return kernel is None or kernel.gives_columns

    def place(self, name: str) -> None:
        """Choose the lane of a node, those before it having theirs."""
        thing = self.topology.nodes[name].thing
        edges = self.topology.into[name]
        given = [self.gives(edge) for edge in edges]
        if isinstance(thing, Source):
            if thing.gives_columns:
                self.columns.add(name)
        elif isinstance(thing, Sink):
            if any(given) and thing.takes_columns:
                self.columns.add(name)
            elif any(given):
                self.why_rows[name] = "the sink takes items"
        elif isinstance(thing, AnyOperator):
            self._place_operator(name, thing, given)

    def _place_operator(self, name: str, thing: AnyOperator, given: list[bool]) -> None:
        kernel = self.topology.kernels.get(name)
        if not any(given) and not (kernel is not None and kernel.needs_columns):
            return
        found = self._in_columns(name, thing, kernel, given)
        left = [e.port for e in self.topology.out_of[name] if e.port in LEAVINGS]
        if left and isinstance(found, Kernel) and not found.needs_columns:
            found = f"its port {left[0]} is read, item by item"
        if isinstance(found, Kernel):
            self.columns.add(name)
            self.kernels[name] = found
        else:
            self.why_rows[name] = found

    def _in_columns(self, name: str, thing: AnyOperator, kernel: Kernel | None, given: list[bool]) -> Kernel | str:
        if isinstance(thing, Foreign) or kernel is None:
            return "a reactivex operator takes items"
        if self.topology.nodes[name].on_error.kind == "retry":
            return "it tries items again, one by one"
        if kernel.needs_columns:
            return kernel.in_columns()
        if not all(given):
            return "not all its inputs are columns"
        if name in self.itemwise and isinstance(kernel, Splitter):
            return "its branches meet again outside of one region"
        if thing.clock_for(self.topology.nodes[name].in_shape) != "event":
            return "it works in processing time"
        return kernel.in_columns()

    def pays(self, edge: Edge) -> bool:
        """True if columns that come along the edge reach a node that gains much by them."""
        ahead = [edge]
        while ahead:
            name = ahead.pop().consumer
            if name not in self.columns or name not in self.kernels:
                continue
            if self.topology.kernels[name].prefers_columns:
                return True
            ahead += [each for each in self.topology.out_of[name] if self.gives(each)]
        return False


def find_lanes(topology: Topology, itemwise: set[str], kept: set[Edge]) -> Lanes:
    """Choose the lane of each node.

    Rows that a source has at hand are made columns where that pays. An edge for which it does not is left out, and the
    rest looked at again, for a node with several inputs takes columns from all of them or from none.

    Args:
        topology: The dag.
        itemwise: Nodes that hand over item by item: what they give are rows.
        kept: Edges whose rows stay rows.
    """
    gain = any(kernel.prefers_columns for kernel in topology.kernels.values())  # or else nothing of numpy is loaded
    made = {
        e for e in topology.edges if gain and e.producer not in itemwise and e not in kept and _has_rows(topology, e)
    }
    while True:
        finder = _Finder(topology, itemwise, made)
        for name in topology.nodes:
            finder.place(name)
        paying = {edge for edge in made if finder.pays(edge)}
        if paying == made:
            return Lanes(frozenset(finder.columns), finder.why_rows, finder.kernels, frozenset(made))
        made = paying


def _has_rows(topology: Topology, edge: Edge) -> bool:
    """True if items with fields come along the edge that are there already, as rows."""
    source = topology.nodes[edge.producer].thing
    if not isinstance(source, Source) or not source.is_stored or source.gives_columns or edge.port in _SIDE_PORTS:
        return False
    return bool(attribute_names(source.shape.item_type))
