"""Dags as text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from rxdag.contract import Sink, Source, argument, format_ns, written
from rxdag.graph._node import Node

if TYPE_CHECKING:
    from rxdag.graph._dag import Edge


def describe(name: str, nodes: Mapping[str, Node], edges: tuple[Edge, ...]) -> str:
    """Return one line for each node: name, kind and inputs."""
    lines = [f"dag {name}: {len(nodes)} nodes, {len(edges)} edges"]
    width = max(len(n) for n in nodes)
    for own, node in nodes.items():
        feeds = [f"{e.producer}{'' if e.port == 'out' else '.' + e.port}" for e in edges if e.consumer == own]
        tail = f"  <- {', '.join(feeds)}" if feeds else ""
        lines.append(f"  {own:<{width}}  {parameters(node)}{tail}")
    return "\n".join(lines)


def parameters(node: Node) -> str:
    """Return an object as its user wrote it; for a user's class, its name and fields."""
    call = written(node.thing)
    if call is not None:
        return call
    return f"{node.label}({', '.join(_arguments(node.thing))})" if is_dataclass(node.thing) else node.label


def _arguments(thing: Any) -> list[str]:
    """Return the parameters that differ from their defaults."""
    parts: list[str] = []
    for each in fields(thing):
        value = getattr(thing, each.name)
        is_left_out = value is None or value is each.default or (value.__class__ is tuple and not value)
        if each.repr and not is_left_out:
            parts += _argument(each.name, value)
    return parts


def _argument(name: str, value: Any) -> list[str]:
    kind: Any = value.__class__
    if name.endswith("_ns") and kind is int:
        return [f"{name.removesuffix('_ns')}={format_ns(value)}"] if value else []
    inner = _arguments(value) if hasattr(kind, "__dataclass_fields__") else []
    if inner and kind.__name__.startswith("_"):  # parameters that several operators have in common
        return inner
    return [f"{name}={argument(value)}"]


def mermaid(nodes: Mapping[str, Node], edges: tuple[Edge, ...]) -> str:
    """Return a flowchart: sources are stadiums, sinks cylinders, operators boxes."""
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
