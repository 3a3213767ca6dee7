"""Event times: which column has them, and in what form."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from rxdag.contract import UNITS, iso_utc
from rxdag.peek._column import Column, fits_float
from rxdag.peek._text_times import formats_of, is_iso, is_packed

_NAMES: Final = re.compile(
    "times?|timestamps?|ts|date|datetime|day|at|when|epoch|secs?|seconds|ms|millis|us|micros|ns|nanos"
)
"""Words in the name of a column that has times."""
_LATER: Final = re.compile(
    "recv|received?|receipt|local|arrival|close|end|expiry|expiration|expires|funding|next|settle|settlement|maturity|"
    "created|updated|in"
)
"""Words in the name of a time that is not that of the event."""
_HISTDATA: Final = (
    "EST",
    ("The times have no zone: EST is assumed, as tz=; histdata.com publishes files of this form.",),
)
"""Zone of its files, New York's standard time; nothing else in them tells it."""
_UTC: Final = re.compile("gmt|utc")
_NARROW: Final = (788_918_400, 2_208_988_800)
"""1995 to 2040, s since the epoch: the times that a column without such a name may have."""
_WIDE: Final = (94_694_400, 7_258_118_400)
"""1973 to 2200: those of a column whose name says that it has times."""
_UNITS: Final = ("ns", "us", "ms", "s")
_NUMBER: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_DAY: Final = re.compile(
    r"(?<![0-9])((?:19|20)[0-9]{2})([-_.]?)(0[1-9]|1[0-2])\2(0[1-9]|[12][0-9]|3[01])(?![0-9])", re.ASCII
)
_EXCHANGE: Final = "America/New_York"
"""Zone of files that have times of a day: exchanges of the United States publish them so."""


@dataclass(frozen=True)
class Time:
    """The event time of the rows.

    Attributes:
        column: The column.
        kind: Type of its values in a program.
        options: Arguments of `event_time`.
        reason: How its form is known.
        checks: What was assumed, since the file does not have it.
        rank: 0 for instants, 1 for times of a day, 2 for dates.
        with_date: The column of the dates of times of a day; None if `options` has the date.
    """

    column: Column
    kind: str
    options: dict[str, str]
    reason: str
    checks: tuple[str, ...] = ()
    rank: int = 0
    with_date: Column | None = None
    is_sorted: bool = field(default=False, compare=False)


def time_of(columns: Sequence[Column], file_name: str, *, has_names: bool) -> Time | None:
    """Return the event time of rows; None if no column has times.

    Args:
        columns: The columns; those with missing values have no times.
        file_name: Name of the file, which may have a date.
        has_names: True if the names of the columns are those of the file.
    """
    named = _DAY.search(file_name)
    day = None if named is None else "-".join(named.group(1, 3, 4))
    whole = [column for column in columns if column.texts and not column.may_be_none]
    found = [
        time for column in whole for time in _times_of(column, day, has_names=has_names, is_first=column is columns[0])
    ]
    if not found:
        return None
    best = min(found, key=_order)
    dates = [time.column for time in found if time.rank == 2]
    return _with_date(best, dates[0]) if best.rank == 1 and dates else best


def _order(time: Time) -> tuple[object, ...]:
    """Return the sort key of a time: the likeliest is first; equal ones stay in the order of the columns."""
    is_named = _is_named(time.column)
    unit = time.options.get("unit", "")
    finest = _UNITS.index(unit) if unit in _UNITS and not is_named else 0
    return not is_named, time.rank, _has_word(time.column.name, _LATER), not time.is_sorted, finest


def _is_named(column: Column) -> bool:
    return _has_word(column.name, _NAMES)


def _has_word(name: str, form: re.Pattern[str]) -> bool:
    """Return True if a word of a name has a form; "recvTime_ns" has recv, time and ns."""
    apart = re.sub("(?<=[a-z])(?=[A-Z]|time|stamp)", " ", name).replace("time stamp", "timestamp").lower()
    return any(map(form.fullmatch, re.findall("[a-z]+", apart)))


def _times_of(column: Column, day: str | None, *, has_names: bool, is_first: bool) -> Iterator[Time]:
    """Yield the form of time that the values of a column fit, if there is one."""
    texts, is_named = column.texts, _is_named(column)
    is_date = column.is_text and (is_named or column.kind == "str")
    if column.kind == "instant":
        yield Time(column, column.kind, {}, f"a time, {texts[0]}", is_sorted=True)
    elif is_iso(texts):
        yield _iso(column)
    elif (column.is_text or column.kind == "str") and (formats := formats_of(texts)):
        yield _in_format(column, formats, has_names=has_names)
    elif is_packed(texts) and (is_named or column.kind == "str"):
        yield _packed(column, day)
    elif is_date and (formats := formats_of(texts, has_time=False)):
        yield _date(column, formats)
    elif ":" in texts[0] and (formats := formats_of(texts, has_date=False)):
        yield _of_day(column, "str", {"format": formats[0]}, f"a time of the day, such as {texts[0]}", day)
    elif all(map(_NUMBER.fullmatch, texts)):
        yield from _numbers(column, day, is_named=is_named, is_first=is_first)


def _iso(column: Column) -> Time:
    text = column.texts[0]
    if all(re.search(r"(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)$", each[10:]) for each in column.texts):
        return Time(column, "str", {}, f"ISO 8601: {text}", is_sorted=_rises(column.texts))
    zone, checks = _zone_of(column.name)
    return Time(column, "str", {"tz": zone}, f"ISO 8601 without a zone: {text}", checks, is_sorted=_rises(column.texts))


