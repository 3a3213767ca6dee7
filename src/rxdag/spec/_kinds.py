"""Kinds of parameters: how each is read from a spec, described in its schema, and written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import Any, Final

import msgspec

from rxdag.contract import UNITS, duration_ns, signed_ns, without_logins, zone_of
from rxdag.errors import RxDagError, did_you_mean, shown, text_of
from rxdag.expressions import Expr, FieldExpr, parse, unparse
from rxdag.spec._context import REFERENCE, Context, tree_text
from rxdag.spec._tree import Tree

DURATION: Final = rf"^([0-9]+(\.[0-9]+)?({'|'.join(UNITS)}))+$"


class Unwritable(Exception):
    """A value that a spec cannot hold."""


class Kind(ABC):
    """A kind of parameter."""

    @abstractmethod
    def read(self, tree: Tree, context: Context) -> Any:
        """Return the value of a tree; report problems and raise Refused."""

    @abstractmethod
    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the kind."""

    @abstractmethod
    def write(self, value: Any) -> Any:
        """Return the value as plain data, or raise Unwritable."""


@dataclass(frozen=True)
class Plain(Kind):
    """Numbers, texts, lists of them: checked by a type."""

    of: Any

    def read(self, tree: Tree, context: Context) -> Any:
        try:
            return msgspec.convert(tree.plain(), self.of)
        except msgspec.ValidationError as error:
            raise context.refuse(tree, f"{_lower(text_of(error))}; got {tree_text(tree)}") from None

    def schema(self) -> dict[str, Any]:
        made, parts = msgspec.json.schema_components([self.of])
        return {} if parts else dict(made[0])

    def write(self, value: Any) -> Any:
        if isinstance(value, tuple):
            value = list[Any](value)  # pyright: ignore[reportUnknownArgumentType]  # of whatever
        value = getattr(value, "value", value)
        try:
            msgspec.convert(value, self.of)
        except msgspec.ValidationError as error:
            raise Unwritable(text_of(error)) from None
        return value


@dataclass(frozen=True)
class OneOf(Kind):
    """One of a few words."""

    words: tuple[str, ...]

    def read(self, tree: Tree, context: Context) -> Any:
        if isinstance(tree.value, str) and tree.value in self.words:
            return tree.value
        near = did_you_mean(tree.value, self.words) if isinstance(tree.value, str) else ""
        raise context.refuse(tree, f"must be {self.listed}, got {tree_text(tree)}{near}")

    @property
    def listed(self) -> str:
        """The words, as a sentence has them."""
        *others, last = self.words
        return f"{', '.join(others)} or {last}" if others else last

    def schema(self) -> dict[str, Any]:
        return {"enum": list(self.words)}

    def write(self, value: Any) -> Any:
        word = getattr(value, "value", value)
        if word not in self.words:
            raise Unwritable(f"must be {self.listed}, got {shown(value)}")
        return word


class AnyPlain(Plain):
    """Plain data of any kind."""

    def __init__(self) -> None:
        super().__init__(Any)

    def write(self, value: Any) -> Any:
        try:
            made: Any = msgspec.to_builtins(value, builtin_types=())
        except (TypeError, ValueError) as error:
            raise Unwritable(text_of(error)) from None
        return made


@dataclass(frozen=True)
class DurationKind(Kind):
    """A duration: "500ms"."""

    signed: bool = False

    def read(self, tree: Tree, context: Context) -> Any:
        try:
            (signed_ns if self.signed else duration_ns)(tree.value, "it")
        except RxDagError as error:
            raise context.refuse(tree, text_of(error).removeprefix("it ")) from None
        return tree.value

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": DURATION.replace("^", "^-?") if self.signed else DURATION}

    def write(self, value: Any) -> Any:
        from datetime import timedelta

        if isinstance(value, timedelta):
            return f"{round(value.total_seconds() * 1e6)}us"
        return value


@dataclass(frozen=True)
class Reference(Kind):
    """An object of the user's own: `package.module:name`."""

    what: str = "a function"

    def read(self, tree: Tree, context: Context) -> Any:
        return context.reference(tree)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^{REFERENCE.pattern}$", "description": self.what}

    def write(self, value: Any) -> Any:
        return reference_to(value)


def reference_to(value: Any) -> str:
    """Return the `module:name` of an object; raise Unwritable for lambdas, closures and instances."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or "<" in name or module == "__main__":
        raise Unwritable(f"{shown(value)} has no name in a module that can be imported")
    return f"{module}:{name}"


@dataclass(frozen=True)
class DsnKind(Kind):
    """Address of a database, best as `${NAME}`; or `package.module:name`, a function that returns it."""

    def read(self, tree: Tree, context: Context) -> Any:
        if not isinstance(tree.value, str):
            # The value is not shown, since it may hold a password.
            raise context.refuse(tree, "must be the address of a database as a text, such as ${DATABASE}, got no text")
        return context.reference(tree) if REFERENCE.fullmatch(tree.value) else tree.value

    def schema(self) -> dict[str, Any]:
        return {"type": "string"}

    def write(self, value: Any) -> Any:
        if callable(value):
            return reference_to(value)
        if without_logins(value) != value:
            raise Unwritable(
                "it holds a login; pass a function that returns it, or write the spec by hand with ${NAME}"
            )
        return value


@dataclass(frozen=True)
class FieldKind(Kind):
    """A field, an expression of fields, or a function of the user's own."""

    def read(self, tree: Tree, context: Context) -> Any:
        text = tree.value
        if isinstance(text, str) and REFERENCE.fullmatch(text):
            return context.reference(tree)
        if isinstance(text, bool | int | float):
            text = repr(text)
        if not isinstance(text, str):
            raise context.refuse(
                tree,
                f'must be a field, an expression such as "price * qty", or "module:function", got {tree_text(tree)}',
            )
        try:
            return parse(text)
        except RxDagError as error:
            raise context.refuse(tree, text_of(error)) from None

    def schema(self) -> dict[str, Any]:
        return {"type": ["string", "number", "boolean"], "description": "a field, an expression, or module:function"}

    def write(self, value: Any) -> Any:
        if isinstance(value, str):
            return unparse(FieldExpr(value))
        if isinstance(value, Expr):
            try:
                return unparse(value)
            except RxDagError as error:
                raise Unwritable(text_of(error)) from None
        return reference_to(value)


