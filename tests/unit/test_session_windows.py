"""Bars of sessions, and within them."""

import random
from dataclasses import replace

import pytest
from tests.unit.test_checkpointed_runs import Steady, settled, virtual
from tests.unit.test_trading_session import ALWAYS, GLOBEX, LONDON, NYSE, TOKYO, ns, utc

import rxdag
from rxdag import GraphError, checkpoints, sinks, sources
from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag.testing import check_operator

MINUTE = 60 * 10**9


def ticks_of(session, days, seed=1, every=7):
    """Ticks (ts, price) in and around some sessions, in order."""
    rng = random.Random(seed)
    start = session.bounds(days[0])[0] - 90 * MINUTE
    end = session.bounds(days[-1])[1] + 90 * MINUTE
    return [(ts, float(rng.randrange(90, 110))) for ts in range(start, end, every * MINUTE + 1)]


def timed(ticks):
    return (
        rxdag.from_source(sources.iterable(ticks)).pipe(ops.event_time(lambda t: t[0])).pipe(ops.key_by(lambda t: "a"))
    )


def test_an_hour_begins_at_the_open_and_the_last_bar_is_cut_at_the_close():
    hours = NYSE.windows("1h")
    (last,) = hours.assign(ns("2026-11-25T20:59"))
    assert utc([last]) == [("2026-11-25T20:30", "2026-11-25T21:00")]
    assert utc(hours.assign(ns("2026-11-25T14:30"))) == [("2026-11-25T14:30", "2026-11-25T15:30")]
    assert utc(hours.assign(ns("2026-11-27T17:45"))) == [("2026-11-27T17:30", "2026-11-27T18:00")]
    assert hours.assign(ns("2026-11-25T21:00")) == hours.assign(ns("2026-11-25T14:29")) == ()
    assert hours.assign(ns("2026-11-26T15:00")) == ()


def test_bars_begin_again_behind_a_break_and_a_session_spans_its_breaks():
    assert utc(TOKYO.windows("1h").assign(ns("2026-11-30T02:10"))) == [("2026-11-30T02:00", "2026-11-30T02:30")]
    assert utc(TOKYO.windows("1h").assign(ns("2026-11-30T03:45"))) == [("2026-11-30T03:30", "2026-11-30T04:30")]
    assert TOKYO.windows("1h").assign(ns("2026-11-30T03:00")) == ()
    whole = [("2026-11-30T00:00", "2026-11-30T06:30")]
    assert [utc(TOKYO.windows().assign(ns(f"2026-11-30T0{hour}:00"))) for hour in (0, 3, 6)] == [whole] * 3


def test_hours_of_a_zone_are_aligned_to_its_midnight_on_days_of_23_and_25_hours():
    def starts(day):
        found, window = [], ALWAYS.windows("4h").following(ALWAYS.bounds(day)[0])
        while window[1] <= ALWAYS.bounds(day)[1]:
            found.append(window)
            window = ALWAYS.windows("4h").following(window[1])
        return utc(found)

    assert starts("2026-03-08")[-2:] == [
        ("2026-03-08T21:00", "2026-03-09T01:00"),
        ("2026-03-09T01:00", "2026-03-09T04:00"),
    ]
    assert starts("2026-11-01")[-2:] == [
        ("2026-11-02T00:00", "2026-11-02T04:00"),
        ("2026-11-02T04:00", "2026-11-02T05:00"),
    ]
    assert len(starts("2026-03-08")) == 6
    assert len(starts("2026-11-01")) == 7


@pytest.mark.parametrize("size", [None, "1h", "7m", "25h"])
@pytest.mark.parametrize("session", [NYSE, GLOBEX, TOKYO, LONDON, ALWAYS])
def test_windows_tile_the_hours_of_the_sessions_and_nothing_else(session, size):
    windows, days = session.windows(size), session.days("2026-10-20")
    stretches = []
    for _ in range(40):
        day = next(days)
        stretches += [session.bounds(day)] if size is None else session.hours(day)
    window, size_ns = windows.following(stretches[0][0]), windows.size_ns
    for start, end in stretches:
        at = start
        while at < end:
            assert window == (at, end if size_ns is None else min(at + size_ns, end))
            assert windows.assign(window[0]) == windows.assign(window[1] - 1) == (window,)
            assert windows.following(window[0] - 1) == window
            assert windows.following(window[0]) == window
            at = window[1]
            assert windows.following(window[0] + 1) == windows.following(at)
            window = windows.following(at)


