"""Real feeds: what the operators make of them is what polars, or a plain loop, makes."""

from __future__ import annotations

import gzip
import inspect
import itertools
import json
import random
from decimal import Decimal

import msgspec
import pytest

import rxdag
from rxdag import aggregates as agg
from rxdag import market, sinks, sources, windows
from rxdag import operators as ops

polars = pytest.importorskip("polars")
MS = 1_000_000
RIGHT = ((None, None), (50.0, 2.0), (60_000.0, 0.5))


@pytest.fixture(scope="module")
def trades(data):
    return polars.read_parquet(data / "binance_20240808_trades.parquet")


def timed_trades(data, **how):
    source = sources.parquet(data / "binance_20240808_trades.parquet", market.Trade)
    return rxdag.from_source(source).pipe(ops.event_time("trade_ms", unit="ms", sequence="trade_id", **how))


def by_feed(stream):
    return stream.pipe(ops.key_by("venue", "symbol"))


def rows_of_panes(panes):
    names = ("open", "high", "low", "close", "count")
    return [
        (pane.start // MS, *pane.key, *(getattr(pane.value, name) for name in names), pane.value.volume)
        for pane in panes
    ]


def assert_same_bars(panes, expected):
    mine, theirs = sorted(rows_of_panes(panes)), sorted(expected.rows())
    assert [row[:-1] for row in mine] == [row[:-1] for row in theirs]
    assert [row[-1] for row in mine] == pytest.approx([row[-1] for row in theirs], rel=1e-9)


def aggregated(grouped):
    price, qty = polars.col("price"), polars.col("qty")
    return grouped.agg(
        price.first().alias("open"),
        price.max().alias("high"),
        price.min().alias("low"),
        price.last().alias("close"),
        polars.len().alias("count"),
        qty.sum().alias("volume"),
    )


@pytest.mark.parametrize(("size", "ms"), [("100ms", 100), ("1s", 1_000), ("1m", 60_000)])
def test_bars_of_every_size_equal_polars(data, trades, size, ms):
    bars = by_feed(timed_trades(data, out_of_order="250ms")).pipe(
        ops.window(windows.tumbling(size), agg.ohlcv("price", "qty"))
    )
    ordered = trades.sort("trade_ms", "trade_id", maintain_order=True)
    starts = ordered.with_columns(start=polars.col("trade_ms") // ms * ms)
    assert_same_bars(bars.collect(), aggregated(starts.group_by("start", "venue", "symbol", maintain_order=True)))


def test_bars_of_sessions_equal_a_plain_loop(data, trades):
    """A session of an invented market within the data, with a break."""
    first = trades["trade_ms"].min() // 60_000 * 60
    clock = [
        f"{(first + s) // 3600 % 24:02}:{(first + s) // 60 % 60:02}:{(first + s) % 60:02}" for s in (30, 60, 90, 150)
    ]
    hours = market.Session("UTC", clock[0], clock[3], breaks=[(clock[1], clock[2])])
    bars = by_feed(timed_trades(data, out_of_order="250ms")).pipe(
        ops.window(hours.windows("7s"), agg.ohlcv("price", "qty"))
    )
    out, outside = bars.to(sinks.collect()), bars.side("unassigned", of=market.Trade).to(sinks.collect())
    result = rxdag.run(out, outside)
    counts, left = {}, 0
    for ms, venue, symbol in trades.select("trade_ms", "venue", "symbol").iter_rows():
        at = ms - first * 1000
        stretch = next(((a, b) for a, b in ((30_000, 60_000), (90_000, 150_000)) if a <= at < b), None)
        if stretch is None:
            left += 1
            continue
        start = at - (at - stretch[0]) % 7000
        key = (first * 1000 + start, first * 1000 + min(start + 7000, stretch[1]), venue, symbol)
        counts[key] = counts.get(key, 0) + 1
    assert {(pane.start // MS, pane.end // MS, *pane.key): pane.value.count for pane in result[out]} == counts
    assert len(result[outside]) == left
    assert len(counts) > 10


@pytest.mark.parametrize(("kind", "size"), [("volume", 25.0), ("dollar", 250_000.0), ("tick", 500), ("range", 5.0)])
def test_bars_by_activity_equal_a_plain_loop(data, trades, kind, size):
    in_order = rxdag.merge_sorted(timed_trades(data, out_of_order="250ms"))
    bars = by_feed(in_order).pipe(getattr(market, f"{kind}_bars")(size, "price", "qty"))
    out, rest = bars.to(sinks.collect()), bars.side("unfinished", of=rxdag.Pane).to(sinks.collect())
    result = rxdag.run(out, rest)
    expected, open_ = [], {}
    for row in trades.sort("trade_ms", "trade_id", maintain_order=True).iter_rows(named=True):
        key, price, qty = (row["venue"], row["symbol"]), Decimal(str(row["price"])), Decimal(str(row["qty"]))
        low, high, volume, value, n = open_.get(key, (price, price, 0, 0, 0))
        low, high, volume, value, n = min(low, price), max(high, price), volume + qty, value + price * qty, n + 1
        open_[key] = low, high, volume, value, n
        if {"volume": volume, "dollar": value, "tick": n, "range": high - low}[kind] >= Decimal(str(size)):
            expected.append((row["trade_ms"], *key, n, *map(float, open_.pop(key)[:2])))
    assert len(expected) > 60
    assert [
        ((pane.end - 1) // MS, *pane.key, pane.value.count, pane.value.low, pane.value.high) for pane in result[out]
    ] == expected
    assert sorted((pane.key, pane.value.count) for pane in result[rest]) == sorted(
        (key, last[-1]) for key, last in open_.items()
    )


def test_bars_with_corrections_are_those_of_the_corrected_tape(data, trades):
    rows = [market.Trade(*row) for row in trades.iter_rows()][::4]
    rng = random.Random(3)
    changed = {
        number: market.Correction(row.venue, row.symbol, row.trade_id, row.trade_ms, number, *rng.choice(RIGHT))
        for number, row in rng.sample(list(enumerate(rows)), 500)
    }
    bars = market.trade_bars(
        rxdag.from_source(sources.iterable(rows, of=market.Trade)),
        corrections=rxdag.from_source(sources.iterable(list(changed.values()), of=market.Correction)),
    )
    last = {(bar.venue, bar.symbol, bar.start): bar for bar in bars.collect()}
    right = [
        msgspec.structs.replace(row, price=changed[n].price, qty=changed[n].qty) if n in changed else row
        for n, row in enumerate(rows)
        if n not in changed or changed[n].price is not None
    ]
    plain = market.trade_bars(rxdag.from_source(sources.iterable(right, of=market.Trade))).collect()
    names = ("venue", "symbol", "start", "open", "high", "low", "close", "count")
    assert {tuple(getattr(bar, name) for name in names) for bar in last.values() if bar.count} == {
        tuple(getattr(bar, name) for name in names) for bar in plain
    }
    assert sum(bar.volume for bar in last.values()) == pytest.approx(sum(bar.volume for bar in plain), rel=1e-9)


def test_sessions_with_a_gap_of_50_ms_equal_polars(data, trades):
    bars = by_feed(timed_trades(data, out_of_order="250ms")).pipe(
        ops.window(windows.session("50ms"), agg.ohlcv("price", "qty"))
    )
    feed = ["venue", "symbol"]
    ordered = trades.sort("trade_ms", "trade_id", maintain_order=True).with_columns(
        pause=polars.col("trade_ms").diff().over(feed).fill_null(0)
    )
    ordered = ordered.with_columns(session=(polars.col("pause") > 50).cum_sum().over(feed))
    ordered = ordered.with_columns(start=polars.col("trade_ms").min().over([*feed, "session"]))
    assert_same_bars(bars.collect(), aggregated(ordered.group_by("start", *feed, maintain_order=True)))


@pytest.mark.parametrize(("size", "late"), [("1s", 322), ("100ms", 1_882)])
def test_with_one_lag_of_5_ms_trades_are_late_and_with_one_for_each_feed_none_is(data, size, late):
    counted = {}
    for by in (None, ("venue", "symbol")):
        stream = timed_trades(data, out_of_order="5ms", by=None if by is None else lambda t: (t.venue, t.symbol))
        bars = by_feed(stream).pipe(ops.window(windows.tumbling(size), agg.count()))
        panes, lost = bars.to(rxdag.sinks.collect()), bars.late.to(rxdag.sinks.collect())
        result = rxdag.run(panes, lost)
        assert result.problems == ()
        counted[by] = len(result[lost])
        assert len(result[lost]) + sum(pane.value for pane in result[panes]) == 55_270
    assert counted == {None: late, ("venue", "symbol"): 0}


class Quote(msgspec.Struct, frozen=True):
    event_ms: int
    venue: str
    symbol: str
    update_id: int
    bid: float
    ask: float


@pytest.mark.skipif(
    "check_sortedness" not in inspect.signature(polars.DataFrame.join_asof).parameters,
    reason="this polars says of every join by group that it cannot check the order",
)
def test_quotes_as_of_the_trades_equal_polars(data, trades):
    quotes = polars.read_parquet(data / "binance_20240808_quotes.parquet").filter(polars.col("event_ms").is_not_null())
    venues = quotes["venue"].unique().to_list()
    assert sorted(venues) == ["binance_cm", "binance_usdm"]
    left = trades.filter(polars.col("venue").is_in(venues))
    ours = rxdag.join_asof(
        _stream(left, market.Trade, "trade_ms", "trade_id"),
        _stream(quotes, Quote, "event_ms", "update_id"),
        into=lambda t, q: (t.venue, t.symbol, t.trade_id, None if q is None else (q.bid, q.ask)),
    ).collect()
    feed = ["venue", "symbol"]
    right = quotes.sort("event_ms", "update_id", maintain_order=True).select(*feed, "event_ms", "bid", "ask")
    joined = left.sort("trade_ms", "trade_id", maintain_order=True).join_asof(
        right, left_on="trade_ms", right_on="event_ms", by=feed, check_sortedness=False
    )
    theirs = {
        (venue, symbol, trade_id): None if bid is None else (bid, ask)
        for venue, symbol, trade_id, bid, ask in joined.select(*feed, "trade_id", "bid", "ask").iter_rows()
    }
    assert len(ours) == len(left) == len(theirs)
    assert {row[:3]: row[3] for row in ours} == theirs
    assert sum(quote is not None for quote in theirs.values()) > 30_000


def _stream(frame, kind, time, sequence):
    rows = frame.select(kind.__struct_fields__).iter_rows()
    items = [kind(*row) for row in rows]
    stream = rxdag.from_source(sources.iterable(items)).pipe(
        ops.event_time(time, unit="ms", sequence=sequence, out_of_order="250ms")
    )
    return stream.pipe(ops.key_by(lambda x: (x.venue, x.symbol)))


# ---- redundant feeds


@pytest.fixture(scope="module")
def book_frames(data):
    with gzip.open(data / "bequant_4conn.jsonl.gz", "rt") as lines:
        messages = [json.loads(line) for line in lines]
    frames = [m for m in messages if m["msg"].get("method") == "updateOrderbook"]
    assert len(frames) == 3_875
    return [(frame["conn"], frame["recv"], frame["msg"]["params"]) for frame in frames]


def name_and_number(frame):
    return frame[2]["symbol"], frame[2]["sequence"]


def test_of_four_connections_dedupe_passes_each_frame_once(book_frames):
    unique = rxdag.from_source(sources.iterable(book_frames)).pipe(ops.dedupe(name_and_number, max_keys=10_000))
    passed = [name_and_number(frame) for frame in unique.collect()]
    assert len(passed) == len(set(passed)) == 980


def plain_gaps(numbers):
    """What is missing between the numbers of each symbol that did come, by a plain loop."""
    out = set()
    for symbol in {symbol for symbol, _ in numbers}:
        mine = sorted({n for s, n in numbers if s == symbol})
        out |= {ops.Gap(symbol, a + 1, b - 1) for a, b in itertools.pairwise(mine) if b - a > 1}
    return out


@pytest.mark.parametrize("lost", [(), (3, 11), (2, 3, 5)])
def test_arbitration_gives_the_frames_in_sequence_with_the_gaps_of_a_plain_loop(book_frames, lost):
    """Numbers that leave these remainders by 17 are taken out of all four connections."""
    frames = [frame for frame in book_frames if name_and_number(frame)[1] % 17 not in lost]
    timed = rxdag.from_source(sources.iterable(frames)).pipe(
        ops.event_time(lambda frame: round(frame[1] * 1e6), unit="us", out_of_order="1s")
    )
    merged = timed.pipe(ops.arbitrate(lambda f: f[2]["symbol"], sequence=lambda f: f[2]["sequence"], wait="2s"))
    out, gaps = merged.to(rxdag.sinks.collect()), merged.side("gaps", of=ops.Gap).to(rxdag.sinks.collect())
    result = rxdag.run(out, gaps)
    assert result.problems == ()
    numbers = [name_and_number(frame) for frame in result[out]]
    expected = {name_and_number(frame) for frame in frames}
    assert len(numbers) == len(expected)
    assert set(numbers) == expected
    for symbol in {symbol for symbol, _ in numbers}:
        mine = [n for s, n in numbers if s == symbol]
        assert mine == sorted(mine)
    assert set(result[gaps]) == plain_gaps(expected)
    assert bool(result[gaps]) == bool(lost)
    if not lost:
        assert len(numbers) == 980


# ---- order books


def levels(rows):
    return [(float(price), float(size)) for price, size in rows]


def is_snapshot(message):
    return "lastUpdateId" in message


def number_of(message):
    return message["lastUpdateId"] if is_snapshot(message) else message["u"]


def number_before(message):
    return message.get("pu", message.get("U", 0) - 1)


@pytest.mark.parametrize(("venue", "depth"), [("spot", 3_451), ("usdm", 6_551)])
def test_the_top_of_the_book_is_what_the_exchange_says(data, venue, depth):
    best, messages = {}, []
    with gzip.open(data / "binance_20240808_raw" / f"{venue}_btcusdt_20240808.gz", "rt") as lines:
        for line in lines:
            frame = json.loads(line.partition(" ")[2])
            message = frame.get("data", frame)
            if frame.get("stream", "").endswith("bookTicker"):
                best[message["u"]] = tuple(float(message[name]) for name in "bBaA")
            elif message.get("e") == "depthUpdate" or is_snapshot(message):
                messages.append(message)
    assert len(messages) == depth + 1
    book = rxdag.from_source(sources.iterable(messages)).pipe(
        market.book_top(
            is_snapshot=is_snapshot,
            sequence=number_of,
            previous=number_before,
            bids=lambda m: levels(m.get("bids", m.get("b"))),
            asks=lambda m: levels(m.get("asks", m.get("a"))),
        )
    )
    out, gaps = book.to(rxdag.sinks.collect()), book.side("gaps", of=ops.Gap).to(rxdag.sinks.collect())
    result = rxdag.run(out, gaps)
    assert result.problems == ()
    assert result[gaps] == []
    compared = {top.sequence: top[:4] for top in result[out] if top.sequence in best}
    assert len(compared) > 500
    assert compared == {number: best[number] for number in compared}
