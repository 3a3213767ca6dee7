"""Walks through a value: its parts, and their classes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from rxdag._saved_rows import SavedRows
from rxdag.codec._names import Names, is_enum


def parts_of(value: Any, place: str, names: Names) -> Iterator[tuple[str, Any]]:
    """Yield the parts of a value, each with its path."""
    kind = kind_of(value)
    if issubclass(kind, dict):
        for key, each in value.items():
            yield f"a key of {place}", key
            yield f"{place}[{shown(key)}]", each
        return
    record = None if is_enum(kind) else names.record(kind)
    if record is not None:
        fields, others = record.parts(value)
        for name, each in (fields | others).items():
            yield f"{place}.{name}", each
        return
    if kind in (set, frozenset):
        for each in value:
            yield f"a member of {place}", each
    elif kind in (list, tuple, deque, SavedRows):
        for index, each in enumerate(value):
            yield f"{place}[{index}]", each


def types_in(*values: Any) -> set[type]:
    """Return the enums and records that occur in some values: what `Codec(types=...)` takes for them.

    Example:
        >>> trade = Trade(0, 0, 0, "X", "BTC", 1, 50_000.0, 0.2, False)
        >>> rxdag.codec.types_in({"last": [trade]}) == {Trade}
        True
    """
    names = Names((), imported=True)
    found: set[type] = set()
    seen: set[int] = set()
    stack = list(values)
    while stack:
        each = stack.pop()
        kind = kind_of(each)
        if is_enum(kind) or names.record(kind) is not None:
            found.add(kind)
        if id(each) not in seen:
            seen.add(id(each))
            stack += [part for _, part in parts_of(each, "", names)]
    return found


def kind_of(value: object) -> Any:
    """Return the class of a value."""
    return type(value)


def shown(value: Any) -> str:
    """Return a value as messages show it."""
    try:
        text = repr(value)
    except Exception as error:  # the value itself may be broken
        text = f"a {type(value).__name__} whose repr raises {type(error).__name__}"
    return text if len(text) <= 80 else text[:77] + "..."
