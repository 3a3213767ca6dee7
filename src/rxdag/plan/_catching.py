"""Catching: which nodes may fail without failing the run."""

from __future__ import annotations

from rxdag.contract import FanInKernel
from rxdag.graph import Edge
from rxdag.plan._topology import Topology


def caught_nodes(topology: Topology) -> frozenset[str]:
    """Return the nodes whose outputs all lead to a node that continues after a failure upstream."""
    caught: set[str] = set()
    for name in reversed(topology.nodes):
        edges = topology.out_of[name]
        if edges and all(edge.consumer in caught or _may_catch(topology, edge) for edge in edges):
            caught.add(name)
    return frozenset(caught)


def _may_catch(topology: Topology, edge: Edge) -> bool:
    """Return True if the consumer is offered a failure of this input."""
    kernel = topology.kernels.get(edge.consumer)
    return isinstance(kernel, FanInKernel) and edge.input < kernel.may_catch
