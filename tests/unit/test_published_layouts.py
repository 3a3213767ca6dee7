"""Layouts in which venues and vendors publish market data, with invented values: each in a type and one call."""

import gzip
import zipfile
from decimal import Decimal

import msgspec
import pytest
from tests.unit.reading import read_all

import rxdag
from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag import sources, windows
from rxdag.sources import Dialect


def write(path, text):
    """Write a file as its name says: .zip with one file inside, .gz, or plain."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{path.stem}.csv", text)
    else:
        path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def read(source):
    """The items, on rows; the same on columns."""
    items, dead = read_all(source)
    assert dead == []
    assert read_all(source, columns=True) == (items, dead)
    return items


def starts(timed, size):
    """The starts of the windows that items fall into, in ns."""
    panes = timed.pipe(ops.window_all(windows.tumbling(size), agg.count())).collect()
    return [pane.start for pane in panes]


# ---- Binance, spot dumps: no header, zipped


class BinanceTrade(msgspec.Struct):
    trade_id: int
    price: float
    qty: float
    quote_qty: float
    time: int
    is_buyer_maker: bool
    is_best_match: bool


class BinanceAggTrade(msgspec.Struct):
    agg_trade_id: int
    price: float
    qty: float
    first_trade_id: int
    last_trade_id: int
    time: int
    is_buyer_maker: bool
    is_best_match: bool


class Bar(msgspec.Struct):
    open_time: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    trades: int


KLINES = ["open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume", "trades", "_", "_", "_"]


def test_trades_of_binance_spot(tmp_path):
    text = "3300000001,44000.01,0.00200000,88.00002000,1704412800123,True,True\n"
    path = write(tmp_path / "BTCUSDT-trades-2024-01-05.zip", text * 2)
    source = sources.csv(path, BinanceTrade, dialect=Dialect(header=False))
    assert read(source) == 2 * [BinanceTrade(3300000001, 44000.01, 0.002, 88.00002, 1704412800123, True, True)]


def test_trades_of_binance_spot_from_before_and_after_the_unit_changed(tmp_path):
    for day, time in (("2024-12-31", "1735689599123"), ("2025-01-01", "1735689600000123")):
        text = f"3300000001,44000.01,0.00200000,88.00002000,{time},True,True\n"
        write(tmp_path / f"BTCUSDT-trades-{day}.zip", text)
    source = sources.csv(tmp_path / "BTCUSDT-trades-*.zip", BinanceTrade, dialect=Dialect(header=False))
    timed = rxdag.from_source(source).pipe(ops.event_time("time", unit="auto", sequence="trade_id"))
    assert starts(timed, "1s") == [1735689599 * 10**9, 1735689600 * 10**9]


def test_aggregate_trades_of_binance_spot(tmp_path):
    text = "2800000001,44000.01,0.00200000,3300000001,3300000003,1704412800123,False,True\n"
    path = write(tmp_path / "BTCUSDT-aggTrades-2024-01-05.zip", text)
    [trade] = read(sources.csv(path, BinanceAggTrade, dialect=Dialect(header=False)))
    assert trade == BinanceAggTrade(2800000001, 44000.01, 0.002, 3300000001, 3300000003, 1704412800123, False, True)


def test_klines_of_several_days_of_binance_spot(tmp_path):
    for day in (6, 5):
        text = f"17044{day}2800000,44000.01,44100.00,43900.50,44050.25,12.5,17044{day}2859999,550000.1,321,6.2,272000.5,0\n"
        write(tmp_path / f"BTCUSDT-1m-2024-01-0{day}.zip", text)
    source = sources.csv(tmp_path / "BTCUSDT-1m-*.zip", Bar, dialect=Dialect(header=KLINES))
    assert read(source) == [
        Bar(1704452800000, 44000.01, 44100.0, 43900.5, 44050.25, 12.5, 321),
        Bar(1704462800000, 44000.01, 44100.0, 43900.5, 44050.25, 12.5, 321),
    ]


# ---- Kraken, OHLCVT: no header, times in seconds


class KrakenBar(msgspec.Struct):
    time: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    trades: int


def test_bars_of_kraken(tmp_path):
    path = write(
        tmp_path / "XBTUSD_1.csv", "1381095240,122.0,122.5,121.9,122.25,0.1,1\n1381095300,123,124,123,123.61,1.5,2\n"
    )
    assert read(sources.csv(path, KrakenBar, dialect=Dialect(header=False))) == [
        KrakenBar(1381095240, 122.0, 122.5, 121.9, 122.25, 0.1, 1),
        KrakenBar(1381095300, 123.0, 124.0, 123.0, 123.61, 1.5, 2),
    ]


# ---- LOBSTER: no header, seconds after midnight, prices times 10,000


class LobsterEvent(msgspec.Struct):
    time: Decimal
    event: int
    order_id: int
    size: int
    price: int
    direction: int


class LobsterTop(msgspec.Struct):
    ask: int
    ask_size: int
    bid: int
    bid_size: int


def test_messages_of_lobster(tmp_path):
    path = write(
        tmp_path / "AAPL_2012-06-21_34200000_57600000_message_1.csv",
        "34200.004241176,1,16113575,18,5853300,1\n34200.025551909,4,16113584,18,5853200,-1\n",
    )
    stream = rxdag.from_source(sources.csv(path, LobsterEvent, dialect=Dialect(header=False)))
    timed = stream.pipe(ops.event_time("time", unit="s", date="2012-06-21", tz="America/New_York"))
    assert timed.collect() == [
        LobsterEvent(Decimal("34200.004241176"), 1, 16113575, 18, 5853300, 1),
        LobsterEvent(Decimal("34200.025551909"), 4, 16113584, 18, 5853200, -1),
    ]
    assert starts(timed, "1ms") == [1340285400_004_000_000, 1340285400_025_000_000]


def test_the_book_of_lobster_has_the_columns_of_each_level(tmp_path):
    path = write(tmp_path / "AAPL_orderbook_2.csv", "5859400,200,5853300,18,5859800,200,5853000,150\n")
    names = ["ask", "ask_size", "bid", "bid_size", "ask_2", "ask_size_2", "bid_2", "bid_size_2"]
    assert read(sources.csv(path, LobsterTop, dialect=Dialect(header=names))) == [LobsterTop(5859400, 200, 5853300, 18)]


# ---- NYSE Daily TAQ: "|", a record END, times as HHMMSSnnnnnnnnn


class TaqTrade(
    msgspec.Struct,
    rename={
        "time": "Time",
        "exchange": "Exchange",
        "symbol": "Symbol",
        "condition": "Sale Condition",
        "volume": "Trade Volume",
        "price": "Trade Price",
        "sequence": "Sequence Number",
    },
):
    time: str
    exchange: str
    symbol: str
    condition: str
    volume: int
    price: float
    sequence: int


TAQ = """\
Time|Exchange|Symbol|Sale Condition|Trade Volume|Trade Price|Trade Stop Stock Indicator|Trade Correction Indicator|\
Sequence Number|Trade Id|Source of Trade|Trade Reporting Facility|Participant Timestamp|\
Trade Reporting Facility TRF Timestamp|Trade Through Exempt Indicator
040002156741012|P|AAPL|@ TI|5|172.31||00|1821|1|N||040002156370000||1
093000000152001|Q|AAPL|"O X|100|172.50||00|2417|2|N||093000000145000||0
END|20180103|2||||||||||||
"""


def test_trades_of_the_daily_taq(tmp_path):
    path = write(tmp_path / "EQY_US_ALL_TRADE_20180103.gz", TAQ)
    source = sources.csv(path, TaqTrade, dialect=Dialect(delimiter="|", quote=None, trailer="END|"))
    assert read(source) == [
        TaqTrade("040002156741012", "P", "AAPL", "@ TI", 5, 172.31, 1821),
        TaqTrade("093000000152001", "Q", "AAPL", '"O X', 100, 172.5, 2417),
    ]
    timed = rxdag.from_source(source).pipe(
        ops.event_time("time", format="HHMMSSnnnnnnnnn", date="2018-01-03", tz="America/New_York")
    )
    assert starts(timed, "1us") == [1514970002_156_741_000, 1514989800_000_152_000]


def test_a_daily_taq_without_its_last_record_is_truncated(tmp_path):
    path = write(tmp_path / "EQY_US_ALL_TRADE_20180103.gz", TAQ[: TAQ.index("END")])
    source = sources.csv(path, TaqTrade, dialect=Dialect(delimiter="|", quote=None, trailer="END|"))
    with pytest.raises(rxdag.NodeError, match="the last line must begin with 'END|', got the end of the file"):
        rxdag.from_source(source).collect()


# ---- histdata: ";", no header, New York without daylight saving, a report beside the data


class HistdataBar(msgspec.Struct):
    time: str
    open: float
    high: float
    low: float
    close: float
    volume: int


def test_bars_of_histdata(tmp_path):
    path = tmp_path / "HISTDATA_COM_ASCII_EURUSD_M1_202407.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("DAT_ASCII_EURUSD_M1_202407.csv", "20240701 000000;1.071;1.0712;1.0709;1.0711;0\r\n")
        archive.writestr("DAT_ASCII_EURUSD_M1_202407.txt", "no gaps")
    source = sources.csv(path, HistdataBar, dialect=Dialect(delimiter=";", header=False))
    assert read(source) == [HistdataBar("20240701 000000", 1.071, 1.0712, 1.0709, 1.0711, 0)]
    timed = rxdag.from_source(source).pipe(ops.event_time("time", format="%Y%m%d %H%M%S", tz="EST"))
    assert starts(timed, "1s") == [1719810000 * 10**9]
