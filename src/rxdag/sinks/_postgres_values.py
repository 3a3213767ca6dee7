"""Values of PostgreSQL: the column type of a Python type, and the text by which a column gets a value unchanged."""

from __future__ import annotations

import json
import math
import re
import struct
import typing
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from rxdag.errors import shown
from rxdag.expressions import field_names

_TYPES: Final[Mapping[Any, str]] = {
    bool: "boolean",
    int: "bigint",
    float: "double precision",
    str: "text",
    bytes: "bytea",
    datetime: "timestamp with time zone",
    date: "date",
    time: "time without time zone",
    timedelta: "interval",
    Decimal: "numeric",
    UUID: "uuid",
}
_NUMPY: Final = (
    (("int", "uint"), "bigint"),
    (("float",), "double precision"),
    (("datetime64",), "timestamp with time zone"),
    (("timedelta64",), "interval"),
    (("bool",), "boolean"),
    (("str",), "text"),
)
_INTEGERS: Final = {"smallint": 15, "integer": 31, "bigint": 63}
_NUMBERS: Final = ("numeric", "double precision", "real")
_TEXTS: Final = ("text", "character varying", "character")
_SIZED: Final = re.compile(r"^(?P<base>[^(]+?) ?\((?P<sizes>[\d, -]+)\)(?P<rest>.*)$")


def base_of(kind: str) -> str:
    """Return the type of a column without its sizes: "numeric" of "numeric(10,2)"."""
    sized = _SIZED.match(kind)
    return kind if sized is None else sized["base"] + sized["rest"]


