"""Catching: which nodes may fail without failing the run."""

from __future__ import annotations

from rxdag.plan._topology import Topology


def caught_nodes(topology: Topology) -> frozenset[str]:
    """Return the nodes whose outputs all lead to a node that continues after a failure upstream."""
    caught: set[str] = set()
    for name in reversed(topology.nodes):
        edges = topology.out_of[name]
        if edges and all(
            edge.consumer in caught
            or (edge.consumer in topology.kernels and edge.input < topology.kernels[edge.consumer].may_catch)
            for edge in edges
        ):
            caught.add(name)
    return frozenset(caught)
