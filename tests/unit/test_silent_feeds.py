"""Feeds that are silent while their market trades. Runs begin at 1970-01-01T00:00Z, a Thursday."""

import random
from itertools import pairwise

import pytest

import rxdag
from rxdag import GraphError, market, sinks, sources, testing
from rxdag import operators as ops
from rxdag.testing import check_operator

SECOND, MINUTE, DAY_S = 10**9, 60, 86_400
DAY = market.Session("UTC", "01:00", "04:00", breaks=[("02:00", "03:00")])


def silences(ticks, after, session=DAY):
    """Silences of a recorded feed, in seconds, with the last one, after its end; ticks are (second, key)."""
    timed = rxdag.from_source(sources.iterable(ticks)).pipe(ops.event_time(lambda t: t[0], unit="s"))
    made = (
        timed.pipe(ops.key_by(lambda t: t[1])).pipe(market.silent_feeds(session, after=after, clock="event")).collect()
    )
    return [(each.key, each.since // SECOND, each.until and each.until // SECOND) for each in made]


def test_a_night_and_a_break_are_no_silence():
    assert silences([(4000, "a"), (7000, "a"), (11_200, "a"), (14_399, "a"), (DAY_S + 3700, "a")], "55m") == [
        ("a", DAY_S + 3700, None)
    ]


def test_a_silence_is_reported_once_and_again_when_it_ends():
    assert silences([(3600, "a"), (3700, "b"), (6000, "b"), (7000, "a"), (7100, "a")], "10m") == [
        ("a", 3600, None),
        ("b", 3700, None),
        ("b", 3700, 6000),
        ("b", 6000, None),
        ("a", 3600, 7000),
        ("a", 7100, None),
    ]


def test_the_wait_begins_again_at_the_open():
    assert silences([(14_300, "a"), (DAY_S + 3600 + 300, "a")], "5m") == [("a", DAY_S + 3900, None)]
    assert silences([(14_300, "a"), (DAY_S + 3600 + 301, "a")], "5m") == [
        ("a", 14_300, None),
        ("a", 14_300, DAY_S + 3901),
        ("a", DAY_S + 3901, None),
    ]


def test_a_live_feed_is_reported_by_the_clock():
    ticks = rxdag.from_source(testing.timeline(("3590s", "a"), ("3700s", "a"), ("5000s", "a"), end="26h"))
    alerts = ticks.pipe(ops.key_by(lambda t: t)).pipe(market.silent_feeds(DAY, after="10m")).pipe(ops.timestamp())
    made = testing.run_virtual(alerts.to(sinks.collect(), name="out"))["out"]
    assert [(row.ts // SECOND, row.value.since // SECOND, row.value.until) for row in made] == [
        (4300, 3700, None),
        (5000, 3700, 5000 * SECOND),
        (5600, 5000, None),
    ]


def test_silences_equal_those_of_a_loop_over_the_ticks():
    rng = random.Random(3)
    ticks = sorted((rng.randrange(3 * DAY_S), rng.choice("abc")) for _ in range(150))
    opens = [day * DAY_S + at for day in range(3) for at in (3600, 10_800)]
    expected = []
    for key in "abc":
        times = [second for second, each in ticks if each == key]
        for last, following in pairwise(times):
            for second in range(last + 1, following):
                since = max([last, *(each for each in opens if each <= second)])
                if second == since + 900 and DAY.contains(second * SECOND):
                    expected += [(key, last, None), (key, last, following)]
                    break
        expected.append((key, times[-1], None))
    assert sorted(silences(ticks, "15m"), key=str) == sorted(expected, key=str)
    assert len(expected) > 20


@pytest.mark.parametrize("clock", ["event", "processing"])
def test_silent_feeds_hold_the_laws(clock):
    check_operator(
        lambda: market.silent_feeds(DAY, after="10m", clock=clock),
        [(second, "ab"[second % 2]) for second in range(3000, 16_000, 463)],
        before=lambda s: s.pipe(ops.event_time(lambda t: t[0], unit="s")).pipe(ops.key_by(lambda t: t[1])),
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: market.silent_feeds("XNYS", after="1m"),
            r"silent_feeds: session must be market.Session\(...\), got",
        ),
        (lambda: market.silent_feeds(DAY, after="0s"), "silent_feeds: after must be more than 0"),
        (lambda: market.silent_feeds(DAY, after="1m", clock="wall"), "silent_feeds: clock must be"),
    ],
)
def test_arguments_that_cannot_be_are_refused(make, message):
    with pytest.raises(GraphError, match=message):
        make()
