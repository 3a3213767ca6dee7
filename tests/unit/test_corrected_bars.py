"""Bars of trades that are busted and corrected afterwards."""

from __future__ import annotations

import random

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

import rxdag
from rxdag import market, sinks, sources
from rxdag import operators as ops
from rxdag.market import Correction, Trade
from rxdag.testing import check_operator


def trade(ms, trade_id, price=10.0, qty=1.0, symbol="s"):
    return Trade(0, ms, ms, "x", symbol, trade_id, price, qty, True)


def bust(ms, trade_id, number=1, symbol="s"):
    return Correction("x", symbol, trade_id, ms, number)


def correction(ms, trade_id, price, qty, number=1, symbol="s"):
    return Correction("x", symbol, trade_id, ms, number, price, qty)


def is_correction(item):
    return isinstance(item, Correction)


def corrected(stream, **how):
    """Return bars of a stream of trades and corrections, in the order in which these come."""
    trades = stream.pipe(ops.filter(lambda item: not is_correction(item)))
    return market.trade_bars(trades, corrections=stream.pipe(ops.filter(is_correction)), **how)


def ran(items, **how):
    """Return bars, late items and dead letters."""
    bars = corrected(rxdag.from_source(sources.iterable(items)), **how)
    out, late, dead = bars.to(sinks.collect()), bars.late.to(sinks.collect()), bars.dead.to(sinks.collect())
    result = rxdag.run(out, late, dead)
    assert result.problems == ()
    return result[out], result[late], result[dead]


def short(bars):
    return [(bar.start[17:19], bar.count, bar.high, bar.volume, bar.revision, bar.reason) for bar in bars]


def test_a_bust_and_a_correction_emit_their_bar_again():
    items = [
        trade(100, 1, 10.0), trade(500, 2, 12.0), trade(1500, 3, 11.0), trade(5000, 4, 9.0),
        bust(500, 2), correction(1500, 3, 11.5, 2.0), correction(1500, 3, 7.0, 1.0, number=0), trade(200, 5, 15.0),
    ]  # fmt: skip
    bars, late, dead = ran(items, out_of_order="0s")
    assert short(bars) == [
        ("00", 2, 12.0, 2.0, 0, None),
        ("01", 1, 11.0, 1.0, 0, None),
        ("00", 1, 10.0, 1.0, 1, "bust"),
        ("01", 1, 11.5, 2.0, 1, "correction"),
        ("01", 1, 11.5, 2.0, 2, "correction"),
        ("00", 2, 15.0, 2.0, 2, "late"),
        ("05", 1, 9.0, 1.0, 0, None),
    ]
    assert (late, dead) == ([], [])


def test_a_correction_before_its_trade_and_before_the_bar_needs_no_revision():
    bars, _, _ = ran([correction(100, 1, 20.0, 3.0), bust(200, 2), trade(100, 1), trade(200, 2), trade(300, 3, 8.0)])
    assert short(bars) == [("00", 2, 20.0, 4.0, 0, None)]
    assert bars[0].open == 20.0
    assert bars[0].close == 8.0


def test_a_bar_whose_trades_are_all_busted_has_no_trades_and_no_prices():
    bars, _, _ = ran([trade(100, 1), trade(5000, 2), bust(100, 1)], out_of_order="0s")
    empty = bars[1]
    assert (empty.start, empty.count, empty.volume, empty.vwap) == ("1970-01-01T00:00:00Z", 0, 0, None)
    assert (empty.revision, empty.reason) == (1, "bust")
    assert empty.open != empty.open
    assert empty.low != empty.low


def test_a_correction_older_than_keep_is_late():
    items = [trade(100, 1), trade(63_000, 2), bust(100, 1), trade(61_500, 3), bust(61_500, 3)]
    bars, late, _ = ran(items, out_of_order="0s", keep="1m")
    assert [(bar.start[17:19], bar.count, bar.revision, bar.reason) for bar in bars] == [
        ("00", 1, 0, None),
        ("01", 1, 0, None),
        ("01", 0, 1, "bust"),
        ("03", 1, 0, None),
    ]
    assert late == [bust(100, 1)]


def test_a_repeated_correction_is_dropped_and_half_a_correction_is_dead():
    half = Correction("x", "s", 1, 100, 2, 10.0, None)
    bars, _, dead = ran(
        [trade(100, 1), trade(5000, 2), bust(100, 1), bust(100, 1), half, correction(100, 1, 9.0, 0.0)],
        out_of_order="0s",
    )
    assert [bar.revision for bar in bars if bar.start.endswith("00Z")] == [0, 1]
    assert [str(letter.error) for letter in dead] == [
        "trade_bars: corrected qty must be a finite number, got None",
        "trade_bars: a correction must have a price and a qty above 0, got 9.0, 0.0; leave out both for a bust",
    ]


