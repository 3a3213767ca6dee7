"""Foreign objects: data that has none of the fields of the type it was made into."""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from typing import Any

import msgspec


def is_foreign(item: Any, plain: Any) -> bool:
    """Return whether an object has fields, but none of those of what was made of it.

    Args:
        item: What was made, with all that is in it.
        plain: What it was made of: dicts and lists.
    """
    if isinstance(plain, dict):
        if isinstance(item, dict):  # a TypedDict has the fields that it knows only
            return bool(plain and not item) or any(is_foreign(item[k], v) for k, v in plain.items() if k in item)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]  # of whatever
        kind = item.__class__
        names = _names_in_text(kind)
        found = [name for name in names if name in plain]
        if names and not found and plain.keys() - {_tag_of(kind)}:
            return True
        return any(is_foreign(getattr(item, names[name]), plain[name]) for name in found)
    if isinstance(plain, list) and isinstance(item, list | tuple):
        return any(map(is_foreign, item, plain))  # pyright: ignore[reportUnknownArgumentType]  # of whatever
    return False


@lru_cache(maxsize=256)
def _names_in_text(kind: Any) -> dict[str, str]:
    """Return the name of each field of a record by the name that it has in a text."""
    if issubclass(kind, msgspec.Struct):
        return {field.encode_name: field.name for field in msgspec.structs.fields(kind)}
    return {f.name: f.name for f in dataclasses.fields(kind)} if dataclasses.is_dataclass(kind) else {}


def _tag_of(kind: Any) -> str | None:
    config = getattr(kind, "__struct_config__", None)
    return None if config is None else config.tag_field
