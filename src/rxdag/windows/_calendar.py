"""Calendar windows: days, weeks, months, quarters and years of a time zone, however long they are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final, Literal
from zoneinfo import ZoneInfo

from rxdag.contract import Assigner

CalendarUnit = Literal["d", "w", "mo", "q", "y"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = 1_000_000_000
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True)
class Calendar(Assigner):
    """Windows from one beginning of a period to the next, by the clock on the wall."""

    unit: CalendarUnit
    zone: str
    offset_s: int

    @property
    def overlaps(self) -> bool:
        return False

    def assign(self, ts: int) -> tuple[tuple[int, int], ...]:
        local = (_EPOCH + timedelta(seconds=ts // _SECOND)).astimezone(ZoneInfo(self.zone)).replace(tzinfo=None)
        first = _first_day(self.unit, (local - timedelta(seconds=self.offset_s)).date())
        start, end = _bounds(self.unit, self.zone, self.offset_s, first)
        # Near a clock change, local time can be a day off from the window borders.
        while ts < start:
            first = _first_day(self.unit, first - _DAY)
            start, end = _bounds(self.unit, self.zone, self.offset_s, first)
        while ts >= end:
            first = _following(self.unit, first)
            start, end = _bounds(self.unit, self.zone, self.offset_s, first)
        return ((start, end),)


def _first_day(unit: CalendarUnit, day: date) -> date:
    """Return the first day of the period of a day; a week begins on Monday."""
    if unit == "d":
        return day
    if unit == "w":
        return day - timedelta(days=day.weekday())
    month = {"mo": day.month, "q": (day.month - 1) // 3 * 3 + 1, "y": 1}[unit]
    return date(day.year, month, 1)


def _following(unit: CalendarUnit, first: date) -> date:
    """Return the first day of the next period."""
    if unit in ("d", "w"):
        return first + timedelta(days=7 if unit == "w" else 1)
    longest = {"mo": 31, "q": 92, "y": 366}[unit]
    return (first + timedelta(days=longest)).replace(day=1)


@lru_cache(maxsize=4096)
def _bounds(unit: CalendarUnit, zone: str, offset_s: int, first: date) -> tuple[int, int]:
    return _instant(first, zone, offset_s), _instant(_following(unit, first), zone, offset_s)


def _instant(day: date, zone: str, offset_s: int) -> int:
    """Return the first instant at which clocks of the zone show that time of day."""
    wall = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)) + timedelta(seconds=offset_s)
    since = wall.astimezone(UTC) - _EPOCH
    return (since.days * 86_400 + since.seconds) * _SECOND
