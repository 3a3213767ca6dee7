"""Bars by volume, value, number of trades and range."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

import rxdag
from rxdag import aggregates as agg
from rxdag import market, sinks, sources, testing, windows
from rxdag import operators as ops
from rxdag.testing import check_operator

PRICE, QTY = (lambda t: t[2]), (lambda t: t[3])
MAKERS = {
    "volume": lambda size: market.volume_bars(size, PRICE, QTY),
    "dollar": lambda size: market.dollar_bars(size, PRICE, QTY),
    "tick": lambda size: market.tick_bars(size, PRICE, QTY),
    "range": lambda size: market.range_bars(size, PRICE, QTY),
}


def keyed(stream):
    return stream.pipe(ops.event_time(lambda t: t[0], unit="s")).pipe(ops.key_by(lambda t: t[1]))


def bars_of(operator, trades):
    """Return the bars and the unfinished ones, each as (key, start s, last s, quantities, closed by)."""
    bars = keyed(rxdag.from_source(sources.iterable(trades))).pipe(operator)
    out, rest = bars.to(sinks.collect()), bars.side("unfinished", of=rxdag.Pane).to(sinks.collect())
    result = rxdag.run(out, rest)
    assert result.problems == ()
    return result[out], result[rest]


def short(panes):
    return [(p.key, p.start // 10**9, (p.end - 1) // 10**9, p.value.count, p.value.volume, p.closed_by) for p in panes]


def test_the_trade_that_crosses_the_border_ends_its_bar_and_the_next_begins_at_zero():
    trades = [
        (1, "a", 10.0, 3),
        (2, "b", 20.0, 9),
        (3, "a", 12.0, 4),
        (4, "a", 11.0, 5),
        (5, "a", 9.0, 1),
        (6, "a", 8.0, 2),
    ]
    bars, rest = bars_of(MAKERS["volume"](6), trades)
    assert short(bars) == [("b", 2, 2, 1, 9, "count"), ("a", 1, 3, 2, 7, "count"), ("a", 4, 5, 2, 6, "count")]
    assert short(rest) == [("a", 6, 6, 1, 2, "end")]
    assert bars[1].value == agg.Ohlcv(10.0, 12.0, 10.0, 12.0, 7, 78 / 7, 2)


def test_a_bar_by_value_counts_price_times_quantity_and_a_negative_price_as_positive():
    trades = [(1, "a", 10.0, 2), (2, "a", -37.5, 2), (3, "a", 50.0, 1), (4, "a", 0.0, 9), (5, "a", 44.0, 1)]
    bars, rest = bars_of(MAKERS["dollar"](95), trades)
    assert short(bars) == [("a", 1, 2, 2, 4, "count")]
    assert short(rest) == [("a", 3, 5, 3, 11, "end")]


def test_a_bar_by_ticks_is_a_window_of_that_many_trades():
    trades = [(n, "ab"[n % 3 == 0], float(n % 5), n % 4) for n in range(50)]
    bars, rest = bars_of(MAKERS["tick"](7), trades)
    counted = keyed(rxdag.from_source(sources.iterable(trades))).pipe(
        ops.window(windows.count(7), agg.ohlcv(PRICE, QTY))
    )
    assert bars == counted.collect()
    assert sorted((p.key, p.value.count) for p in rest) == [("a", 5), ("b", 3)]


def test_a_bar_by_range_ends_at_the_trade_that_reaches_it_and_a_jump_exceeds_it():
    trades = [(n, "a", price, 1) for n, price in enumerate([10.1, 10.0, 9.8, 9.8, 9.9, 12.0, 12.2])]
    bars, rest = bars_of(MAKERS["range"](0.3), trades)
    assert [(p.value.low, p.value.high, p.value.count) for p in bars] == [(9.8, 10.1, 3), (9.8, 12.0, 3)]
    assert [(p.value.low, p.value.high, p.value.count) for p in rest] == [(12.2, 12.2, 1)]


def test_ten_trades_of_a_tenth_make_a_volume_of_one():
    bars, rest = bars_of(MAKERS["volume"](1.0), [(n, "a", 5.0, 0.1) for n in range(20)])
    assert [p.value.count for p in bars] == [10, 10]
    assert rest == []


def test_decimals_stay_decimals_and_what_is_no_number_is_dead():
    trades = [
        (1, "a", Decimal("1.5"), Decimal("0.4")),
        (2, "a", float("nan"), Decimal(1)),
        (3, "a", Decimal("1.5"), Decimal(-1)),
        (4, "a", Fraction(1, 3), Decimal(1)),
        (5, "a", 1.5, 1.0),
        (6, "a", Decimal("1.7"), Decimal("0.6")),
    ]
    bars = keyed(rxdag.from_source(sources.iterable(trades))).pipe(MAKERS["volume"](1))
    out, dead = bars.to(sinks.collect()), bars.dead.to(sinks.collect())
    result = rxdag.run(out, dead)
    assert [(p.value.volume, p.value.high) for p in result[out]] == [(Decimal("1.0"), Decimal("1.7"))]
    assert [str(letter.error) for letter in result[dead]] == [
        "volume_bars: price must be a finite number, got nan",
        "volume_bars: qty must be 0 or more, got Decimal('-1')",
        "volume_bars: price must be a float, an int or a Decimal, got Fraction(1, 3); cast it to one",
        "ohlcv: qty must be of a type that adds to the values before it, got 1.0 to add to Decimal('0.4'); cast all "
        "to one type",
    ]
    assert result.problems == ()


@pytest.mark.parametrize(("flush", "held", "expected"), [(False, 3, []), (True, 0, [("a", 2, "end"), ("b", 1, "end")])])
def test_a_drain_holds_unfinished_bars_and_a_flush_sends_them_to_their_port(flush, held, expected):
    bars = keyed(rxdag.from_source(testing.manual(), name="in")).pipe(MAKERS["volume"](9), name="bars")
    rest = bars.side("unfinished", of=rxdag.Pane).to(sinks.collect())
    run = testing.start(bars.to(sinks.null()), rest)
    run.inputs["in"].push((1, "a", 1.0, 1), (2, "b", 1.0, 1), (3, "a", 1.0, 1))
    run.settle()
    run.drain(flush=flush)
    result = run.finish()
    assert [(p.key, p.value.count, p.closed_by) for p in result[rest]] == expected
    assert result.stats.nodes["bars"].held == held


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: market.volume_bars(0, "price", "qty"), "volume_bars: size must be more than 0, got 0"),
        (lambda: market.dollar_bars(-1, "price", "qty"), "dollar_bars: size must be more than 0, got -1"),
        (lambda: market.tick_bars(1.5, "price", "qty"), "tick_bars: size must be a whole number, 1 or more, got 1.5"),
        (lambda: market.range_bars(float("nan"), "price", "qty"), "range_bars: size must be more than 0, got nan"),
    ],
)
def test_a_size_that_ends_no_bar_is_refused(make, message):
    with pytest.raises(rxdag.GraphError) as caught:
        make()
    assert str(caught.value) == message


def test_a_stream_without_keys_is_refused():
    timed = rxdag.from_source(sources.iterable([])).pipe(ops.event_time(lambda t: t[0]))
    with pytest.raises(rxdag.GraphError, match=r"needs a keyed stream; put ops.key_by\(...\) before it"):
        timed.pipe(MAKERS["volume"](1))


# ---- laws

TRADES = st.lists(
    st.tuples(st.integers(0, 9), st.sampled_from("ab"), st.integers(1, 40), st.integers(0, 12)), max_size=40
)


def by_hand(kind, size, trades):
    """Return for each bar its key and trades, by a plain loop over tenths as integers."""
    open_, out = {}, []
    for trade in trades:
        bar = open_.setdefault(trade[1], [])
        bar.append(trade)
        prices = [price for _, _, price, _ in bar]
        reached = {
            "volume": sum(qty for *_, qty in bar),
            "dollar": sum(price * qty for *_, price, qty in bar),
            "tick": len(bar),
            "range": max(prices) - min(prices),
        }[kind]
        if reached >= size:
            out.append((trade[1], open_.pop(trade[1])))
    return out, list(open_.items())


@pytest.mark.parametrize("kind", MAKERS)
@settings(max_examples=30)
@given(trades=TRADES, size=st.integers(1, 60))
def test_bars_are_those_of_a_plain_loop(kind, trades, size):
    tenths = [(ts, key, price / 10, qty / 10) for ts, key, price, qty in trades]
    scale = {"volume": 10, "dollar": 100, "tick": 1, "range": 10}[kind]
    bars, rest = bars_of(MAKERS[kind](size if scale == 1 else size / scale), tenths)
    for panes, expected in zip((bars, rest), by_hand(kind, size, trades), strict=True):
        assert [(p.key, p.value.count) for p in panes] == [(key, len(bar)) for key, bar in expected]
        for pane, (_, bar) in zip(panes, expected, strict=True):
            assert (pane.value.high, pane.value.low) == (max(t[2] for t in bar) / 10, min(t[2] for t in bar) / 10)
            assert pane.value.volume == pytest.approx(sum(t[3] for t in bar) / 10, abs=1e-12)
            assert (pane.start, pane.end - 1) == (min(t[0] for t in bar) * 10**9, max(t[0] for t in bar) * 10**9)


SAMPLE = [(n + n * 7 % 3, "ab"[n % 5 == 0], [10.1, 10.5, 9.0, float("nan"), 0.0][n % 5], n % 4 / 10) for n in range(40)]


@pytest.mark.parametrize(("kind", "size"), [("volume", 0.5), ("dollar", 4.0), ("tick", 3), ("range", 1.2)])
def test_bars_hold_the_laws_of_operators(kind, size):
    check_operator(lambda: MAKERS[kind](size), SAMPLE, before=keyed)
