"""Bars of sessions: gaps that are filled, conversions, and bars of trades."""

import math
import random
from dataclasses import replace

import pytest
from tests.unit.test_session_windows import MINUTE, ticks_of
from tests.unit.test_trading_session import GLOBEX, NYSE, TOKYO, ns, utc

import rxdag
from rxdag import GraphError, market, sinks, sources, testing, windows
from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag.testing import check_operator


def keyed(ticks):
    timed = rxdag.from_source(sources.iterable(ticks)).pipe(ops.event_time(lambda t: t[0], out_of_order="90m"))
    return timed.pipe(ops.key_by(lambda t: t[2]))


def sparse(session, days):
    """Ticks (ts, price, key), few of each key, up to an hour out of order."""
    rng = random.Random(7)
    made = [(ts, price, rng.choice("ab")) for ts, price in ticks_of(session, days, every=41)]
    return sorted(made, key=lambda t: t[0] + rng.randrange(60) * MINUTE)


@pytest.mark.parametrize("gap", ["previous", "nan"])
@pytest.mark.parametrize("session", [NYSE, GLOBEX, TOKYO])
def test_gaps_are_filled_within_sessions_only_and_up_to_the_watermark(session, gap):
    ticks = sparse(session, ["2026-11-25", "2026-11-27", "2026-11-30"])
    made = market.resample_ohlc(keyed(ticks), "30m", lambda t: t[1], lambda t: 1, gap=gap, session=session, name="bars")
    out = made.to(sinks.collect())
    made = rxdag.run(out)[out]
    watermark = max(t[0] for t in ticks) - 90 * MINUTE - 1
    for key in "ab":
        prices, expected = {}, []
        for ts, price, _ in sorted(t for t in ticks if t[2] == key):
            for window in session.windows("30m").assign(ts):
                prices.setdefault(window, []).append(price)
        close = math.nan
        for day in replace(session, last="2026-12-01").days("2026-11-24"):
            for start, end in session.hours(day):
                for at in range(start, end, 30 * MINUTE):
                    window = (at, min(at + 30 * MINUTE, end))
                    if window in prices:
                        close = prices[window][-1]
                        expected.append((*window, close, len(prices[window])))
                    elif expected and (window[1] - 1 <= watermark or window[1] <= max(prices)[0]):
                        expected.append((*window, close if gap == "previous" else math.nan, 0))
        found = [(bar.start, bar.end, bar.value.close, bar.value.count) for bar in made if bar.key == key]
        assert [(*row[:2], str(row[2]), row[3]) for row in found] == [
            (*row[:2], str(row[2]), row[3]) for row in expected
        ]
        assert sum(row[3] == 0 for row in found) > 10


@pytest.mark.parametrize("gap", ["previous", "nan"])
def test_filling_gaps_of_sessions_holds_the_laws(gap):
    check_operator(
        lambda s: market.resample_ohlc(s, "1h", lambda t: t[1], lambda t: 1, gap=gap, session=TOKYO),
        sparse(TOKYO, ["2026-11-27", "2026-11-30"]),
        before=lambda s: s.pipe(ops.event_time(lambda t: t[0], out_of_order="90m")).pipe(ops.key_by(lambda t: t[2])),
    )


