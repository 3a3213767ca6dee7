"""Windows and aggregates: parts of nodes, by the name of a function and its parameters."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rxdag.contract import made_by
from rxdag.errors import did_you_mean
from rxdag.spec._context import REFERENCE, Context, Refused, tree_text
from rxdag.spec._kinds import Kind, reference_to
from rxdag.spec._nodes import NodeType, PartRole, node_type
from rxdag.spec._params import read_call, schema_of, write_params
from rxdag.spec._tree import Tree


@dataclass(frozen=True)
class PartKind(Kind):
    """A part, given as its name, or as a mapping of `type` and parameters.

    Args:
        what: Kind of part, for messages.
        types: Returns the part types by name.
    """

    what: str
    types: Callable[[], Mapping[str, NodeType]]

    def read(self, tree: Tree, context: Context) -> Any:
        if isinstance(tree.value, str) and REFERENCE.fullmatch(tree.value):
            made = context.reference(tree)
            return made() if callable(made) else made
        name_tree = tree.mapping().get("type") if tree.is_mapping else tree
        types = self.types()
        known = ", ".join(types)
        if name_tree is None or not isinstance(name_tree.value, str):
            raise context.refuse(
                tree, f"must name {self.what}: one of {known}, or {{type: name, ...}}; got {tree_text(tree)}"
            )
        found = types.get(name_tree.value)
        if found is None:
            raise context.refuse(
                name_tree,
                f"{self.what} {tree_text(name_tree)} is not known{did_you_mean(name_tree.value, types)}; known: {known}",
            )
        call = read_call(found, tree, context, ("type",))
        made, problems = call.make()
        for problem in problems:
            context.tell(tree, problem)
        if problems or not call.is_whole:
            raise Refused(*problems)
        return made

    def schema(self) -> dict[str, Any]:
        return {"$ref": f"#/$defs/{self.what.split()[-1]}"}  # it may hold others of its kind

    def definition(self) -> dict[str, Any]:
        """Return the definition that `schema` refers to."""
        types = self.types()
        bare = [name for name, each in types.items() if not any(param.is_required for param in each.params.values())]
        options: list[dict[str, Any]] = [{"enum": bare}, {"type": "string", "pattern": f"^{REFERENCE.pattern}$"}]
        options += [schema_of(each, {"type": {"const": name}}, ["type"]) for name, each in types.items()]
        return {"anyOf": options}

    def write(self, value: Any) -> Any:
        made = made_by(value)
        types = self.types()
        name = "" if made is None else _in_spec(made.name)
        if made is None or name not in types:
            return reference_to(value)
        written = write_params(types[name], dict(made.arguments))
        return {"type": name} | written if written else name


@functools.cache
def _aggregates() -> Mapping[str, NodeType]:
    from rxdag import aggregates, market

    functions = [(name, getattr(aggregates, name)) for name in aggregates.__all__]
    functions += [(name, getattr(market, name)) for name in ("imbalance", "twap")]
    made = {name: node_type(name, "aggregate", fn) for name, fn in functions if inspect.isfunction(fn)}
    return {name: _with_parts(each) if name == "named" else each for name, each in made.items()}


def _with_parts(each: NodeType) -> NodeType:
    """Return the aggregate that combines others."""
    from dataclasses import replace

    from rxdag.spec._nodes import Param

    params = {**each.params, "aggregates": Param("aggregates", aggregate_kind(), False, None, "**")}
    return replace(each, params=params)


@functools.cache
def _windows() -> Mapping[str, NodeType]:
    from rxdag import windows

    functions = ((_in_spec(name), getattr(windows, name)) for name in windows.__all__)
    return {name: node_type(name, "window", fn) for name, fn in functions if inspect.isfunction(fn)}


def _in_spec(name: str) -> str:
    """Return the name of a function in a spec, where no word of Python is in the way: "global" of `global_`."""
    return name.removesuffix("_")


def parts() -> Mapping[PartRole, Mapping[str, NodeType]]:
    """Return the windows and aggregates that a spec can name."""
    return {"window": _windows(), "aggregate": _aggregates()}


def aggregate_kind() -> PartKind:
    """Return an aggregate: `count`, or `{type: ohlcv, price: price, qty: qty}`."""
    return PartKind("an aggregate", _aggregates)


def window_kind() -> PartKind:
    """Return a window: `{type: tumbling, size: 1s}`."""
    return PartKind("a window", _windows)
