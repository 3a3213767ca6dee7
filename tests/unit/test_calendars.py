"""`market.Session.from_calendar`: the hours of calendars, or a refusal."""

import sys
import warnings
from datetime import date, datetime, timedelta
from types import ModuleType, SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from rxdag.errors import GraphError, MissingExtra
from rxdag.market import Session, iso_utc

NEW_YORK = "America/New_York"
NAT = float("nan")
"""Like NaT of pandas, it differs from itself."""


@pytest.fixture
def calendar(monkeypatch):
    """Put a calendar in place of the package's: its zone, and rows of day, open, start and end of the break, close."""

    def put(zone, *rows):
        def at(text):
            return SimpleNamespace(
                value=int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * 10**9
            )

        cells = [[NAT if text is None else at(text) for text in row[1:]] for row in rows]
        schedule = SimpleNamespace(index=[datetime.fromisoformat(row[0]) for row in rows], to_numpy=lambda: cells)
        package = ModuleType("exchange_calendars")
        package.asked = []

        def get_calendar(name, start, end):
            package.asked.append((name, start, end))
            warnings.warn("pandas will change", DeprecationWarning, stacklevel=1)
            return SimpleNamespace(tz=ZoneInfo(zone), schedule=schedule)

        package.get_calendar = get_calendar
        monkeypatch.setitem(sys.modules, "exchange_calendars", package)
        return package

    return put


def day(text, opened, closed, pause=None, resumed=None):
    """A row whose times are all on the day."""
    return (text, *(None if at is None else f"{text}T{at}" for at in (opened, pause, resumed, closed)))


def test_half_days_late_opens_and_holidays_are_those_of_the_calendar(calendar):
    package = calendar(
        NEW_YORK,
        day("2026-11-23", "10:30", "16:00"),
        day("2026-11-24", "09:30", "16:00"),
        day("2026-11-25", "09:30", "16:00"),
        day("2026-11-27", "09:30", "13:00"),
    )
    nyse = Session.from_calendar("XNYS", start="2026-11-23", end="2026-11-29")
    assert (nyse.zone, nyse.open, nyse.close, nyse.breaks) == (NEW_YORK, "09:30", "16:00", ())
    assert nyse.weekdays == ("mon", "tue", "wed", "fri")
    assert (nyse.holidays, nyse.late_opens) == (frozenset(), {date(2026, 11, 23): "10:30"})
    assert nyse.early_closes == {date(2026, 11, 27): "13:00"}
    assert (nyse.first, nyse.last) == (date(2026, 11, 23), date(2026, 11, 29))
    assert package.asked == [("XNYS", "2026-11-23", "2026-11-29")]


def test_days_without_a_session_are_holidays_from_the_first_day_on(calendar):
    calendar(NEW_YORK, day("2026-01-02", "09:30", "16:00"), day("2026-01-15", "09:30", "16:00"))
    nyse = Session.from_calendar("XNYS", start="2026-01-01")
    assert sorted(nyse.holidays) == [date(2026, 1, 1), date(2026, 1, 8), date(2026, 1, 9)]
    assert (nyse.first, nyse.last) == (date(2026, 1, 1), date(2026, 1, 15))


def test_breaks_are_kept(calendar):
    calendar("Asia/Tokyo", day("2026-11-30", "09:00", "15:30", "11:30", "12:30"), day("2026-12-01", "09:00", "11:30"))
    tokyo = Session.from_calendar("XTKS", start="2026-11-30")
    assert tokyo.breaks == (("11:30", "12:30"),)
    assert [(start, end) for start, end in tokyo.hours("2026-12-01")] == [(1796083200 * 10**9, 1796092200 * 10**9)]


def test_sessions_that_open_on_the_evening_before_are_overnight_and_may_be_cut(calendar):
    row = ("2026-11-30", "2026-11-29T17:00", None, None, "2026-11-30T17:00")
    calendar("America/Chicago", row)
    whole = Session.from_calendar("CMES", start="2026-11-30")
    cut = Session.from_calendar("CMES", start="2026-11-30", close="16:00")
    assert (whole.open, whole.close, whole.is_overnight) == ("17:00", "17:00", True)
    assert (cut.open, cut.close) == ("17:00", "16:00")
    assert [iso_utc(ns) for ns in cut.bounds("2026-11-30")] == ["2026-11-29T23:00:00Z", "2026-11-30T22:00:00Z"]


def test_a_close_within_a_break_leaves_what_is_before_it(calendar):
    calendar("Asia/Tokyo", day("2026-11-30", "09:00", "15:30", "11:30", "12:30"))
    morning = Session.from_calendar("XTKS", start="2026-11-30", close="12:00")
    assert (morning.open, morning.close, morning.breaks) == ("09:00", "11:30", ())


def test_hours_that_no_session_can_have_are_refused_with_the_day(calendar):
    calendar(
        "Asia/Tokyo",
        day("2026-11-30", "09:00", "15:30", "11:30", "12:30"),
        day("2026-12-01", "09:00", "15:30"),
    )
    with pytest.raises(
        GraphError,
        match=r'^Session.from_calendar: "XTKS" must have the same hours and breaks on all days, .* got others on 2026-12-01; '
        r"pass start= or end= for a shorter range$",
    ):
        Session.from_calendar("XTKS", start="2026-11-30")


def test_a_calendar_without_sessions_is_refused(calendar):
    calendar(NEW_YORK)
    with pytest.raises(GraphError, match=r"'XNYS' must have a session from 2026-11-26 to 2026-11-26, got none"):
        Session.from_calendar("XNYS", start="2026-11-26", end="2026-11-26")


def test_an_error_of_the_package_names_what_was_asked(calendar):
    package = calendar(NEW_YORK)

    def refuse(name, start, end):
        raise KeyError("no such calendar")

    package.get_calendar = refuse
    with pytest.raises(GraphError, match=r"got 'NOPE' from 2026-01-01 to None: .*no such calendar"):
        Session.from_calendar("NOPE", start="2026-01-01")


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "exchange_calendars", None)
    with pytest.raises(
        MissingExtra, match="^Session.from_calendar: exchange_calendars must be installed, and is not; run "
    ):
        Session.from_calendar("XNYS")


@pytest.mark.parametrize("name", ["XNYS", "XLON", "XTKS", "XHKG", "XSHG", "CMES", "XETR", "us_futures"])
def test_each_day_is_as_in_the_calendar_of_the_package(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        package = pytest.importorskip("exchange_calendars", reason="exchange_calendars is not installed")
        calendar = package.get_calendar(name, start="2018-01-01", end="2025-12-31")
        opens, closes = calendar.opens, calendar.closes
    session = Session.from_calendar(name, start="2018-01-01", end="2025-12-31")
    expected = {day.date(): (opens[day].value, closes[day].value) for day in calendar.sessions}
    for n in range((session.last - session.first).days + 1):
        each = session.first + timedelta(days=n)
        assert session.bounds(each) == expected.pop(each, None), each
    assert not expected
