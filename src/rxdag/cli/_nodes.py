"""`rxdag nodes`: the nodes that a spec can name."""

from __future__ import annotations

import inspect
from typing import Any

from rxdag.contract import LEFT_OUT
from rxdag.errors import SpecError, did_you_mean
from rxdag.spec import NodeType, registry


def list_nodes() -> str:
    """List all nodes, by role, one line each."""
    lines: list[str] = []
    for role, types in registry().nodes.items():
        width = max(len(name) for name in types)
        lines += [f"{role}:", *(f"  {name:<{width}}  {each.summary}" for name, each in types.items())]
    return "\n".join(lines)


def _found(name: str) -> list[NodeType]:
    nodes = registry().nodes
    found = [types[name] for types in nodes.values() if name in types]
    if not found:
        known = [each for types in nodes.values() for each in types]
        raise SpecError(f'node "{name}" is not known{did_you_mean(name, known)}; rxdag nodes lists those there are')
    return found


def describe_node(name: str) -> str:
    """Describe how a spec names a node, and its contract: what it emits, drops and holds, how it ends and fails."""
    return "\n\n".join(_described(each) for each in _found(name))


def _described(each: NodeType) -> str:
    lines = [f"{each.role}: {each.name}"]
    if each.role != "source":
        names = [
            "[...]" if name == "*" else "id" if len(each.inputs) == 1 or name == "in" else f"{{{name}: id}}"
            for name in each.inputs
        ]
        lines.append(f"  input: {' '.join(names)}")
    for param in each.params.values():
        says = (
            "required"
            if param.is_required
            else "any other key"
            if param.spread == "**"
            else f"default {_default(param.default)}"
        )
        lines.append(f"  {param.name}: {_kind(param.kind)}, {says}")
    doc = inspect.getdoc(each.fn) or ""
    return "\n".join([*lines, "", doc.partition("\nExample:")[0].rstrip()])


def _default(value: Any) -> str:
    if inspect.isfunction(value):
        return value.__name__.strip("_")
    return "none" if value is None or value is LEFT_OUT else str(getattr(value, "value", value))


def _kind(kind: Any) -> str:
    names = {
        "DurationKind": "duration", "FieldKind": "field, expression or module:function", "PathKind": "path", "Reference": "module:name",
        "TypeKind": "fields and types", "BackoffKind": "mapping", "ZoneKind": "time zone", "AnyPlain": "any", "PartKind": "name, or mapping with type",
    }  # fmt: skip
    name = type(kind).__name__
    if name in ("OrNone", "ListOf", "MappingOf"):
        inner = _kind(kind.kind)
        return {"OrNone": inner, "ListOf": f"{inner}, or a list", "MappingOf": f"mapping of {inner}"}[name]
    if name == "Either":
        return f"{_kind(kind.first)} or {_kind(kind.second)}"
    if name == "Plain":
        text = str(getattr(kind.of, "__name__", kind.of))
        return text.replace("typing.", "").replace(" | None", "").replace("Literal", "one of ")
    return names.get(name, name)


def nodes_as_data(name: str | None) -> list[dict[str, Any]]:
    """Return the nodes as data for machines."""
    types = (
        _found(name) if name is not None else [each for types in registry().nodes.values() for each in types.values()]
    )
    return [
        {
            "role": each.role,
            "name": each.name,
            "summary": each.summary,
            "inputs": list(each.inputs),
            "params": {
                p.name: {
                    "required": p.is_required,
                    "default": None if p.default is LEFT_OUT else p.default,
                    "schema": p.kind.schema(),
                }
                for p in each.params.values()
            },
        }
        for each in types
    ]
