"""Dags as text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING

from rxdag.contract import Sink, Source
from rxdag.errors import shown
from rxdag.graph._node import Node

if TYPE_CHECKING:
    from rxdag.graph._dag import Edge


def describe(name: str, nodes: Mapping[str, Node], edges: tuple[Edge, ...]) -> str:
    """One line a node: name, what it is, what feeds it."""
    lines = [f"dag {name}: {len(nodes)} nodes, {len(edges)} edges"]
    width = max(len(n) for n in nodes)
    for own, node in nodes.items():
        feeds = [f"{e.producer}{'' if e.port == 'out' else '.' + e.port}" for e in edges if e.consumer == own]
        tail = f"  <- {', '.join(feeds)}" if feeds else ""
        lines.append(f"  {own:<{width}}  {parameters(node)}{tail}")
    return "\n".join(lines)


def parameters(node: Node) -> str:
    """The thing as a user would write it, functions by name."""
    thing = node.thing
    if not is_dataclass(thing):
        return node.label
    parts: list[str] = []
    for each in fields(thing):
        value = getattr(thing, each.name)
        if not each.repr or value is None or value is each.default:
            continue
        name = getattr(value, "__name__", None) or type(value).__name__
        parts.append(f"{each.name}={name[:60] if callable(value) else shown(value, most=60)}")
    return f"{node.label}({', '.join(parts)})"


def mermaid(nodes: Mapping[str, Node], edges: tuple[Edge, ...]) -> str:
    """A flowchart; sources are stadiums, sinks cylinders, operators boxes."""
    ids = {name: f"n{i}" for i, name in enumerate(nodes)}
    lines = ["flowchart LR"]
    for name, node in nodes.items():
        left, right = ("[", "]")
        if isinstance(node.thing, Source):
            left, right = "([", "])"
        elif isinstance(node.thing, Sink):
            left, right = "[(", ")]"
        lines.append(f'  {ids[name]}{left}"{name}"{right}')
    for edge in edges:
        arrow = "-->" if edge.port == "out" else f'-- "{edge.port}" -->'
        lines.append(f"  {ids[edge.producer]} {arrow} {ids[edge.consumer]}")
    return "\n".join(lines)
