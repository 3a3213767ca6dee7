"""Regions, as the compiler plans them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RegionPlan:
    """A part of a segment that becomes generated loops: a tree of nodes without a fork, but for routes.

    Attributes:
        nodes: Names, each before those behind it; the first is where items come in.
        after: For each node and port, the node of the region that reads it; "" behind the branches of a route that
            meet: the node where they do.
        exits: Ports that somebody outside reads.
        joins: For each route whose branches meet in the region, the node where they do.
        parks: Of a region of columns: True if small runs may wait for more in front of it.
    """

    nodes: tuple[str, ...]
    after: dict[tuple[str, str], str]
    exits: frozenset[tuple[str, str]]
    joins: dict[str, str]
    parks: bool = False
