"""Layouts of JSON that venues publish, with invented values: each in a type and one call, for files and for frames."""

import threading
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
from tests import feeds
from tests.unit.reading import read_all

import rxdag
from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag import sinks, sources, windows


def read(folder, lines, of, *, without=0, **form):
    """The items of a file; the same of frames. So many of the lines, none of them the last, have no records."""
    path = folder / "t.jsonl"
    path.write_text("".join(f"{line}\n" for line in lines))
    items, dead = read_all(sources.jsonl(path, of, **form))
    assert dead == []
    stream = rxdag.from_source(sources.jsonl(path, of, **form), name="x")
    counted = f"{without} dropped (no records)" if without else "completed"
    assert counted in str(rxdag.run(stream.to(sinks.null())))
    got, result = received(lines, len(items), of, form)
    assert got == items
    assert not without or counted in str(result)
    return items


def received(lines, n, of, form):
    got, enough = [], threading.Event()

    def note(item):
        got.append(item)
        if len(got) == n:
            enough.set()

    with feeds.FeedServer(lines, [[feeds.sends(len(lines)), feeds.stalls]]) as server:
        run = rxdag.start(rxdag.from_source(sources.websocket(server.url, of=of, **form)).to(sinks.call(note)))
        assert enough.wait(20), got
        return got, run.drain("20s")


def starts(items, of, size, field, **how):
    """The starts of the windows that items fall into, in ns."""
    timed = rxdag.from_source(sources.iterable(items, of=of)).pipe(ops.event_time(field, **how))
    return [pane.start for pane in timed.pipe(ops.window_all(windows.tumbling(size), agg.count())).collect()]


# ---- Kraken, trades by REST: numbers as texts in lists, one answer a line


class KrakenTrade(msgspec.Struct, array_like=True):
    price: Decimal
    volume: Decimal
    time: Decimal
    side: str
    kind: str
    note: str
    trade_id: int


def test_trades_of_kraken_by_rest(tmp_path):
    lines = [
        '{"error":[],"result":{"XXBTZUSD":[["30243.40000","0.34507674",1688669597.8277369,"b","m","",61044952],'
        '["30243.30000","0.00376960",1688669598.2804112,"s","l","",61044953]],"last":"1688669598280411223"}}',
        '{"error":["EAPI:Rate limit exceeded"]}',
        '{"error":[],"result":{"XXBTZUSD":[],"last":"1688669598280411223"}}',
        '{"error":[],"result":{"XXBTZUSD":[["30244.00000","1.00000000",1688669600.0000001,"b","l","",61044954]],'
        '"last":"1688669600000000123"}}',
    ]
    items = read(tmp_path, lines, KrakenTrade, strict=False, records="result.XXBTZUSD", without=1)
    assert items == [
        KrakenTrade(
            Decimal("30243.40000"), Decimal("0.34507674"), Decimal("1688669597.8277369"), "b", "m", "", 61044952
        ),
        KrakenTrade(
            Decimal("30243.30000"), Decimal("0.00376960"), Decimal("1688669598.2804112"), "s", "l", "", 61044953
        ),
        KrakenTrade(
            Decimal("30244.00000"), Decimal("1.00000000"), Decimal("1688669600.0000001"), "b", "l", "", 61044954
        ),
    ]
    assert starts(items, KrakenTrade, "100ns", "time", unit="s") == [
        1688669597827736900,
        1688669598280411200,
        1688669600000000100,
    ]


# ---- Coinbase, matches: numbers as texts, a type in each object


class Match(msgspec.Struct):
    trade_id: int
    product_id: str
    price: Decimal
    size: float
    side: str
    time: datetime


def test_matches_of_coinbase(tmp_path):
    lines = [
        '{"type":"subscriptions","channels":[{"name":"matches","product_ids":["BTC-USD"]}]}',
        '{"type":"heartbeat","last_trade_id":10,"product_id":"BTC-USD","sequence":51,"time":"2014-11-07T08:19:28.464459Z"}',
        '{"type":"last_match","trade_id":9,"maker_order_id":"ac928c66","taker_order_id":"132fb6ae","side":"buy",'
        '"size":"1","price":"400.00","product_id":"BTC-USD","sequence":49,"time":"2014-11-07T08:19:26.000000Z"}',
        '{"type":"match","trade_id":10,"maker_order_id":"ac928c66","taker_order_id":"132fb6ae","side":"sell",'
        '"size":"5.23512","price":"400.23","product_id":"BTC-USD","sequence":50,"time":"2014-11-07T08:19:27.028459Z"}',
    ]
    assert read(tmp_path, lines, Match, strict=False, records="", when={"type": "match"}, without=3) == [
        Match(10, "BTC-USD", Decimal("400.23"), 5.23512, "sell", datetime(2014, 11, 7, 8, 19, 27, 28459, tzinfo=UTC))
    ]


# ---- Binance, combined streams: an envelope, and events of several types


class BinanceTrade(
    msgspec.Struct,
    tag_field="e",
    tag="trade",
    rename={"time": "T", "symbol": "s", "trade_id": "t", "price": "p", "qty": "q"},
):
    time: int
    symbol: str
    trade_id: int
    price: float
    qty: float


class BinanceAggTrade(
    msgspec.Struct,
    tag_field="e",
    tag="aggTrade",
    rename={"time": "T", "symbol": "s", "agg_id": "a", "price": "p", "qty": "q"},
):
    time: int
    symbol: str
    agg_id: int
    price: float
    qty: float


