"""`col.price`: a field of the item, by name."""

from __future__ import annotations

import dataclasses
import operator
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias, TypeVar

from rxdag.errors import GraphError
from rxdag.graph import did_you_mean

A = TypeVar("A")
V = TypeVar("V")


@dataclass(frozen=True)
class Expr:
    """A field of the item; `col.price` makes one."""

    name: str

    def __repr__(self) -> str:
        return f"col.{self.name}" if self.name.isidentifier() else f"col[{self.name!r}]"

    def __bool__(self) -> NoReturn:
        raise TypeError(f"{self!r} stands for a field and has no truth value; use a function of the item")


class Columns:
    """The fields of the item at hand: `col.price`, `col["odd name"]`."""

    def __getattr__(self, name: str, /) -> Expr:
        if name.startswith("__"):
            raise AttributeError(name)
        return Expr(name)

    def __getitem__(self, name: str, /) -> Expr:
        return Expr(name)


col = Columns()

Field: TypeAlias = str | Expr | Callable[[A], V]
"""What stands for a value of an item: a field's name, `col.name`, or a function of the item."""


def field_names(item_type: Any) -> tuple[str, ...] | None:
    """Names of the fields of a type of items, or None if it does not say."""
    if dataclasses.is_dataclass(item_type):
        return tuple(f.name for f in dataclasses.fields(item_type))
    names = getattr(item_type, "__struct_fields__", None) or getattr(item_type, "_fields", None)
    if names is None and typing.is_typeddict(item_type):
        names = tuple(item_type.__annotations__)
    return None if names is None else tuple(names)


def field_name(field: object) -> str | None:
    """The name of the field, or None if it is a function."""
    if isinstance(field, Expr):
        return field.name
    return field if isinstance(field, str) else None


def check_field(field: object, item_type: Any, where: str) -> None:
    """Raise GraphError if the field is not one of the type, or not a field at all."""
    name = field_name(field)
    if name is None:
        if not callable(field):
            raise GraphError(f"{where} must be a field's name, col.<name> or a function of the item, got {field!r}")
        return
    names = field_names(item_type)
    if names is not None and name not in names:
        known = ", ".join(names)
        raise GraphError(
            f'{where}: {item_type.__name__} has no field "{name}"{did_you_mean(name, names)}; its fields are {known}'
        )


class _Lookup:
    """Reads an attribute, or the entry of a mapping."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, item: Any) -> Any:
        if isinstance(item, Mapping):
            return item[self.name]  # pyright: ignore[reportUnknownVariableType]
        return getattr(item, self.name)


def getter(field: Field[Any, V], item_type: Any = None) -> Callable[[Any], V]:
    """The function that reads a field."""
    name = field_name(field)
    if name is None:
        return field  # type: ignore[return-value]  # pyright: ignore[reportReturnType]  # only functions have no name
    if field_names(item_type) is None:
        return _Lookup(name)
    if typing.is_typeddict(item_type):
        return operator.itemgetter(name)
    return operator.attrgetter(name)
