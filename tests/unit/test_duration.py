from datetime import timedelta

import numpy as np
import pytest

from rxdag import GraphError, sources, windows
from rxdag import operators as ops
from rxdag.contract import duration_ns, format_ns, positive_ns, signed_ns, timeout_s


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("10ns", 10),
        ("3us", 3_000),
        ("500ms", 500_000_000),
        ("1.5s", 1_500_000_000),
        ("5m", 300_000_000_000),
        ("5min", 300_000_000_000),
        ("2h30m", 9_000_000_000_000),
        ("2h30min", 9_000_000_000_000),
        ("1d1h1m1s1ms1us1ns", 90_061_001_001_001),
        ("1m1.5s", 61_500_000_000),
        ("1h", 3_600_000_000_000),
        ("1d", 86_400_000_000_000),
        (timedelta(seconds=2, microseconds=5), 2_000_005_000),
        ("0s", 0),
    ],
)
def test_a_duration_is_whole_nanoseconds(text, ns):
    assert duration_ns(text, "x") == ns


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("5", 'x must be a duration such as "500ms", "1s" or "2h30m", got \'5\'; did you mean "5s"?'),
        ("5 parsecs", 'x must be a duration such as "500ms", "1s" or "2h30m", got \'5 parsecs\''),
        ("-1s", "x must be a duration"),
        (7, 'x must be a duration such as "500ms", "1s" or "2h30m", got 7; did you mean "7s"?'),
        (0.5, 'got 0.5; did you mean "0.5s"?'),
        ("5 sec", "got '5 sec'; did you mean \"5s\"?"),
        ("1 Hour 5 minutes", "got '1 Hour 5 minutes'; did you mean \"1h5m\"?"),
        ("10\N{MICRO SIGN}s", 'did you mean "10us"?'),
        ("0.5ns", "x must be a whole number of nanoseconds, got '0.5ns'"),
        (timedelta(seconds=-1), "x must be 0 or more"),
        ("99999999d", "x must be under 146 years"),
    ],
)
def test_a_bad_duration_says_what_must_hold(value, message):
    with pytest.raises(GraphError) as caught:
        duration_ns(value, "x")
    assert message in str(caught.value)


ODD = [
    "\uff11s",
    "\u0661s",
    "1.\uff15s",
    " 1s",
    "1s ",
    "1s\n",
    "\t1s",
    "1 s",
    "1_0s",
    "+1s",
    "1e3s",
    ".5s",
    "1.s",
    "1S",
    "",
    "1s1m",
    "1s1s",
    "1m1min",
    "1h 5s",
    "h5s",
]


@pytest.mark.parametrize("text", ODD)
@pytest.mark.parametrize(
    "take",
    [
        lambda text: duration_ns(text, "x"),
        lambda text: positive_ns(text, "x"),
        lambda text: signed_ns(text, "x"),
        lambda text: signed_ns(f"-{text}", "x"),
        windows.tumbling,
        lambda text: windows.tumbling("1h", offset=text),
        lambda text: windows.tumbling(text.replace("s", "d"), tz="UTC"),
        windows.session,
        ops.debounce,
        lambda text: ops.batch(2, max_wait=text),
        sources.interval,
    ],
)
def test_a_duration_has_ascii_digits_and_a_unit_and_nothing_else(take, text):
    with pytest.raises(GraphError):
        take(text)


@pytest.mark.parametrize("value", ["5 parsecs", "30s1m", "1s1s", "-1s", "", "s", "1..5s", None, True, [1], object()])
def test_what_is_no_duration_in_any_spelling_has_no_hint(value):
    with pytest.raises(GraphError) as caught:
        duration_ns(value, "x")
    assert "did you mean" not in str(caught.value)


def test_a_minus_stands_right_before_the_digits():
    assert signed_ns("-1s", "x") == -1_000_000_000
    for text in (" -1s", "- 1s", "--1s"):
        with pytest.raises(GraphError, match='x must be a duration such as "500ms"'):
            signed_ns(text, "x")


def test_a_positive_duration_is_more_than_0():
    with pytest.raises(GraphError, match="window: size must be more than 0, got '0s'"):
        positive_ns("0s", "window: size")


@pytest.mark.parametrize(("ns", "text"), [(1_500_000_000, "1500ms"), (0, "0s"), (60_000_000_000, "1m"), (7, "7ns")])
def test_nanoseconds_are_written_in_the_largest_whole_unit(ns, text):
    assert format_ns(ns) == text


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (10, 10.0),
        (0.5, 0.5),
        (0, 0.0),
        (np.int64(2), 2.0),
        ("10s", 10.0),
        ("1min", 60.0),
        ("0s", 0.0),
        (timedelta(minutes=1), 60.0),
        (None, None),
    ],
)
def test_a_timeout_is_seconds_or_a_duration(value, seconds):
    assert timeout_s(value, "x") == seconds


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), True, "5", "soon", [1], 1e10])
def test_what_is_no_timeout_has_one_message(value):
    with pytest.raises(GraphError) as caught:
        timeout_s(value, "run.wait: timeout")
    said = f'run.wait: timeout must be seconds, from 0 to 146 years, or a duration such as "10s", got {value!r}'
    assert str(caught.value) == said


@pytest.mark.parametrize(
    "value",
    ["9" * 5000 + "s", "0." + "0" * 5000 + "1s", 10**5000, "1" + "s" * 100_000],
    ids=["digits", "fraction", "number", "unit"],
)
def test_a_duration_without_end_is_refused_as_any_other(value):
    with pytest.raises(GraphError, match='x must be a duration such as "500ms", "1s" or "2h30m", got'):
        duration_ns(value, "x")
