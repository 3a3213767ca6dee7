"""Numbers of a type of their own, as exchanges' clients give them: Decimal goes in and comes out."""

from decimal import Decimal
from typing import NamedTuple

import pytest

import rxdag
from rxdag import aggregates as agg
from rxdag import market, on_error, sinks, sources, windows
from rxdag import operators as ops
from rxdag.errors import shown


class Trade(NamedTuple):
    ts: int
    price: object
    qty: object
    side: int = 1


TRADES = [Trade(1, Decimal("10.1"), Decimal("0.3")), Trade(2, Decimal("10.3"), Decimal("0.1"), -1)]
TRADES += [Trade(3, Decimal("10.2"), Decimal("0.2"))]

AGGREGATES = {
    "sum": (agg.sum("price"), Decimal("30.6")),
    "mean": (agg.mean("price"), Decimal("10.2")),
    "var": (agg.var("price"), Decimal("0.01")),
    "std": (agg.std("price"), 0.1),
    "min": (agg.min("price"), Decimal("10.1")),
    "max": (agg.max("price"), Decimal("10.3")),
    "vwap": (agg.vwap("price", "qty"), Decimal("6.10") / Decimal("0.6")),
    "quantile": (agg.quantile("price", 0.5), 10.2),
    "twap": (market.twap("price"), None),
    "imbalance": (market.imbalance("qty", "side"), Decimal("0.4") / Decimal("0.6")),
    "ohlcv": (agg.ohlcv("price", "qty"), None),
}
ADDED = [name for name in AGGREGATES if name not in ("min", "max", "quantile", "twap")]
"""Those that add values up."""


def timed(items):
    return rxdag.from_source(sources.iterable(items, of=Trade)).pipe(ops.event_time("ts", unit="s"))


@pytest.mark.parametrize("columns", [True, False])
@pytest.mark.parametrize("assigner", [windows.tumbling("1m"), windows.sliding("2m", "1m"), windows.session("1m")])
@pytest.mark.parametrize("name", AGGREGATES)
def test_aggregates_take_decimals(name, assigner, columns):
    aggregate, expected = AGGREGATES[name]
    kept = timed(TRADES).pipe(ops.window_all(assigner, aggregate)).to(sinks.collect())
    value = rxdag.run(rxdag.compile(rxdag.Dag(kept), columns=columns))[kept][0].value
    if name == "ohlcv":
        assert (value.open, value.high, value.low, value.close) == tuple(map(Decimal, ("10.1", "10.3", "10.1", "10.2")))
        assert (value.volume, value.vwap) == (Decimal("0.6"), Decimal("6.10") / Decimal("0.6"))
    elif name == "twap":
        assert isinstance(value, Decimal)
        assert Decimal("10.1") < value < Decimal("10.3")
    elif isinstance(expected, float):
        assert value == pytest.approx(expected, rel=0.01)
    else:
        assert (value, type(value)) == (expected, Decimal)


@pytest.mark.parametrize("name", sorted({*AGGREGATES} - {"min", "max", "quantile", "twap"}))
def test_a_number_that_does_not_add_up_with_those_before_is_a_bad_item(name):
    mixed = [*TRADES, Trade(4, 10.5, 0.5), Trade(5, Decimal("NaN"), Decimal(1))]
    panes = timed(mixed).pipe(ops.window_all(windows.tumbling("1m"), AGGREGATES[name][0]), on_error=on_error.dead)
    kept, dead = panes.to(sinks.collect()), panes.dead.to(sinks.collect())
    result = rxdag.run(kept, dead)
    letters = result[dead]
    if name == "imbalance":  # its quantities are all numbers
        letters, mixed = letters[:1], mixed[:-1]
    assert [letter.item for letter in letters] == mixed[3:]
    for letter in letters:
        assert "must" in str(letter.error)
        assert "got" in str(letter.error)
    assert result.problems == ()


def test_rolled_up_bars_of_decimals_are_of_decimals():
    bars = timed(TRADES).pipe(ops.window_all(windows.tumbling("1s"), agg.ohlcv("price", "qty")))
    [pane] = market.rollup(bars, "1m").collect()
    assert pane.value.volume == Decimal("0.6")
    assert abs(pane.value.vwap - Decimal("6.10") / Decimal("0.6")) < Decimal("1e-20")


