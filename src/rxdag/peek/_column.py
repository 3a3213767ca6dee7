"""A column as it was seen: its name, its values, and the type that they fit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_INT: Final = re.compile(r"[+-]?(?:0|[1-9][0-9]*)")
_FLOAT: Final = re.compile(
    r"[+-]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?(?:nan|inf)", re.I
)
_BOOL: Final = re.compile(r"true|false", re.I)
_COMMA: Final = re.compile(r"[+-]?[0-9]+,[0-9]+")
_EXACT: Final = 1 << 52
_NULLS: Final = frozenset(("NA", "N/A", "n/a", "#N/A", "null", "NULL", "Null", "None", "none", "nil", "-", "--", r"\N"))


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        name: Its name in the file; empty if it has none.
        texts: Its values as texts, without those that are missing; numbers with a decimal point.
        kind: Type of its values, as in a program.
        may_be_none: True if values are missing.
        nulls: Texts of the missing ones, besides the empty one.
        is_text: True if its values can also be read as texts.
    """

    name: str
    texts: Sequence[str]
    kind: str
    may_be_none: bool = False
    nulls: frozenset[str] = frozenset()
    is_text: bool = False


def is_typed(text: str) -> bool:
    """Return True for a number, a truth value, or a time, which no name of a column is."""
    is_time = text[:1].isdigit() and 2 * sum(map(str.isdigit, text)) > len(text)
    return is_time or any(form.fullmatch(text) for form in (_FLOAT, _BOOL, _COMMA))


def has_comma(cells: Sequence[str]) -> bool:
    """Return True if cells are numbers with decimal commas, at least one of them."""
    found = [cell for cell in cells if cell and cell not in _NULLS]
    return any(map(_COMMA.fullmatch, found)) and all(_COMMA.fullmatch(cell) or _INT.fullmatch(cell) for cell in found)


def column_of(name: str, cells: Sequence[str], *, comma: bool) -> Column:
    """Return a column of texts with the narrowest type that fits all of them.

    Args:
        name: Its name in the file.
        cells: Its values.
        comma: True if numbers have decimal commas.
    """
    given = [cell for cell in cells if cell and cell not in _NULLS]
    texts = [cell.replace(",", ".") for cell in given] if comma and has_comma(cells) else given
    for kind, form in (("bool", _BOOL), ("int", _INT), ("float", _FLOAT)):
        if texts and all(map(form.fullmatch, texts)) and not (comma and kind == "float" and texts is given):
            return Column(name, texts, kind, len(texts) < len(cells), frozenset(cells) & _NULLS, is_text=True)
    # An empty text is a text; it is no time, though.
    return Column(name, [] if "" in cells else cells, "str", is_text=True)


def fits_float(text: str) -> bool:
    """Return True if a float tells the digits of a number from those of its neighbours."""
    return int(re.sub("[^0-9]", "", text) or "0") < _EXACT