@dataclass(frozen=True)
class PathKind(Kind):
    """A path, relative to the folder of the spec, and inside it unless that is allowed."""

    def read(self, tree: Tree, context: Context) -> Any:
        if not isinstance(tree.value, str) or not tree.value or "\0" in tree.value:
            raise context.refuse(tree, f"must be a path, got {tree_text(tree)}")
        if tree.value == "-":
            return tree.value
        path = Path(tree.value) if Path(tree.value).is_absolute() else context.base / tree.value
        # What a pattern matches is checked too, since its matches may be links.
        found = [path, *map(Path, glob(str(path), recursive=True))]
        if not context.outside and not all(each.resolve().is_relative_to(context.base.resolve()) for each in found):
            raise context.refuse(
                tree,
                f"must be inside {context.base}, unless the code that loads the spec allows other paths "
                f"(outside=True), got {tree_text(tree)}",
            )
        return str(path)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1}

    def write(self, value: Any) -> Any:
        return str(value)


_FIELD_TYPES: Final[dict[str, Any]] = {"int": int, "float": float, "str": str, "bool": bool}


@dataclass(frozen=True)
class TypeKind(Kind):
    """A type of items: a mapping of fields to types, the name of a type, or the user's own."""

    def read(self, tree: Tree, context: Context) -> Any:
        from rxdag.sources import Trade

        named: dict[str, Any] = _FIELD_TYPES | {"dict": dict, "Trade": Trade}
        if tree.is_mapping:
            fields = [(name, self._field(each, context.at(name))) for name, each in tree.items()]
            try:
                return msgspec.defstruct("Item", fields, frozen=True, namespace={"__rxdag_spec__": True})
            except (TypeError, ValueError, NameError, SyntaxError) as error:
                raise context.refuse(tree, f"must be names of fields and their types: {text_of(error)}") from None
        if isinstance(tree.value, str) and tree.value in named:
            return named[tree.value]
        if isinstance(tree.value, str) and REFERENCE.fullmatch(tree.value):
            return context.reference(tree)
        near = did_you_mean(tree.value, named) if isinstance(tree.value, str) else ""
        raise context.refuse(
            tree,
            f'must be fields and their types, one of {", ".join(named)}, or "module:type", got {tree_text(tree)}{near}',
        )

    @staticmethod
    def _field(tree: Tree, context: Context) -> Any:
        text = str(tree.value).replace(" ", "")
        name, is_nullable = text.removesuffix("|None").removesuffix("?"), text.endswith(("|None", "?"))
        if name not in _FIELD_TYPES:
            raise context.refuse(
                tree, f'must be int, float, str or bool, with "| None" if it may be empty, got {tree_text(tree)}'
            )
        return _FIELD_TYPES[name] | None if is_nullable else _FIELD_TYPES[name]

    def schema(self) -> dict[str, Any]:
        types = [name + null for name in _FIELD_TYPES for null in ("", " | None", "?")]
        return {"anyOf": [{"type": "object", "additionalProperties": {"enum": types}}, {"type": "string"}]}

    def write(self, value: Any) -> Any:
        from rxdag.sources import Trade

        names = {kind: name for name, kind in (_FIELD_TYPES | {"dict": dict, "Trade": Trade}).items()}
        if value in names:
            return names[value]
        if getattr(value, "__rxdag_spec__", False):
            return {field.name: _type_text(field.type) for field in msgspec.structs.fields(value)}
        return reference_to(value)


def _type_text(kind: Any) -> str:
    names = {each: name for name, each in _FIELD_TYPES.items()}
    if kind in names:
        return names[kind]
    inner = next(each for each in kind.__args__ if each is not type(None))
    return f"{names[inner]} | None"


class ZoneKind(Kind):
    """A time zone: "America/New_York"."""

    def read(self, tree: Tree, context: Context) -> Any:
        if not isinstance(tree.value, str):
            raise context.refuse(tree, f"must be the name of a time zone, got {tree_text(tree)}")
        try:
            zone_of(tree.value, "it")
        except RxDagError as error:
            raise context.refuse(tree, text_of(error).removeprefix("it ")) from None
        return tree.value

    def schema(self) -> dict[str, Any]:
        return {"type": "string"}

    def write(self, value: Any) -> Any:
        name = value if isinstance(value, str) else getattr(value, "key", None)
        if not isinstance(name, str):
            raise Unwritable(f"must be the name of a time zone, got {shown(value)}")
        return name


class IsoKind(Plain):
    """A date or an instant as a text: "2024-01-05", "2024-01-05T09:30Z"."""

    def __init__(self) -> None:
        super().__init__(str)

    def write(self, value: Any) -> Any:
        return value if isinstance(value, str) else value.isoformat()


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
