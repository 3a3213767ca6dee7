"""Cells: columns as the texts and numbers of a CSV file, without items in between."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rxdag.expressions import checks_itself, field_names

if TYPE_CHECKING:
    from rxdag.columns import Column, Columns


def cells_of(columns: Columns) -> dict[str, list[Any]] | None:
    """Return the values of each field, as `text_cell` gives them; None if items must be made of the columns.

    That is so for values other than texts, numbers, truths and None, and for types of items with checks of their own or
    with fields that have no column.
    """
    fields = _fields(columns)
    if fields is None or set(fields) != set(columns.names) or checks_itself(columns.of):
        return None
    made: dict[str, list[Any]] = {}
    for name in fields:
        cells = _cells(columns[name])
        if cells is None:
            return None
        made[name] = cells
    return made


def _fields(columns: Columns) -> tuple[str, ...] | None:
    """Return the fields of the items, in order; None if they are not records."""
    of = columns.of
    is_mapping = of is None or (isinstance(of, type) and issubclass(of, Mapping))
    return columns.names if is_mapping and columns.names != ("",) else field_names(of)


def _cells(column: Column) -> list[Any] | None:
    from rxdag.columns import Coded, Nullable, values_of  # they load numpy

    if isinstance(column, Coded):
        return values_of(column) if {str}.issuperset(map(type, column.names)) else None
    values = column.values if isinstance(column, Nullable) else column
    if isinstance(values, Coded) or values.dtype.kind not in "ifb":
        return None
    cells = values_of(column)
    if values.dtype.kind == "b":
        return [None if cell is None else "true" if cell else "false" for cell in cells]
    return cells
