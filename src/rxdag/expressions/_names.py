"""Names: the fields of a type of items."""

from __future__ import annotations

import dataclasses
import keyword
import typing
import unicodedata
from collections.abc import Mapping
from typing import Any


def field_names(item_type: Any) -> tuple[str, ...] | None:
    """Return the field names of an item type, or None if it declares none."""
    if dataclasses.is_dataclass(item_type):
        return tuple(f.name for f in dataclasses.fields(item_type))
    names = getattr(item_type, "__struct_fields__", None) or getattr(item_type, "_fields", None)
    if names is None and typing.is_typeddict(item_type):
        names = tuple(item_type.__annotations__)
    return None if names is None else tuple(names)


def attribute_names(item_type: Any) -> tuple[str, ...]:
    """Return the field names of a type with attributes; none for any other type, including mappings."""
    if not isinstance(item_type, type) or issubclass(item_type, Mapping):
        return ()
    return field_names(item_type) or ()


def is_written_plainly(name: str) -> bool:
    """Return True if code can use the name unchanged: not a keyword, and nothing that Python would normalize."""
    return name.isidentifier() and not keyword.iskeyword(name) and unicodedata.normalize("NFKC", name) == name
