"""Durations as users write them, nanoseconds inside."""

from __future__ import annotations

import re
from datetime import timedelta
from itertools import pairwise
from numbers import Real
from typing import Final, TypeAlias

from rxdag.errors import GraphError, shown

Duration: TypeAlias = str | timedelta
Timeout: TypeAlias = float | Duration
"""A timeout: a number of seconds, or a duration."""

UNITS: Final = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "min": 60_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
}
_WORDS: Final = {
    "ns": ("nanosecond", "nanoseconds", "nsec"),
    "us": ("microsecond", "microseconds", "usec", "\N{MICRO SIGN}s", "\N{GREEK SMALL LETTER MU}s"),
    "ms": ("millisecond", "milliseconds", "millis", "msec"),
    "s": ("second", "seconds", "sec", "secs", ""),
    "m": ("minute", "minutes", "mins"),
    "h": ("hour", "hours", "hr", "hrs"),
    "d": ("day", "days"),
}
"""Common spellings that are refused, by the unit to write; a bare number stands for seconds."""
_PART: Final = re.compile(rf"([0-9]+(?:\.[0-9]+)?)({'|'.join(UNITS)})")
_TEXT: Final = re.compile(f"(?:{_PART.pattern})+")
_LONGEST: Final = 1 << 62
_MOST_CHARS: Final = 100
"""Longest text that is read as a duration; Python limits the digits of an int."""


def duration_ns(value: Duration, where: str, *, least: int = 0) -> int:
    """Turn a duration into nanoseconds.

    Args:
        value: "10ns", "500ms", "1.5s", "5m" or "5min", "1h", "1d", "2h30m" with the largest unit first, or a timedelta.
        where: Operator and argument, for the message, such as "dedupe: within".
        least: Least value allowed, in nanoseconds.

    Raises:
        GraphError: If it is not a duration, less than `least`, not a whole number of nanoseconds, or over 146 years.
    """
    if isinstance(value, timedelta):
        ns = (value.days * 86_400 + value.seconds) * UNITS["s"] + value.microseconds * 1_000
    elif _is_text(value):
        ns = sum(_part_ns(number, unit, value, where) for number, unit in _PART.findall(value))
    else:
        raise GraphError(
            f'{where} must be a duration such as "500ms", "1s" or "2h30m", got {shown(value)}{_meant(value)}'
        )
    if ns < least:
        raise GraphError(f"{where} must be {'more than 0' if least == 1 else '0 or more'}, got {shown(value)}")
    if ns > _LONGEST:
        raise GraphError(f"{where} must be under 146 years, got {shown(value)}")
    return ns


def _is_text(value: object) -> bool:
    """Return True for parts such as "2h30m", each of a smaller unit than the one before."""
    if not isinstance(value, str) or len(value) > _MOST_CHARS or _TEXT.fullmatch(value) is None:
        return False
    scales = [UNITS[unit] for _, unit in _PART.findall(value)]
    return all(larger > smaller for larger, smaller in pairwise(scales))


def _part_ns(number: str, unit: str, value: object, where: str) -> int:
    whole, _, part = number.partition(".")
    scaled = int(part or "0") * UNITS[unit]
    if scaled % 10 ** len(part):
        raise GraphError(f"{where} must be a whole number of nanoseconds, got {shown(value)}")
    ns: int = int(whole) * UNITS[unit] + scaled // 10 ** len(part)
    return ns


def _meant(value: object) -> str:
    """Return '; did you mean "5s"?' for a misspelt duration."""
    units = {word: unit for unit, words in _WORDS.items() for word in words} | {unit: unit for unit in UNITS}
    is_written = isinstance(value, str | int | float) and not isinstance(value, bool)
    written = value if isinstance(value, str) else shown(value)
    text = written.lower().replace(" ", "") if is_written else ""
    parts = re.findall(r"([0-9]+(?:\.[0-9]+)?)([^0-9.]*)", text)
    spelt = "".join(number + units.get(unit, "?") for number, unit in parts)
    is_whole = "".join(number + unit for number, unit in parts) == text
    return f'; did you mean "{spelt}"?' if is_whole and _is_text(spelt) else ""


def signed_ns(value: Duration, where: str) -> int:
    """Turn a duration, or one with a minus before it, into nanoseconds; raises GraphError as `duration_ns` does."""
    if isinstance(value, str) and value.startswith("-"):
        return -duration_ns(value[1:], where)
    if isinstance(value, timedelta) and value < timedelta(0):
        return -duration_ns(-value, where)
    return duration_ns(value, where)


def positive_ns(value: Duration, where: str) -> int:
    """Turn a duration of more than 0 into nanoseconds; raises GraphError otherwise."""
    return duration_ns(value, where, least=1)


def timeout_s(value: Timeout | None, where: str) -> float | None:
    """Turn a number of seconds or a duration into seconds; None, for no limit, stays None.

    Raises:
        GraphError: If it is neither, less than 0, or over 146 years.
    """
    if value is None:
        return None
    if isinstance(value, str | timedelta):
        if isinstance(value, timedelta) or _is_text(value):
            return duration_ns(value, where) / 1e9
    elif isinstance(value, Real) and not isinstance(value, bool) and 0 <= value <= _LONGEST / 1e9:
        return float(value)
    raise GraphError(f'{where} must be seconds, from 0 to 146 years, or a duration such as "10s", got {shown(value)}')


def format_ns(ns: int) -> str:
    """Write nanoseconds in the largest unit that is whole: 1_500_000_000 is "1500ms"."""
    for unit in ("d", "h", "m", "s", "ms", "us"):
        if ns and ns % UNITS[unit] == 0:
            return f"{ns // UNITS[unit]}{unit}"
    return f"{ns}ns" if ns else "0s"
