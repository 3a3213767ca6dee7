"""Hours of trading from the calendars of the package exchange_calendars."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from typing import Any, Final
from zoneinfo import ZoneInfo

from rxdag.contract import import_extra
from rxdag.errors import GraphError, shown, text_of

_WHERE: Final = "Session.from_calendar"
_DAY_S: Final = 86_400
_SECOND: Final = 1_000_000_000

Stretch = tuple[int, int]


@dataclass(frozen=True)
class Schedule:
    """The hours of a market, by trade date.

    Attributes:
        zone: Its time zone.
        first: First day for which it is known.
        last: Last one.
        days: Stretches [start, end) of each trade date with a session, ns since the epoch.
    """

    zone: str
    first: date
    last: date
    days: Mapping[date, tuple[Stretch, ...]]

    def placed(self, day: date, ns: int) -> int:
        """Return an instant as seconds on the clocks of the zone since the midnight at which the trade date begins."""
        wall = datetime.fromtimestamp(ns // _SECOND, ZoneInfo(self.zone)).replace(tzinfo=None)
        since = wall - datetime.combine(day, time())
        return since.days * _DAY_S + since.seconds

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of the Session: the widest hours, and the days that differ from them."""
        placed = {
            day: [tuple(self.placed(day, ns) for ns in each) for each in found] for day, found in self.days.items()
        }
        opens = {day: found[0][0] for day, found in placed.items()}
        closes = {day: found[-1][1] for day, found in placed.items()}
        opened, closed = min(opens.values()), max(closes.values())
        breaks = {(a[1], b[0]) for found in placed.values() for a, b in pairwise(found)}
        weekdays = sorted({day.weekday() for day in placed})
        return {
            "zone": self.zone,
            "open": _clock(opened),
            "close": _clock(closed),
            "breaks": [(_clock(start), _clock(end)) for start, end in sorted(breaks)],
            "weekdays": [("mon", "tue", "wed", "thu", "fri", "sat", "sun")[at] for at in weekdays],
            "holidays": [
                day for day in _between(self.first, self.last) if day.weekday() in weekdays and day not in placed
            ],
            "early_closes": {day: _clock(at) for day, at in closes.items() if at < closed},
            "late_opens": {day: _clock(at) for day, at in opens.items() if at > opened},
            "first": self.first,
            "last": self.last,
        }


def schedule_of(name: str, start: date, end: date | None, close: int | None) -> Schedule:
    """Return the schedule of a calendar.

    Args:
        name: Name of the calendar.
        start: First day.
        end: Last day; None for the last one that is known.
        close: Latest close, in seconds since the midnight at which the trade date begins; None for that of the calendar.

    Raises:
        GraphError: If there is no such calendar, or it does not have these days.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of pandas about the package, which a user cannot heed
        package = import_extra("exchange_calendars", "calendars", _WHERE)
        try:
            calendar = package.get_calendar(name, start=start.isoformat(), end=None if end is None else end.isoformat())
            rows: list[Any] = [
                (day.date(), *map(_ns, row))
                for day, row in zip(calendar.schedule.index, calendar.schedule.to_numpy(), strict=True)
            ]
        except Exception as error:  # the package has an error class for each case
            raise GraphError(
                f"{_WHERE}: must be a calendar of exchange_calendars, and days that it has, got {shown(name)} from {start} to "
                f"{end}: {text_of(error)}"
            ) from error
    if not rows:
        raise GraphError(
            f"{_WHERE}: {shown(name)} must have a session from {start} to {end}, got none; ask for more days"
        )
    found = Schedule(str(calendar.tz), start, end or rows[-1][0], {})
    days: dict[date, tuple[Stretch, ...]] = {}
    for day, opened, pause, resumed, closed in rows:
        stretches: list[Stretch] = [(opened, closed)] if pause is None else [(opened, pause), (resumed, closed)]
        days[day] = tuple(stretches if close is None else _cut(found, day, stretches, close))
    return replace(found, days=days)


def _cut(schedule: Schedule, day: date, stretches: Iterable[Stretch], close: int) -> Iterator[Stretch]:
    """Yield the stretches as far as they are before a close."""
    for start, end in stretches:
        late = schedule.placed(day, end) - close
        cut = end - max(0, late) * _SECOND
        if start < cut:
            yield start, cut


def _ns(at: Any) -> int | None:
    """Return a time of pandas as ns since the epoch; None for none."""
    return int(at.value) if at == at else None  # NaT differs from itself


def _between(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=n) for n in range((last - first).days + 1))


def _clock(seconds: int) -> str:
    """Return seconds since midnight as a time of day."""
    if seconds == _DAY_S:
        return "24:00"
    at = seconds % _DAY_S
    return f"{at // 3600:02}:{at // 60 % 60:02}:{at % 60:02}"
