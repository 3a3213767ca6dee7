"""Places: the parts of the paths of files that the items decide on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from rxdag.contract import Chunk, DeadLetter, Pane, Shape, WriteFailed
from rxdag.errors import GraphError, shown
from rxdag.expressions import check_field, field_names
from rxdag.sinks._file_names import PathPart, Place
from rxdag.sinks._flatten import flat_columns, flatten

if TYPE_CHECKING:
    from rxdag.columns import Columns

_MOST_CHARS: Final = 128
_SECOND_NS: Final = 10**9


def check_parts(parts: Sequence[PathPart], shape: Shape, where: str) -> None:
    """Raise GraphError if a stream has no event time, or items no field, for a part of a path."""
    kind = shape.item_type
    for part in parts:
        if part.time_format:
            if not shape.timed:
                raise GraphError(
                    f"{where}: path with {{{part.name}}} must have items with event time, got a stream without; put "
                    "ops.event_time before the sink"
                )
        elif field_names(kind) is not None and not (isinstance(kind, type) and issubclass(kind, Pane | DeadLetter)):
            check_field(part.name, kind, f"{where}: path")


class Places:
    """Finds the place of each item.

    Args:
        parts: Parts of the path.
        key_names: Names of the parts of a pane's key.
    """

    def __init__(self, parts: Sequence[PathPart], key_names: tuple[str, ...]) -> None:
        self._parts = parts
        self._key_names = key_names

    def of(self, chunk: Chunk) -> list[Place] | None:
        """Return the place of each item; None if all have the same.

        Raises:
            WriteFailed: If an item has none.
        """
        if not self._parts:
            return None
        try:
            return list(zip(*(self._texts(part, chunk) for part in self._parts), strict=True))
        except Exception:  # of an item, which is found when they are read one by one
            return self._each(chunk.rows())

    def _texts(self, part: PathPart, chunk: Chunk) -> list[str]:
        columns = chunk.columns
        if part.time_format:
            times = chunk.ts if columns is None else columns.times()
            return _of_each((ts // _SECOND_NS for ts in times or ()), part)
        return _of_each(_column(chunk, columns, part.name, self._key_names), part)

    def _each(self, chunk: Chunk) -> list[Place]:
        places: list[Place] = []
        for index, item in enumerate(chunk.items):
            try:
                second = 0 if chunk.ts is None else chunk.ts[index] // _SECOND_NS
                row = flatten(item, self._key_names)
                places.append(
                    tuple(_text(second if part.time_format else _value(row, part), part) for part in self._parts)
                )
            except Exception as error:
                raise WriteFailed(index, error) from error
        return places


def by_place(places: Iterable[Place]) -> dict[Place, list[int]]:
    """Return the positions of the items of each place, in the order of their first ones."""
    found: dict[Place, list[int]] = {}
    for index, place in enumerate(places):
        at = found.get(place)
        if at is None:
            found[place] = [index]
        else:
            at.append(index)
    return found


def _column(chunk: Chunk, columns: Columns | None, name: str, key_names: tuple[str, ...]) -> Iterable[Any]:
    """Return the values of a field; the caller handles errors by reading the items one by one."""
    if columns is not None:
        from rxdag.columns import values_of  # it loads numpy

        return values_of(columns[name])
    items: list[Any] = chunk.items
    if isinstance(items[0], dict):
        return [item[name] for item in items]
    if field_names(type(items[0])) is None or isinstance(items[0], Pane | DeadLetter):
        return (flat_columns(items, key_names) or {})[name]
    return [getattr(item, name) for item in items]


def _value(row: Mapping[str, Any], part: PathPart) -> Any:
    if part.name not in row:
        raise ValueError(f'an item must have the field "{part.name}" of the path, got {", ".join(row)}')
    return row[part.name]


def _of_each(values: Iterable[Any], part: PathPart) -> list[str]:
    given = list(values)
    if len(set(map(type, given))) != 1:  # 1 and True are equal
        return [_text(value, part) for value in given]
    texts = {value: _text(value, part) for value in set(given)}
    return [texts[value] for value in given]


def _text(value: Any, part: PathPart) -> str:
    """Return a value as one part of a path, percent-encoded so that it cannot lead elsewhere.

    Raises:
        ValueError: If it cannot be one.
    """
    text = _plain(value, part)
    escaped = quote(text, safe="")
    if escaped[:1] in (".", "_"):  # readers of datasets ignore such names
        escaped = f"%{ord(escaped[0]):02X}{escaped[1:]}"
    if not escaped or len(escaped) > _MOST_CHARS:
        raise ValueError(
            f'field "{part.name}" of the path must have 1 to {_MOST_CHARS} characters when percent-encoded, got '
            f"{shown(text, most=60)}"
        )
    return escaped


def _plain(value: Any, part: PathPart) -> str:
    if part.time_format:
        return datetime.fromtimestamp(value, UTC).strftime(part.time_format)
    if isinstance(value, Enum):
        return _plain(value.value, part)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | date) and not isinstance(value, datetime):
        return str(value)
    raise ValueError(
        f'field "{part.name}" of the path must be a str, int, bool, date or enumeration, got {shown(value)}'
    )
