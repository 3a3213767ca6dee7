"""Rows: items as flat records, for files of text."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from operator import attrgetter
from typing import Any, Final

import msgspec

from rxdag.contract import DeadLetter, Pane
from rxdag.errors import named_text, shown
from rxdag.expressions import field_names

_SCALARS: Final = frozenset((str, int, float, bool, bytes, type(None), datetime, date, Decimal))
_BOUNDS: Final = ("start", "end", "revision", "closed_by")
"""Columns of every pane."""


def flatten(item: Any, key_names: tuple[str, ...]) -> dict[str, Any]:
    """Return the item as a flat record: the fields of a record, key and value of a pane, or one column "value".

    The columns of a pane keep their names unless two conflict: a part of the key then gets the prefix "key_", a field
    of the value "value_".

    Args:
        item: The item.
        key_names: Names of the parts of a pane's key.
    """
    if isinstance(item, Pane):
        return _flatten_pane(item, key_names)  # pyright: ignore[reportUnknownArgumentType]  # of whatever
    if isinstance(item, DeadLetter):
        return _flatten_dead(item)  # pyright: ignore[reportUnknownArgumentType]  # of whatever
    fields = fields_of(item)
    return {"value": item} if fields is None else fields


def flat_columns(items: Sequence[Any], key_names: tuple[str, ...]) -> dict[str, list[Any]] | None:
    """Return the values of the records that `flatten` makes, by column; None if items differ in their columns.

    They may differ if they are mappings or of several types.
    """
    kind = _only(map(type, items))
    if kind is None or issubclass(kind, Mapping | DeadLetter):
        return None
    if not issubclass(kind, Pane):
        return {"value": list(items)} if (names := field_names(kind)) is None else _fields_by_name(items, names)
    keys = [pane.key for pane in items]
    values = [pane.value for pane in items]
    value_kind = _only(map(type, values))
    if value_kind is None or issubclass(value_kind, Mapping) or _only(map(_length, keys)) is None:
        return None
    fields = field_names(value_kind)
    columns = [
        *(map(list, zip(*keys, strict=True)) if isinstance(keys[0], tuple) else [keys]),
        *_fields_by_name(items, ("start", "end")).values(),
        *([values] if fields is None else _fields_by_name(values, fields).values()),
        *_fields_by_name(items, ("revision", "closed_by")).values(),
    ]
    return dict(zip(flatten(items[0], key_names), columns, strict=True))


def _only(found: Iterable[Any]) -> Any:
    """Return the only value that occurs; None if there are several, or none."""
    different = set(found)
    return different.pop() if len(different) == 1 else None


def _length(key: Any) -> int:
    return len(key) if isinstance(key, tuple) else -1  # pyright: ignore[reportUnknownArgumentType]  # of whatever


def _fields_by_name(items: Sequence[Any], names: Iterable[str]) -> dict[str, list[Any]]:
    return {name: list(map(attrgetter(name), items)) for name in names}


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
    fields = fields_of(pane.value)
    taken = _BOUNDS if fields is not None else (*_BOUNDS, "value")
    row: dict[str, Any] = {}
    for name, part in zip(names, parts, strict=True):
        row[_free(name, "key_", row, taken)] = part
    row["start"], row["end"] = pane.start, pane.end
    if fields is None:
        row["value"] = pane.value
    else:
        for name, field in fields.items():
            row[_free(name, "value_", row, taken)] = field
    row["revision"], row["closed_by"] = pane.revision, pane.closed_by
    return row


def _free(name: str, prefix: str, row: dict[str, Any], taken: tuple[str, ...]) -> str:
    """Return a name that no column has yet: the one that is asked for, or that behind the prefix."""
    while name in row or name in taken:
        name = prefix + name
    return name


def fields_of(item: Any) -> dict[str, Any] | None:
    """Return the fields of a record by name; None if it is not a record.

    Raises:
        ValueError: If two keys of a mapping have the same text.
    """
    if isinstance(item, Mapping):
        given: Mapping[Any, Any] = item  # pyright: ignore[reportUnknownVariableType]  # of whatever
        fields = {str(key): value for key, value in given.items()}
        if len(fields) != len(given):
            raise ValueError(f"keys of a mapping must differ as text, got {shown(list(given))}")
        return fields
    names = field_names(type(item))
    return None if names is None else {name: getattr(item, name) for name in names}


def is_numpy(value: object, name: str) -> bool:
    """Return whether a value is of the numpy type of that name, without loading numpy."""
    kind = type(value)
    return kind.__module__ == "numpy" and kind.__name__.rstrip("_") == name


def is_numpy_time(value: object) -> bool:
    """Return whether a value is a datetime64, without loading numpy."""
    return is_numpy(value, "datetime64")


def time_text(value: Any) -> str:
    """Return a datetime64 as ISO text in UTC. Days stay days."""
    text = str(value)
    if text == "NaT":
        return text
    if "T" not in text:  # a day, or the first of a month or a year
        return str(value.astype("M8[D]"))
    return f"{text if text.count(':') == 2 else value.astype('M8[s]')}Z"


def span_text(value: Any) -> str:
    """Return a timedelta64 as ISO text."""
    if str(value) == "NaT":
        return "NaT"
    ns = value.astype("m8[ns]")
    if ns.astype(value.dtype) != value:
        raise ValueError(f"a duration must be within 292 years, in whole nanoseconds, got {shown(value)}")
    whole, part = divmod(abs(int(ns.astype("i8"))), 10**9)
    return f"{'-' if int(ns.astype('i8')) < 0 else ''}PT{whole}" + (f".{part:09d}S" if part else "S")


def text_cell(value: Any) -> Any:
    """Return a value in a form whose `str` is what `sources.csv` reads as equal."""
    if value is None or value.__class__ in (str, int, float):
        return value
    if isinstance(value, Enum):
        return text_cell(value.value)
    if isinstance(value, bool) or is_numpy(value, "bool"):
        return "true" if value else "false"
    if is_numpy_time(value):
        return time_text(value)
    if is_numpy(value, "timedelta64"):
        return span_text(value)
    if isinstance(value, bytes | bytearray | memoryview | timedelta):
        return msgspec.to_builtins(value)
    if isinstance(value, datetime) and (value.utcoffset() or timedelta(0)) % timedelta(minutes=1):
        return value.astimezone(UTC)  # ISO 8601 has no seconds of an offset
    return value


def _plain(value: Any) -> Any:
    """Return a value inside a record in a form that JSON can hold."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    return value


