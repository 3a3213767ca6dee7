"""Session that end by the clock. Runs begin at 1970-01-01T00:00Z, a Thursday."""

import pytest

import rxdag
from rxdag import GraphError, market, sinks, sources, testing
from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag.testing import check_operator

SECOND = 10**9
DAY = market.Session("UTC", "01:00", "04:00", breaks=[("02:00", "03:00")])


def bars_of(ticks, session=DAY, size="30m", after="2s"):
    """Bars, each with the time at which it came, s; ticks are seconds since the epoch."""
    timed = ticks.pipe(ops.event_time(lambda t: t, unit="s", out_of_order="10s"))
    closed = timed.pipe(market.close_sessions(session, after=after))
    return closed.pipe(ops.window_all(session.windows(size), agg.count()), name="bars").pipe(ops.timestamp())


def live(*seconds, end="30h", **how):
    """Ticks that arrive half a second after their time."""
    ticks = rxdag.from_source(testing.timeline(*((f"{1000 * each + 500}ms", each) for each in seconds), end=end))
    result = testing.run_virtual(bars_of(ticks, **how).to(sinks.collect(), name="out"))["out"]
    return [(bar.value.start // SECOND, bar.value.end // SECOND, bar.value.value, bar.ts / SECOND) for bar in result]


def test_the_last_bar_comes_after_the_close_and_not_with_the_next_trade():
    next_day = 86_400 + 3600
    assert live(3600, 5400, 10_900, 14_000, next_day) == [
        (3600, 5400, 1, 7202.0),  # the break; the tick at 5400 may be 10 s behind others
        (5400, 7200, 1, 7202.0),
        (10_800, 12_600, 1, 14_000.5),
        (12_600, 14_400, 1, 14_402.0),  # the close
        (next_day, next_day + 1800, 1, next_day + 3602.0),  # the break of the next day
    ]


def test_a_trade_that_arrives_before_the_session_is_closed_counts_and_a_later_one_is_late():
    # Both are of the last second of the session; 2 s after the close, it is closed.
    ticks = rxdag.from_source(testing.timeline(("3h55m", 14_100), ("4h1s", 14_399), ("4h3s", 14_398), end="5h"))
    timed = ticks.pipe(ops.event_time(lambda t: t, unit="s")).pipe(market.close_sessions(DAY, after="2s"))
    bars = timed.pipe(ops.window_all(DAY.windows("30m"), agg.count()))
    out, late = bars.pipe(ops.timestamp()).to(sinks.collect(), name="out"), bars.late.to(sinks.collect(), name="late")
    result = testing.run_virtual(out, late)
    assert [(bar.value.value, bar.ts / SECOND) for bar in result["out"]] == [(2, 14_402.0)]
    assert result["late"] == [14_398]


def test_a_trade_before_the_open_starts_the_timer():
    assert live(600, 3700) == [(3600, 5400, 1, 7202.0)]


def test_a_replay_of_a_past_session_gives_the_same_bars_at_any_speed():
    """Ticks of the first day that are read ten days later: no timer, and none of them is late."""
    seconds = [3600, 5405, 5396, 14_399, 14_398, 86_400 + 3600]
    ticks = rxdag.from_source(testing.timeline(*((f"{240 + i}h", second) for i, second in enumerate(seconds))))
    result = testing.run_virtual(bars_of(ticks).to(sinks.collect(), name="out"))
    assert [(bar.value.start // SECOND, bar.value.value) for bar in result["out"]] == [
        (3600, 2),
        (5400, 1),
        (12_600, 2),
        (86_400 + 3600, 1),
    ]


def test_sessions_that_follow_each_other_without_a_pause_are_all_closed():
    always = market.Session("UTC", "00:00", "24:00")
    assert live(100, 86_399, 86_400, end="60h", session=always, size=None) == [
        (0, 86_400, 2, 86_402.0),
        (86_400, 2 * 86_400, 1, 2 * 86_400 + 2.0),
    ]


def test_the_close_of_a_session_makes_no_trade_of_the_next_one_late():
    always = market.Session("UTC", "00:00", "24:00")
    assert live(86_399, 86_400, 86_410, end="25h", session=always, size="1m")[:2] == [
        (86_340, 86_400, 1, 86_402.0),
        (86_400, 86_460, 2, 25 * 3600.0),
    ]


def test_the_sessions_after_a_replay_are_closed_by_the_clock():
    ticks = rxdag.from_source(testing.timeline(("25h", 3600), ("25h1m", 86_400 + 3660), end="40h"))
    result = testing.run_virtual(bars_of(ticks).to(sinks.collect(), name="out"))
    assert [bar.ts / SECOND for bar in result["out"]] == [86_400 + 3660, 86_400 + 7202]


def test_nothing_is_closed_past_the_last_day_that_is_known():
    known = market.Session("UTC", "01:00", "04:00", last="1970-01-01")
    assert live(3600, end="60h", session=known) == [(3600, 5400, 1, 14_402.0)]


def test_closing_sessions_holds_the_laws():
    check_operator(
        lambda: market.close_sessions(DAY), [(s, s) for s in range(0, 20_000, 700)],
        before=lambda s: s.pipe(ops.event_time(lambda t: t[0], unit="s")),
    )  # fmt: skip


def test_what_is_no_session_is_refused():
    with pytest.raises(GraphError, match=r"close_sessions: session must be market.Session\(...\), got 'XNYS'"):
        market.close_sessions("XNYS")
    with pytest.raises(GraphError, match="needs event time, and the stream has none"):
        rxdag.from_source(sources.range(1)).pipe(market.close_sessions(DAY))
