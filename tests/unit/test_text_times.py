"""Event times as texts of a format, and times of a day whose date is given."""

import datetime as dt
import os

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import example, given, settings
from tests.unit.event_times import NOON, NS, lanes, read

import rxdag
from rxdag import GraphError, sources
from rxdag import operators as ops

EXAMPLES = 2_000 if os.environ.get("SLOW") == "1" else 12
MIDNIGHT = (NOON - 8 * 3_600) * NS
"""Midnight of 2024-05-06 in New York, which is 4 hours behind UTC."""
DAY = {"date": "2024-05-06", "tz": "America/New_York"}
PACKED = "HHMMSSnnnnnnnnn"


# ---- formats


@lanes
@pytest.mark.parametrize(
    ("given", "time", "ns"),
    [
        ("%Y%m%d %H%M%S", "20240506 120000", NOON * NS),
        ("%d.%m.%Y %H:%M:%S.%f", "06.05.2024 12:00:00.1", NOON * NS + 100_000_000),
        ("%Y-%m-%d %H:%M:%S.%f", "2024-05-06 11:59:59.9999999999", NOON * NS - 1),
        ("%Y%m%d%H%M%S%f", "20240506120000000000001", NOON * NS + 1),
        ("%Y%m%d%H%M%S%f", "202405061200000000001", NOON * NS + 100),
        ("%Y-%m-%dT%H:%M:%S.%f%z", "2024-05-06T14:00:00.000000001+02:00", NOON * NS + 1),
        ("%f of %d %b %Y, %I:%M:%S %p", "0000009999 of 6 May 2024, 12:00:00 PM", NOON * NS + 999),
        ("%Y-%m-%d %H:%M:%S%%f", "2024-05-06 12:00:00%f", NOON * NS),
        ("%y/%m/%d", "24/05/06", (NOON - 43_200) * NS),
    ],
)
def test_a_text_of_a_format_keeps_its_nanoseconds_and_is_never_rounded_up(lane, given, time, ns):
    assert read(lane, [time], format=given, tz="UTC") == ([ns], [])


@lanes
def test_a_value_that_does_not_have_the_format_fails_by_the_policy_of_the_node(lane):
    out, dead = read(lane, ["20240506", "2024-05-06", "20240230", 20240506, None], format="%Y%m%d", tz="UTC")
    assert out == [(NOON - 43_200) * NS]
    assert dead == [
        f"event_time: a time must be a text of the format %Y%m%d, got {shown}"
        for shown in ("'2024-05-06'", "'20240230'", "20240506", "None")
    ]


@lanes
def test_a_local_time_of_a_format_is_in_the_zone(lane):
    options = {"format": "%Y-%m-%d %H:%M", "tz": "America/New_York"}
    out, dead = read(lane, ["2024-05-06 08:00", "2024-11-03 01:30", "2024-03-10 02:30"], **options)
    assert out == [NOON * NS, 1_730_611_800 * NS]
    assert dead == ["event_time: there is no 2024-03-10T02:30:00 in America/New_York: clocks skip that time"]


@lanes
@pytest.mark.parametrize("day", [{"date": "2024-05-06"}, {"date": dt.date(2024, 5, 6)}])
def test_a_format_without_a_date_takes_that_of_the_argument(lane, day):
    out, dead = read(lane, ["08:00:00.000000001"], format="%H:%M:%S.%f", tz="America/New_York", **day)
    assert (out, dead) == ([NOON * NS + 1], [])


# ---- HHMMSSnnnnnnnnn


@lanes
@pytest.mark.parametrize("kind", [str, int])
@pytest.mark.parametrize(
    ("time", "ns"),
    [
        ("080000000000001", NOON * NS + 1),
        ("000000000000000", MIDNIGHT),
        ("000500000000000", MIDNIGHT + 300 * NS),
        ("235959999999999", MIDNIGHT + 86_400 * NS - 1),
    ],
)
def test_the_form_of_the_nyse_is_exact_as_a_text_and_as_an_int(lane, kind, time, ns):
    times = [time] if kind is str else np.array([int(time)])
    assert read(lane, times, format=PACKED, **DAY) == ([ns], [])


