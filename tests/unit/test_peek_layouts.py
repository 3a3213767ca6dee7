"""`rxdag peek` on the layouts in which venues and vendors publish CSV, with invented values."""

import zipfile

import pytest
from tests.unit.peeked import checks, peeked, run, write

from rxdag.peek import program_of

NS = 10**9
MS = 10**6
DAY = 1704412800
"""2024-01-05, in seconds."""


def test_trades_of_binance_spot(tmp_path):
    text = "3300000001,44000.01,0.00200000,88.00002000,1704412800123,True,True\n"
    assert peeked(write(tmp_path / "BTCUSDT-trades-2024-01-05.zip", text)) == (
        [(3300000001, 44000.01, 0.002, 88.00002, 1704412800123, True, True)],
        [DAY * NS + 123 * MS],
    )


def test_trades_of_binance_spot_in_microseconds(tmp_path):
    text = "3300000001,44000.01,0.00200000,88.00002000,1735689600000123,True,True\n"
    assert peeked(write(tmp_path / "BTCUSDT-trades-2025-01-01.zip", text))[1] == [1735689600 * NS + 123_000]


def test_a_file_in_milliseconds_that_goes_on_in_microseconds(tmp_path):
    path = write(
        tmp_path / "trades.csv",
        "3300000001,44000.01,0.002,88.00002,1735689599123,True,True\n"
        "3300000002,44000.01,0.002,88.00002,1735689600000123,True,True\n",
    )
    assert peeked(path)[1] == [1735689599 * NS + 123 * MS, 1735689600 * NS + 123_000]
    assert "# Event time: column_5 is in ms, and from 1735689600000123 on in us, by its magnitude.\n" in program_of(
        str(path)
    )


def test_aggregate_trades_of_binance_spot(tmp_path):
    text = "2800000001,44000.01,0.00200000,3300000001,3300000003,1704412800123,False,True\n"
    assert peeked(write(tmp_path / "BTCUSDT-aggTrades-2024-01-05.zip", text)) == (
        [(2800000001, 44000.01, 0.002, 3300000001, 3300000003, 1704412800123, False, True)],
        [DAY * NS + 123 * MS],
    )


def test_klines_of_binance_spot_have_the_time_at_which_they_open(tmp_path):
    text = (
        "1704412800000,44000.01,44100,43900.5,44050.25,12.5,1704412859999,550000.1,321,6.2,272000.5,0\n"
        "1704412860000,44050.25,44100,43900.5,44050.5,12.5,1704412919999,550000.1,321,6.2,272000.5,0\n"
    )
    items, times = peeked(write(tmp_path / "BTCUSDT-1m-2024-01-05.zip", text))
    assert items[0] == (
        1704412800000, 44000.01, 44100, 43900.5, 44050.25, 12.5, 1704412859999, 550000.1, 321, 6.2, 272000.5, 0,
    )  # fmt: skip
    assert times == [DAY * NS, (DAY + 60) * NS]


def test_aggregate_trades_of_binance_futures_with_a_header(tmp_path):
    text = (
        "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n"
        "1900000001,44000.1,0.002,4300000001,4300000003,1704412800123,true\n"
    )
    assert peeked(write(tmp_path / "BTCUSDT-aggTrades-2024-01-05.zip", text)) == (
        [(1900000001, 44000.1, 0.002, 4300000001, 4300000003, 1704412800123, True)],
        [DAY * NS + 123 * MS],
    )


def test_aggregate_trades_of_binance_futures_from_before_there_was_a_header(tmp_path):
    text = "900000001,44000.1,0.002,1300000001,1300000003,1641340800123,true\n"
    assert peeked(write(tmp_path / "BTCUSDT-aggTrades-2022-01-05.zip", text)) == (
        [(900000001, 44000.1, 0.002, 1300000001, 1300000003, 1641340800123, True)],
        [1641340800 * NS + 123 * MS],
    )


def test_klines_of_binance_futures(tmp_path):
    text = (
        "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore\n"
        "1704412800000,44000.1,44100,43900.5,44050.2,12.5,1704412859999,550000.1,321,6.2,272000.5,0\n"
    )
    items, times = peeked(write(tmp_path / "BTCUSDT-1m-2024-01-05.zip", text))
    assert items[0][:7] == (1704412800000, 44000.1, 44100, 43900.5, 44050.2, 12.5, 1704412859999)
    assert times == [DAY * NS]


def test_the_book_ticker_of_binance_futures(tmp_path):
    text = (
        "update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time,event_time\n"
        "3800000001,44000.1,1.5,44000.2,2.5,1704412800123,1704412800130\n"
    )
    assert peeked(write(tmp_path / "BTCUSDT-bookTicker-2024-01-05.zip", text)) == (
        [(3800000001, 44000.1, 1.5, 44000.2, 2.5, 1704412800123, 1704412800130)],
        [DAY * NS + 123 * MS],
    )


