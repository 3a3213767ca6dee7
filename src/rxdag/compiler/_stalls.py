"""Stalls: which ways out of a node can make the others wait."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rxdag.compiler._gates import GatePlan
from rxdag.compiler._topology import Topology
from rxdag.contract import InnerKernel, Overflow, Sink
from rxdag.graph import Edge


@dataclass(frozen=True)
class Stall:
    """A fork whose ways wait for each other.

    Attributes:
        fork: The node from which they go.
        slow: Nodes that may take their time, or take nothing for a while.
        others: Sinks that wait then.
    """

    fork: str
    slow: tuple[str, ...]
    others: tuple[str, ...]


def stalls(topology: Topology, gates: Mapping[Edge, GatePlan]) -> list[Stall]:
    """The forks at which a slow way can stall the others; each slow node at the fork nearest to it."""
    found: list[Stall] = []
    told: set[tuple[str, str]] = set()
    for fork in reversed(topology.nodes):
        ways = topology.out_of[fork]
        if len(ways) < 2:
            continue
        slow = [_slow(topology, gates, way) for way in ways]
        sinks = [_sinks(topology, way.consumer) for way in ways]
        for at, names in enumerate(slow):
            others = dict.fromkeys(s for i, each in enumerate(sinks) if i != at for s in each if s not in sinks[at])
            fresh = tuple(s for s in others if not all((name, s) in told for name in names))
            if names and fresh:
                told |= {(name, s) for name in names for s in fresh}
                found.append(Stall(fork, tuple(names), fresh))
    return found


def _slow(topology: Topology, gates: Mapping[Edge, GatePlan], way: Edge) -> dict[str, None]:
    """Nodes on a way that can make its beginning wait: none behind a gate that drops."""
    gate = gates.get(way)
    if gate is not None and gate.overflow is not Overflow.BLOCK:
        return {}
    name = way.consumer
    thing, kernel = topology.nodes[name].thing, topology.kernels.get(name)
    if isinstance(thing, Sink):
        is_slow = thing.where != "inline" or thing.paces
        return {name: None} if is_slow else {}
    if kernel is not None and kernel.releases:
        return {}
    found: dict[str, None] = {}
    if kernel is not None and (isinstance(kernel, InnerKernel) or kernel.may_park):
        found[name] = None
    for each in topology.out_of[name]:
        found |= _slow(topology, gates, each)
    return found


def _sinks(topology: Topology, name: str) -> dict[str, None]:
    if isinstance(topology.nodes[name].thing, Sink):
        return {name: None}
    return {sink: None for edge in topology.out_of[name] for sink in _sinks(topology, edge.consumer)}
