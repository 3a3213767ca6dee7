"""Stalls: which ways out of a node can make the others wait."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from rxdag.contract import InnerKernel, Overflow, Sink, releases
from rxdag.graph import Edge
from rxdag.plan._gates import GatePlan
from rxdag.plan._topology import Topology


@dataclass(frozen=True)
class Stall:
    """A fork whose branches wait for each other.

    Attributes:
        fork: The node where they begin.
        slow: Nodes that may be slow, or accept nothing for a while.
        others: Sinks on the other branches, which wait meanwhile.
    """

    fork: str
    slow: tuple[str, ...]
    others: tuple[str, ...]


def stalls(topology: Topology, gates: Mapping[Edge, GatePlan]) -> list[Stall]:
    """Return the forks at which a slow branch can stall others, the last first, each stall once."""
    slow, sinks = _behind(topology, gates)
    found: list[Stall] = []
    told: set[str] = set()
    for fork in reversed(topology.nodes):
        ways = topology.out_of[fork]
        waits = [_passing(gates, way, slow[way.consumer]) for way in ways]
        slow_ways = [sinks[way.consumer] for way, names in zip(ways, waits, strict=True) if names]
        if len(ways) < 2 or not slow_ways:
            continue
        # A sink waits for others if a slow branch does not lead to it.
        led_to = Counter(sink for way in slow_ways for sink in way)
        others = {sink: None for way in ways for sink in sinks[way.consumer] if led_to[sink] < len(slow_ways)}
        fresh = tuple(name for name in others if name not in told)
        if fresh:
            told.update(fresh)
            found.append(Stall(fork, tuple({name: None for names in waits for name in names}), fresh))
    return found


def _behind(
    topology: Topology, gates: Mapping[Edge, GatePlan]
) -> tuple[dict[str, dict[str, None]], dict[str, dict[str, None]]]:
    """Return for each node the nodes that can block it, and the sinks downstream."""
    slow: dict[str, dict[str, None]] = {}
    sinks: dict[str, dict[str, None]] = {}
    for name in reversed(topology.nodes):
        thing, kernel = topology.nodes[name].thing, topology.kernels.get(name)
        if isinstance(thing, Sink):
            sinks[name] = {name: None}
            slow[name] = {name: None} if thing.where != "inline" or thing.paces else {}
            continue
        sinks[name] = {sink: None for edge in topology.out_of[name] for sink in sinks[edge.consumer]}
        if kernel is not None and releases(kernel):
            slow[name] = {}
            continue
        slow[name] = {n: None for e in topology.out_of[name] for n in _passing(gates, e, slow[e.consumer])}
        if kernel is not None and (isinstance(kernel, InnerKernel) or kernel.may_park):
            slow[name] = {name: None} | slow[name]
    return slow, sinks


def _passing(gates: Mapping[Edge, GatePlan], edge: Edge, slow: dict[str, None]) -> dict[str, None]:
    """Return the stalls that pass an edge upstream: none if its gate drops."""
    gate = gates.get(edge)
    return slow if gate is None or gate.overflow is Overflow.BLOCK else {}
