"""Kinds of parameters that are made of others: lists, mappings, alternatives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from rxdag.errors import RxDagError, did_you_mean, text_of
from rxdag.spec._context import Context, Refused, tree_text
from rxdag.spec._kinds import Kind
from rxdag.spec._tree import Tree


@dataclass(frozen=True)
class ListOf(Kind):
    """A list of a kind; a single value is a list of one."""

    kind: Kind

    def read(self, tree: Tree, context: Context) -> Any:
        if not isinstance(tree.value, list):
            return [self.kind.read(tree, context)]
        return read_all((self.kind, each, context.at(i)) for i, each in enumerate(tree.trees()))

    def schema(self) -> dict[str, Any]:
        inner = self.kind.schema()
        return {"anyOf": [inner, {"type": "array", "items": inner}]}

    def write(self, value: Any) -> Any:
        written = [self.kind.write(each) for each in value]
        return written[0] if len(written) == 1 else written


@dataclass(frozen=True)
class MappingOf(Kind):
    """Values of a kind, by name."""

    kind: Kind

    def read(self, tree: Tree, context: Context) -> Any:
        if not tree.is_mapping:
            raise context.refuse(tree, f"must be a mapping, got {tree_text(tree)}")
        keys = list(tree.mapping())
        values = read_all((self.kind, each, context.at(key)) for key, each in tree.items())
        return dict(zip(keys, values, strict=True))

    def schema(self) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": self.kind.schema()}

    def write(self, value: Any) -> Any:
        return {str(key): self.kind.write(each) for key, each in cast("Mapping[Any, Any]", value).items()}


@dataclass(frozen=True)
class OrNone(Kind):
    """A kind, or nothing."""

    kind: Kind

    def read(self, tree: Tree, context: Context) -> Any:
        return None if tree.value is None else self.kind.read(tree, context)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "null"}, self.kind.schema()]}

    def write(self, value: Any) -> Any:
        return None if value is None else self.kind.write(value)


@dataclass(frozen=True)
class Either(Kind):
    """One of two kinds; the form of the value decides."""

    is_first: Callable[[Any], bool]
    first: Kind
    second: Kind

    def read(self, tree: Tree, context: Context) -> Any:
        return (self.first if self.is_first(tree.value) else self.second).read(tree, context)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [self.first.schema(), self.second.schema()]}

    def write(self, value: Any) -> Any:
        return (self.first if self.is_first(value) else self.second).write(value)


@dataclass(frozen=True)
class RecordOf(Kind):
    """A mapping of the attributes of a class of settings, each of its kind."""

    of: Callable[..., Any]
    kinds: Mapping[str, Kind]

    def read(self, tree: Tree, context: Context) -> Any:
        known = ", ".join(self.kinds)
        if not tree.is_mapping:
            raise context.refuse(tree, f"must be a mapping of {known}, got {tree_text(tree)}")
        for key in tree.mapping():
            if key not in self.kinds:
                near = did_you_mean(key, self.kinds)
                context.at(key).tell(tree.key_mark(key), f"is not known{near}; known: {known}")
        given = {key: each for key, each in tree.items() if key in self.kinds}
        values = read_all((self.kinds[key], each, context.at(key)) for key, each in given.items())
        try:
            return self.of(**dict(zip(given, values, strict=True)))
        except RxDagError as error:
            raise context.refuse(tree, text_of(error)) from None

    def schema(self) -> dict[str, Any]:
        properties = {name: kind.schema() for name, kind in self.kinds.items()}
        return {"type": "object", "properties": properties, "additionalProperties": False}

    def write(self, value: Any) -> Any:
        default = self.of()
        return {
            name: kind.write(getattr(value, name))
            for name, kind in self.kinds.items()
            if getattr(value, name) != getattr(default, name)
        }


def read_all(wanted: Any) -> list[Any]:
    """Read several values and report all problems.

    Raises:
        Refused: If any value is refused.
    """
    out: list[Any] = []
    failed: Refused | None = None
    for kind, tree, context in wanted:
        try:
            out.append(kind.read(tree, context))
        except Refused as refused:
            failed = refused
    if failed is not None:
        raise failed
    return out