@lanes
def test_a_number_that_is_no_time_of_a_day_fails_and_the_others_pass(lane):
    times = np.array([80000000000001, 240000000000000, 86000000000000, 80060000000000, -1])
    out, dead = read(lane, times, format=PACKED, **DAY)
    assert (out, len(dead)) == ([NOON * NS + 1], 4)
    assert "must be a text of the format HHMMSSnnnnnnnnn, got" in dead[0]
    texts = ["80000000000001", "08000000000000x", "0800000000000010"]
    assert [len(each) for each in read(lane, texts, format=PACKED, **DAY)] == [0, 3]
    assert [len(each) for each in read(lane, [8.0, True, None], format=PACKED, **DAY)] == [0, 3]


# ---- numbers since midnight


@lanes
@pytest.mark.parametrize(
    ("unit", "times", "ns"),
    [
        ("s", np.array([28_800, 0]), [NOON * NS, MIDNIGHT]),
        ("s", np.array([28_800.000000001, 86_399.9]), [NOON * NS + 1, MIDNIGHT + 86_399_900_000_000]),
        ("s", ["28800.0000000019"], [NOON * NS + 1]),
        ("ms", np.array([28_800_001]), [NOON * NS + 1_000_000]),
        ("ns", np.array([28_800 * NS + 1]), [NOON * NS + 1]),
        ("ns", ["08:00:00.000000001", "12:00:00.000000002Z"], [NOON * NS + 1, NOON * NS + 2]),
    ],
)
def test_numbers_count_from_midnight_in_the_zone(lane, unit, times, ns):
    assert read(lane, times, unit=unit, **DAY) == (ns, [])


@lanes
def test_a_number_past_the_day_fails_by_the_policy_of_the_node(lane):
    out, dead = read(lane, np.array([28_800, 86_400, -1]), unit="s", **DAY)
    assert (out, len(dead)) == ([NOON * NS], 2)
    assert "with date= a number must be within a day, got" in dead[0]
    for times in (np.array([86_400]), np.array([86_400.0]), np.array([-0.1]), ["86400"]):
        out, dead = read(lane, times, unit="s", **DAY)
        assert (out, len(dead)) == ([], 1)


