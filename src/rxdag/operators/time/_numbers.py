"""Times that are numbers: whole, floats, decimals, and texts of digits."""

from __future__ import annotations

import re
from decimal import ROUND_FLOOR, Context, Decimal
from typing import Any, Final

from rxdag.contract import UNITS, BadItem
from rxdag.errors import shown

BY_SIZE: Final = (("s", 10**11), ("ms", 10**14), ("us", 10**17), ("ns", 1 << 63))
"""Units found by magnitude, each with the number at which the next one begins: each holds all times from March 1973."""
_DIGITS: Final = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]+)?")
_LONGEST: Final = 20
"""Places before and after the point that can matter."""
_CUT: Final = Decimal(1).scaleb(-_LONGEST)
_WIDE: Final = Context(prec=3 * _LONGEST, rounding=ROUND_FLOOR)


def number_of(value: Any) -> int | str | None:
    """Return a whole number as an int, any other as its decimal digits; None if it is not a number.

    The digits of a float are the fewest that read back as it, which are those that were written.

    Raises:
        BadItem: If it is NaN or infinite.
    """
    if isinstance(value, str):
        return value if _DIGITS.fullmatch(value) else None
    if isinstance(value, float):
        text = float.__repr__(value)
        if "e" not in text and "n" not in text:
            return text
        digits = _digits(Decimal(text), float(value))
        return digits if "." in digits else f"{digits}.0"
    if isinstance(value, Decimal):
        return _digits(value, value)
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        return None
    return int(value.__index__())


def unit_of(number: int | str) -> str:
    """Return the unit of a number by its magnitude."""
    size = abs(number if isinstance(number, int) else int(number.partition(".")[0]))
    return next((unit for unit, end in BY_SIZE if size < end), "ns")


def scaled(number: int | str, unit: str) -> int:
    """Return a number of a unit in ns; digits below the nanosecond are discarded, towards the past.

    Raises:
        ValueError: If it is a number of nanoseconds with a fraction.
    """
    if isinstance(number, int):
        return number * UNITS[unit]
    whole, point, rest = number.partition(".")
    if point and unit == "ns":
        raise ValueError(
            f"event_time: a time in ns must be a whole number, got {number}; pass the unit that it has, such as "
            f'unit="s", or an int'
        )
    places = len(str(UNITS[unit])) - 1
    ns = int(whole + rest[:places].ljust(places, "0"))
    return ns - 1 if whole.startswith("-") and rest[places:].strip("0") else ns


def out_of_range(got: object) -> BadItem:
    """Return the error for a time that does not fit into 64 bits."""
    return BadItem(f"event_time: a time must be within 1677 to 2262, got {got}")


def _digits(number: Decimal, value: object) -> str:
    if number.is_nan():
        raise BadItem("event_time: a time must not be NaN")
    if number and (number.is_infinite() or number.adjusted() > _LONGEST):
        raise out_of_range(f"{shown(value)}; is unit= right?")
    is_long = int(number.as_tuple().exponent) < -_LONGEST
    return f"{number.quantize(_CUT, context=_WIDE) if is_long else number:f}"