@pytest.mark.parametrize(
    ("names", "row", "item"),
    [
        (
            "id,side,price,amount",
            "33001,buy,44000.1,0.5",
            (33001, "buy", 44000.1, 0.5),
        ),
        (
            "ask_amount,ask_price,bid_price,bid_amount",
            "2.5,44000.2,44000.1,1.5",
            (2.5, 44000.2, 44000.1, 1.5),
        ),
        (
            "is_snapshot,side,price,amount",
            "true,bid,44000,0.5",
            (True, "bid", 44000, 0.5),
        ),
        (
            "funding_timestamp,funding_rate,predicted_funding_rate,open_interest,last_price,index_price,mark_price",
            "1704441600000000,0.0001,,1000.5,44000.1,44000.2,44000.3",
            (1704441600000000, 0.0001, "", 1000.5, 44000.1, 44000.2, 44000.3),
        ),
    ],
    ids=["trades", "quotes", "incremental_book_L2", "derivative_ticker"],
)
def test_files_of_tardis_have_the_time_of_the_exchange(tmp_path, names, row, item):
    text = (
        f"exchange,symbol,timestamp,local_timestamp,{names}\nbinance,BTCUSDT,1704412800123000,1704412800130123,{row}\n"
    )
    assert peeked(write(tmp_path / "binance_2024-01-05_BTCUSDT.csv.gz", text)) == (
        [("binance", "BTCUSDT", 1704412800123000, 1704412800130123, *item)],
        [DAY * NS + 123 * MS],
    )


DATABENTO = "ts_recv,ts_event,rtype,publisher_id,instrument_id,action,side,price,size,channel_id,order_id,flags,ts_in_delta,sequence,symbol\n"


def test_raw_numbers_of_databento(tmp_path):
    text = "1704412800000000200,1704412800000000100,160,1,5482,A,B,1650250000000,11,0,6411844213456,128,16500,851022,ESH4\n"
    assert peeked(write(tmp_path / "glbx-mdp3-20240105.mbo.csv.zst", DATABENTO + text)) == (
        [
            (
                1704412800000000200, 1704412800000000100, 160, 1, 5482, "A", "B", 1650250000000, 11, 0,
                6411844213456, 128, 16500, 851022, "ESH4",
            )
        ],
        [DAY * NS + 100],
    )  # fmt: skip


def test_pretty_times_of_databento_keep_their_nanoseconds(tmp_path):
    text = (
        "2024-01-05T00:00:00.000000200Z,2024-01-05T00:00:00.000000100Z,160,1,5482,A,B,1650.250000000,11,0,6411844213456,"
        "128,16500,851022,ESH4\n"
    )
    items, times = peeked(write(tmp_path / "mbo.csv", DATABENTO + text))
    assert items[0][:8] == (
        "2024-01-05T00:00:00.000000200Z", "2024-01-05T00:00:00.000000100Z", 160, 1, 5482, "A", "B", 1650.25,
    )  # fmt: skip
    assert times == [DAY * NS + 100]


def test_bars_of_kraken(tmp_path):
    text = "1381095240,122.0,122.5,121.9,122.25,0.1,1\n1381095300,123,124,123,123.61,1.5,2\n"
    assert peeked(write(tmp_path / "XBTUSD_1.csv", text)) == (
        [(1381095240, 122.0, 122.5, 121.9, 122.25, 0.1, 1), (1381095300, 123.0, 124.0, 123.0, 123.61, 1.5, 2)],
        [1381095240 * NS, 1381095300 * NS],
    )


def test_trades_of_kraken_in_seconds_with_a_fraction(tmp_path):
    text = "1534614057.321597,5541.2,0.15850568\n1534614058.1,5541.3,1.5\n"
    assert peeked(write(tmp_path / "XBTUSD.csv", text)) == (
        [(1534614057.321597, 5541.2, 0.15850568), (1534614058.1, 5541.3, 1.5)],
        [1534614057_321_597_000, 1534614058_100_000_000],
    )


def test_seconds_with_nanoseconds_are_read_exactly(tmp_path):
    text = "time,price\n1534614057.321597001,5541.2\n"
    assert peeked(write(tmp_path / "a.csv", text))[1] == [1534614057_321_597_001]


def test_the_export_of_dukascopy(tmp_path):
    text = (
        "Gmt time,Open,High,Low,Close,Volume\n"
        "13.07.2024 00:00:00.000,1.071,1.0712,1.0709,1.0711,100.5\n"
        "13.07.2024 00:01:00.000,1.0711,1.0713,1.071,1.0712,99.5\n"
    )
    path = write(tmp_path / "EURUSD_Candlestick_1_M_BID.csv", text)
    assert peeked(path) == (
        [
            ("13.07.2024 00:00:00.000", 1.071, 1.0712, 1.0709, 1.0711, 100.5),
            ("13.07.2024 00:01:00.000", 1.0711, 1.0713, 1.071, 1.0712, 99.5),
        ],
        [1720828800 * NS, 1720828860 * NS],
    )
    assert checks(path) == []