@lanes
def test_hours_count_by_the_clocks_on_a_day_on_which_they_change(lane):
    options = {"unit": "s", "tz": "America/New_York"}
    out, dead = read(lane, np.array([3_600, 9_000, 10_800]), date="2024-03-10", **options)
    assert out == [1_710_050_400 * NS, 1_710_054_000 * NS]  # 01:00 and 03:00, one hour apart
    assert dead == ["event_time: there is no 2024-03-10T02:30:00 in America/New_York: clocks skip that time"]
    assert read(lane, np.array([5_400, 10_800]), date="2024-11-03", **options)[0] == [
        1_730_611_800 * NS,
        1_730_620_800 * NS,
    ]


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    days=st.dates(dt.date(1900, 1, 1), dt.date(2100, 1, 1)),
    zone=st.sampled_from(["UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]),
    times=st.lists(st.integers(-3, 86_403) | st.floats(0, 86_400), min_size=1, max_size=20),
)
@example(days=dt.date(2024, 3, 10), zone="America/New_York", times=[9_000.0, 7_199.9, 10_800.0])
def test_times_of_a_day_are_the_same_in_both_lanes(days, zone, times):
    options = {"unit": "s", "date": days, "tz": zone}
    given_times = [float(time) for time in times]
    assert read("rows", given_times, **options) == read("columns", np.array(given_times), **options)
    whole = [int(time) for time in times]
    assert read("rows", whole, **options) == read("columns", np.array(whole), **options)
    packed = [abs(int(time * NS)) for time in times]
    options = {"format": PACKED, "date": days, "tz": zone}
    assert read("rows", packed, **options) == read("columns", np.array(packed), **options)


# ---- arguments


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "%q"}, "format must be one of strptime, such as .*, got '%q'"),
        ({"format": 5}, "format must be one of strptime, .*, got 5"),
        ({"format": "%"}, "format must be one of strptime"),
        ({"format": "%H:%M", "tz": "UTC"}, "format must have year, month and day, got '%H:%M'; or pass date= and tz="),
        ({"format": "%Y%m%d"}, "format must have the time zone, %z, got '%Y%m%d'; or pass tz="),
        ({"format": "%Y%m%d", **DAY}, "format with date= must have a time and no date, got '%Y%m%d'"),
        ({"format": "day", **DAY}, "format with date= must have a time and no date"),
        ({"format": PACKED}, 'format "HHMMSSnnnnnnnnn" has no date; pass date= and tz='),
        ({"format": "%Y%m%d", "tz": "UTC", "unit": "s"}, "unit must be left out with format=, got 's'"),
        ({"unit": "auto", **DAY}, 'unit must be that of the numbers since midnight with date=, got "auto"'),
        ({"date": "2024-05-06"}, "tz must be the zone of the times with date=, got None"),
        ({"date": "today", "tz": "UTC"}, "date must be a date within 1678 to 2261, such as .*, got 'today'"),
        ({"date": dt.datetime(2024, 5, 6, tzinfo=dt.UTC), "tz": "UTC"}, "date must be a date within"),
        ({"date": dt.date(1500, 1, 1), "tz": "UTC"}, "date must be a date within 1678 to 2261"),
    ],
)
def test_a_wrong_argument_is_refused_when_the_graph_is_made(options, message):
    with pytest.raises(GraphError, match=f"event_time: {message}"):
        ops.event_time("t", **options)


def test_a_field_that_has_no_texts_is_refused_when_the_graph_is_made():
    stream = rxdag.from_source(sources.iterable([], of=dict))
    stream.pipe(ops.event_time("t", format="%Y%m%d", tz="UTC"))
    typed = rxdag.from_source(sources.iterable([], of=sources.Trade))
    with pytest.raises(GraphError, match='ts must be a text, got the field "price" of type float'):
        typed.pipe(ops.event_time("price", format="%Y%m%d", tz="UTC"))


# ---- specs


SPEC = """
nodes:
  rows: {source: iterable, items: [{t: "28800.5"}, {t: "10"}]}
  timed: {op: event_time, input: rows, ts: t, unit: s, date: 2024-05-06, tz: America/New_York,
          not_before: "2024-05-06T12:00Z", on_error: dead}
  out: {sink: collect, input: timed}
  dead: {sink: collect, input: timed.dead}
"""


def test_a_spec_says_the_date_the_format_and_the_guards():
    dag = rxdag.load_spec(text=SPEC)
    result = rxdag.run(dag)
    assert (result["out"], len(result["dead"])) == ([{"t": "28800.5"}], 1)
    text = " ".join(rxdag.dump_spec(dag).split())
    assert "not_before: 2024-05-06T12:00Z, date: '2024-05-06'" in text
    other = rxdag.run(rxdag.load_spec(text=SPEC, overrides={"timed.date": "2024-05-05"}))
    assert [str(letter.error).partition("which is ")[2][:20] for letter in other["dead"]] == [
        "2024-05-05T12:00:00.",
        "2024-05-05T04:00:10Z",
    ]


def test_dates_and_datetimes_are_written_to_a_spec_as_texts():
    bound = dt.datetime(2024, 5, 6, tzinfo=dt.UTC)
    timed = ops.event_time("t", format="%H:%M", date=dt.date(2024, 5, 6), tz="UTC", not_before=bound)
    dag = rxdag.Dag(rxdag.from_source(sources.range(3)).pipe(timed).to(rxdag.sinks.null()))
    text = rxdag.dump_spec(dag)
    assert "2024-05-06T00:00:00+00:00" in text
    assert rxdag.load_spec(text=text).nodes
