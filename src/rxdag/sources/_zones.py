"""Times without a zone in what a file holds."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import datetime, tzinfo
from typing import Any, Final

import msgspec
from msgspec import inspect

from rxdag.contract import aware

NO_ZONE: Final = 'a time must have a zone; write it as "2024-01-05T09:30:00Z", or say tz= of the source'


def zoned(value: datetime, zone: tzinfo | None) -> datetime:
    """Return a time that was read, with its zone.

    Args:
        value: The time.
        zone: What it is if it has no zone.

    Raises:
        ValueError: If it has no zone and `zone` is None, or no such local time exists.
    """
    if value.tzinfo is not None:
        return value
    if zone is None:
        raise ValueError(NO_ZONE)
    return aware(value, zone)


def may_hold_times(of: Any) -> bool:
    """Return whether items of a type may hold times without a zone, in fields of fields too."""
    waiting: list[Any] = [inspect.type_info(of)]
    seen: set[int] = set()
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, inspect.DateTimeType):
            if each.tz is not True:
                return True
        elif isinstance(each, inspect.Type | inspect.Field):
            waiting += [getattr(each, name) for name in each.__struct_fields__]
        elif isinstance(each, tuple):
            waiting += each
    return False


def zoned_item(item: Any, zone: tzinfo | None) -> Any:
    """Return an item that was just decoded, with the zones of its times; it may be changed in place.

    Raises:
        ValueError: As `zoned` does.
    """
    if isinstance(item, datetime):
        return zoned(item, zone)
    if isinstance(item, dict):
        return {zoned_item(key, zone): zoned_item(value, zone) for key, value in item.items()}  # pyright: ignore[reportUnknownVariableType]  # of whatever
    if isinstance(item, list | tuple | set | frozenset):
        return _gathered(item, zone)
    if isinstance(item, msgspec.Struct):
        _in_place(item, item.__struct_fields__, msgspec.structs.force_setattr, zone)
    elif dataclasses.is_dataclass(item):
        # A frozen dataclass refuses its own setattr.
        _in_place(item, [f.name for f in dataclasses.fields(item)], object.__setattr__, zone)
    return item


def _gathered(items: Any, zone: tzinfo | None) -> Any:
    made = [zoned_item(value, zone) for value in items]
    return items.__class__(*made) if hasattr(items, "_fields") else items.__class__(made)


def _in_place(item: Any, names: Any, put: Callable[[Any, str, Any], None], zone: tzinfo | None) -> None:
    for name in names:
        value = getattr(item, name)
        made = zoned_item(value, zone)
        if made is not value:
            put(item, name, made)
