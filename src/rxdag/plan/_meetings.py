"""Meetings: where branches of a node meet again without a gate, so that their outputs follow item order."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from rxdag.graph import Edge
from rxdag.plan._gates import GatePlan
from rxdag.plan._topology import Topology


class Meetings:
    """Finds where branches meet.

    Args:
        topology: The dag.
        gates: Its gates; the order restarts behind each.
    """

    def __init__(self, topology: Topology, gates: Mapping[Edge, GatePlan]) -> None:
        self._topology = topology
        self._gates = gates

    def parted(self, columns: Collection[str], given: Collection[Edge]) -> dict[str, bool]:
        """Return the nodes that send columns to branches that meet again, and whether those begin at several ports."""
        found: dict[str, bool] = {}
        for name in columns:
            edges = self._topology.out_of[name]
            if len(edges) > 1 and any(edge in given for edge in edges):
                by_ports = self._meet(edges)
                if by_ports is not None:
                    found[name] = by_ports
        return found

    def _meet(self, edges: list[Edge]) -> bool | None:
        """Return whether branches of several ports meet; None if no branches do."""
        first_port: dict[str, str] = {}
        meets = False
        for edge in edges:
            for name in self._behind([edge]):
                port = first_port.setdefault(name, edge.port)
                if port != edge.port:
                    return True
        reached: set[str] = set()
        for edge in edges:
            behind = self._behind([edge])
            meets = meets or not reached.isdisjoint(behind)
            reached |= behind
        return False if meets else None

    def is_between(self, name: str) -> bool:
        """Return True if a node is on one of several branches that meet again."""
        mine = self._behind(self._topology.out_of[name])
        for fork in self._before(name):
            others = [e for e in self._topology.out_of[fork] if name not in self._behind([e])]
            if not mine.isdisjoint(self._behind(others)):
                return True
        return False

    def _behind(self, edges: Iterable[Edge]) -> set[str]:
        """Return the nodes to which edges lead without a gate."""
        found: set[str] = set()
        todo = list(edges)
        while todo:
            edge = todo.pop()
            if edge not in self._gates and edge.consumer not in found:
                found.add(edge.consumer)
                todo += self._topology.out_of[edge.consumer]
        return found

    def _before(self, name: str) -> set[str]:
        """Return the nodes that lead to a node without a gate."""
        found: set[str] = set()
        todo = list(self._topology.into[name])
        while todo:
            edge = todo.pop()
            if edge not in self._gates and edge.producer not in found:
                found.add(edge.producer)
                todo += self._topology.into[edge.producer]
        return found