def type_of(hint: Any) -> str:
    """Return the column type for a Python type; "" if only a value tells it."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, UnionType):
        kinds = {type_of(each) for each in typing.get_args(hint) if each is not NoneType}
        return kinds.pop() if len(kinds) == 1 else ""
    if origin is Literal:
        kinds = {type_of(type(each)) for each in typing.get_args(hint) if each is not None}
        return kinds.pop() if len(kinds) == 1 else ""
    if origin is typing.Annotated:
        return type_of(typing.get_args(hint)[0])
    kind = origin or hint
    if kind in _TYPES:
        return _TYPES[kind]
    if not isinstance(kind, type):
        return ""
    if kind.__module__ == "numpy":
        return next((of for names, of in _NUMPY if kind.__name__.startswith(names)), "")
    if issubclass(kind, Enum):
        kinds = {type_of(type(each.value)) for each in kind}
        return kinds.pop() if len(kinds) == 1 else ""
    if issubclass(kind, dict | list | tuple) or field_names(kind) is not None:
        return "jsonb"
    return next((of for each, of in _TYPES.items() if issubclass(kind, each)), "")


def takes(kind: str, of: str) -> bool:
    """Return True if a column of a type may hold values of another: which ones, each value tells."""
    base = base_of(kind)
    if of == "bigint":
        return base in (*_INTEGERS, *_NUMBERS)
    if of in ("double precision", "numeric"):
        return base in _NUMBERS
    if of == "text":
        return base not in (*_INTEGERS, *_NUMBERS, *(each for each in _TYPES.values() if each not in ("text", "uuid")))
    if of == "timestamp with time zone":
        return base in (of, "timestamp without time zone")
    if of == "uuid":
        return base in (of, *_TEXTS)
    return base in (of, "json") if of == "jsonb" else base == of


def cell(value: Any, kind: str, name: str) -> str | None:
    """Return the text that a column is to get for a value; None for NULL.

    Args:
        value: The value.
        kind: Type of the column.
        name: Its name, for messages.

    Raises:
        ValueError: If the column cannot hold it, or would change it.
    """
    made = _plain(value)
    if made is None:
        return None
    base = base_of(kind)
    text = _CELLS.get(base, _other)(made, kind)
    if text is None:
        raise ValueError(
            f"column {name} of type {kind} must store values unchanged, got {shown(value)}; convert them first"
        )
    if "\0" in text:
        raise ValueError(f"column {name} must get text without the character 0, got {shown(value)}; remove it first")
    text.encode()  # it may hold half of a surrogate pair
    return text


def copy_line(row: tuple[str | None, ...]) -> bytes:
    """Return a row in the text format of COPY."""
    return ("\t".join("\\N" if text is None else text.translate(_ESCAPES) for text in row) + "\n").encode()


_ESCAPES: Final = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})


def _plain(value: Any) -> Any:
    """Return a value as an object of Python; times of numpy in UTC."""
    if isinstance(value, Enum):
        return _plain(value.value)
    if type(value).__module__ != "numpy" or getattr(value, "ndim", 1) != 0:
        return value
    letter = value.dtype.kind
    if letter not in "mM":
        return value.item()
    if str(value) == "NaT":
        return None
    whole = value.astype(f"{letter}8[us]")
    if whole.astype(value.dtype) != value:
        raise ValueError(f"times must be in whole microseconds, got {shown(value)}; round them, or write the number")
    if letter == "M" and str(value.dtype) != "datetime64[D]":
        return whole.item().replace(tzinfo=UTC)
    return value.item() if letter == "M" else whole.item()


def _sizes(kind: str) -> list[int]:
    sized = _SIZED.match(kind)
    return [] if sized is None else [int(each) for each in sized["sizes"].split(",")]


def _integer(value: Any, kind: str) -> str | None:
    bits = _INTEGERS[kind]
    fits = isinstance(value, int) and not isinstance(value, bool) and -(2**bits) <= value < 2**bits
    return str(int(value)) if fits else None


def _numeric(value: Any, kind: str) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    exact = value if isinstance(value, Decimal) else Decimal(str(value))
    if sizes := _sizes(kind):
        scale = sizes[1] if len(sizes) > 1 else 0
        if not exact.is_nan() and (exact.is_infinite() or round(exact, scale) != exact):
            return None
        if not exact.is_nan() and abs(exact) >= Decimal(10) ** (sizes[0] - scale):
            return None
    return str(exact)


def _double(value: Any, kind: str) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    is_kept = isinstance(value, float) or abs(value) <= 2**53
    if kind == "real":
        is_kept = not math.isfinite(value) or (
            abs(value) < 3.4e38 and struct.unpack("f", struct.pack("f", value))[0] == value
        )
    return repr(float(value)) if is_kept else None


def _text(value: Any, kind: str) -> str | None:
    if isinstance(value, UUID):
        return str(value)
    sizes = _sizes(kind)
    return str.__str__(value) if isinstance(value, str) and not (sizes and len(value) > sizes[0]) else None


def _bytes(value: Any, kind: str) -> str | None:
    is_kept = isinstance(value, bytes | bytearray | memoryview)
    return "\\x" + bytes(value).hex() if is_kept else None  # pyright: ignore[reportUnknownArgumentType]  # of any format


def _is_cut(microsecond: int, kind: str) -> bool:
    sizes = _sizes(kind)
    return bool(sizes) and microsecond % 10 ** (6 - sizes[0]) != 0


def _instant(value: Any, kind: str) -> str | None:
    if not isinstance(value, datetime) or _is_cut(value.microsecond, kind):
        return None
    # A naive time would be taken as one of the server's zone; the zone of another one would be dropped.
    return value.isoformat() if (value.tzinfo is not None) == kind.endswith("with time zone") else None


def _time(value: Any, kind: str) -> str | None:
    is_kept = isinstance(value, time) and value.tzinfo is None and not _is_cut(value.microsecond, kind)
    return value.isoformat() if is_kept else None


def _interval(value: Any, kind: str) -> str | None:
    is_kept = isinstance(value, timedelta) and not _is_cut(value.microseconds, kind)
    return f"{value // timedelta(microseconds=1)} microseconds" if is_kept else None


def _json(value: Any, kind: str) -> str | None:
    if isinstance(value, str):
        json.loads(value)
        text = str.__str__(value)
    else:
        try:
            text = json.dumps(msgspec.to_builtins(value), allow_nan=False)  # which msgspec itself would write as null
        except (TypeError, NotImplementedError):
            return None
    return None if "\\u0000" in text else text


def _other(value: Any, kind: str) -> str | None:
    """Return a value for a type that only the server knows, such as an enumeration."""
    return str(value) if isinstance(value, str | UUID | int | float | Decimal) else None


_CELLS: Final[Mapping[str, Callable[[Any, str], str | None]]] = {
    **dict.fromkeys(_INTEGERS, _integer),
    "numeric": _numeric,
    "double precision": _double,
    "real": _double,
    **dict.fromkeys(_TEXTS, _text),
    "bytea": _bytes,
    "boolean": lambda value, kind: None if not isinstance(value, bool) else "t" if value else "f",
    "timestamp with time zone": _instant,
    "timestamp without time zone": _instant,
    "date": lambda value, kind: value.isoformat() if type(value) is date else None,
    "time without time zone": _time,
    "interval": _interval,
    "uuid": lambda value, kind: (
        str(UUID(value) if isinstance(value, str) else value) if isinstance(value, str | UUID) else None
    ),
    "json": _json,
    "jsonb": _json,
}
