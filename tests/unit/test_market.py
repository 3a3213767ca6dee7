"""Bars without holes."""

import math
import random

import pytest

import rxdag
from rxdag import GraphError, NodeError, market, sinks, sources, windows
from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag.contract import MAX
from rxdag.spec import load_spec
from rxdag.testing import check_operator

rng = random.Random(4)
TICKS = [(t + rng.randrange(-3, 1), rng.choice("ab"), float(rng.randrange(1, 9))) for t in range(0, 300, 7)]


def keyed(stream):
    timed = stream.pipe(ops.event_time(lambda t: t[0], unit="s", out_of_order="3s"))
    return timed.pipe(ops.key_by(lambda t: t[1]))


@pytest.mark.parametrize("gap", ["previous", "nan"])
def test_resampling_holds_the_laws(gap):
    check_operator(lambda s: market.resample_ohlc(s, "10s", lambda t: t[2], lambda t: 1, gap=gap), TICKS, before=keyed)


@pytest.mark.parametrize("gap", ["previous", "nan"])
def test_every_stretch_between_the_first_and_the_last_tick_of_a_key_has_one_bar(gap):
    stream = keyed(rxdag.from_source(rxdag.sources.iterable(TICKS)))
    bars = market.resample_ohlc(stream, "10s", lambda t: t[2], lambda t: 1, gap=gap).collect()
    plain = market.resample_ohlc(stream, "10s", lambda t: t[2], lambda t: 1).collect()
    for key in "ab":
        starts = [bar.start for bar in bars if bar.key == key]
        assert starts == list(range(starts[0], starts[-1] + 1, 10 * 10**9))
        close = None
        for bar in (bar for bar in bars if bar.key == key):
            if bar.value.count == 0:
                assert bar.value.volume == 0
                assert bar.value.vwap is None
                assert bar.value.open == close if gap == "previous" else math.isnan(bar.value.open)
            else:
                close = bar.value.close
    assert [bar for bar in bars if bar.value.count] == plain
    assert len(bars) > len(plain)


def test_a_gap_of_another_kind_is_refused():
    with pytest.raises(rxdag.GraphError) as caught:
        market.resample_ohlc(keyed(rxdag.from_source(rxdag.sources.range(1))), "1s", "p", "q", gap="zero")
    assert str(caught.value) == 'resample_ohlc: gap must be "skip", "previous" or "nan", got \'zero\''


# ---- longer bars of shorter ones


def bars_of(assigner, minutes=(5,)):
    ticks = rxdag.from_source(sources.iterable([(60 * minute, "a", 1.0) for minute in minutes]))
    return keyed(ticks).pipe(ops.window(assigner, agg.ohlcv(lambda t: t[2], lambda t: 1)))


@pytest.mark.parametrize(
    ("shorter", "size", "options"),
    [
        (windows.tumbling("1m"), "90s", {}),
        (windows.tumbling("20m"), "30m", {}),
        (windows.tumbling("1h"), "30m", {}),
        (windows.tumbling("1m"), "5m", {"offset": "30s"}),
        (windows.tumbling("1m", offset="1s"), "5m", {}),
        (windows.tumbling("1h"), "1d", {"tz": "Asia/Kolkata"}),
        (windows.tumbling("1h"), "1d", {"tz": "Australia/Lord_Howe"}),
        (windows.tumbling("1d", tz="America/New_York"), "1d", {}),
        (windows.tumbling("1w"), "1mo", {}),
        (windows.tumbling("1mo"), "1d", {}),
        (windows.tumbling("1w"), "1y", {}),
        (windows.tumbling("1q"), "1mo", {}),
    ],
)
def test_bars_that_do_not_fit_into_longer_ones_are_refused(shorter, size, options):
    with pytest.raises(GraphError, match="rollup: each bar must lie within one longer bar, whose size is a multiple"):
        market.rollup(bars_of(shorter), size, **options)


