"""Parameters of nodes and parts: read, described, written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rxdag.errors import RxDagError, did_you_mean, text_of
from rxdag.spec._compound_kinds import ListOf
from rxdag.spec._context import Context, Refused, tree_text
from rxdag.spec._kinds import Kind, Unwritable
from rxdag.spec._nodes import NodeType
from rxdag.spec._tree import Tree


@dataclass(frozen=True)
class NodeCall:
    """A call of a node's function, with the arguments that could be read.

    Attributes:
        found: The node.
        values: Arguments by parameter.
        rest: Arguments by name that are no parameter's.
        is_whole: False if an argument is missing or could not be read, which has been told.
    """

    found: NodeType
    values: Mapping[str, Any]
    rest: Mapping[str, Any]
    is_whole: bool

    @property
    def needs_streams(self) -> bool:
        """True if the function takes the streams that the node reads."""
        return self.found.takes_streams or "other" in self.found.inputs

    def make(self, *streams: Any, **given: Any) -> tuple[Any, list[str]]:
        """Return what the function makes, None if nothing, and the problems.

        `given` are arguments that a spec does not set. An argument that the function refuses by name is left out if it has a
        default: so all of them are found, and the nodes that read this one can be checked too.
        """
        values, problems, is_whole = dict(self.values), list[str](), self.is_whole
        while True:
            args, named = _arguments(self.found, values, self.rest)
            try:
                return self.found.fn(*streams, *args, **named, **given), problems
            except RxDagError as error:
                message = text_of(error)
            except TypeError as error:  # of the user's own function
                message = f"{self.found.name}: {text_of(error)}"
            wrong = next((name for name in values if message.startswith(f"{self.found.name}: {name} ")), None)
            # With an argument left out, only a problem that names another one is sure to be of the spec.
            if is_whole or wrong is not None:
                problems.append(message)
            if wrong is None or self.found.params[wrong].is_required:
                return None, problems
            del values[wrong]
            is_whole = False


def read_call(found: NodeType, tree: Tree, context: Context, known: tuple[str, ...]) -> NodeCall:
    """Return the call of a node's function with the keys of a mapping; tell what is wrong.

    Args:
        found: The node.
        tree: Where its parameters are; without keys it has none.
        context: Of the mapping.
        known: Keys that are no parameters.
    """
    values: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    is_whole = True
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
                is_whole = False
                inside.tell(
                    tree.key_mark(key),
                    f'is not known{did_you_mean(key, plain)}; the parameters of "{found.name}" are {takes}',
                )
        except Refused:
            is_whole = False
    missing = [param.name for param in found.params.values() if param.is_required and param.name not in tree.mapping()]
    for name in missing:
        is_whole = False
        context.at(name).tell(tree, f'must be given: "{found.name}" needs it')
    return NodeCall(found, values, rest, is_whole)


def _arguments(
    found: NodeType, values: Mapping[str, Any], rest: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
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
