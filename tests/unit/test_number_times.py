"""Event times that are floats, decimals, digits and ISO texts: exact to the nanosecond, and never moved past a boundary."""

import logging
import math
import os
from decimal import ROUND_FLOOR, Decimal, localcontext

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import example, given, settings
from tests.unit.event_times import NOON, NS, lanes, read

from rxdag import operators as ops

EXAMPLES = 2_000 if os.environ.get("SLOW") == "1" else 20
PLACES = {"s": 9, "ms": 6, "us": 3}


# ---- floats and decimals


@lanes
@pytest.mark.parametrize(
    ("unit", "time", "ns"),
    [
        ("s", 1714996799.1234, 1_714_996_799_123_400_000),
        ("s", 1714996799.9999998, 1_714_996_799_999_999_800),
        ("s", 1.001, 1_001_000_000),
        ("s", 34200.004241617, 34_200_004_241_617),
        ("s", 0.1 + 0.2, 300_000_000),
        ("s", 1.9999999999, 1_999_999_999),
        ("s", -1.9999999999, -2_000_000_000),
        ("s", -0.5, -500_000_000),
        ("s", 5e-324, 0),
        ("s", -5e-324, -1),
        ("s", -0.0, 0),
        ("ms", 1714996799123.4, 1_714_996_799_123_400_000),
        ("us", 1714996799123456.8, 1_714_996_799_123_456_800),
        ("auto", 1714996799.5, 1_714_996_799_500_000_000),
        ("auto", 1714996799123.5, 1_714_996_799_123_500_000),
    ],
)
def test_a_float_is_the_shortest_decimal_that_reads_back_as_it(lane, unit, time, ns):
    assert read(lane, np.array([time]), unit=unit) == ([ns], [])


def by_definition(time, unit):
    with localcontext(prec=2_000):
        return int((Decimal(repr(time)) * 10 ** PLACES[unit]).to_integral_value(ROUND_FLOOR))


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    unit=st.sampled_from(list(PLACES)),
    times=st.lists(
        st.floats(-9e9, 9e9)
        | st.integers(-(2**40), 2**40).map(lambda n: n / 1_000)
        | st.integers(NOON * 10**6, NOON * 10**6 + 10**9).map(lambda n: n / 10**6)
        | st.floats(NOON, NOON + 1),
        min_size=1,
        max_size=30,
    ),
)
@example(unit="s", times=[math.nextafter(NOON, 0), NOON, math.nextafter(NOON, 2 * NOON)])
def test_floats_have_the_same_times_in_both_lanes_as_decimals_have(unit, times):
    expected = [by_definition(time, unit) for time in times]
    assert read("rows", times, unit=unit) == (expected, [])
    assert read("columns", np.array(times), unit=unit) == (expected, [])


@lanes
def test_a_float_that_is_no_time_goes_to_dead_and_the_others_pass(lane):
    out, dead = read(lane, np.array([1.5, math.nan, math.inf, -1e300, 2.5]), unit="s")
    assert out == [1_500_000_000, 2_500_000_000]
    assert dead == [
        "event_time: a time must not be NaN",
        "event_time: a time must be within 1677 to 2262, got inf; is unit= right?",
        "event_time: a time must be within 1677 to 2262, got -1e+300; is unit= right?",
    ]


@lanes
@pytest.mark.parametrize(("unit", "time"), [("ns", 5.0), ("ns", 1e17), ("auto", 1.714996799e18)])
def test_a_float_of_nanoseconds_fails_as_it_cannot_hold_them(lane, unit, time):
    out, dead = read(lane, np.array([time]), unit=unit)
    assert (out, len(dead)) == ([], 1)
    assert "a time in ns must be a whole number, got" in dead[0]


@lanes
@pytest.mark.parametrize(
    ("time", "ns"),
    [
        (Decimal("1714996799.123456789999"), 1_714_996_799_123_456_789),
        (Decimal("-0.0000000001"), -1),
        (Decimal("1e-999999999"), 0),
        (Decimal(5), 5_000_000_000),
    ],
)
def test_a_decimal_is_cut_off_below_the_nanosecond(lane, time, ns):
    assert read(lane, [time], unit="s") == ([ns], [])


