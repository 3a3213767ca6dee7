"""Fuse: linear runs of stateless nodes become one loop."""

from __future__ import annotations

from rxdag.compiler._block import Fused, generate
from rxdag.compiler._gates import GatePlan
from rxdag.compiler._topology import Topology
from rxdag.graph import Edge


def find_runs(topology: Topology, gates: dict[Edge, GatePlan], forks: set[str]) -> list[tuple[str, ...]]:
    """Maximal runs of stateless nodes, each the only reader of the one before it."""
    runs: list[tuple[str, ...]] = []
    taken: set[str] = set()
    for name in topology.nodes:
        if name in taken or not _is_stateless(topology, name):
            continue
        run = [name]
        while True:
            following = _only_reader(topology, gates, run[-1])
            if following is None or run[-1] in forks or not _is_stateless(topology, following):
                break
            run.append(following)
        taken.update(run)
        runs.append(tuple(run))
    return runs


def _is_stateless(topology: Topology, name: str) -> bool:
    """True if its kernel is one call of one function, and nobody listens to its side ports."""
    kernel = topology.kernels.get(name)
    if kernel is None or kernel.pure is None or len(topology.into[name]) != 1:
        return False
    return all(edge.port == "out" for edge in topology.out_of[name])


def _only_reader(topology: Topology, gates: dict[Edge, GatePlan], name: str) -> str | None:
    edges = topology.out_of[name]
    return edges[0].consumer if len(edges) == 1 and edges[0] not in gates else None


def fuse(dag: str, topology: Topology, run: tuple[str, ...]) -> Fused:
    """Generate the loop of a run."""
    shape = topology.nodes[run[0]].in_shape
    pures = tuple(p for name in run if (p := topology.kernels[name].pure) is not None)
    return generate(f"{dag}: {run[0]}", pures, run, timed=shape.timed, keyed=shape.keyed)
