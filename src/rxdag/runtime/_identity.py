"""Identity of the nodes of a graph: what must be the same for saved state to fit."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from rxdag.contract import argument, made_by
from rxdag.graph import Node
from rxdag.plan import Plan
from rxdag.runtime._program import place_of


def graph_of(plan: Plan) -> dict[str, Any]:
    """Return what identifies a graph, as plain data: its nodes by name, and its edges."""
    nodes = {name: _node(node) for name, node in plan.dag.nodes.items()}
    return {"dag": plan.dag.name, "nodes": nodes, "edges": sorted(place_of(edge) for edge in plan.dag.edges)}


def fingerprint(graph: Mapping[str, Any]) -> str:
    """Return a short text that is the same for equal graphs only."""
    return hashlib.sha256(msgspec.json.encode(graph, order="sorted")).hexdigest()[:16]


def _node(node: Node) -> dict[str, Any]:
    return {"label": node.label, "parameters": _parameters(node.thing), "inputs": len(node.inputs)}


def _parameters(thing: Any) -> dict[str, str]:
    """Return the arguments of the call that made a thing, as text; functions, which cannot be compared, are left out."""
    made = made_by(thing)
    if made is None or made.role in ("source", "sink"):
        return {}  # where a source is says its position; a sink may write to another place
    return {name: argument(value) for name, value in made.arguments if not callable(value)}
