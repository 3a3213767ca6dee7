"""Grid: how fine the watermarks must be that a time source gives out."""

from __future__ import annotations

from math import gcd

from rxdag.compiler._topology import Topology


def mark_grids(topology: Topology) -> dict[str, int]:
    """For each node that makes time, the grid of all that read its watermarks; 0 if nobody does."""
    needed: dict[str, int] = {}
    for name in reversed(topology.nodes):
        grid = 0
        for edge in topology.out_of[name]:
            kernel = topology.kernels.get(edge.consumer)
            if kernel is not None and kernel.makes_time:
                continue
            grid = gcd(grid, needed[edge.consumer], kernel.grid if kernel is not None else 0)
        needed[name] = grid
    return {name: needed[name] for name, kernel in topology.kernels.items() if kernel.makes_time}
