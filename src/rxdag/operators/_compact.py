"""Dicts in bounded memory: they shrink, and drop their oldest items."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final

_LEAST: Final = 1000


def compact(values: dict[Any, Any], removed: int) -> None:
    """Shrink a dict in place if most of its items were removed.

    A dict keeps the memory of removed items until it grows again.
    """
    if removed > _LEAST and removed > 3 * len(values):
        kept = dict(values)
        values.clear()
        values.update(kept)


def pop_first(values: dict[Any, Any]) -> tuple[Any, Any]:
    """Remove and return the first entry of an OrderedDict.

    A plain dict finds its first item by scanning the slots of all items removed before it.
    """
    if not isinstance(values, OrderedDict):
        raise TypeError(f"pop_first: takes an OrderedDict, got {type(values).__name__}")
    key, value = values.popitem(last=False)
    return key, value