def json_line() -> Callable[[Any, tuple[str, ...]], bytes]:
    """Return the function that writes an item as a line of JSON.

    JSON has neither NaN nor infinity: an item that holds one raises ValueError; in a dead letter it becomes text.
    """
    encode = msgspec.json.Encoder(enc_hook=_enc_hook).encode

    def line(item: Any, key_names: tuple[str, ...]) -> bytes:
        _check_keys(item)
        simple = item.__class__ in (Pane, DeadLetter) or hasattr(item, "_fields")
        record = flatten(item, key_names) if simple else item
        made = encode(record)
        if b"null" in made:  # None, or a type that JSON lacks
            plain = msgspec.to_builtins(record, enc_hook=_enc_hook)
            if item.__class__ is DeadLetter:
                made = encode(_finite(plain))
            else:
                _refuse_endless(plain, "")
        return made + b"\n"

    return line


def _check_keys(value: Any) -> None:
    """Raise ValueError if two keys of a mapping, somewhere inside, are one as text."""
    inside: Any
    if isinstance(value, Mapping):
        given: Mapping[Any, Any] = value  # pyright: ignore[reportUnknownVariableType]  # of whatever
        if set(map(type, given)) != {str}:
            fields_of(given)
        inside = given.values()
    elif isinstance(value, list | tuple | set | frozenset):
        inside = value  # pyright: ignore[reportUnknownVariableType]  # of whatever
    else:
        inside = [getattr(value, name) for name in field_names(type(value)) or ()]
    each: Any
    for each in inside:
        if each.__class__ not in _SCALARS:
            _check_keys(each)


def _refuse_endless(value: Any, where: str) -> None:
    """Raise ValueError if a number inside cannot be written as JSON."""
    if isinstance(value, float) and not math.isfinite(value):
        place = f"field {where}" if where else "the item"
        raise ValueError(
            f"jsonl: numbers must be finite, since JSON has no others, got {shown(value)} in {place}; make it None, or write csv, "
            f"arrow or parquet"
        )
    for name, part in _parts(value):
        _refuse_endless(part, f"{where}.{name}" if where else str(name))


def _finite(value: Any) -> Any:
    """Return the same with texts for the numbers that JSON has not."""
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in _parts(value)}
    if isinstance(value, list | tuple):
        return [_finite(part) for _, part in _parts(value)]
    return _plain(value)


def _parts(value: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(value, dict):
        return value.items()  # pyright: ignore[reportUnknownVariableType]  # of whatever
    return enumerate(value) if isinstance(value, list | tuple) else ()  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]  # of whatever


def _enc_hook(value: Any) -> Any:
    if isinstance(value, BaseException):
        return named_text(value)
    if is_numpy_time(value):
        return time_text(value)
    if is_numpy(value, "timedelta64"):
        return span_text(value)
    item = getattr(value, "item", None)  # numpy's scalars
    if callable(item):
        return item()
    raise NotImplementedError(f"no JSON for {type(value).__name__}")
