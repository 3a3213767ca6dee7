"""The trading sessions of a market, by trade date."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

from rxdag.contract import Duration, positive_ns, zone_of
from rxdag.errors import GraphError, shown
from rxdag.market._session_windows import SessionWindows, local_date

TimeOfDay: TypeAlias = "str | time"
Day: TypeAlias = "str | date"

_WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_S: Final = 86_400
_SECOND: Final = 1_000_000_000
_ONE_DAY: Final = timedelta(days=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, init=False)
class Session:
    """The trading sessions of a market, one for each trade date.

    If `open` is not before `close`, the session opens on the calendar day before its trade date. An instant is within a
    session from its open on and before its close, except in a break. A time of day is read by the clocks of the zone on
    that day: if clocks are set back past it, the first instant counts; if they skip it, it is read by the clocks before
    the change.

    Attributes:
        zone: IANA name of the time zone of the hours.
        open: Time of day at which a session opens, "HH:MM", "HH:MM:SS" or a time, in whole seconds.
        close: Time of day at which it closes; "24:00" for the midnight at the end of the trade date.
        breaks: Start and end of each break, in order.
        weekdays: Weekdays of trade dates, as "mon".
        holidays: Trade dates without a session: dates, or ISO texts such as "2026-12-25".
        early_closes: Close of the trade dates that close before `close`.
        late_opens: Open of the trade dates that open after `open`.
        first: First trade date for which the hours are known; None for all.
        last: Last trade date for which they are known; None for all.

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> globex = market.Session("America/New_York", "18:00", "17:00", early_closes={"2026-11-27": "13:15"})
        >>> [market.iso_utc(ts) for ts in globex.bounds("2026-11-27")]
        ['2026-11-26T23:00:00Z', '2026-11-27T18:15:00Z']
    """

    zone: str
    open: str
    close: str
    breaks: tuple[tuple[str, str], ...]
    weekdays: tuple[str, ...]
    holidays: frozenset[date]
    early_closes: Mapping[date, str]
    late_opens: Mapping[date, str]
    first: date | None
    last: date | None

    def __init__(
        self,
        zone: str,
        open: TimeOfDay,  # noqa: A002  # as markets call it
        close: TimeOfDay,
        *,
        breaks: Iterable[tuple[TimeOfDay, TimeOfDay]] = (),
        weekdays: Iterable[str] = _WEEKDAYS[:5],
        holidays: Iterable[Day] = (),
        early_closes: Mapping[Day, TimeOfDay] | None = None,
        late_opens: Mapping[Day, TimeOfDay] | None = None,
        first: Day | None = None,
        last: Day | None = None,
    ) -> None:
        zone_of(zone, "Session: zone")
        self._set("zone", zone)
        self._set("open", _clock(open, "open"))
        self._set("close", _clock(close, "close"))
        self._set("breaks", tuple((_clock(start, "breaks"), _clock(end, "breaks")) for start, end in breaks))
        self._set("weekdays", tuple(weekdays))
        self._set("holidays", frozenset(_day(day, "holidays") for day in holidays))
        for name, given in (("early_closes", early_closes or {}), ("late_opens", late_opens or {})):
            self._set(name, dict(sorted((_day(day, name), _clock(at, name)) for day, at in given.items())))
        self._set("first", None if first is None else _day(first, "first"))
        self._set("last", None if last is None else _day(last, "last"))
        if not self.weekdays or not set(self.weekdays) <= set(_WEEKDAYS):
            raise GraphError(f"Session: weekdays must be some of {', '.join(_WEEKDAYS)}, got {shown(self.weekdays)}")
        self._check_hours()

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def __hash__(self) -> int:
        return hash((self.zone, self.open, self.close, self.breaks, self.weekdays, self.holidays))

    def _check_hours(self) -> None:
        opens, closes = _placed(self, self.open), _seconds(self.close)
        at = opens
        for start, end in self.breaks:
            if not at <= _placed(self, start) < _placed(self, end) <= closes:
                raise GraphError(
                    f"Session: breaks must be within the hours, in order, each with a start before its end, "
                    f"got {shown(self.breaks)} in {self.open} to {self.close}"
                )
            at = _placed(self, end)
        for name, exceptions in (("early_closes", self.early_closes), ("late_opens", self.late_opens)):
            for day, time_of_day in exceptions.items():
                if not opens < _placed(self, time_of_day) < closes:
                    raise GraphError(
                        f"Session: {name} must be within the hours {self.open} to {self.close}, "
                        f"got {time_of_day} for {day}; a day without trading belongs to holidays"
                    )
        for day in self.early_closes.keys() & self.late_opens.keys():
            if _placed(self, self.late_opens[day]) >= _placed(self, self.early_closes[day]):
                raise GraphError(
                    f"Session: late_opens must be before early_closes, "
                    f"got {self.late_opens[day]} and {self.early_closes[day]} for {day}"
                )

    @classmethod
    def from_calendar(
        cls, name: str, /, *, start: Day | None = None, end: Day | None = None, close: TimeOfDay | None = None
    ) -> Session:
        """Return the sessions of a calendar of the package exchange_calendars. Needs the extra "calendars".

        Its hours are the widest of these days; a day that closes earlier or opens later is in `early_closes` or
        `late_opens`. The hours of each day are compared with those of the calendar. Calendars are known until about a
        year ahead, or less, so make the sessions anew whenever the program starts.

        Args:
            name: Name of the calendar, such as "XNYS".
            start: First trade date; by default 1 January of last year.
            end: Last trade date; by default the last one that the calendar has.
            close: Latest close of a day. The calendar "CMES" lacks the daily hour of maintenance of Globex, which
                `close="16:00"` gives.

        Raises:
            GraphError: If there is no such calendar, it lacks the days, or hours such as those of a break have changed
                within them.
            MissingExtra: If the package is not installed.

        Example:
            >>> def xetra():
            ...     return market.Session.from_calendar("XETR", start="2025-01-01", end="2026-06-30")
        """
        from rxdag.market._calendars import schedule_of

        where = "from_calendar"
        begin = date(date.today().year - 1, 1, 1) if start is None else _day(start, where)  # noqa: DTZ011  # any near day will do
        latest = None if close is None else _seconds(_clock(close, where))
        schedule = schedule_of(name, begin, None if end is None else _day(end, where), latest)
        made = cls(**schedule.arguments())
        for day, hours in schedule.days.items():
            if made.hours(day) != hours:
                raise GraphError(
                    f'Session.from_calendar: "{name}" must have the same hours and breaks on all days, but for early closes '
                    f"and late opens, got others on {day}; pass start= or end= for a shorter range"
                )
        return made

    @property
    def is_overnight(self) -> bool:
        """Return True if a session opens on the calendar day before its trade date."""
        return _seconds(self.open) >= _seconds(self.close)

    def hours(self, day: Day) -> tuple[tuple[int, int], ...]:
        """Return the stretches [start, end) in which a trade date trades, ns since the epoch: several with breaks.

        Raises:
            ValueError: If the day is before `first` or after `last`.

        Example:
            >>> tokyo = market.Session("Asia/Tokyo", "09:00", "15:30", breaks=[("11:30", "12:30")])
            >>> [(end - start) // 60_000_000_000 for start, end in tokyo.hours("2026-11-30")]
            [150, 180]
        """
        asked = _day(day, "hours")
        if (self.first and asked < self.first) or (self.last and asked > self.last):
            raise ValueError(
                f"Session: a trade date must be from {self.first} to {self.last}, for which the hours are known, "
                f"got {asked}; make the sessions anew for a longer range"
            )
        return _hours(self, asked)

    def bounds(self, day: Day) -> tuple[int, int] | None:
        """Return open and close of a trade date, ns since the epoch; None for a day without a session.

        Raises:
            ValueError: As `hours`.

        Example:
            >>> nyse = market.Session("America/New_York", "09:30", "16:00", holidays=["2026-12-25"])
            >>> nyse.bounds("2026-12-25") is None
            True
        """
        hours = self.hours(day)
        return (hours[0][0], hours[-1][1]) if hours else None

    def windows(self, size: Duration | None = None, /) -> SessionWindows:
        """Return windows of the sessions, or of parts of them.

        Without a size, there is one window for each session, from its open to its close; items in breaks belong to it.
        With one, windows begin at the open and after each break, and the last one is cut at the close or at the break.
        An item outside of them is unassigned. A run that continues from a checkpoint may have other `holidays`,
        `early_closes`, `late_opens`, `first` and `last`.

        Args:
            size: Length of a window, more than 0.

        Raises:
            GraphError: If the size is 0.

        Example:
            >>> nyse = market.Session("America/New_York", "09:30", "16:00", early_closes={"2026-11-27": "13:00"})
            >>> [(start, end)] = nyse.windows("1h").assign(1_795_802_100 * 10**9)  # Friday 2026-11-27, 12:55
            >>> market.iso_utc(start), market.iso_utc(end)  # 12:30 to 13:00 in New York
            ('2026-11-27T17:30:00Z', '2026-11-27T18:00:00Z')
        """
        return SessionWindows(self, None if size is None else positive_ns(size, "Session.windows: size"))

    def trade_date(self, ts: int) -> date | None:
        """Return the trade date of the session that has an instant, breaks included; None outside of sessions.

        Raises:
            ValueError: As `hours`.

        Example:
            >>> globex = market.Session("America/New_York", "18:00", "17:00")
            >>> globex.trade_date(1_796_000_400 * 10**9)  # Sunday 2026-11-29, 20:00 in New York
            datetime.date(2026, 11, 30)
        """
        day = local_date(ts, self.zone)
        for each in (day, day + _ONE_DAY) if self.is_overnight else (day,):
            bounds = self.bounds(each)
            if bounds is not None and bounds[0] <= ts < bounds[1]:
                return each
        return None

    def contains(self, ts: int) -> bool:
        """Return True if the market trades at an instant, ns since the epoch.

        Raises:
            ValueError: As `hours`.

        Example:
            >>> nyse = market.Session("America/New_York", "09:30", "16:00")
            >>> nyse.contains(1_796_052_600 * 10**9)  # Monday 2026-11-30, 10:30 in New York
            True
        """
        day = self.trade_date(ts)
        return day is not None and any(start <= ts < end for start, end in self.hours(day))

    def next_open(self, ts: int) -> int | None:
        """Return the first open of a session after an instant, ns since the epoch; None if there is none up to `last`.

        Raises:
            ValueError: If the instant is before `first`.

        Example:
            >>> nyse = market.Session("America/New_York", "09:30", "16:00")
            >>> market.iso_utc(nyse.next_open(1_795_806_000 * 10**9))  # Friday 2026-11-27, 14:00 in New York
            '2026-11-30T14:30:00Z'
        """
        for day in self.days(local_date(ts, self.zone)):
            bounds = self.bounds(day)
            if bounds is not None and bounds[0] > ts:
                return bounds[0]
        return None

    def days(self, since: Day) -> Iterator[date]:
        """Iterate over the trade dates from a day on, up to `last`, or for ever.

        Raises:
            ValueError: If the day is before `first`.

        Example:
            >>> nyse = market.Session("America/New_York", "09:30", "16:00", holidays=["2026-11-26"])
            >>> days = nyse.days("2026-11-25")
            >>> [next(days).isoformat() for _ in range(2)]
            ['2026-11-25', '2026-11-27']
        """
        day = _day(since, "days")
        while self.last is None or day <= self.last:
            if self.hours(day):
                yield day
            day += _ONE_DAY


@lru_cache(maxsize=4096)
def _hours(session: Session, day: date) -> tuple[tuple[int, int], ...]:
    if _WEEKDAYS[day.weekday()] not in session.weekdays or day in session.holidays:
        return ()
    at = _placed(session, session.late_opens.get(day, session.open))
    early = session.early_closes.get(day)
    close = _seconds(session.close) if early is None else _placed(session, early)
    breaks = ((_placed(session, start), _placed(session, end)) for start, end in session.breaks)
    stretches: list[tuple[int, int]] = []
    for start, end in (*breaks, (close, close)):
        stretches.append((at, min(start, close)))
        at = max(at, end)
    instants = ((_instant(session.zone, day, start), _instant(session.zone, day, end)) for start, end in stretches)
    return tuple((start, end) for start, end in instants if start < end)


def _placed(session: Session, at: str) -> int:
    """Return a time of day in seconds from the midnight at which the trade date begins, negative the day before."""
    seconds = _seconds(at)
    return seconds - _DAY_S if session.is_overnight and seconds >= _seconds(session.open) else seconds


def _instant(zone: str, day: date, seconds: int) -> int:
    """Return the first instant at which clocks of the zone show a time of day."""
    wall = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)) + timedelta(seconds=seconds)
    since = wall.astimezone(UTC) - _EPOCH
    return (since.days * _DAY_S + since.seconds) * _SECOND


def checked_session(given: object, where: str) -> Session:
    """Return the sessions of an argument.

    Raises:
        GraphError: If it is something else.
    """
    if not isinstance(given, Session):
        raise GraphError(f"{where}: session must be market.Session(...), got {shown(given)}")
    return given


def _clock(given: TimeOfDay, name: str) -> str:
    """Return a time of day as "HH:MM", or "HH:MM:SS" if it has seconds."""
    if given == "24:00":
        return "24:00"
    try:
        at = given if isinstance(given, time) else time.fromisoformat(given)
    except (TypeError, ValueError):
        at = None
    if at is None or at.microsecond or at.tzinfo is not None:
        raise GraphError(f'Session: {name} must be times of day in whole seconds, as "09:30", got {shown(given)}')
    return at.isoformat("seconds" if at.second else "minutes")


def _seconds(at: str) -> int:
    hours, minutes, *seconds = map(int, at.split(":"))
    return hours * 3600 + minutes * 60 + sum(seconds)


def _day(given: Day, name: str) -> date:
    try:
        day = date.fromisoformat(given) if isinstance(given, str) else given
    except ValueError:
        day = None
    if not isinstance(day, date) or isinstance(day, datetime):
        raise GraphError(f'Session: {name} must be dates, as "2026-12-25", got {shown(given)}')
    return day
