"""Fields of items, read in compiled code."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, NamedTuple

from mypy_extensions import i64


class _PlaceInTuple:
    """Reads a field of a named tuple by its place; an item of another class is read by name."""

    def __init__(self, owner: type[Any], name: str, place: int) -> None:
        self.owner: Any = owner
        self.place: i64 = place
        self.by_name: Callable[[Any], Any] = operator.attrgetter(name)

    def __call__(self, item: Any) -> Any:
        if type(item) is self.owner:
            fields: tuple[Any, ...] = item
            return fields[self.place]
        return self.by_name(item)


class _Sample(NamedTuple):
    field: int


_DESCRIPTOR: Final = vars(_Sample)["field"].__class__
"""Class of the descriptor of a named tuple's field."""
IS_COMPILED: Final = not hasattr(_PlaceInTuple.__call__, "__code__")
"""True in the compiled form, where a call of an object of this package takes no Python frame."""


@lru_cache(maxsize=256)
def attribute(item_type: Any, names: tuple[str, ...], name: str) -> Callable[[Any], Any]:
    """Return the function that reads an attribute, one of the names of all fields, of an item in the fewest steps.

    It is the same function for the same field, so that those who read it can be known to read the same.
    """
    # In the plain form a call of a method would take longer than attrgetter, which is written in C.
    if IS_COMPILED and is_tuple_field(item_type, name):
        return _PlaceInTuple(item_type, name, names.index(name))
    return operator.attrgetter(name)


def is_tuple_field(owner: type[Any], name: str) -> bool:
    """Return True if the class is a named tuple's own, and reads attributes and places as each tuple does."""
    reads: Any = owner.__getattribute__
    takes: Any = getattr(owner, "__getitem__", None)
    is_plain = reads is _Sample.__getattribute__ and takes is _Sample.__getitem__
    return is_plain and type(vars(owner).get(name)) is _DESCRIPTOR
