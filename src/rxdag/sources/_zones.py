"""Times in files: those without a zone, and those below the microsecond."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from datetime import datetime, time, timedelta, tzinfo
from typing import Any, Final

import msgspec
from msgspec import inspect

from rxdag.contract import aware

NO_ZONE: Final = 'a time must have a zone; write it as "2024-01-05T09:30:00Z", or pass tz= to the source'

KEYS_MEET: Final = "times that are keys must differ by a microsecond or more"


def zoned(value: datetime, zone: tzinfo | None) -> datetime:
    """Return a time with its zone.

    Args:
        value: The time.
        zone: Zone of a time without one.

    Raises:
        ValueError: If it has no zone and `zone` is None, or no such local time exists.
    """
    if value.tzinfo is not None:
        return value
    if zone is None:
        raise ValueError(NO_ZONE)
    return aware(value, zone)


_BELOW_MICROSECOND: Final = re.compile(r"(?<=\d:\d\d\.\d{6})\d+|(?<=\.\d{6})\d+(?=[Ss]\b)", re.ASCII)
_NO_KEY: Final = re.compile(rf"(?:{_BELOW_MICROSECOND.pattern})" + r"""(?![^"\\]*"\s*:)""", re.ASCII)
"""The same, except in keys of JSON objects."""
# Starting with a literal character makes it several times faster.
_TIME: Final = re.compile(r":\d\d\.\d{7}", re.ASCII)
_DURATION: Final = re.compile(r"\.\d{7}\d*[Ss]", re.ASCII)


def cut_times(text: str, *, durations: bool, keys: bool = False) -> str:
    """Return the text with times and durations truncated to the microsecond.

    A datetime cannot hold further digits, and rounding up could move a time past a window border.

    Args:
        text: JSON text.
        durations: False if the text is known to hold no relevant durations.
        keys: True if keys of objects are times too; keys that are texts must stay unchanged.
    """
    if _TIME.search(text) is None and not (durations and _DURATION.search(text)):
        return text
    return (_BELOW_MICROSECOND if keys else _NO_KEY).sub("", text)


def types_in(of: Any) -> Iterator[inspect.Type]:
    """Yield a type of items and the types inside it, in nested fields too."""
    waiting: list[Any] = [inspect.type_info(of)]
    seen: set[int] = set()
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, inspect.Type):
            yield each
        if isinstance(each, inspect.Type | inspect.Field):
            waiting += [getattr(each, name) for name in each.__struct_fields__]
        elif isinstance(each, tuple):
            waiting += each


def timed_item(item: Any, exact: Any, zone: Callable[[datetime], datetime]) -> Any:
    """Return a decoded item with its times replaced, possibly changed in place.

    Args:
        item: The item.
        exact: The same item with the exact times.
        zone: Adds the zone to a time.

    Raises:
        ValueError: If `zone` does.
    """
    if isinstance(item, datetime):
        return zone(exact)
    if isinstance(item, time | timedelta):
        return exact
    if isinstance(item, dict | set | frozenset | list | tuple):
        return _gathered(item, exact, zone)
    if isinstance(item, msgspec.Struct):
        _in_place(item, exact, item.__struct_fields__, msgspec.structs.force_setattr, zone)
    elif dataclasses.is_dataclass(item):
        # A frozen dataclass refuses its own setattr.
        _in_place(item, exact, [f.name for f in dataclasses.fields(item)], object.__setattr__, zone)
    return item


def _gathered(items: Any, exact: Any, zone: Callable[[datetime], datetime]) -> Any:
    if issubclass(items.__class__, dict):
        if len(items) != len(exact):
            raise ValueError(KEYS_MEET)
        pairs = zip(items.items(), exact.items(), strict=True)
        return {timed_item(k, ek, zone): timed_item(v, ev, zone) for (k, v), (ek, ev) in pairs}
    if issubclass(items.__class__, set | frozenset):
        # Members of a set cannot be matched, except times, which need nothing of the item.
        items = exact = exact if any(isinstance(value, datetime | time | timedelta) for value in items) else items
    made = [timed_item(value, each, zone) for value, each in zip(items, exact, strict=True)]
    return items.__class__(*made) if hasattr(items, "_fields") else items.__class__(made)


def _in_place(
    item: Any, exact: Any, names: Any, put: Callable[[Any, str, Any], None], zone: Callable[[datetime], datetime]
) -> None:
    for name in names:
        value = getattr(item, name)
        made = timed_item(value, getattr(exact, name), zone)
        if made is not value:
            put(item, name, made)
