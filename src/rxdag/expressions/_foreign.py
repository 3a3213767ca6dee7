"""Foreign objects: data that has none of the fields of the type it was made into."""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from typing import Any

import msgspec


def is_foreign(item: Any, plain: Any) -> bool:
    """Return True if an object has fields, but none of those of the type decoded from it.

    Args:
        item: The decoded item.
        plain: The plain data it was decoded from: dicts and lists.
    """
    if isinstance(plain, dict):
        if isinstance(item, dict):
            return _is_foreign_dict(item, plain)  # pyright: ignore[reportUnknownArgumentType]  # of whatever
        kind = item.__class__
        names = names_in_text(kind)
        found = [name for name in names if name in plain]
        if names and not found and plain.keys() - {_tag_of(kind)}:
            return True
        return any(is_foreign(getattr(item, names[name]), plain[name]) for name in found)
    if isinstance(plain, list) and isinstance(item, list | tuple):
        return any(map(is_foreign, item, plain))  # pyright: ignore[reportUnknownArgumentType]  # of whatever
    if isinstance(plain, list) and isinstance(item, set | frozenset):  # in no order
        return any(all(is_foreign(each, part) for each in item) for part in plain)  # pyright: ignore[reportUnknownVariableType]  # of whatever
    if isinstance(plain, list) and isinstance(item, msgspec.Struct):  # a record that is written as a list
        values = [getattr(item, field.name) for field in msgspec.structs.fields(type(item))]
        tags = 0 if type(item).__struct_config__.tag is None else 1
        return any(map(is_foreign, values, plain[tags:]))  # pyright: ignore[reportUnknownArgumentType]  # of whatever
    return False


def _is_foreign_dict(item: dict[Any, Any], plain: dict[Any, Any]) -> bool:
    if plain and not item:
        return True
    if len(item) == len(plain):  # non-text keys are texts in the plain data
        return any(map(is_foreign, item.values(), plain.values()))
    return any(
        is_foreign(item[k], v) for k, v in plain.items() if k in item
    )  # a TypedDict keeps only the fields it declares


@lru_cache(maxsize=256)
def names_in_text(kind: Any) -> dict[str, str]:
    """Return the name of each field of a record by the name that it has in a text."""
    if issubclass(kind, msgspec.Struct):
        return {field.encode_name: field.name for field in msgspec.structs.fields(kind)}
    return {f.name: f.name for f in dataclasses.fields(kind)} if dataclasses.is_dataclass(kind) else {}


def _tag_of(kind: Any) -> str | None:
    config = getattr(kind, "__struct_config__", None)
    return None if config is None else config.tag_field
