"""JSON: texts become items of a type, or are refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import inspect

from rxdag.expressions import is_foreign, kinds_in
from rxdag.sources._json_problem import check_values
from rxdag.sources._zones import KEYS_MEET, cut_times, timed_item, types_in

_RECORDS: Final = (inspect.StructType, inspect.DataclassType, inspect.TypedDictType)
_ODD_DIGITS: Final = re.compile(r"_|[^\x00-\x7f]|\\u")
_NO_NUMBER: Final = (
    "a time must be written by ISO 8601; declare a number as int or float, and pass unit= to ops.event_time"
)
_ISO: Final = re.compile("[:Pp]")
"""Characters of times and durations that numbers do not have."""
_ANY: Final = msgspec.json.Decoder()
_TIMES: Final = (inspect.DateTimeType, inspect.TimeType, inspect.TimeDeltaType)
_PLAIN_TIMES: Final = {datetime, timedelta, type(None)}
_OF_NUMBERS: Final = (inspect.DateTimeType, inspect.TimeDeltaType)
"""Types that msgspec makes of numbers, if it is not strict."""

_Decode: TypeAlias = Callable[[str], list[Any]]


class JsonDecoder:
    """Decodes items of a type.

    Digits of a time below the microsecond are discarded. If all fields of the type have defaults, an object with fields
    but none of the type's is refused, since it would become an item of defaults.

    Args:
        of: Type of the items: anything that msgspec decodes.
        zone: Adds the zone to a time, or refuses it; by default times are unchanged.
        strict: False to decode numbers and truths that are written as texts, too.

    Attributes:
        decode: Decodes an item from a text.
        decode_lines: Decodes items that follow one another in a text, each as `decode` does; no newline is required
            between two of them. Both raise ValueError or msgspec.MsgspecError, which is a ValueError only in newer
            versions.

    Raises:
        TypeError: If msgspec cannot decode such a type.
    """

    def __init__(self, of: Any, zone: Callable[[datetime], datetime] | None = None, *, strict: bool = True) -> None:
        decoder: Any = msgspec.json.Decoder(of, strict=strict)
        types = list(types_in(of))
        self._has_times = any(isinstance(each, _TIMES) for each in types)
        self._has_durations = any(isinstance(each, inspect.TimeDeltaType) for each in types)
        self._has_time_keys = any(
            isinstance(each, inspect.DictType) and isinstance(each.key_type, _TIMES) for each in types
        )
        may_be_naive = any(isinstance(each, inspect.DateTimeType) and each.tz is not True for each in types)
        self._zone = zone if zone is not None and may_be_naive else _as_it_is
        self._may_be_default = any(
            isinstance(each, _RECORDS) and not any(f.required for f in each.fields) for each in types
        )
        self._has_decimals = any(isinstance(each, inspect.DecimalType) for each in types)
        self._has_numbers = not strict and _has_times(of)
        self._time_names = _time_names(of)
        self.decode: Callable[[str | bytes], Any] = decoder.decode
        self.decode_lines: Callable[[str], list[Any]] = decoder.decode_lines
        if self._has_times or self._may_be_default or self._has_decimals:  # those of numbers are times
            self.decode = lambda text: self._decoded(text, lambda each: [decoder.decode(each)], _decode_any)[0]
            self.decode_lines = lambda text: self._decoded(text, decoder.decode_lines, _ANY.decode_lines)

    def _decoded(self, given: str | bytes, decode: _Decode, decode_any: _Decode) -> list[Any]:
        text = given if isinstance(given, str) else given.decode()
        items = exact = decode(text)
        if self._has_numbers and _may_have_odd_times(plain := decode_any(text), self._time_names):
            check_values(items, plain, _is_odd_time, _NO_NUMBER)
        if self._has_times:
            cut = cut_times(text, durations=self._has_durations, keys=self._has_time_keys)
            if cut != text:
                if self._has_time_keys and _names_in(decode_any(text)) != _names_in(decode_any(cut)):
                    raise ValueError(KEYS_MEET)
                exact = decode(cut)
            if exact is not items or self._zone is not _as_it_is:
                items = [timed_item(item, each, self._zone) for item, each in zip(items, exact, strict=True)]
        if self._has_decimals and _ODD_DIGITS.search(text) is not None:
            check_values(items, decode_any(text), _is_odd_decimal, "a decimal must be a number")
        if self._may_be_default and is_foreign(items, decode_any(text)):
            raise ValueError("an object must have one of the fields of its type, or none at all")
        return items


def _decode_any(text: str) -> list[Any]:
    return [_ANY.decode(text)]


def _time_names(of: Any) -> list[str] | None:
    """Return the names in texts of the fields of a record that hold times; None if there may be times elsewhere."""
    if not isinstance(of, type) or not issubclass(of, msgspec.Struct) or of.__struct_config__.array_like:
        return None
    timed = {f.encode_name: f.type for f in msgspec.structs.fields(of) if _has_times(f.type)}
    return list(timed) if all(set(kinds_in(kind)) <= _PLAIN_TIMES for kind in timed.values()) else None


def _has_times(of: Any) -> bool:
    return any(isinstance(each, _OF_NUMBERS) for each in types_in(of))


def _may_have_odd_times(plain: list[Any], names: list[str] | None) -> bool:
    """Return False if no time was a number. It is much cheaper than to look at all values, if the names are known."""
    return names is None or any(
        name in each and each[name] is not None and not (isinstance(each[name], str) and _ISO.search(each[name]))
        for each in plain
        for name in names
    )


def _is_odd_time(made: Any, given: Any) -> bool:
    """Return True for a time that was a number: its unit is not known, and msgspec would round it."""
    return isinstance(made, datetime | timedelta) and not (isinstance(given, str) and _ISO.search(given))


def _is_odd_decimal(made: Any, given: Any) -> bool:
    """Return True for a number that data files do not write: Python reads `1_000` too, and digits of other scripts."""
    return isinstance(made, Decimal) and isinstance(given, str) and ("_" in given or not given.isascii())


def _names_in(plain: Any) -> int:
    """Return how many names all objects have that are in one."""
    if isinstance(plain, dict):
        return len(plain) + sum(map(_names_in, plain.values()))  # pyright: ignore[reportUnknownArgumentType]  # of whatever
    return sum(map(_names_in, plain)) if isinstance(plain, list) else 0  # pyright: ignore[reportUnknownArgumentType]  # of whatever


def _as_it_is(value: datetime) -> datetime:
    return value
