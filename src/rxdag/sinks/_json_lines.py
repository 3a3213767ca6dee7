"""JSON lines of cells."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

import msgspec

from rxdag.contract import Pane
from rxdag.expressions import field_names
from rxdag.sinks._cells import Cells


class JsonLines:
    """Encodes cells as the lines that `json_line` makes of their items."""

    def __init__(self) -> None:
        self._encode: Any = msgspec.json.Encoder().encode_lines
        self._names: tuple[str, ...] = ()
        self._row: Any = None
        """Struct with the columns of these names."""

    def __call__(self, kind: type, cells: Cells) -> list[bytes] | None:
        """Return the lines of items of a type; None if a number is not finite, or the type is encoded in another way.

        Raises:
            ValueError: If JSON cannot hold a text or the name of a column.
        """
        if not _is_encoded_by_field(kind):
            return None
        if self._row is None or tuple(cells) != self._names:
            self._names = tuple(cells)
            fields = {f"f{at}": name for at, name in enumerate(cells)}
            self._row = msgspec.defstruct("Row", list(fields), rename=fields, gc=False)
        rows: list[Any] = list(map(self._row, *cells.values()))
        made: bytes = self._encode(rows)
        if b"null" in made and not all(map(_are_finite, cells.values())):
            return None
        return made.splitlines(keepends=True)


def _is_encoded_by_field(kind: type) -> bool:
    """Return True if msgspec encodes items of a type as objects with all of their fields, under the same names."""
    if issubclass(kind, Pane | Mapping):
        return True
    names = field_names(kind) or ()
    if not issubclass(kind, msgspec.Struct):
        return bool(names) and not any(name.startswith("_") for name in names)
    config = kind.__struct_config__
    is_whole = config.tag is None and not config.omit_defaults and not config.array_like
    return is_whole and kind.__struct_encode_fields__ == names


def _are_finite(values: list[Any]) -> bool:
    return all(isfinite(value) for value in values if value.__class__ is float)
