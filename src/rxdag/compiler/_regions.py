"""Regions: which nodes of a segment become generated loops together."""

from __future__ import annotations

from typing import Final

from rxdag.compiler._gates import GatePlan, fork_nodes
from rxdag.compiler._ledger import SIDES
from rxdag.compiler._region_plan import RegionPlan
from rxdag.compiler._splice import gives_out, why_not
from rxdag.compiler._topology import Topology
from rxdag.contract import AnyOperator, Splitter
from rxdag.graph import Edge

_MOST_NODES: Final = 60
_PORTS: Final = frozenset(("out", *SIDES))
_MOST_ROUTES: Final = 5


def find_regions(
    topology: Topology, gates: dict[Edge, GatePlan], columns: frozenset[str] = frozenset()
) -> tuple[list[RegionPlan], set[str]]:
    """The regions, and the nodes that must hand over item by item since their outputs meet again outside of one.

    Args:
        topology: The dag.
        gates: Where segments end.
        columns: Nodes that work on columns; a region is of one lane.
    """
    refused: set[str] = set()
    while True:
        finder = _Finder(topology, gates, refused, columns)
        for name in topology.nodes:
            finder.place(name)
        apart = finder.joins_apart()
        if not apart:
            return finder.regions(), finder.forks
        refused |= apart


