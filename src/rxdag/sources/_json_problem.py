"""Malformed JSON: the messages that name the field and its value."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import inspect

from rxdag.errors import SourceError, shown, text_of
from rxdag.expressions import pairs

Part: TypeAlias = str | int
"""Name of a field, or place in a list."""

_PLACE: Final = re.compile(r" - at `(?:key` in `)?\$(.*)`$")
_PARTS: Final = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|(.)")


@dataclass(frozen=True)
class _Leaf:
    """A value of plain data, with the path to it."""

    value: Any
    path: str


def check_values(items: list[Any], plain: list[Any], is_bad: Callable[[Any, Any], bool], rule: str) -> None:
    """Raise ValueError for a value that msgspec accepts and rxdag does not.

    Args:
        items: The decoded items.
        plain: The plain data they were decoded from.
        is_bad: Tells whether a value is bad, from the value and the plain one.
        rule: What must be true.
    """
    if not any(is_bad(*pair) for pair in pairs(items, plain)):
        return
    found = (
        each for made, each in pairs(items, [_leaves(plain[0])]) if isinstance(each, _Leaf) and is_bad(made, each.value)
    )
    leaf = next(found, None)
    raise ValueError(rule if leaf is None else f"{rule} - at `{leaf.path}`")


def _leaves(plain: Any, path: str = "$") -> Any:
    """Return plain data with a `_Leaf` for each value."""
    if isinstance(plain, dict):
        return {name: _leaves(each, f"{path}.{name}") for name, each in plain.items()}  # pyright: ignore[reportUnknownVariableType]  # of whatever
    if isinstance(plain, list):
        return [_leaves(each, f"{path}[{at}]") for at, each in enumerate(plain)]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]  # of whatever
    return _Leaf(plain, path)


def json_problem(error: Exception, text: str | bytes, of: Any, place: str = "") -> SourceError:
    """Return an error that states what must be true of a JSON text, and the value for which it is not.

    Args:
        error: Error of a decoder.
        text: The text.
        of: Type that it was decoded to.
        place: Where the text stands in another one.
    """
    said = text_of(error)
    found = _PLACE.search(said)
    parts = [] if found is None else _parts(found[1])
    value: Any = text.rstrip()
    if parts:
        with suppress(msgspec.MsgspecError, LookupError, TypeError):
            value, name = _at(msgspec.json.decode(text), inspect.type_info(of), parts)
            said += f" ({name})" if name and isinstance(parts[-1], int) else ""
    return SourceError(f"{place}must be JSON of the items' type: {said}, got {shown(value, most=80)}")


def _parts(path: str) -> list[Part]:
    """Return the parts of a path, up to one that is not named, as a value of a dict."""
    parts: list[Part] = []
    for name, index, other in _PARTS.findall(path):
        if other:
            break
        parts.append(name or int(index))
    return parts


def _at(plain: Any, kind: inspect.Type | None, parts: list[Part]) -> tuple[Any, str]:
    """Return a value inside plain data, and the name of its field if it is known."""
    name = ""
    for part in parts:
        kind, name = _field(kind, plain, part)
        plain = plain[part]
    return plain, name


def _field(kind: Any, plain: Any, part: Part) -> tuple[Any, str]:
    """Return the type of a part of a value, and the name of its field; None and "" where they are not known."""
    if isinstance(kind, inspect.UnionType):
        found = [each for one in kind.types if (each := _field(one, plain, part))[0] is not None]
        return found[0] if len(found) == 1 else (None, "")
    tag, tag_field = getattr(kind, "tag", None), getattr(kind, "tag_field", None)
    if tag is not None and plain[0 if isinstance(plain, list) else tag_field] != tag:
        return None, ""
    fields = getattr(kind, "fields", ())
    if isinstance(part, int):
        at = part if tag is None else part - 1
        if 0 <= at < len(fields):
            return fields[at].type, fields[at].name
        items = getattr(kind, "item_types", ())
        return (items[part] if part < len(items) else getattr(kind, "item_type", None)), ""
    return next(((each.type, each.name) for each in fields if each.encode_name == part), (None, ""))
