"""Records: rows of text become typed items."""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Callable, Sequence
from datetime import datetime, time, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

from rxdag.errors import GraphError, shown
from rxdag.expressions import field_names
from rxdag.sources._zones import cut_times, zoned


def record_fields(of: Any, where: str) -> dict[str, Any]:
    """Type of each field of a record type.

    Raises:
        GraphError: If it is no msgspec.Struct, dataclass, NamedTuple or TypedDict.
    """
    names = field_names(of)
    if names is None:
        raise GraphError(f"{where}: of must be a msgspec.Struct, dataclass, NamedTuple or TypedDict, got {shown(of)}")
    hints = typing.get_type_hints(of)
    return {name: hints.get(name, Any) for name in names}


def required_fields(of: Any) -> set[str]:
    """Fields without a default."""
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


_TRUE = frozenset(("true", "t", "1", "yes"))
_BELOW_MICROSECOND: Final = re.compile(r"(?<=\.\d{6})\d+$")
"""Of a duration that is a number of seconds."""
_FALSE = frozenset(("false", "f", "0", "no"))


def _to_bool(text: str) -> bool:
    low = text.lower()
    if low in _TRUE:
        return True
    if low in _FALSE:
        return False
    raise ValueError("must be true or false")


def _digits(text: str) -> str:
    """Return the text of a number, if data files write numbers so: Python reads `1_000` too, and digits of other scripts."""
    if "_" in text or not text.isascii():
        raise ValueError(text)
    return text


def _to_int(text: str) -> int:
    try:
        return int(_digits(text))
    except ValueError:
        raise ValueError("must be a whole number") from None


def _to_float(text: str) -> float:
    try:
        return float(_digits(text))
    except ValueError:
        raise ValueError("must be a number") from None


def _to_decimal(text: str) -> Decimal:
    try:
        return Decimal(_digits(text))
    except (ValueError, InvalidOperation):
        raise ValueError("must be a number") from None


def inner_type(kind: Any) -> Any:
    """The type that a field has if it is not None."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        parts = [part for part in typing.get_args(kind) if part is not type(None)]
        if len(parts) == 1:
            return parts[0]
    return kind


def converter(kind: Any, zone: tzinfo | None) -> Callable[[str], Any]:
    """The function that reads a column of text as a type; it raises ValueError with what must hold.

    Args:
        kind: Type of the field.
        zone: What times without a zone are; None to refuse them.
    """
    plain: dict[Any, Callable[[str], Any]] = {
        str: str, int: _to_int, float: _to_float, Decimal: _to_decimal, bool: _to_bool, Any: str,
    }  # fmt: skip
    if kind in plain:
        return plain[kind]
    if inner_type(kind) is not kind:
        inner = converter(inner_type(kind), zone)
        return lambda text: None if text == "" else inner(text)

    is_time = kind in (datetime, time, timedelta)
    is_duration = kind is timedelta
    # Not strict, bare digits are seconds since 1970: 20240105 would be a day in August 1970.
    is_strict = kind is datetime

    def convert(text: str) -> Any:
        try:
            if is_time:
                text = cut_times(text, durations=is_duration)
            if is_duration:
                text = _BELOW_MICROSECOND.sub("", text)
            made = msgspec.convert(text, kind, strict=is_strict)
        except msgspec.ValidationError as error:
            raise ValueError(f"must be {getattr(kind, '__name__', kind)} ({error})") from None
        return zoned(made, zone) if isinstance(made, datetime) else made

    return convert


def build(of: Any) -> Callable[[dict[str, Any]], Any]:
    """The function that makes an item of its fields."""
    if typing.is_typeddict(of):
        return dict
    return lambda fields: of(**fields)


def check_columns(of: Any, columns: Sequence[str], problem: Callable[[str], Exception]) -> None:
    """Raise if there is no column for a field that items need, two for one field, or none for any of their fields.

    Args:
        of: Type of the items.
        columns: Names of the columns that there are.
        problem: Makes the error, of what must hold and what came.
    """
    fields = field_names(of) or ()
    there = shown(", ".join(columns), most=300)[1:-1] or "none"
    missing = [name for name in fields if name in required_fields(of) and name not in columns]
    if missing:
        raise problem(f"must have the columns of {of.__name__}, lacks {', '.join(missing)}; it has {there}")
    twice = [name for name in fields if columns.count(name) > 1]
    if twice:
        raise problem(f"must have one column for each field, has several called {', '.join(twice)}; it has {there}")
    if not any(name in columns for name in fields):
        # Every item would be one of defaults.
        raise problem(
            f"must have a column of {of.__name__}, whose fields are {', '.join(fields) or 'none'}; it has {there}"
        )
