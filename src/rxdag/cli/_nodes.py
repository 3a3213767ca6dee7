"""`rxdag nodes`: the nodes that a spec can name."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from rxdag.contract import LEFT_OUT
from rxdag.errors import SpecError, did_you_mean
from rxdag.spec import GATE, POLICIES, RETRY, SETTINGS, Kind, NodeType, parts, registry


def _known() -> dict[str, Mapping[str, NodeType]]:
    """Sources, operators, sinks, windows and aggregates, by name."""
    return dict((*registry().nodes.items(), *parts().items()))


def list_nodes() -> str:
    """List all nodes, by role, one line each."""
    lines: list[str] = []
    for role, types in _known().items():
        width = max(len(name) for name in types)
        lines += [f"{role}:", *(f"  {name:<{width}}  {each.summary}" for name, each in types.items())]
    return "\n".join(lines)


def _found(name: str) -> list[NodeType]:
    known = _known()
    found = [types[name] for types in known.values() if name in types]
    if not found:
        names = [each for types in known.values() for each in types]
        raise SpecError(f'node "{name}" is not known{did_you_mean(name, names)}; rxdag nodes lists those there are')
    return found


def describe_node(name: str) -> str:
    """Describe the name of a node in specs, and its contract: outputs, drops, state, end and failure."""
    return "\n\n".join(_described(each) for each in _found(name))


def _described(each: NodeType) -> str:
    lines = [f"{each.role}: {each.name}", *parameters_of(each)]
    if each.role not in parts():
        lines += ["", *options_of(each)]
    doc = inspect.getdoc(each.fn) or ""
    return "\n".join([*lines, "", doc.partition("\nExample:")[0].rstrip()])


def parameters_of(each: NodeType) -> list[str]:
    """Return a line for the inputs of a node, and one for each parameter."""
    lines: list[str] = []
    if each.inputs:
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
    return lines


def options_of(each: NodeType) -> list[str]:
    """Return a line for each option that all nodes of a role have."""
    lines = [f"  on_error: {' | '.join(POLICIES)} | {{retry: {_mapping(RETRY)}}}"]
    if each.role != "source":
        lines += [f"  buffered: number of items | true | {_mapping(GATE)}", "  on: name of a thread"]
    return lines


def settings() -> list[str]:
    """Return a line for each setting of a spec."""
    return [f"  {name}: {_kind(kind)}" for name, kind in SETTINGS.items()]


def _mapping(kinds: Mapping[str, Kind]) -> str:
    return "{" + ", ".join(f"{name}: {_kind(kind)}" for name, kind in kinds.items()) + "}"


def _default(value: Any) -> str:
    if inspect.isfunction(value):
        return value.__name__.strip("_")
    return "none" if value is None or value is LEFT_OUT else str(getattr(value, "value", value))


def _kind(kind: Any) -> str:
    names = {
        "DurationKind": "duration", "FieldKind": "field, expression or module:function", "PathKind": "path", "Reference": "module:name",
        "TypeKind": "fields and types", "ZoneKind": "time zone", "IsoKind": "date or time in ISO 8601", "AnyPlain": "any", "PartKind": "name, or mapping with type",
    }  # fmt: skip
    name = type(kind).__name__
    if name in ("OrNone", "ListOf", "MappingOf"):
        inner = _kind(kind.kind)
        return {"OrNone": inner, "ListOf": f"{inner}, or a list", "MappingOf": f"mapping of {inner}"}[name]
    if name == "RecordOf":
        return _mapping(kind.kinds)
    if name == "Either":
        return f"{_kind(kind.first)} or {_kind(kind.second)}"
    if name == "OneOf":
        return " | ".join(kind.words)
    if name == "Plain":
        text = str(getattr(kind.of, "__name__", kind.of))
        return text.replace("typing.", "").replace(" | None", "")
    return names.get(name, name)


def nodes_as_data(name: str | None) -> list[dict[str, Any]]:
    """Return the nodes as data for machines."""
    types = _found(name) if name is not None else [each for types in _known().values() for each in types.values()]
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