def test_what_is_no_stream_of_corrections_is_refused():
    trades = rxdag.from_source(sources.iterable([], of=Trade))
    with pytest.raises(rxdag.GraphError, match="trade_bars: corrections: takes a stream, got 7"):
        market.trade_bars(trades, corrections=7)
    with pytest.raises(rxdag.GraphError, match="trade_bars: keep must be a duration"):
        market.trade_bars(trades, corrections=trades, keep="soon")


# ---- laws


@st.composite
def tapes(draw):
    """Return trades and corrections in some order of arrival."""
    n = draw(st.integers(1, 20))
    times, symbols = st.integers(0, 6_000), st.sampled_from("ab")
    trades = [
        trade(draw(times), i, draw(st.integers(1, 9)) / 2, draw(st.integers(1, 9)) / 4, draw(symbols)) for i in range(n)
    ]
    changes = []
    for number in range(draw(st.integers(0, 20))):
        one = trades[draw(st.integers(0, n - 1))]
        price = draw(st.sampled_from([None, 0.5, 7.0]))
        qty = None if price is None else 0.75
        changes.append(Correction("x", one.symbol, one.trade_id, one.trade_ms, number, price, qty))
    return trades, changes, draw(st.permutations([*trades, *changes]))


def corrected_tape(trades, changes):
    """Return the trades as they are right, in order of time."""
    last = {change.trade_id: change for change in sorted(changes, key=lambda change: change.correction_id)}
    for one in sorted(trades, key=lambda t: (t.trade_ms, t.trade_id)):
        change = last.get(one.trade_id)
        if change is None:
            yield one
        elif change.price is not None:
            yield trade(one.trade_ms, one.trade_id, change.price, change.qty, one.symbol)


def last_revisions(bars):
    """Return the last revision of each bar that has trades, as the plain bar."""
    last = {(bar.venue, bar.symbol, bar.start): bar for bar in bars}
    for bar in bars:
        assert last[bar.venue, bar.symbol, bar.start].revision >= bar.revision
    return {
        key: (bar.open, bar.high, bar.low, bar.close, bar.volume, bar.vwap, bar.count)
        for key, bar in last.items()
        if bar.count
    }


@given(tape=tapes())
@settings(max_examples=60)
def test_the_last_revisions_are_the_bars_of_the_corrected_tape(tape):
    trades, changes, arrivals = tape
    bars, late, dead = ran(arrivals)
    assert (late, dead) == ([], [])
    right = rxdag.from_source(sources.iterable(list(corrected_tape(trades, changes)), of=Trade))
    assert last_revisions(bars) == {
        (bar.venue, bar.symbol, bar.start): (bar.open, bar.high, bar.low, bar.close, bar.volume, bar.vwap, bar.count)
        for bar in market.trade_bars(right).collect()
    }


def test_bars_continue_after_a_restart_at_any_point_as_if_there_had_been_none():
    rng = random.Random(5)
    items = [trade(rng.randrange(9_000), i, rng.randrange(1, 9) / 2, symbol=rng.choice("ab")) for i in range(30)]
    for number in range(15):
        one = rng.choice(items[:30])
        price = rng.choice([None, 5.0])
        items.append(Correction("x", one.symbol, one.trade_id, one.trade_ms, number, price, price))
    rng.shuffle(items)
    items.append(Correction("x", "a", 1, 100, 99, 1.0, None))
    for seed in range(3):
        check_operator(lambda s: corrected(s, keep="3s"), items, types=(Correction, Trade), seed=seed)


def test_bars_with_corrections_take_checkpoints(tmp_path):
    items = [trade(100, 1), trade(1500, 2), trade(2500, 3)]
    bars = market.trade_bars(
        rxdag.from_source(sources.iterable(items, of=Trade), name="trades"),
        corrections=rxdag.from_source(sources.iterable([bust(100, 1)], of=Correction), name="corrections"),
    )
    out = bars.to(sinks.collect(), name="out")
    result = rxdag.run(rxdag.Dag(out, name="bars"), checkpoints=tmp_path / "bars.state")
    assert last_revisions(result[out]).keys() == {
        ("x", "s", "1970-01-01T00:00:01Z"),
        ("x", "s", "1970-01-01T00:00:02Z"),
    }
