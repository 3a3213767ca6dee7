"""Parameters of nodes and parts: read, described, written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rxdag.errors import did_you_mean, text_of
from rxdag.spec._compound_kinds import ListOf
from rxdag.spec._context import Context, Refused, tree_text
from rxdag.spec._kinds import Kind, Unwritable
from rxdag.spec._nodes import NodeType
from rxdag.spec._tree import Tree


def read_params(
    found: NodeType, tree: Tree, context: Context, known: tuple[str, ...]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments of a node's function from the keys of a mapping.

    Args:
        found: Type of the node.
        tree: The mapping with its parameters; a value without keys has none.
        context: Context of the mapping.
        known: Keys that are not parameters.

    Raises:
        Refused: If there are problems, all of which have been reported.
    """
    values: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    failed: Refused | None = None
    spread = found.rest
    plain = [name for name, param in found.params.items() if param.spread != "**"]
    for key, each in tree.items():
        if key in known:
            continue
        inside = context.at(key)
        try:
            if key in plain:
                values[key] = found.params[key].kind.read(each, inside)
            elif spread is not None:
                rest[key] = spread.kind.read(each, inside)
            else:
                takes = ", ".join(plain) or "none"
                failed = inside.refuse(
                    tree.key_mark(key),
                    f'is not known{did_you_mean(key, plain)}; the parameters of "{found.name}" are {takes}',
                )
        except Refused as refused:
            failed = refused
    missing = [param.name for param in found.params.values() if param.is_required and param.name not in tree.mapping()]
    for name in missing:
        failed = context.at(name).refuse(tree, f'must be given: "{found.name}" needs it')
    if failed is not None:
        raise failed
    return _arguments(found, values, rest)


def _arguments(found: NodeType, values: dict[str, Any], rest: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    positional: list[Any] = []
    named: dict[str, Any] = dict(rest)
    last = max((i for i, p in enumerate(found.params.values()) if p.is_positional and p.name in values), default=-1)
    for i, param in enumerate(found.params.values()):
        if param.spread == "*":
            positional += values.get(param.name, [])
        elif param.is_positional:
            if i <= last:
                positional.append(values.get(param.name, param.default))
        elif param.name in values:
            named[param.name] = values[param.name]
    return tuple(positional), named


def schema_of(found: NodeType, properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    """Return the JSON Schema of a mapping with the node's parameters.

    Args:
        found: Type of the node.
        properties: Schemas of the other keys.
        required: Required ones among the other keys.
    """
    made = dict(properties)
    needed = list(required)
    for param in found.params.values():
        if param.spread == "**":
            continue
        made[param.name] = param.kind.schema()
        if param.is_required:
            needed.append(param.name)
    spread = found.rest
    out: dict[str, Any] = {"type": "object", "properties": made, "required": needed}
    if found.summary:
        out["description"] = found.summary
    out["additionalProperties"] = False if spread is None else spread.kind.schema()
    return out


def write_params(found: NodeType, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call as plain data, without those equal to their default.

    Raises:
        Unwritable: If one cannot be written; names it.
    """
    out: dict[str, Any] = {}
    for name, value in arguments.items():
        param = found.params.get(name)
        if param is None:
            param = found.rest
            if param is None:
                raise Unwritable(f"{name}: a spec cannot say it")
        elif (
            param.spread == "" and not param.is_required and (value is param.default or value == param.default) is True
        ):
            continue
        try:
            written = param.kind.write(value)
        except Unwritable as error:
            raise Unwritable(f"{name}: {text_of(error)}") from None
        if param.spread == "*" and isinstance(param.kind, ListOf) and not value:
            continue
        out[name] = written
    return out


def by_kinds(tree: Tree, context: Context, kinds: Mapping[str, Kind]) -> dict[str, Any]:
    """Return the known keys of a mapping; report and omit the others."""
    out: dict[str, Any] = {}
    if not tree.is_mapping:
        context.tell(tree, f"must be a mapping of {', '.join(kinds)}, got {tree_text(tree)}")
        return out
    for key, each in tree.items():
        if key not in kinds:
            context.at(key).tell(
                tree.key_mark(key), f"is not known{did_you_mean(key, kinds)}; known: {', '.join(kinds)}"
            )
            continue
        try:
            out[key] = kinds[key].read(each, context.at(key))
        except Refused:
            continue
    return out