@lanes
def test_a_decimal_too_large_for_any_time_goes_to_dead(lane):
    out, dead = read(lane, [Decimal("1e999999999"), Decimal("sNaN")], unit="s")
    assert (out, dead[1]) == ([], "event_time: a time must not be NaN")
    assert "within 1677 to 2262" in dead[0]


# ---- texts


@lanes
@pytest.mark.parametrize(
    ("unit", "time", "ns"),
    [
        ("ns", "1714996799123456789", 1_714_996_799_123_456_789),
        ("s", "1714996799.1234567899", 1_714_996_799_123_456_789),
        ("s", "-1.0000000001", -1_000_000_001),
        ("ms", "+1714996799123", 1_714_996_799_123_000_000),
        ("auto", "1714996799123", 1_714_996_799_123_000_000),
        ("auto", "1714996799", 1_714_996_799_000_000_000),
        ("ns", "2024-05-06T11:59:59.9999999999Z", NOON * NS - 1),
        ("ns", "2024-05-06 11:59:59.999999999+00:00", NOON * NS - 1),
        ("ns", "2024-05-06T13:59:59,999999999+02:00", NOON * NS - 1),
        ("ns", "2024-05-06T12:00Z", NOON * NS),
        ("ns", "20240506T120000.000000001Z", NOON * NS + 1),
        ("ns", "2024-05-06T12:00:00.1234567Z", NOON * NS + 123_456_700),
        ("ns", "1969-12-31T23:59:59.999999999Z", -1),
    ],
)
def test_a_text_keeps_its_nanoseconds_and_is_never_rounded_up(lane, unit, time, ns):
    assert read(lane, [time], unit=unit) == ([ns], [])


@lanes
def test_a_text_without_a_zone_is_in_that_of_tz(lane):
    times = ["2024-05-06T08:00:00.000000001", "2024-05-06T12:00:00.000000002Z", "2024-03-10T02:30:00"]
    out, dead = read(lane, times, tz="America/New_York")
    assert out == [NOON * NS + 1, NOON * NS + 2]
    assert dead == ["event_time: there is no 2024-03-10T02:30:00 in America/New_York: clocks skip that time"]


@lanes
def test_a_text_that_is_no_instant_fails_by_the_policy_of_the_node(lane):
    out, dead = read(lane, ["noon", "2024-05-06T12:00", "1.5", "9" * 30, "1_000", ""])
    assert out == []
    assert dead == [
        "event_time: a text must be digits or ISO 8601, such as \"2024-05-06T12:00Z\", got 'noon'",
        "event_time: a text must have a time zone, got the naive '2024-05-06T12:00'; pass tz= for such times",
        'event_time: a time in ns must be a whole number, got 1.5; pass the unit that it has, such as unit="s", or an int',
        f"event_time: a time must be within 1677 to 2262, got {'9' * 30} ns; is unit= right?",
        "event_time: a text must be digits or ISO 8601, such as \"2024-05-06T12:00Z\", got '1_000'",
        "event_time: a text must be digits or ISO 8601, such as \"2024-05-06T12:00Z\", got ''",
    ]


@lanes
def test_a_change_of_the_unit_of_texts_and_floats_is_logged(lane, caplog):
    for times in (["1714996799", "1714996799123"], np.array([1714996799.5, 1714996799123.5])):
        caplog.clear()
        with caplog.at_level(logging.WARNING, "rxdag"):
            assert len(read(lane, times, unit="auto")[0]) == 2
        assert [(r.before, r.after) for r in caplog.records if r.code == "unit.changed"] == [("s", "ms")]


@lanes
def test_a_guard_suggests_the_unit_of_a_text_too(lane):
    _, dead = read(lane, ["1714996799"], unit="ms", not_before="2020-01-01T00:00Z")
    assert dead == [
        "event_time: field \"t\" must be at or after 2020-01-01T00:00:00Z, got '1714996799', which is "
        '1970-01-20T20:23:16.799Z; pass unit="s", or pass an earlier not_before'
    ]


def test_the_kernel_reads_a_numpy_number_as_a_number():
    kernel = ops.event_time(lambda x: x, unit="s").kernel()
    assert [kernel.read(value) for value in (np.int32(5), np.float64(1.5))] == [5 * NS, 1_500_000_000]
