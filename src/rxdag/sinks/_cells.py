"""Cells: items as columns of texts, numbers, truths and None, for files of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from rxdag.expressions import checks_itself, field_names
from rxdag.sinks._flatten import flat_columns

if TYPE_CHECKING:
    from rxdag.columns import Column, Columns

Cells: TypeAlias = dict[str, list[Any]]
"""The values of each column, by name."""

_KINDS: Final = frozenset((str, int, float, bool, type(None)))


def cells_in(items: Sequence[Any], key_names: tuple[str, ...]) -> Cells | None:
    """Return the cells of items; None if they have other values, or may differ in their columns.

    Args:
        items: The items.
        key_names: Names of the parts of a pane's key.
    """
    columns = flat_columns(items, key_names)
    if columns is None or not all(_KINDS.issuperset(map(type, values)) for values in columns.values()):
        return None
    return columns


def cells_of(columns: Columns) -> Cells | None:
    """Return the cells of columns; None if items must be made of them.

    That is so for other values, and for types of items with checks of their own or with fields that have no column.
    """
    fields = _fields(columns)
    if fields is None or set(fields) != set(columns.names) or checks_itself(columns.of):
        return None
    made: Cells = {}
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
    return values_of(column)
