"""Records: the fields of a type of items, and how items are made of them."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from rxdag.errors import GraphError, SourceError, named_text, shown
from rxdag.expressions import field_names, is_limited


def record_fields(of: Any, where: str) -> dict[str, Any]:
    """Return the type of each field of a record type, with the limits of `msgspec.Meta`.

    Raises:
        GraphError: If it is not a msgspec.Struct, dataclass, NamedTuple or TypedDict.
    """
    names = field_names(of)
    if names is None:
        raise GraphError(f"{where}: of must be a msgspec.Struct, dataclass, NamedTuple or TypedDict, got {shown(of)}")
    hints, full = typing.get_type_hints(of), typing.get_type_hints(of, include_extras=True)
    return {name: full[name] if is_limited(full.get(name)) else hints.get(name, Any) for name in names}


def required_fields(of: Any) -> set[str]:
    """Return the fields without a default."""
    if dataclasses.is_dataclass(of):
        return {
            f.name
            for f in dataclasses.fields(of)
            if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        }
    if typing.is_typeddict(of):
        return set(of.__required_keys__)
    if hasattr(of, "_field_defaults"):
        return set(of._fields) - set(of._field_defaults)
    return {f.name for f in msgspec.structs.fields(of) if f.required}


def build(of: Any) -> Callable[[dict[str, Any]], Any]:
    """Return the function that makes an item of its fields."""
    if typing.is_typeddict(of):
        return dict
    return lambda fields: of(**fields)


def refused(where: str, of: Any, error: Exception, given: object) -> SourceError:
    """Return the message for an item that its own type has refused."""
    problem = SourceError(f"{where}: must be {of.__name__}: {named_text(error)}, got {shown(given, most=80)}")
    problem.__cause__ = error
    return problem


def check_columns(
    of: Any, columns: Sequence[str], problem: Callable[[str], Exception], header: Sequence[str] | None = None
) -> None:
    """Raise if a required field has no column, a field has two columns, or no field has any.

    Args:
        of: Type of the items.
        columns: Names of the existing columns.
        problem: Makes the error from the rule and the value found.
        header: Names of the columns in the file, if they are others.
    """
    fields = field_names(of) or ()
    there = shown(", ".join(columns if header is None else header), most=300)[1:-1] or "none"
    missing = [name for name in fields if name in required_fields(of) and name not in columns]
    if missing:
        raise problem(f"must have the columns of {of.__name__}, lacks {', '.join(missing)}; it has {there}")
    twice = [name for name in fields if columns.count(name) > 1]
    if twice:
        raise problem(f"must have one column for each field, has several called {', '.join(twice)}; it has {there}")
    if not any(name in columns for name in fields):
        # Otherwise every item would consist of defaults.
        raise problem(
            f"must have a column of {of.__name__}, whose fields are {', '.join(fields) or 'none'}; it has {there}"
        )