BOOK = {"is_snapshot": "snapshot", "sequence": "u", "bids": "bids", "asks": "asks"}


def book(**message):
    made = {"snapshot": True, "u": 1, "bids": [["0.0024", "10"]], "asks": [["0.0026", "100"]], **message}
    node = rxdag.from_source(sources.iterable([made], of=dict)).pipe(market.book_top(**BOOK))
    out, dead = node.to(sinks.collect()), node.dead.to(sinks.collect())
    result = rxdag.run(out, dead)
    return result[out], [str(letter.error) for letter in result[dead]]


def test_levels_of_texts_are_numbers_and_may_hold_more():
    [top], dead = book(bids=[["0.0024", "1e1", "3"], ("0.0023", 5)])
    assert (tuple(top), dead) == ((0.0024, 10.0, 0.0026, 100.0, 1), [])


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"bids": [["1_0", "1"]]}, "a price of bids must be a finite number, got '1_0'"),
        ({"bids": [["1", " 1"]]}, "a size of bids must be a finite number, got ' 1'"),
        ({"bids": [["1", None]]}, "a size of bids must be a finite number, got None"),
        ({"bids": [["NaN", "1"]]}, "a price of bids must be a finite number, got 'NaN'"),
        ({"bids": ["12"]}, "each of bids must be a price and a size, got '12'"),
        ({"asks": [[1.5]]}, "each of asks must be a price and a size, got [1.5]"),
        ({"asks": [7]}, "each of asks must be a price and a size, got 7"),
        ({"asks": [{"price": 1, "size": 2}]}, "each of asks must be a price and a size, got {'price': 1, 'size': 2}"),
        ({"asks": None}, "asks must be a list of levels, got None"),
        ({"asks": {"1": "2"}}, "asks must be a list of levels, got {'1': '2'}"),
        ({"bids": [[-1, 2]]}, "a level must be a price above 0 and a size of 0 or more, got -1, 2"),
        ({"u": "5"}, "sequence must be a whole number, got '5'"),
        ({"u": None}, "sequence must be a whole number, got None"),
        (
            {"snapshot": "false"},
            "is_snapshot must be true or false, got 'false'; compare the text with the one for a snapshot",
        ),
    ],
)
def test_a_message_that_is_no_book_is_a_bad_item(message, said):
    assert book(**message) == ([], [f"book_top: {said}"])


@pytest.mark.parametrize("price", ["9", None, float("nan"), float("inf"), Decimal("NaN"), [1]])
def test_a_price_that_is_no_number_has_no_sign(price):
    prices = [Decimal(10), price, 9, price]
    node = rxdag.from_source(sources.iterable(prices)).pipe(market.tick_rule(lambda p: p), on_error=on_error.dead)
    out, dead = node.to(sinks.collect()), node.dead.to(sinks.collect())
    result = rxdag.run(out, dead)
    assert result[out] == [(Decimal(10), 0), (9, -1)]
    assert [str(letter.error) for letter in result[dead]] == [
        f"tick_rule: price must be a finite number, got {shown(price)}"
    ] * 2


@pytest.mark.parametrize("name", ADDED)
def test_an_item_that_would_join_sessions_of_floats_and_decimals_goes_aside_and_leaves_both_as_they_were(name):
    items = [Trade(0, 1.5, 1.0), Trade(4, Decimal(2), Decimal(1)), Trade(2, 1.0, 1.0)]
    stream = timed(items).pipe(ops.window_all(windows.session("3s"), AGGREGATES[name][0], allowed_lateness="1h"))
    dead, kept = stream.dead.to(sinks.collect()), stream.to(sinks.collect())
    result = rxdag.run(kept, dead)
    assert [letter.item for letter in result[dead]] == [items[2]]
    assert "cast all to one type" in str(result[dead][0].error)
    alone = [timed([item]).pipe(ops.window_all(windows.session("3s"), AGGREGATES[name][0])) for item in items[:2]]
    assert [pane.value for pane in result[kept]] == [stream.collect()[0].value for stream in alone]