def test_combined_streams_of_binance(tmp_path):
    lines = [
        '{"result":null,"id":1}',
        '{"stream":"btcusdt@trade","data":{"e":"trade","E":1672515782136,"s":"BTCUSDT","t":12345,"p":"16500.10",'
        '"q":"0.010","T":1672515782134,"m":true,"M":true}}',
        '{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1672515782136,"s":"BTCUSDT","a":26129,"p":"16500.20",'
        '"q":"0.5","f":12345,"l":12346,"T":1672515782135,"m":false,"M":true}}',
    ]
    items = read(tmp_path, lines, BinanceTrade | BinanceAggTrade, strict=False, records="data", without=1)
    assert items == [
        BinanceTrade(1672515782134, "BTCUSDT", 12345, 16500.10, 0.010),
        BinanceAggTrade(1672515782135, "BTCUSDT", 26129, 16500.20, 0.5),
    ]


# ---- Kraken, WebSocket v2: a list of records in an envelope, with its channel


class KrakenTick(msgspec.Struct):
    symbol: str
    side: str
    price: Decimal
    qty: Decimal
    trade_id: int
    timestamp: datetime


def test_trades_of_kraken_by_websocket(tmp_path):
    lines = [
        '{"channel":"status","type":"update","data":[{"version":"2.0.0","system":"online","api_version":"v2",'
        '"connection_id":12393906104898154338}]}',
        '{"method":"subscribe","result":{"channel":"trade","snapshot":true,"symbol":"MATIC/USD"},"success":true,'
        '"time_in":"2023-09-25T07:49:36.801603Z","time_out":"2023-09-25T07:49:36.801653Z"}',
        '{"channel":"heartbeat"}',
        '{"channel":"trade","type":"snapshot","data":[{"symbol":"MATIC/USD","side":"buy","price":0.5147,"qty":6423.46326,'
        '"ord_type":"limit","trade_id":4665846,"timestamp":"2023-09-25T07:48:36.925533Z"},{"symbol":"MATIC/USD",'
        '"side":"sell","price":0.5146,"qty":1136.19677815,"ord_type":"limit","trade_id":4665847,'
        '"timestamp":"2023-09-25T07:49:36.925603Z"}]}',
    ]
    items = read(tmp_path, lines, KrakenTick, records="data", when={"channel": "trade"}, without=3)
    assert [(item.trade_id, item.price, str(item.qty)) for item in items] == [
        (4665846, Decimal("0.5147"), "6423.46326"),
        (4665847, Decimal("0.5146"), "1136.19677815"),
    ]
    assert starts(items, KrakenTick, "1us", "timestamp") == [1695628116925533000, 1695628176925603000]


# ---- Bitstamp: one record in an envelope, with its event


class BitstampTrade(msgspec.Struct):
    id: int
    price: Decimal = msgspec.field(name="price_str")
    amount: Decimal = msgspec.field(name="amount_str")
    microtimestamp: int


def test_trades_of_bitstamp(tmp_path):
    lines = [
        '{"event":"bts:subscription_succeeded","channel":"live_trades_btcusd","data":{}}',
        '{"event":"bts:heartbeat","channel":"","data":{"status":"success"}}',
        '{"event":"bts:request_reconnect","channel":"","data":""}',
        '{"data":{"id":311869424,"timestamp":"1700000000","amount":0.00263,"amount_str":"0.00263000","price":36548,'
        '"price_str":"36548","type":0,"microtimestamp":"1700000000123456","buy_order_id":1685000000000001,'
        '"sell_order_id":1685000000000002},"channel":"live_trades_btcusd","event":"trade"}',
    ]
    items = read(tmp_path, lines, BitstampTrade, strict=False, records="data", when={"event": "trade"}, without=3)
    assert items == [BitstampTrade(311869424, Decimal("36548"), Decimal("0.00263000"), 1700000000123456)]
    assert starts(items, BitstampTrade, "1us", "microtimestamp", unit="us") == [1700000000123456000]


# ---- OKX: a list of records in "data", numbers as texts


class OkxTrade(msgspec.Struct, rename="camel"):
    inst_id: str
    trade_id: int
    px: float
    sz: Decimal
    side: str
    ts: int


class OkxCandle(msgspec.Struct, array_like=True):
    ts: int
    open: float
    high: float
    low: float
    close: float
    volume: float


def test_trades_of_okx(tmp_path):
    lines = [
        '{"event":"subscribe","arg":{"channel":"trades","instId":"BTC-USDT"},"connId":"a4d3ae55"}',
        '{"arg":{"channel":"trades","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT","tradeId":"130639474",'
        '"px":"42219.9","sz":"0.12060306","side":"buy","ts":"1630048897897","count":"3"},{"instId":"BTC-USDT",'
        '"tradeId":"130639475","px":"42219.8","sz":"0.1","side":"sell","ts":"1630048897898","count":"1"}]}',
    ]
    assert read(tmp_path, lines, OkxTrade, strict=False, records="data", without=1) == [
        OkxTrade("BTC-USDT", 130639474, 42219.9, Decimal("0.12060306"), "buy", 1630048897897),
        OkxTrade("BTC-USDT", 130639475, 42219.8, Decimal("0.1"), "sell", 1630048897898),
    ]


def test_candles_of_okx(tmp_path):
    lines = [
        '{"arg":{"channel":"candle1m","instId":"BTC-USDT"},"data":[["1629993600000","42500","48199.9","41006.1",'
        '"41006.1","3587.41204591","166741046.22","166741046.22","0"]]}'
    ]
    assert read(tmp_path, lines, OkxCandle, strict=False, records="data") == [
        OkxCandle(1629993600000, 42500.0, 48199.9, 41006.1, 41006.1, 3587.41204591)
    ]
