"""JSON: texts become items of a type, or are refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec import inspect

from rxdag.errors import shown
from rxdag.expressions import is_foreign, pairs
from rxdag.sources._zones import KEYS_MEET, cut_times, timed_item, types_in

_RECORDS: Final = (inspect.StructType, inspect.DataclassType, inspect.TypedDictType)
_ODD_DIGITS: Final = re.compile(r"_|[^\x00-\x7f]|\\u")
_TIMES: Final = (inspect.DateTimeType, inspect.TimeType, inspect.TimeDeltaType)


def json_decoder(of: Any, zone: Callable[[datetime], datetime] | None = None) -> Callable[[str | bytes], Any]:
    """Return the function that decodes an item from a text.

    Digits of a time below the microsecond are discarded. If all fields of the type have defaults, an object with fields
    but none of the type's is refused, since it would become an item of defaults. The function raises ValueError or
    msgspec.MsgspecError, which is a ValueError only in newer versions.

    Args:
        of: Type of the items: anything that msgspec decodes.
        zone: Adds the zone to a time, or refuses it; by default times are unchanged.

    Raises:
        TypeError: If msgspec cannot decode such a type.
    """
    decode: Callable[[str | bytes], Any] = msgspec.json.Decoder(of).decode
    types = list(types_in(of))
    has_times = any(isinstance(each, _TIMES) for each in types)
    has_durations = any(isinstance(each, inspect.TimeDeltaType) for each in types)
    has_time_keys = any(isinstance(each, inspect.DictType) and isinstance(each.key_type, _TIMES) for each in types)
    may_be_naive = any(isinstance(each, inspect.DateTimeType) and each.tz is not True for each in types)
    may_be_default = any(isinstance(each, _RECORDS) and not any(f.required for f in each.fields) for each in types)
    has_decimals = any(isinstance(each, inspect.DecimalType) for each in types)
    if not has_times and not may_be_default and not has_decimals:
        return decode
    give = zone if zone is not None and may_be_naive else _as_it_is

    def decoded(text: str | bytes) -> Any:
        item = exact = decode(text)
        if has_times:
            if isinstance(text, bytes):
                text = text.decode()
            cut = cut_times(text, durations=has_durations, keys=has_time_keys)
            if cut != text:
                if has_time_keys and _names_in(msgspec.json.decode(text)) != _names_in(msgspec.json.decode(cut)):
                    raise ValueError(KEYS_MEET)
                exact = decode(cut)
            if exact is not item or give is not _as_it_is:
                item = timed_item(item, exact, give)
        if has_decimals:
            _check_decimals(item, text)
        if may_be_default and is_foreign(item, msgspec.json.decode(text)):
            raise ValueError("an object must have one of the fields of its type, or none at all")
        return item

    return decoded


def _check_decimals(item: Any, text: str | bytes) -> None:
    """Raise ValueError for a number that data files do not write: Python reads `1_000` too, and digits of other scripts."""
    if _ODD_DIGITS.search(text if isinstance(text, str) else text.decode()) is None:
        return
    for made, given in pairs(item, msgspec.json.decode(text)):
        if isinstance(made, Decimal) and isinstance(given, str) and ("_" in given or not given.isascii()):
            raise ValueError(f"a decimal must be a number, got {shown(given)}")


def _names_in(plain: Any) -> int:
    """Return how many names all objects have that are in one."""
    if isinstance(plain, dict):
        return len(plain) + sum(map(_names_in, plain.values()))  # pyright: ignore[reportUnknownArgumentType]  # of whatever
    return sum(map(_names_in, plain)) if isinstance(plain, list) else 0  # pyright: ignore[reportUnknownArgumentType]  # of whatever


def _as_it_is(value: datetime) -> datetime:
    return value