@pytest.mark.parametrize(
    "shorter", [windows.sliding("2m", "1m"), windows.sliding("1m", "2m"), windows.session("1m"), windows.count(3)]
)
def test_bars_that_are_not_one_behind_the_other_are_refused(shorter):
    with pytest.raises(GraphError, match=r"rollup: bars must be of adjacent windows, such as windows.tumbling, got"):
        market.rollup(bars_of(shorter), "10m")


@pytest.mark.parametrize(
    ("shorter", "size", "options"),
    [
        (windows.tumbling("1m"), "1m", {}),
        (windows.tumbling("1m", offset="30s"), "5m", {"offset": "-30s"}),
        (windows.tumbling("30m"), "1d", {"tz": "Asia/Kolkata"}),
        (windows.tumbling("1h"), "1d", {"tz": "America/New_York", "offset": "18h"}),
        (windows.tumbling("1d", tz="America/New_York"), "1w", {"tz": "America/New_York"}),
        (windows.tumbling("1d"), "1mo", {}),
        (windows.tumbling("1mo"), "1q", {}),
        (windows.tumbling("1q"), "1y", {}),
    ],
)
def test_bars_that_fit_into_longer_ones_are_rolled_up(shorter, size, options):
    minutes = range(0, 60 * 24 * 40, 60 * 7)
    rolled = market.rollup(bars_of(shorter, minutes), size, **options).collect()
    ticks = bars_of(windows.tumbling(size, **options), minutes).collect()
    assert [(p.start, p.end, p.value.count) for p in rolled] == [(p.start, p.end, p.value.count) for p in ticks]


