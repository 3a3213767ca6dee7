"""The trading hours of markets."""

import random
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from rxdag import GraphError, market

NYSE = market.Session(
    "America/New_York",
    "09:30",
    "16:00",
    holidays=["2026-11-26", "2026-12-25"],
    early_closes={"2026-11-27": "13:00", "2026-12-24": "13:00"},
)
GLOBEX = market.Session("America/New_York", "18:00", "17:00", early_closes={"2026-11-27": "13:15"})
TOKYO = market.Session("Asia/Tokyo", "09:00", "15:30", breaks=[("11:30", "12:30")])
LONDON = market.Session("Europe/London", "08:00", "16:30")
ALWAYS = market.Session(
    "America/New_York", "00:00", "24:00", weekdays=("mon", "tue", "wed", "thu", "fri", "sat", "sun")
)


def ns(text):
    """An instant, UTC, in ns."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9


def utc(spans):
    return [tuple(market.iso_utc(ts)[:16] for ts in span) for span in spans]


@pytest.mark.parametrize(
    ("session", "day", "expected"),
    [
        # Clocks in New York go forward on 2026-03-08 and back on 2026-11-01, in London on 2026-03-29 and 2026-10-25.
        (NYSE, "2026-03-06", [("2026-03-06T14:30", "2026-03-06T21:00")]),
        (NYSE, "2026-03-09", [("2026-03-09T13:30", "2026-03-09T20:00")]),
        (NYSE, "2026-10-30", [("2026-10-30T13:30", "2026-10-30T20:00")]),
        (NYSE, "2026-11-02", [("2026-11-02T14:30", "2026-11-02T21:00")]),
        (LONDON, "2026-03-27", [("2026-03-27T08:00", "2026-03-27T16:30")]),
        (LONDON, "2026-03-30", [("2026-03-30T07:00", "2026-03-30T15:30")]),
        (LONDON, "2026-10-23", [("2026-10-23T07:00", "2026-10-23T15:30")]),
        (LONDON, "2026-10-26", [("2026-10-26T08:00", "2026-10-26T16:30")]),
        # Globex opens on Sunday evening, behind the change of clocks in the night before.
        (GLOBEX, "2026-03-06", [("2026-03-05T23:00", "2026-03-06T22:00")]),
        (GLOBEX, "2026-03-09", [("2026-03-08T22:00", "2026-03-09T21:00")]),
        (GLOBEX, "2026-11-02", [("2026-11-01T23:00", "2026-11-02T22:00")]),
        (GLOBEX, "2026-11-27", [("2026-11-26T23:00", "2026-11-27T18:15")]),
        # Days of 23 and 25 hours.
        (ALWAYS, "2026-03-08", [("2026-03-08T05:00", "2026-03-09T04:00")]),
        (ALWAYS, "2026-11-01", [("2026-11-01T04:00", "2026-11-02T05:00")]),
        (TOKYO, "2026-11-30", [("2026-11-30T00:00", "2026-11-30T02:30"), ("2026-11-30T03:30", "2026-11-30T06:30")]),
        (NYSE, "2026-11-27", [("2026-11-27T14:30", "2026-11-27T18:00")]),
        (NYSE, "2026-11-26", []),
        (NYSE, "2026-11-28", []),
        (GLOBEX, "2026-11-29", []),
    ],
)
def test_the_hours_of_a_trade_date_are_these_instants(session, day, expected):
    assert utc(session.hours(day)) == expected
    assert session.hours(date.fromisoformat(day)) == session.hours(day)


def test_a_time_that_occurs_twice_is_the_first_and_one_that_is_skipped_is_read_by_the_clocks_before():
    night = replace(ALWAYS, open="01:30", close="02:30")
    assert utc(night.hours("2026-11-01")) == [("2026-11-01T05:30", "2026-11-01T07:30")]
    assert utc(night.hours("2026-03-08")) == [("2026-03-08T06:30", "2026-03-08T07:30")]


def test_a_break_in_the_evening_is_on_the_day_before_the_trade_date():
    shanghai = market.Session(
        "Asia/Shanghai", "21:00", "15:00", breaks=[("02:30", "09:00"), ("10:15", "10:30"), ("11:30", "13:30")]
    )
    assert utc(shanghai.hours("2026-12-01")) == [
        ("2026-11-30T13:00", "2026-11-30T18:30"),
        ("2026-12-01T01:00", "2026-12-01T02:15"),
        ("2026-12-01T02:30", "2026-12-01T03:30"),
        ("2026-12-01T05:30", "2026-12-01T07:00"),
    ]


def test_half_days_and_late_opens_cut_the_hours_and_their_breaks():
    short = replace(
        TOKYO, early_closes={"2026-12-30": "11:30", "2026-12-29": "12:00"}, late_opens={"2026-01-05": "12:45"}
    )
    assert utc(short.hours("2026-12-30")) == [("2026-12-30T00:00", "2026-12-30T02:30")]
    assert utc(short.hours("2026-12-29")) == [("2026-12-29T00:00", "2026-12-29T02:30")]
    assert utc(short.hours("2026-01-05")) == [("2026-01-05T03:45", "2026-01-05T06:30")]
    assert utc([short.bounds("2026-12-29")]) == [("2026-12-29T00:00", "2026-12-29T02:30")]


def test_an_instant_is_in_the_session_from_its_open_on_and_before_its_close():
    opens, closes = ns("2026-11-27T14:30"), ns("2026-11-27T18:00")
    assert [NYSE.contains(ts) for ts in (opens - 1, opens, closes - 1, closes)] == [False, True, True, False]
    break_start, break_end = ns("2026-11-30T02:30"), ns("2026-11-30T03:30")
    instants = (break_start - 1, break_start, break_end - 1, break_end)
    assert [TOKYO.contains(ts) for ts in instants] == [True, False, False, True]
    assert [TOKYO.trade_date(ts) for ts in instants] == [date(2026, 11, 30)] * 4
    assert NYSE.trade_date(closes) is None


def test_the_trade_date_of_an_evening_is_the_next_day():
    assert GLOBEX.trade_date(ns("2026-11-29T22:59")) is None
    assert GLOBEX.trade_date(ns("2026-11-29T23:00")) == date(2026, 11, 30)
    assert GLOBEX.trade_date(ns("2026-11-30T21:59")) == date(2026, 11, 30)
    assert GLOBEX.trade_date(ns("2026-11-30T22:30")) is None
    assert GLOBEX.trade_date(ns("2026-11-30T23:00")) == date(2026, 12, 1)


@pytest.mark.parametrize(
    ("session", "ts", "expected"),
    [
        (NYSE, "2026-11-25T14:29", "2026-11-25T14:30"),
        (NYSE, "2026-11-25T14:30", "2026-11-27T14:30"),
        (NYSE, "2026-11-27T15:00", "2026-11-30T14:30"),
        (GLOBEX, "2026-11-27T12:00", "2026-11-29T23:00"),
        (GLOBEX, "2026-11-30T22:00", "2026-11-30T23:00"),
        (TOKYO, "2026-11-30T02:00", "2026-12-01T00:00"),
    ],
)
def test_the_next_open_is_the_first_one_after_the_instant(session, ts, expected):
    assert market.iso_utc(session.next_open(ns(ts)))[:16] == expected


@pytest.mark.parametrize("session", [NYSE, GLOBEX, TOKYO, LONDON, ALWAYS])
def test_every_minute_of_two_years_agrees_with_the_clock_on_the_wall(session):
    """The reference looks at the local time of the minute only; all changes of clocks are in the night."""
    rng = random.Random(5)
    opens, closes = time.fromisoformat(session.open), session.close
    for minute in rng.sample(range(2 * 365 * 1440), 20_000):
        at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
        wall = at.astimezone(ZoneInfo(session.zone))
        clock = f"{wall:%H:%M}"
        is_evening = session.open >= closes and clock >= session.open
        day = wall.date() + timedelta(days=is_evening)
        close = session.early_closes.get(day, closes)
        inside = is_evening or (clock < close and (session.open >= closes or wall.time() >= opens))
        trades = inside and f"{day:%a}".lower() in session.weekdays and day not in session.holidays
        in_break = any(start <= clock < end for start, end in session.breaks)
        ts = int(at.timestamp()) * 10**9
        assert session.contains(ts) == (trades and not in_break), at
        assert session.trade_date(ts) == (day if trades else None), at


def test_a_day_outside_of_the_known_hours_is_refused():
    known = replace(GLOBEX, first="2026-01-05", last="2026-11-30")
    assert known.bounds("2026-11-30") is not None
    for ask in (
        lambda: known.bounds("2026-12-01"),
        lambda: known.contains(ns("2026-11-30T23:00")),
        lambda: known.trade_date(ns("2026-12-05T12:00")),
    ):
        with pytest.raises(ValueError, match=r"for which the hours are known, got 2026-12-0\d; make the sessions anew"):
            ask()
    with pytest.raises(ValueError, match="must be from 2026-01-05 to 2026-11-30"):
        known.next_open(ns("2026-01-04T12:00"))
    assert known.next_open(ns("2026-11-30T12:00")) is None
    assert [day.isoformat() for day in known.days("2026-11-27")] == ["2026-11-27", "2026-11-30"]


def test_sessions_with_the_same_hours_are_equal_and_keep_no_object_of_the_caller():
    holidays, closes = ["2026-12-25"], {"2026-12-24": "13:00"}
    one = market.Session("UTC", "09:30", "16:00:00", holidays=holidays, early_closes=closes)
    two = market.Session(
        "UTC", time(9, 30), time(16), holidays=[date(2026, 12, 25)], early_closes={date(2026, 12, 24): time(13)}
    )
    holidays.clear()
    closes.clear()
    one.hours("2026-12-23")
    assert one == two
    assert hash(one) == hash(two)
    assert one.holidays == {date(2026, 12, 25)}
    assert replace(one, close="15:00") != one
    with pytest.raises(AttributeError):
        one.close = "17:00"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"zone": "Mars"}, "Session: zone must be the IANA name of a time zone"),
        ({"open": "9h"}, "Session: open must be times of day in whole seconds, as \"09:30\", got '9h'"),
        ({"close": "16:00:00.5"}, "Session: close must be times of day in whole seconds"),
        ({"close": 16}, 'Session: close must be times of day in whole seconds, as "09:30", got 16'),
        ({"holidays": ["25.12.2026"]}, "Session: holidays must be dates, as \"2026-12-25\", got '25.12.2026'"),
        ({"holidays": [datetime(2026, 12, 25, tzinfo=UTC)]}, "Session: holidays must be dates"),
        ({"last": "2026"}, "Session: last must be dates, as \"2026-12-25\", got '2026'"),
        ({"weekdays": ()}, r"Session: weekdays must be some of mon, tue, wed, thu, fri, sat, sun, got \(\)"),
        ({"weekdays": ("Mon",)}, "Session: weekdays must be some of mon, tue"),
        ({"breaks": [("12:00", "11:00")]}, "Session: breaks must be within the hours, in order, each with a start"),
        ({"breaks": [("08:00", "11:00")]}, "Session: breaks must be within the hours"),
        ({"breaks": [("12:00", "13:00"), ("12:30", "14:00")]}, "Session: breaks must be within the hours"),
        (
            {"early_closes": {"2026-12-24": "17:00"}},
            "Session: early_closes must be within the hours 09:30 to 16:00, got 17:00 for 2026-12-24; a day without",
        ),
        ({"late_opens": {"2026-12-24": "09:30"}}, "Session: late_opens must be within the hours 09:30 to 16:00"),
        (
            {"early_closes": {"2026-12-24": "11:00"}, "late_opens": {"2026-12-24": "12:00"}},
            "Session: late_opens must be before early_closes, got 12:00 and 11:00 for 2026-12-24",
        ),
    ],
)
def test_hours_that_cannot_be_are_refused(options, expected):
    with pytest.raises(GraphError, match=expected):
        market.Session(**{"zone": "UTC", "open": "09:30", "close": "16:00", **options})
