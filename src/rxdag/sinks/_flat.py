"""Rows: items as flat records, for files of text."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from rxdag.contract import DeadLetter, Pane
from rxdag.errors import named_text
from rxdag.expressions import field_names

_PANE: Final = ("start", "end", "revision", "closed_by")


def flatten(item: Any, key_names: tuple[str, ...]) -> dict[str, Any]:
    """The item as a flat record: the fields of a record, key and value of a pane, or one column "value".

    Args:
        item: What came.
        key_names: Names of the parts of a pane's key.
    """
    if isinstance(item, Pane):
        return _flatten_pane(item, key_names)  # pyright: ignore[reportUnknownArgumentType]  # of whatever
    if isinstance(item, DeadLetter):
        return _flatten_dead(item)  # pyright: ignore[reportUnknownArgumentType]  # of whatever
    fields = fields_of(item)
    return {"value": item} if fields is None else fields


def _flatten_dead(letter: DeadLetter[Any]) -> dict[str, Any]:
    return {
        "node": letter.node,
        "item": _plain(letter.item),
        "error": named_text(letter.error),
        "attempts": letter.attempts,
    }


def _flatten_pane(pane: Pane[Any, Any], key_names: tuple[str, ...]) -> dict[str, Any]:
    key: Any = pane.key
    parts: tuple[Any, ...] = tuple(key) if isinstance(key, tuple) else (key,)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]  # of whatever
    names = (
        key_names
        if len(key_names) == len(parts)
        else tuple("key" if len(parts) == 1 else f"key_{i}" for i in range(len(parts)))
    )
    row: dict[str, Any] = dict(zip(names, parts, strict=True))
    row["start"], row["end"] = pane.start, pane.end
    value = fields_of(pane.value)
    row |= {"value": pane.value} if value is None else value
    row["revision"], row["closed_by"] = pane.revision, pane.closed_by
    return row


def fields_of(item: Any) -> dict[str, Any] | None:
    """Fields of a record by name; None if it is none."""
    if isinstance(item, Mapping):
        return {str(k): v for k, v in item.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    names = field_names(type(item))
    return None if names is None else {name: getattr(item, name) for name in names}


def is_numpy_time(value: object) -> bool:
    """Return whether a value is a datetime64, without loading numpy."""
    return type(value).__name__ == "datetime64"


def time_text(value: Any) -> str:
    """Return a datetime64 as ISO text, with the zone that such times have: UTC. Days stay days."""
    text = str(value)
    return f"{text}Z" if ":" in text else text


def _plain(value: Any) -> Any:
    """Items inside a record, as JSON can hold them."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    return value


def json_line() -> Callable[[Any, tuple[str, ...]], bytes]:
    """The function that writes an item as a line of JSON."""
    encode = msgspec.json.Encoder(enc_hook=_enc_hook).encode

    def line(item: Any, key_names: tuple[str, ...]) -> bytes:
        simple = item.__class__ in (Pane, DeadLetter) or hasattr(item, "_fields")
        return encode(flatten(item, key_names) if simple else item) + b"\n"

    return line


def _enc_hook(value: Any) -> Any:
    if isinstance(value, BaseException):
        return named_text(value)
    if is_numpy_time(value):
        return time_text(value)
    item = getattr(value, "item", None)  # numpy's scalars
    if callable(item):
        return item()
    raise NotImplementedError(f"no JSON for {type(value).__name__}")
