"""Regions, as the compiler plans them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RegionPlan:
    """A part of a segment that runs as one: a tree of nodes, but for branches that meet again.

    Attributes:
        nodes: Names, each before those behind it; the first is where items come in.
        after: For each node and port, the nodes of the region that read it, in the order of their edges.
        exits: Ports that somebody outside reads.
        joins: For each node whose branches meet again in the region, the node where they do: the ports of a route, or
            several readers of one port.
        parks: Of a region of columns: True if small runs may wait for more in front of it.
    """

    nodes: tuple[str, ...]
    after: dict[tuple[str, str], tuple[str, ...]]
    exits: frozenset[tuple[str, str]]
    joins: dict[str, str]
    parks: bool = False