@pytest.mark.parametrize("lateness", ["0s", "1h"])
def test_a_bar_across_a_border_goes_to_dead_where_its_windows_are_not_known(lateness):
    bars = bars_of(windows.tumbling("20m"), (5, 25, 45)).pipe(ops.map(lambda pane: pane))
    rolled = market.rollup(bars, "30m", allowed_lateness=lateness)
    out, dead = rolled.to(sinks.collect()), rolled.dead.to(sinks.collect())
    result = rxdag.run(out, dead)
    assert [(pane.start // (60 * 10**9), pane.value.count) for pane in result[out]] == [(0, 1), (30, 1)]
    assert [str(letter.error) for letter in result[dead]] == [
        "rollup: a bar must lie within one longer bar, got one from 1970-01-01T00:20:00Z to 1970-01-01T00:40:00Z"
    ]


def test_what_is_no_pane_is_refused():
    ticks = rxdag.from_source(sources.iterable([], of=market.Trade)).pipe(ops.event_time("recv_ns"))
    with pytest.raises(GraphError, match="rollup: takes panes of agg.ohlcv, got items of Trade"):
        market.rollup(ticks, "1m")
    unknown = rxdag.from_source(sources.iterable([7])).pipe(ops.event_time(lambda x: x))
    with pytest.raises(NodeError, match="TypeError: rollup: takes panes of agg.ohlcv, got 7"):
        market.rollup(unknown, "1m").collect()


# ---- trades and quotes


@pytest.mark.parametrize(
    "make",
    [
        lambda: market.tick_rule(lambda t: t[2]),
        lambda: ops.window(rxdag.windows.tumbling("9s"), market.twap(lambda t: t[2])),
        lambda: ops.window(rxdag.windows.session("9s"), market.twap(lambda t: t[2]), early="3s"),
        lambda: ops.rolling("9s", market.twap(lambda t: t[2])),
        lambda: ops.rolling(3, market.imbalance(lambda t: int(t[2]), lambda t: 1 if t[1] == "a" else -1)),
        lambda: ops.window(rxdag.windows.count(4), market.imbalance(lambda t: t[2], lambda t: t[0] % 3 - 1)),
    ],
)
def test_operators_of_trades_hold_the_laws(make):
    check_operator(make, TICKS, before=keyed)


def test_the_time_weighted_price_does_not_depend_on_the_order_of_arrival():
    expected = (2.0 * 3 + 8.0 * 1 + 5.0 * 6) / 10
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        ticks = [(("2s", 10, 2.0), ("5s", 13, 8.0), ("6s", 14, 5.0))[i] for i in order]
        timed = rxdag.from_source(rxdag.sources.iterable(ticks)).pipe(
            ops.event_time(lambda t: t[1], unit="s", out_of_order="9s")
        )
        (pane,) = timed.pipe(ops.window_all(rxdag.windows.tumbling("10s"), market.twap(lambda t: t[2]))).collect()
        assert pane.value == pytest.approx(expected)


def test_a_price_that_is_none_and_a_sign_that_is_none_are_dead():
    ticks = rxdag.from_source(rxdag.sources.iterable([(1.0, 1), (math.nan, 1), (2.0, 5), (-1.0, 1), (3.0, -1)]))
    timed = ticks.pipe(ops.event_time(lambda t: 0))
    panes = timed.pipe(
        ops.window_all(rxdag.windows.tumbling("1s"), market.imbalance(lambda t: t[0], lambda t: t[1])),
        on_error=rxdag.on_error.dead,
    )
    out, dead = panes.to(rxdag.sinks.collect()), panes.dead.to(rxdag.sinks.collect())
    result = rxdag.run(out, dead)
    assert [pane.value for pane in result[out]] == [-0.5]
    assert [str(letter.error) for letter in result[dead]] == [
        "imbalance: qty must be a finite number, got nan",
        "imbalance: sign must be 1, 0 or -1, got 5",
        "imbalance: qty must be 0 or more, got -1.0",
    ]


def test_prices_of_quotes_are_expressions():
    quotes = [{"bid": 10.0, "bid_qty": 3.0, "ask": 11.0, "ask_qty": 1.0}]
    made = rxdag.from_source(rxdag.sources.iterable(quotes)).pipe(
        ops.select(mid=market.mid(), spread=market.spread("bid", rxdag.col.ask), micro=market.microprice())
    )
    assert made.collect() == [{"mid": 10.5, "spread": 1.0, "micro": 10.75}]
    with pytest.raises(rxdag.GraphError) as caught:
        market.mid("bid", 7)
    assert str(caught.value) == "mid: ask must be a field's name or an expression, got 7"


# ---- order books


def message(kind, number, bids=(), asks=(), previous=None):
    return (kind, number, list(bids), list(asks), number - 1 if previous is None else previous)


def book(**how):
    return market.book_top(
        is_snapshot=lambda m: m[0] == "all",
        sequence=lambda m: m[1],
        bids=lambda m: m[2],
        asks=lambda m: m[3],
        previous=lambda m: m[4],
        **how,
    )


MESSAGES = [
    message("change", 3, bids=[(9.0, 1.0)]),
    message("change", 4, bids=[(8.0, 2.0)]),
    message("all", 3, bids=[(9.0, 1.0)], asks=[(11.0, 1.0)]),
    message("change", 5, bids=[(9.0, 0.0)]),
    message("change", 5, bids=[(9.0, 7.0)]),
    message("change", 8, asks=[(10.5, 1.0)]),
    message("change", 9, asks=[(10.0, 1.0)]),
    message("all", 8, bids=[(7.0, 1.0)], asks=[(12.0, 1.0)]),
    message("all", 2, bids=[(5.0, 1.0)]),
    message("change", 3, bids=[(5.0, 0.0)]),
]


def test_a_book_waits_for_its_snapshot_and_begins_anew_behind_a_gap():
    stream = rxdag.from_source(rxdag.sources.iterable(MESSAGES)).pipe(book())
    out, gaps = stream.to(rxdag.sinks.collect()), stream.side("gaps", of=ops.Gap).to(rxdag.sinks.collect())
    result = rxdag.run(out, gaps)
    assert [(top.sequence, top.bid, top.ask) for top in result[out]] == [
        (3, 9.0, 11.0),
        (4, 9.0, 11.0),
        (5, 8.0, 11.0),
        (8, 7.0, 12.0),
        (9, 7.0, 10.0),
        (2, 5.0, None),
        (3, None, None),
    ]
    assert result[gaps] == [ops.Gap(None, 6, 7)]
    assert result.stats.nodes["book_top"].dropped == {"repeated": 3}
    assert result.problems == ()


def test_a_book_that_gets_no_snapshot_drops_what_waits_and_a_bad_level_is_dead():
    changes = [message("change", n, bids=[(1.0, 1.0)]) for n in range(5)]
    stream = rxdag.from_source(rxdag.sources.iterable([*changes, message("all", 9, bids=[(-1.0, 1.0)])])).pipe(
        book(max_pending=2)
    )
    out, dead = stream.to(rxdag.sinks.collect()), stream.dead.to(rxdag.sinks.collect())
    result = rxdag.run(out, dead)
    assert result[out] == []
    assert result.stats.nodes["book_top"].dropped == {"no snapshot": 5}
    assert "a price above 0 and a size of 0 or more, got -1.0, 1.0" in str(result[dead][0].error)


NOT_LEVELS = [(math.nan, 1.0), (math.inf, 1.0), (0.0, 1.0), (1.0, math.nan), (1.0, math.inf), (1.0, -1.0)]


@pytest.mark.parametrize("level", NOT_LEVELS)
def test_a_level_whose_price_or_size_is_out_of_range_is_dead(level):
    stream = rxdag.from_source(rxdag.sources.iterable([message("all", 1, bids=[(1.0, 1.0), level])])).pipe(book())
    dead = stream.dead.to(rxdag.sinks.collect())
    assert [letter.item[2][1] is level for letter in rxdag.run(dead)[dead]] == [True]


class Unwalked(dict):
    def values(self):
        raise AssertionError("all books were looked at")


def test_the_least_time_that_waits_takes_no_look_at_the_books_while_no_change_waits():
    kernel = book().kernel()
    kernel.books = Unwalked(dict.fromkeys(range(3)))
    assert kernel.low() == MAX


def test_order_books_hold_the_laws():
    check_operator(lambda: book(), MESSAGES * 3)
    check_operator(lambda: book(max_pending=1), MESSAGES * 2)


def two_bars(trades):
    seconds = market.trade_bars(trades, size="1s", name="seconds").to(sinks.collect(), name="s")
    minutes = market.trade_bars(trades, size="1m", name="minutes").to(sinks.collect(), name="m")
    return rxdag.Dag(seconds, minutes, name="job")


def test_bars_of_two_sizes_fit_into_one_graph_with_checkpoints(tmp_path):
    trades = rxdag.from_source(sources.simulated_trades(trades=1_000), name="trades")
    assert {"minutes_timed", "minutes_valid", "minutes_once", "minutes"} < set(two_bars(trades).nodes)
    result = rxdag.run(two_bars(trades), checkpoints=tmp_path / "state")
    assert sum(bar.count for bar in result["s"]) == sum(bar.count for bar in result["m"]) > 900


def test_bars_with_filled_gaps_continue_from_a_checkpoint(tmp_path):
    ticks = rxdag.from_source(sources.iterable([(1, 10.0), (35, 20.0)], replay=True), name="ticks")
    timed = ticks.pipe(ops.event_time(lambda t: t[0], unit="s"), name="timed").pipe(ops.key_by(lambda t: "all"))
    bars = market.resample_ohlc(timed, "10s", lambda t: t[1], lambda t: 1, gap="previous", name="bars")
    result = rxdag.run(rxdag.Dag(bars.to(sinks.collect(), name="out"), name="job"), checkpoints=tmp_path / "state")
    assert [pane.value.count for pane in result["out"]] == [1, 0, 0, 1]


def test_bars_of_two_sizes_fit_into_one_spec():
    spec = """
    nodes:
      trades: {source: simulated_trades, trades: 1000}
      seconds: {op: trade_bars, input: trades}
      minutes: {op: trade_bars, input: trades, size: 1m}
      s: {sink: collect, input: seconds}
      m: {sink: collect, input: minutes}
    """
    result = rxdag.run(load_spec(text=spec))
    assert sum(bar.count for bar in result["s"]) == sum(bar.count for bar in result["m"]) > 900
