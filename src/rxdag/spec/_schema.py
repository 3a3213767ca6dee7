"""JSON Schema of specs, from the code: editors complete and check by it."""

from __future__ import annotations

from typing import Any

from rxdag.spec._context import REFERENCE
from rxdag.spec._document import SETTINGS
from rxdag.spec._feeds import GATE
from rxdag.spec._node import POLICIES, RETRY
from rxdag.spec._nodes import NodeType, Role, registry
from rxdag.spec._params import schema_of
from rxdag.spec._parts import aggregate_kind, window_kind

_FEED = {"$ref": "#/$defs/feed"}


def json_schema() -> dict[str, Any]:
    """Return the schema of a spec, draft 2020-12.

    Example:
        >>> schema = rxdag.spec.json_schema()
        >>> sorted(schema["properties"])
        ['include', 'name', 'nodes', 'settings', 'version']
    """
    nodes: list[dict[str, Any]] = []
    for role, types in registry().nodes.items():
        nodes += [_node(role, each) for each in types.values()]
        nodes.append(_user_node(role))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "rxdag spec",
        "type": "object",
        "properties": {
            "version": {"const": 1},
            "name": {"type": "string", "pattern": r"^\w[\w.\-]*$"},
            "include": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
            "settings": _object({key: kind.schema() for key, kind in SETTINGS.items()}),
            "nodes": {"type": "object", "additionalProperties": {"$ref": "#/$defs/node"}},
        },
        "required": ["nodes"],
        "additionalProperties": False,
        "$defs": {
            "node": {"anyOf": nodes},
            "aggregate": aggregate_kind().definition(),
            "window": window_kind().definition(),
            "gate": {
                "anyOf": [
                    {"type": "integer"},
                    {"const": True},
                    _object({key: kind.schema() for key, kind in GATE.items()}),
                ]
            },
            "feed": {
                "anyOf": [
                    {"type": "string", "description": "id of a node, or id.port"},
                    _object(
                        {"from": {"type": "string"}, "buffered": {"$ref": "#/$defs/gate"}, "on": {"type": "string"}}
                    ),
                ]
            },
            "on_error": {
                "anyOf": [
                    {"enum": list(POLICIES)},
                    _object({"retry": _object({key: kind.schema() for key, kind in RETRY.items()})}),
                ]
            },
        },
    }


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _node(role: Role, each: NodeType) -> dict[str, Any]:
    properties: dict[str, Any] = {role: {"const": each.name}, **_options(each)}
    required: list[str] = [role] if role == "source" else [role, "input"]
    if "other" in each.inputs:
        properties["other"] = _FEED
        required.append("other")
    return schema_of(each, properties, required)


def _options(each: NodeType) -> dict[str, Any]:
    options: dict[str, Any] = {"on_error": {"$ref": "#/$defs/on_error"}}
    if each.role == "source":
        return options
    names = [name for name in each.inputs if name != "other"]
    if names == ["*"]:
        options["input"] = {"anyOf": [_FEED, {"type": "array", "items": _FEED, "minItems": 1}]}
    elif len(names) > 1:
        options["input"] = _object(dict.fromkeys(names, _FEED)) | {"required": names}
    else:
        options["input"] = _FEED
    return options | {"buffered": {"$ref": "#/$defs/gate"}, "on": {"type": "string"}}


def _user_node(role: Role) -> dict[str, Any]:
    return {
        "type": "object",
        "description": "a node of your own: module:function, and its parameters",
        "properties": {role: {"type": "string", "pattern": f"^{REFERENCE.pattern}$"}},
        "required": [role],
    }