@pytest.mark.parametrize("size", [None, "30m"])
@pytest.mark.parametrize("session", [NYSE, GLOBEX, TOKYO])
def test_bars_of_a_session_equal_those_of_a_loop_over_the_ticks(session, size):
    ticks = ticks_of(session, ["2026-11-25", "2026-11-27", "2026-11-30"])
    bars = timed(ticks).pipe(ops.window(session.windows(size), agg.ohlcv(lambda t: t[1], lambda t: 1)))
    made, unassigned = bars.to(sinks.collect()), bars.side("unassigned", of=tuple).to(sinks.collect())
    result = rxdag.run(made, unassigned)
    expected, outside = {}, []
    for ts, price in ticks:
        day = session.trade_date(ts)
        inside = day is not None and (size is None or session.contains(ts))
        if not inside:
            outside.append((ts, price))
            continue
        stretches = [session.bounds(day)] if size is None else session.hours(day)
        start, end = next(each for each in stretches if each[0] <= ts < each[1])
        while size is not None and start + 30 * MINUTE <= ts:
            start += 30 * MINUTE
        end = end if size is None else min(end, start + 30 * MINUTE)
        expected.setdefault((start, end), []).append(price)
    assert {(pane.start, pane.end): (pane.value.open, pane.value.high, pane.value.count) for pane in result[made]} == {
        which: (prices[0], max(prices), len(prices)) for which, prices in expected.items()
    }
    assert result[unassigned] == outside
    assert len(outside) > 20


def test_windows_of_sessions_hold_the_laws():
    ticks = ticks_of(TOKYO, ["2026-11-27", "2026-11-30"], every=31)
    check_operator(
        lambda s: s.pipe(ops.window(TOKYO.windows("1h"), agg.ohlcv(lambda t: t[1], lambda t: 1))),
        ticks,
        before=lambda s: s.pipe(ops.event_time(lambda t: t[0])).pipe(ops.key_by(lambda t: "a")),
    )


def test_an_item_for_which_no_hours_are_known_fails_the_node():
    known = replace(NYSE, last="2026-11-25")
    ticks = [(ns("2026-11-25T15:00"), 1.0), (ns("2026-11-27T15:00"), 2.0)]
    bars = timed(ticks).pipe(ops.window(known.windows("1h"), agg.count()))
    with pytest.raises(rxdag.NodeError, match="a trade date must be from None to 2026-11-25, for which the hours"):
        bars.collect()
    assert known.windows("1h").following(ns("2026-11-25T20:45")) is None


def test_a_size_of_zero_is_refused():
    with pytest.raises(GraphError, match="Session.windows: size must be more than 0"):
        NYSE.windows("0s")


def test_windows_are_equal_and_read_alike_by_their_hours_and_size():
    assert NYSE.windows("1h") == replace(NYSE).windows("60m")
    assert hash(NYSE.windows("1h")) == hash(replace(NYSE).windows("60m"))
    assert NYSE.windows("1h") != NYSE.windows()
    assert repr(NYSE.windows("1h")) == "1h of sessions 09:30-16:00 America/New_York"
    assert repr(TOKYO.windows()) == "sessions 09:00-15:30 Asia/Tokyo without 11:30-12:30"


def test_a_run_with_a_renewed_calendar_continues_from_the_checkpoint_and_one_with_other_hours_does_not():
    """Each tick is one of ten a minute apart, around the close of a half day that the first calendar does not know."""
    ticks = tuple((ns("2026-11-27T17:55") + i * MINUTE, i) for i in range(10))

    def job(session):
        rows = rxdag.from_source(Steady(ticks), name="rows")
        counts = rows.pipe(ops.event_time(lambda t: t[0]), name="time").pipe(
            ops.window_all(session.windows(), agg.sum(lambda t: t[1])), name="bars"
        )
        return rxdag.Dag(counts.to(sinks.collect(), name="out"), name="job")

    store = checkpoints.memory()
    first = virtual(job(replace(NYSE, early_closes={}, last="2026-11-27")), store, every="1h")
    first.main.at(25_000_000, first.drain)
    assert settled(first)["out"] == []
    with pytest.raises(rxdag.RxDagError, match='node "bars": window was sessions 09:30-16:00 America/New_York, and is'):
        virtual(job(replace(NYSE, early_closes={}, close="15:00")), store)
    half, whole = settled(virtual(job(NYSE), store))["out"]
    assert utc([(half.start, half.end), (whole.start, whole.end)]) == [
        ("2026-11-27T14:30", "2026-11-27T18:00"),
        ("2026-11-27T14:30", "2026-11-27T21:00"),
    ]
    assert [half.value, whole.value] == [3 + 4, 0 + 1 + 2]
