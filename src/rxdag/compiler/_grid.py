"""Grid: how fine the watermarks must be that a time source gives out."""

from __future__ import annotations

from math import gcd

from rxdag.compiler._topology import Topology


def mark_grids(topology: Topology) -> dict[str, int]:
    """For each node that makes time, the grid of all that read its watermarks; 0 if nobody does."""
    cut = _needed(topology, all_of_them=True)
    uncut = _needed(topology, all_of_them=False)
    return {
        name: (uncut if kernel.can_give_before else cut)[name]
        for name, kernel in topology.kernels.items()
        if kernel.makes_time
    }


def give_before(topology: Topology) -> frozenset[str]:
    """Nodes that make time and have somebody behind them who reads the watermark before each item."""
    reads: dict[str, bool] = {}
    for name in reversed(topology.nodes):
        behind = [topology.kernels.get(edge.consumer) for edge in topology.out_of[name]]
        reads[name] = any(
            kernel is not None and not kernel.makes_time and (kernel.reads_before or reads[edge.consumer])
            for kernel, edge in zip(behind, topology.out_of[name], strict=True)
        )
    return frozenset(name for name, k in topology.kernels.items() if k.can_give_before and reads[name])


def _needed(topology: Topology, *, all_of_them: bool) -> dict[str, int]:
    """The grid that what is behind each node needs; with `all_of_them` also those who read the watermark before each item."""
    needed: dict[str, int] = {}
    for name in reversed(topology.nodes):
        grid = 0
        for edge in topology.out_of[name]:
            kernel = topology.kernels.get(edge.consumer)
            if kernel is not None and kernel.makes_time:
                continue
            own = kernel.grid if kernel is not None and (all_of_them or not kernel.reads_before) else 0
            grid = gcd(grid, needed[edge.consumer], own)
        needed[name] = grid
    return needed