class _Finder:
    """Puts nodes into regions, producers first."""

    def __init__(
        self, topology: Topology, gates: dict[Edge, GatePlan], refused: set[str], columns: frozenset[str]
    ) -> None:
        self._topology = topology
        self._columns = columns
        self._refused = refused
        self._gates = gates
        self._spliced = {name for name in topology.kernels if self._can_be_spliced(name)}
        self._joins = self._find_joins()
        met = set(self._joins.values())
        self.forks = fork_nodes(topology, gates, met)
        self._members: dict[str, list[str]] = {}
        self._region_of: dict[str, str] = {}
        self._routes: dict[str, int] = {}
        self._parting: set[str] = set()
        """Nodes all of whose readers are in their region, or will be."""
        self._forks_in: dict[str, int] = {}
        self._kept: dict[str, int] = {}
        """Places that are kept for readers yet to come."""

    def _can_be_spliced(self, name: str) -> bool:
        node, kernel = self._topology.nodes[name], self._topology.kernels[name]
        if node.on_error.kind == "retry":
            return False  # what comes behind an item waits for its next try
        if not isinstance(node.thing, AnyOperator) or node.thing.clock_for(node.in_shape) != "event":
            return False
        if name in self._columns:
            return not kernel.may_park
        if not _PORTS.issuperset(node.ports) and not isinstance(kernel, Splitter):
            return False  # it says itself which port an item goes to
        return not kernel.may_park and why_not(kernel) is None

    def _find_joins(self) -> dict[str, str]:
        """Nodes whose connected branches are chains of one-to-one nodes that meet in one node, and only there."""
        joins: dict[str, str] = {}
        for name in self._topology.nodes:
            if name in self._refused or name not in self._spliced:
                continue
            branches = self._branches(name)
            ends = [self._end_of_branch(edge) for edge in branches]
            meeting = {end.consumer for end in ends if end is not None}
            if None in ends or len(meeting) != 1:
                continue
            join = meeting.pop()
            inputs = self._topology.into[join]
            is_one_lane = all(self._same_lane(name, edge.producer) for edge in inputs) and self._same_lane(name, join)
            if len(inputs) == len(ends) and join in self._spliced and is_one_lane:
                joins[name] = join
        return joins

    def _branches(self, name: str) -> list[Edge]:
        """The edges by which the items of a node part: the ports of a route, or several readers of its one port."""
        edges = self._topology.out_of[name]
        if self._is_route(name):
            ports = [edge.port for edge in edges]
            return edges if len(set(ports)) == len(ports) and all(self._is_way(name, port) for port in ports) else []
        edges = [edge for edge in edges if edge.port == "out"]
        readers = {edge.consumer for edge in edges}
        return edges if len(edges) > 1 and len(readers) == len(edges) and self._may_fork(name) else []

    def _may_fork(self, name: str) -> bool:
        """True if several nodes behind its one port can be in its region: what it gives out comes item by item."""
        return name not in self._columns and not gives_out(type(self._topology.kernels[name]))

    def _same_lane(self, a: str, b: str) -> bool:
        return (a in self._columns) == (b in self._columns)

    def _end_of_branch(self, edge: Edge) -> Edge | None:
        """The edge by which a branch enters a node of several inputs; None if it does not."""
        while True:
            if edge in self._gates:
                return None
            name = edge.consumer
            if len(self._topology.into[name]) > 1:
                return edge
            kernel = self._topology.kernels.get(name)
            following = self._topology.out_of[name]
            if name not in self._spliced or kernel is None or not kernel.passes or kernel.makes_time:
                return None
            if len(following) != 1 or following[0].port != "out" or self._is_route(name):
                return None
            edge = following[0]

    def place(self, name: str) -> None:
        """Put a node into the region of what feeds it, or into one of its own."""
        if name not in self._spliced or self._topology.kernels[name].takes_inputs:
            return
        region = self._joined(name)
        if region is None:
            if len(self._topology.into[name]) != 1 and name not in self._columns:
                return
            region = name
            self._members[region] = []
            self._routes[region] = 0
            self._forks_in[region] = 0
            self._kept[region] = 0
        self._members[region].append(name)
        self._region_of[name] = region
        self._routes[region] += self._is_route(name)

    def _joined(self, name: str) -> str | None:
        edges = self._topology.into[name]
        regions = {self._region_of.get(e.producer) for e in edges}
        if len(regions) != 1 or any(e in self._gates for e in edges):
            return None
        region = regions.pop()
        if region is None:
            return None
        if len(edges) > 1:
            return region if name in self._joins.values() else None
        edge = edges[0]
        producer = edge.producer
        if not self._same_lane(name, producer):
            return None
        is_route = self._is_route(producer)
        main = self._is_way(producer, edge.port) if is_route else edge.port == "out"
        if not main or producer in self.forks:
            return None
        if producer in self._parting:
            self._kept[region] -= 1  # its place was kept for it
            return region
        readers = [e for e in self._topology.out_of[producer] if e.port == edge.port]
        if self._is_route(name) and self._routes[region] >= _MOST_ROUTES:
            return None
        if len(readers) == 1:
            return region if self._has_room(region, 1) else None
        if is_route or not self._may_part(producer, readers) or self._forks_in[region] >= _MOST_ROUTES:
            return None
        if not self._has_room(region, len(readers)):
            return None
        self._parting.add(producer)
        self._forks_in[region] += 1
        self._kept[region] += len(readers) - 1
        return region

    def _has_room(self, region: str, n: int) -> bool:
        return len(self._members[region]) + self._kept[region] + n <= _MOST_NODES

    def _may_part(self, producer: str, readers: list[Edge]) -> bool:
        """True if all readers of a port can be in its region: only then is their order that of nodes called one by one."""
        if not self._may_fork(producer) or len({edge.consumer for edge in readers}) < len(readers):
            return False
        join = self._joins.get(producer)
        return all(
            edge not in self._gates
            and edge.consumer in self._spliced
            and self._same_lane(edge.consumer, producer)
            and not self._is_route(edge.consumer)
            and (edge.consumer == join or len(self._topology.into[edge.consumer]) == 1)
            for edge in readers
        )

    def _is_way(self, name: str, port: str) -> bool:
        """True for a port to which a route sends items."""
        kernel = self._topology.kernels[name]
        return isinstance(kernel, Splitter) and (port == kernel.default or any(port == p for p, _ in kernel.conditions))

    def _is_route(self, name: str) -> bool:
        return isinstance(self._topology.kernels[name], Splitter)

    def joins_apart(self) -> set[str]:
        """Nodes whose branches were to meet in their region and do not."""
        where = self._region_of
        return {r for r, j in self._joins.items() if where.get(r) is None or where.get(r) != where.get(j)}

    def regions(self) -> list[RegionPlan]:
        """The regions, each with its inner and outer links."""
        out: list[RegionPlan] = []
        for placed in self._members.values():
            members = self._in_order(placed)
            inside = set(members)
            after: dict[tuple[str, str], tuple[str, ...]] = {}
            exits: set[tuple[str, str]] = set()
            for name in members:
                for edge in self._topology.out_of[name]:
                    if edge.consumer in inside and edge not in self._gates and self._is_inner(edge, members[0]):
                        after[name, edge.port] = (*after.get((name, edge.port), ()), edge.consumer)
                    else:
                        exits.add((name, edge.port))
            joins = {route: join for route, join in self._joins.items() if route in inside and join in inside}
            out.append(RegionPlan(tuple(members), after, frozenset(exits), joins))
        return out

    def _in_order(self, members: list[str]) -> list[str]:
        """The nodes of a region in the order in which an item comes to them: branch by branch, then where they meet."""
        inside, order = set(members), list[str]()
        joins = set(self._joins.values())

        def visit(name: str) -> None:
            order.append(name)
            for edge in self._topology.out_of[name]:
                is_inner = edge.consumer in inside and edge not in self._gates and edge.consumer not in order
                if is_inner and edge.consumer not in joins:
                    visit(edge.consumer)
            join = self._joins.get(name)
            if join in inside and join not in order and join is not None:
                visit(join)

        visit(members[0])
        return order

    def _is_inner(self, edge: Edge, entry: str) -> bool:
        return edge.consumer != entry and self._region_of.get(edge.producer) == self._region_of.get(edge.consumer)