def _zone_of(name: str) -> tuple[str, tuple[str, ...]]:
    """Return the zone of times without one, and what was assumed of it."""
    return "UTC", () if _has_word(name, _UTC) else ("The times have no zone: UTC is assumed, as tz=.",)


def _in_format(column: Column, formats: list[str], *, has_names: bool) -> Time:
    given, text = formats[0], column.texts[0]
    options, checks = {"format": given}, _sides(formats, text)
    if "%z" not in given:
        is_histdata = given.startswith("%Y%m%d %H%M%S") and not has_names
        zone, assumed = _HISTDATA if is_histdata else _zone_of(f"{column.name} {given}")
        options, checks = {**options, "tz": zone}, assumed + checks
    return Time(column, "str", options, f"text in the format {given}: {text}", checks)


def _sides(formats: list[str], text: str) -> tuple[str, ...]:
    """Return what was assumed of the order of day and month."""
    if len({each[:2] for each in formats}) < 2:
        return ()
    return (f"Day and month cannot be told apart in {text}: {formats[0]} is assumed, as format=.",)


def _date(column: Column, formats: list[str]) -> Time:
    zone, checks = _zone_of(column.name)
    options = {"format": formats[0], "tz": zone}
    return Time(column, "str", options, f"a date: {column.texts[0]}", checks, rank=2)


def _packed(column: Column, day: str | None) -> Time:
    options = {"format": "HHMMSSnnnnnnnnn"}
    return _of_day(column, column.kind, options, f"HHMMSSnnnnnnnnn: {column.texts[0]}", day)


def _of_day(column: Column, kind: str, options: dict[str, str], reason: str, day: str | None) -> Time:
    checks = [f"The times have no zone: {_EXCHANGE} is assumed, as tz=."]
    if day is None:
        checks.append("The times have no date, and neither does the name of the file: pass it as date=.")
    options = {**options, "date": day or "1970-01-01", "tz": _EXCHANGE}
    return Time(column, kind, options, reason, tuple(checks), rank=1)


def _with_date(time: Time, date: Column) -> Time:
    """Return times of a day with the dates of another column."""
    texts = [f"{a} {b}" for a, b in zip(date.texts, time.column.texts, strict=True)]
    formats = formats_of(texts)
    if time.kind != "str" or not formats:
        return time
    zone, checks = _zone_of(time.column.name)
    options = {"format": formats[0], "tz": zone}
    checks += _sides(formats, texts[0])
    return Time(time.column, "str", options, f"{time.reason}, of a date in another column", checks, with_date=date)


def _numbers(column: Column, day: str | None, *, is_named: bool, is_first: bool) -> Iterator[Time]:
    texts = column.texts
    least, most = _WIDE if is_named else _NARROW
    units = [_unit_of(text, least, most) for text in texts]
    kind = _kind_of(column)
    if None in units:
        yield from _since_midnight(column, kind, day, is_named=is_named, is_first=is_first)
        return
    unit = units[0] if len({*units}) == 1 else "auto"
    times = [_ns(text, each or "s") for text, each in zip(texts, units, strict=True)]
    rises = _rises(times)
    if (unit == "auto" and not is_named and not rises) or (unit == "ns" and any("." in text for text in texts)):
        return
    reason = f"in {unit} by its magnitude: {texts[0]} is {iso_utc(times[0])}"
    if unit == "auto":
        at = next(at for at, each in enumerate(units) if each != units[0])
        reason = f"in {units[0]}, and from {texts[at]} on in {units[at]}, by its magnitude"
    yield Time(column, kind, {"unit": unit or "s"}, reason, is_sorted=rises)


def _unit_of(text: str, least: int, most: int) -> str | None:
    number = int(text.partition(".")[0])
    return next(
        (u for u in _UNITS if least * UNITS["s"] <= number * UNITS[u] <= most * UNITS["s"]),
        None,
    )


def _ns(text: str, unit: str) -> int:
    whole, _, rest = text.partition(".")
    return int(whole) * UNITS[unit] + int(rest[:9].ljust(9, "0")) * UNITS[unit] // 10**9


def _rises(values: Sequence[Any]) -> bool:
    return all(a <= b for a, b in pairwise(values))


def _kind_of(column: Column) -> str:
    """Return the type of a field that holds all digits of the numbers of a column."""
    is_exact = column.kind != "float" or not column.is_text or all(map(fits_float, column.texts))
    return column.kind if is_exact else "Decimal"


def _since_midnight(column: Column, kind: str, day: str | None, *, is_named: bool, is_first: bool) -> Iterator[Time]:
    texts = column.texts
    has_fraction = any("." in text for text in texts)
    for unit in reversed(_UNITS):
        times = [_ns(text, unit) for text in texts]
        # From one o'clock on; smaller numbers are more likely to be something else.
        if all(UNITS["h"] <= ns < UNITS["d"] for ns in times):
            if (is_named or (is_first and has_fraction and unit == "s" and _rises(times))) and not (
                has_fraction and unit == "ns"
            ):
                reason = f"in {unit} after midnight: {texts[0]} is {iso_utc(times[0])[11:-1]}"
                yield _of_day(column, kind, {"unit": unit}, reason, day)
            return
