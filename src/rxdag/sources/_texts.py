"""Texts: the types of fields in a CSV file, and their parsers."""

from __future__ import annotations

import math
import re
import typing
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any, Final
from uuid import UUID

import msgspec

from rxdag.errors import GraphError
from rxdag.expressions import is_limited, kinds_in
from rxdag.sources._dialect import USUAL, Dialect
from rxdag.sources._zones import cut_times, zoned

Convert = Callable[[str], Any]

_TRUE: Final = frozenset(("true", "t", "1", "yes"))
_FALSE: Final = frozenset(("false", "f", "0", "no"))
_ORDER: Final = (int, float, Decimal, bool)
"""Types of a union in the order in which they are tried: the narrowest first."""
_EXACT: Final = (datetime, date, time, timedelta, Decimal, bytes, bytearray, memoryview, UUID)
_FINE: Final = re.compile(r"(?<=:[0-9][0-9]\.)[0-9]{7,9}")
"""The fractional digits of a time that has digits below the microsecond."""


def converter(hint: Any, zone: tzinfo | None, dialect: Dialect = USUAL) -> Convert:
    """Return a function that parses a column of text as a type; it raises ValueError with the expectation.

    Args:
        hint: Type of the field, with the limits of `msgspec.Meta`.
        zone: Zone of times without one; None to refuse them.
        dialect: Form of the file, for its decimal separator and its texts for None.

    Raises:
        TypeError: If no text can be parsed as this type.
    """
    kinds = [kind for kind in kinds_in(hint) if kind is not type(None)]
    convert = _one_of(kinds, hint, _numbers(dialect), zone)
    limited = _limited(convert, hint) if is_limited(hint) else convert
    if len(kinds) < len(kinds_in(hint)):
        nulls = frozenset(("", *dialect.nulls))
        return lambda text: None if text in nulls else limited(text)
    return limited


def check_texts(fields: dict[str, Any], needed: set[str], of: Any) -> None:
    """Raise GraphError if a field that must have a column is of a type that no text is of."""
    for name, hint in fields.items():
        try:
            converter(hint, None)
        except TypeError:
            if name in needed:
                raise GraphError(f'csv: field "{name}" of {of.__name__} {no_text(hint)}') from None


def no_text(hint: Any) -> str:
    """Return the message for a type that texts cannot be converted to."""
    name = hint.__name__ if isinstance(hint, type) else str(hint)
    return (
        f"must be of a type that can be parsed from one text, got {name}; declare it as str, and convert it in ops.map"
    )


def _limited(convert: Convert, hint: Any) -> Convert:
    def limited(text: str) -> Any:
        value = convert(text)
        try:
            msgspec.convert(value, hint, builtin_types=_EXACT)
        except msgspec.ValidationError as error:
            raise ValueError(f"must be within its limits ({error})") from None
        return value

    return limited


def _one_of(kinds: list[Any], hint: Any, numbers: dict[Any, Convert], zone: tzinfo | None) -> Convert:
    if not kinds:
        return _to_none
    if {str, Any, object} & {*kinds}:
        return str
    if len(kinds) == 1:
        return _plain(kinds[0], numbers, zone)
    order = sorted(kinds, key=lambda kind: _ORDER.index(kind) if kind in _ORDER else 9)
    ways = [_plain(kind, numbers, zone) for kind in order]

    def convert(text: str) -> Any:
        for way in ways:
            try:
                return way(text)
            except ValueError:
                pass
        raise ValueError(f"must be {hint}")

    return convert


def _numbers(dialect: Dialect) -> dict[Any, Convert]:
    """Return the functions that parse numbers and truths."""
    if dialect.decimal == ",":
        return {int: _to_int, float: _with_comma(_to_float), Decimal: _with_comma(_to_decimal), bool: _to_bool}
    return {int: _to_int, float: _to_float, Decimal: _to_decimal, bool: _to_bool}


def _with_comma(convert: Convert) -> Convert:
    def convert_with_comma(text: str) -> Any:
        if "." in text:
            raise ValueError('must be a number with "," before the decimals')
        return convert(text.replace(",", "."))

    return convert_with_comma


def _plain(kind: Any, numbers: dict[Any, Convert], zone: tzinfo | None) -> Convert:
    """Return a function that parses a type other than a union."""
    if kind in numbers:
        return numbers[kind]
    if kind is datetime:
        return lambda text: zoned(_built_in(cut_times(text, durations=False), datetime), zone)
    if getattr(kind, "__module__", "") == "numpy" and kind.__name__ == "datetime64":
        return lambda text: _to_datetime64(text, kind, zone)
    if kind is time or kind is timedelta:
        return lambda text: _built_in(cut_times(text, durations=kind is timedelta), kind)
    is_known = kind in (date, UUID, bytes, bytearray, memoryview) or (isinstance(kind, type) and issubclass(kind, Enum))
    if not is_known and (
        typing.get_origin(kind) is not typing.Literal
        or not all(type(value) in (int, str) for value in typing.get_args(kind))
    ):
        raise TypeError("no text can be parsed as this type")
    with suppress(ValueError):  # raises TypeError for an enumeration that msgspec does not know
        _built_in("", kind)
    return lambda text: _built_in(text, kind)


def _built_in(text: str, kind: Any) -> Any:
    try:
        # Not strict, enumerations of ints are read, and so are times of bare digits: seconds since 1970.
        return msgspec.convert(text, kind, strict=kind in (datetime, timedelta))
    except msgspec.ValidationError as error:
        raise ValueError(f"must be {getattr(kind, '__name__', kind)} ({error})") from None


def _to_none(text: str) -> None:
    raise ValueError("must be empty")


def _to_bool(text: str) -> bool:
    low = text.lower()
    if low in _TRUE:
        return True
    if low in _FALSE:
        return False
    raise ValueError("must be true or false")


def _digits(text: str) -> str:
    """Return the text of a number, if data files write numbers so: Python reads `1_000` too, and digits of other scripts."""
    if "_" in text or not text.isascii():
        raise ValueError(text)
    return text


def _to_int(text: str) -> int:
    try:
        return int(_digits(text))
    except ValueError:
        raise ValueError("must be a whole number") from None


def _to_float(text: str) -> float:
    try:
        value = float(_digits(text))
    except ValueError:
        raise ValueError("must be a number") from None
    if math.isinf(value) and "n" not in text.lower():
        raise ValueError("must be a number that a float can hold")
    return value


def _to_decimal(text: str) -> Decimal:
    try:
        return Decimal(_digits(text))
    except (ValueError, InvalidOperation):
        raise ValueError("must be a number") from None


def _to_datetime64(text: str, kind: Any, zone: tzinfo | None) -> Any:
    """Return a time as numpy's, in UTC: a date as days, digits below the microsecond as nanoseconds."""
    if text == "NaT":
        return kind("NaT")
    if ":" not in text:
        return kind(_built_in(text, date), "D")
    instant = zoned(_built_in(cut_times(text, durations=False), datetime), zone).astimezone(UTC).replace(tzinfo=None)
    made = kind(instant, "us")
    found = _FINE.search(text)
    if found is None:
        return made
    fine = made.astype("M8[ns]")
    if fine.astype("M8[us]") != made:
        raise ValueError("must be within 1677 to 2262, to have digits below the microsecond")
    return fine + kind(int(found[0].ljust(9, "0")[6:]), "ns").astype("m8[ns]")