def test_a_closed_session_is_filled_to_its_end_and_the_next_one_not_before_it_opens():
    day = market.Session("UTC", "01:00", "02:00")  # the run begins at 1970-01-01T00:00Z, a Thursday
    ticks = rxdag.from_source(testing.timeline(("65m", (3900, 5.0)), end="28h"))
    timed = ticks.pipe(ops.event_time(lambda t: t[0], unit="s")).pipe(market.close_sessions(day))
    bars = market.resample_ohlc(
        timed.pipe(ops.key_by(lambda t: "a")), "20m", lambda t: t[1], lambda t: 1, gap="previous", session=day
    )
    out = bars.pipe(ops.timestamp()).to(sinks.collect(), name="out")
    made = testing.run_virtual(out)["out"]
    assert [(bar.value.start // MINUTE, bar.value.value.count, bar.ts / MINUTE) for bar in made] == [
        (60, 1, 120 + 1 / 60),
        (80, 0, 120 + 1 / 60),
        (100, 0, 120 + 1 / 60),
        (25 * 60, 0, 26 * 60 + 1 / 60),
        (25 * 60 + 20, 0, 26 * 60 + 1 / 60),
        (25 * 60 + 40, 0, 26 * 60 + 1 / 60),
    ]


def test_no_gap_is_filled_past_the_last_day_that_is_known():
    known = replace(NYSE, last="2026-11-25")
    ticks = [(ns("2026-11-25T19:10"), 1.0, "a"), (ns("2026-11-25T20:50"), 2.0, "a")]
    bars = market.resample_ohlc(
        keyed([*ticks, (ns("2026-11-25T23:00"), 9.0, "a")]),
        "1h", lambda t: t[1], lambda t: 1, gap="previous", session=known,
    ).to(sinks.collect())  # fmt: skip
    assert [(utc([(bar.start, bar.end)])[0], bar.value.count) for bar in rxdag.run(bars)[bars]] == [
        (("2026-11-25T18:30", "2026-11-25T19:30"), 1),
        (("2026-11-25T19:30", "2026-11-25T20:30"), 0),
        (("2026-11-25T20:30", "2026-11-25T21:00"), 1),
    ]


@pytest.mark.parametrize("longer", [NYSE.windows(), NYSE.windows("2h"), windows.tumbling("1w", tz="America/New_York")])
def test_bars_of_sessions_roll_up_to_those_of_the_ticks(longer):
    ticks = sparse(NYSE, ["2026-11-24", "2026-11-25", "2026-11-27", "2026-11-30"])
    inside = keyed([t for t in ticks if NYSE.contains(t[0])])
    short = inside.pipe(ops.window(NYSE.windows("30m"), agg.ohlcv(lambda t: t[1], lambda t: 1)))
    direct = inside.pipe(ops.window(longer, agg.ohlcv(lambda t: t[1], lambda t: 1)))

    def told(bars):
        return [
            (bar.key, bar.start, bar.end, bar.value.open, bar.value.close, bar.value.count) for bar in bars.collect()
        ]

    assert told(market.rollup(short, longer)) == told(direct)
    assert len(told(direct)) >= 2


@pytest.mark.parametrize(
    ("shorter", "longer", "fits"),
    [
        (NYSE.windows("30m"), NYSE.windows("1h"), True),
        (NYSE.windows("30m"), NYSE.windows(), True),
        (NYSE.windows(), NYSE.windows(), True),
        (NYSE.windows("30m"), NYSE.windows("45m"), False),
        (NYSE.windows("2h"), NYSE.windows("1h"), False),
        (NYSE.windows(), NYSE.windows("1h"), False),
    ],
)
def test_bars_of_sessions_that_do_not_fit_are_refused(shorter, longer, fits):
    bars = keyed([]).pipe(ops.window(shorter, agg.ohlcv(lambda t: t[1], lambda t: 1)))
    if fits:
        market.rollup(bars, longer)
        return
    with pytest.raises(GraphError, match="rollup: each bar must lie within one longer bar, whose size is a multiple"):
        market.rollup(bars, longer)


def test_a_bar_across_a_close_is_unassigned():
    ticks = [(ns("2026-11-27T17:50"), 1.0, "a"), (ns("2026-11-27T18:10"), 2.0, "a")]
    bars = keyed(ticks).pipe(ops.window(windows.tumbling("1h", offset="30m"), agg.ohlcv(lambda t: t[1], lambda t: 1)))
    rolled = market.rollup(bars, NYSE.windows())
    out, outside = rolled.to(sinks.collect()), rolled.side("unassigned", of=rxdag.Pane).to(sinks.collect())
    result = rxdag.run(out, outside)
    assert result[out] == []
    assert utc((bar.start, bar.end) for bar in result[outside]) == [("2026-11-27T17:30", "2026-11-27T18:30")]


def test_a_bar_across_a_break_is_dead():
    ticks = [(ns("2026-11-30T02:20"), 1.0, "a"), (ns("2026-11-30T03:50"), 2.0, "a")]
    bars = keyed(ticks).pipe(ops.window(windows.tumbling("2h"), agg.ohlcv(lambda t: t[1], lambda t: 1)))
    rolled = market.rollup(bars, TOKYO.windows("5h"))
    out, dead = rolled.to(sinks.collect()), rolled.dead.to(sinks.collect())
    result = rxdag.run(out, dead)
    assert result[out] == []
    assert [str(letter.error) for letter in result[dead]] == [
        "rollup: a bar must lie within one longer bar, got one from 2026-11-30T02:00:00Z to 2026-11-30T04:00:00Z"
    ]


def trades(*rows):
    return [
        market.Trade(ts, ts // 10**6, ts // 10**6, "x", "A", number, price, 1.0, True)
        for number, (ts, price) in enumerate(rows)
    ]


@pytest.mark.parametrize("corrections", [False, True])
def test_bars_of_trades_are_cut_at_the_close_and_trades_outside_are_unassigned(corrections):
    source = rxdag.from_source(
        sources.iterable(
            trades(
                (ns("2026-11-27T14:29"), 9.0), (ns("2026-11-27T14:30"), 1.0),
                (ns("2026-11-27T17:45"), 2.0), (ns("2026-11-27T18:00"), 9.0),
            ),
            of=market.Trade,
        )
    )  # fmt: skip
    options = {"corrections": rxdag.from_source(sources.iterable([], of=market.Correction))} if corrections else {}
    bars = market.trade_bars(source, size="1h", session=NYSE, **options)
    out, outside = bars.to(sinks.collect()), bars.side("unassigned", of=market.Trade).to(sinks.collect())
    result = rxdag.run(out, outside)
    assert [(bar.start, bar.end, bar.close) for bar in result[out]] == [
        ("2026-11-27T14:30:00Z", "2026-11-27T15:30:00Z", 1.0),
        ("2026-11-27T17:30:00Z", "2026-11-27T18:00:00Z", 2.0),
    ]
    assert [trade.price for trade in result[outside]] == [9.0, 9.0]


def test_options_that_do_not_go_together_are_refused():
    bars = keyed([]).pipe(ops.window(NYSE.windows("30m"), agg.ohlcv(lambda t: t[1], lambda t: 1)))
    with pytest.raises(GraphError, match="rollup: offset and tz do not go with windows, got '1h' and None"):
        market.rollup(bars, NYSE.windows(), offset="1h")
    with pytest.raises(GraphError, match="resample_ohlc: offset does not go with session, got '1m'"):
        market.resample_ohlc(keyed([]), "1h", "p", "q", offset="1m", session=NYSE)
    for make in (
        lambda: market.resample_ohlc(keyed([]), "1h", "p", "q", session="XNYS"),
        lambda: market.trade_bars(rxdag.from_source(sources.iterable([], of=market.Trade)), session="XNYS"),
    ):
        with pytest.raises(GraphError, match=r"session must be market.Session\(...\), got 'XNYS'"):
            make()