def test_ticks_of_go_duka(tmp_path):
    text = "time,ask,bid,ask_volume,bid_volume\n2017-01-01 22:00:20.786,1.05236,1.05148,0.75,0.75\n"
    path = write(tmp_path / "EURUSD.csv", text)
    assert peeked(path) == (
        [("2017-01-01 22:00:20.786", 1.05236, 1.05148, 0.75, 0.75)],
        [1483308020 * NS + 786 * MS],
    )
    assert checks(path) == ["The times have no zone: UTC is assumed, as tz=."]


def test_bars_of_histdata_beside_a_report(tmp_path):
    path = tmp_path / "HISTDATA_COM_ASCII_EURUSD_M1_202407.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("DAT_ASCII_EURUSD_M1_202407.csv", "20240701 000000;1.071;1.0712;1.0709;1.0711;0\r\n")
        archive.writestr("DAT_ASCII_EURUSD_M1_202407.txt", "no gaps")
    assert peeked(path) == ([("20240701 000000", 1.071, 1.0712, 1.0709, 1.0711, 0)], [1719810000 * NS])


def test_ticks_of_histdata(tmp_path):
    text = "20240701 000000123,1.071000,1.071200,0\n"
    assert peeked(write(tmp_path / "DAT_ASCII_EURUSD_T_202407.csv", text)) == (
        [("20240701 000000123", 1.071, 1.0712, 0)],
        [1719810000 * NS + 123 * MS],
    )


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
    assert peeked(path) == (
        [
            ("040002156741012", "P", "AAPL", "@ TI", 5, 172.31, "", "00", 1821, 1, "N", "", "040002156370000", "", 1),
            ("093000000152001", "Q", "AAPL", '"O X', 100, 172.5, "", "00", 2417, 2, "N", "", "093000000145000", "", 0),
        ],
        [1514970002_156_741_012, 1514989800_000_152_001],
    )
    assert checks(path) == ["The times have no zone: America/New_York is assumed, as tz=."]


def test_messages_of_lobster(tmp_path):
    text = "34200.004241176,1,16113575,18,5853300,1\n34200.025551909,4,16113584,18,5853200,-1\n"
    assert peeked(write(tmp_path / "AAPL_2012-06-21_34200000_57600000_message_1.csv", text)) == (
        [(34200.004241176, 1, 16113575, 18, 5853300, 1), (34200.025551909, 4, 16113584, 18, 5853200, -1)],
        [1340285400_004_241_176, 1340285400_025_551_909],
    )


def test_the_book_of_lobster_has_no_times(tmp_path):
    program = program_of(
        str(write(tmp_path / "AAPL_orderbook_1.csv", "5859400,200,5853300,18\n5859400,200,5853400,18\n"))
    )
    assert "# Event time: none found; pass the field that has it to ops.event_time.\n" in program
    names = run(program)
    assert [item.column_1 for item in names["rows"].collect()] == [5859400, 5859400]
    assert "timed" not in names


def test_trades_of_an_iex_deep_parser(tmp_path):
    text = "type,timestamp,symbol,size,price,trade_id\ntrade_report,2018-01-03 13:00:27.833117218+00:00,ZVZZT,975,10.015,577243\n"
    assert peeked(write(tmp_path / "deep.csv", text)) == (
        [("trade_report", "2018-01-03 13:00:27.833117218+00:00", "ZVZZT", 975, 10.015, 577243)],
        [1514984427_833_117_218],
    )


def test_trades_of_polygon(tmp_path):
    text = (
        "ticker,conditions,correction,exchange,id,participant_timestamp,price,sequence_number,sip_timestamp,size,tape,"
        "trf_id,trf_timestamp\n"
        'A,"12,37",0,11,1,1704445200008000000,139.03,1027,1704445200008500000,1,1,0,0\n'
    )
    assert peeked(write(tmp_path / "2024-01-05.csv.gz", text)) == (
        [("A", "12,37", 0, 11, 1, 1704445200008000000, 139.03, 1027, 1704445200008500000, 1, 1, 0, 0)],
        [1704445200_008_000_000],
    )


def test_minutes_of_polygon(tmp_path):
    text = "ticker,volume,open,close,high,low,window_start,transactions\nA,7,139.0,139.1,139.2,138.9,1704445200000000000,3\n"
    assert peeked(write(tmp_path / "2024-01-05.csv.gz", text))[1] == [1704445200 * NS]


@pytest.mark.parametrize("between", ["\x01", "|"])
def test_a_log_of_fix_messages(tmp_path, between):
    messages = [
        "20240506 12:00:00.125 in 8=FIX.4.4^9=100^35=8^34=2^49=A^52=20240506-12:00:00.123^56=B^10=000^",
        "20240506 12:00:01.125 in 8=FIX.4.4^9=100^35=0^34=3^49=A^52=20240506-12:00:01.123^56=B^10=001^",
    ]
    messages = [message.replace("^", between) for message in messages]
    assert peeked(write(tmp_path / "session.log", "\n".join(messages))) == (
        [(message,) for message in messages],
        [1714996800_123_000_000, 1714996801_123_000_000],
    )