@pytest.mark.parametrize("name", [name for name in ADDED if AGGREGATES[name][0].commutes])
def test_a_sliding_window_of_floats_and_decimals_says_that_they_do_not_add_up(name):
    items = [Trade(0, 1.5, 1.0), Trade(60, Decimal(2), Decimal(1))]
    stream = timed(items).pipe(ops.window_all(windows.sliding("2m", "1m"), AGGREGATES[name][0]))
    with pytest.raises(rxdag.NodeError, match="cast all to one type"):
        rxdag.run(stream.to(sinks.collect()))


SIGNALS = {
    "min": (ops.min(), "min: value must have an order"),
    "max": (ops.max(), "max: value must have an order"),
    "min of a value": (ops.min(lambda x: x), "min: value must have an order"),
    "top_n": (ops.top_n(2, by=lambda x: x), "top_n: by must have an order"),
    "imbalance": (
        ops.window_all(windows.tumbling("1s"), market.imbalance(lambda x: 1, lambda x: x)),
        "imbalance: sign must be 1, 0 or -1",
    ),
    "agg.min": (ops.window_all(windows.tumbling("1s"), agg.min(lambda x: x)), "min: value must be a finite number"),
    "agg.sum": (ops.window_all(windows.tumbling("1s"), agg.sum(lambda x: x)), "sum: value must be a finite number"),
    "tick_rule": (market.tick_rule(lambda x: x), "tick_rule: price must be a finite number"),
}


@pytest.mark.parametrize("name", SIGNALS)
def test_a_nan_that_signals_goes_to_dead_as_any_nan(name):
    operator, said = SIGNALS[name]
    items = [Decimal(1), Decimal("sNaN"), Decimal("NaN"), Decimal(-1)]
    node = rxdag.from_source(sources.iterable(items)).pipe(ops.event_time(lambda x: 0)).pipe(operator)
    out, dead = node.to(sinks.collect()), node.dead.to(sinks.collect())
    result = rxdag.run(out, dead)
    assert [str(letter.item) for letter in result[dead]] == ["sNaN", "NaN"]
    assert all(str(letter.error).startswith(said) for letter in result[dead])
    assert result.problems == ()


@pytest.mark.parametrize("columns", [True, False])
def test_an_item_that_one_part_of_named_cannot_add_counts_in_no_part(columns):
    prices = [Decimal("1.5"), 2, 0.5, Decimal(3)]
    data = {"ts": [0, 1, 2, 3], "price": prices, "qty": [1, 1, 1, 1]}
    totals = agg.named(n=agg.count(), qty=agg.sum("qty"), price=agg.sum("price"))
    stream = rxdag.from_source(sources.arrays(data)).pipe(ops.event_time("ts", unit="s"))
    panes = stream.pipe(ops.window_all(windows.tumbling("1m"), totals), on_error=on_error.dead)
    kept, dead = panes.to(sinks.collect()), panes.dead.to(sinks.collect())
    result = rxdag.run(rxdag.compile(rxdag.Dag(kept, dead), columns=columns))
    assert [pane.value for pane in result[kept]] == [{"n": 3, "qty": 3, "price": Decimal("6.5")}]
    assert [(letter.item["price"], str(letter.error)) for letter in result[dead]] == [
        (
            0.5,
            "named: price: sum: value must be of a type that adds to the values before it, got 0.5 to add to "
            "Decimal('3.5'); cast all to one type",
        )
    ]
    assert result.problems == ()


@pytest.mark.parametrize("columns", [True, False])
@pytest.mark.parametrize("closed", ["right", "left", "both", "none"])
def test_a_rolling_window_is_not_stopped_by_numbers_that_no_window_adds_up(closed, columns):
    data = {"ts": [0, 1, 20, 21], "price": [Decimal("1.5"), Decimal(2), 0.5, 1]}
    stream = rxdag.from_source(sources.arrays(data)).pipe(ops.event_time("ts", unit="s"))
    kept = stream.pipe(ops.rolling("5s", agg.sum("price"), closed=closed)).to(sinks.collect())
    expected = {
        "right": [Decimal("1.5"), Decimal("3.5"), 0.5, 1.5],
        "left": [None, Decimal("1.5"), None, 0.5],
    }
    expected |= {"both": expected["right"], "none": expected["left"]}
    assert rxdag.run(rxdag.compile(rxdag.Dag(kept), columns=columns))[kept] == expected[closed]
