"""`rxdag peek` on JSON lines, Parquet and Arrow."""

import datetime
import json
from decimal import Decimal

import numpy as np
import pytest
from tests.unit.peeked import checks, peeked, run, write

from rxdag.errors import SourceError
from rxdag.peek import program_of

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

NS = 10**9
NOON = 1714996800 * NS
"""2024-05-06 12:00 UTC."""


def test_matches_of_coinbase_have_numbers_as_texts(tmp_path):
    text = (
        '{"type":"match","trade_id":10,"sequence":50,"time":"2014-11-07T08:19:27.028459Z","product_id":"BTC-USD",'
        '"size":"5.23512","price":"400.23","side":"sell"}\n'
    )
    path = write(tmp_path / "matches.jsonl.gz", text)
    assert peeked(path) == (
        [("match", 10, 50, "2014-11-07T08:19:27.028459Z", "BTC-USD", 5.23512, 400.23, "sell")],
        [1415348367_028_459_000],
    )
    assert checks(path) == ["Numbers written as texts are read as numbers: size, price."]


def test_trades_of_kraken_are_arrays(tmp_path):
    text = '["5541.20000","0.15850568",1534614057.321597,"s","l",""]\n["5541.30000","0.1",1534614058.25,"b","l",""]\n'
    assert peeked(write(tmp_path / "trades.jsonl", text)) == (
        [
            (5541.2, 0.15850568, 1534614057.321597, "s", "l", ""),
            (5541.3, 0.1, 1534614058.25, "b", "l", ""),
        ],
        [1534614057_321_597_000, 1534614058_250_000_000],
    )


def test_the_trades_inside_of_an_answer_are_read(tmp_path):
    text = (
        '{"error":[],"result":{"XXBTZUSD":[["5541.2","0.1",1534614057.32,"s","l",""]],"last":"1534614248765267528"}}\n'
    )
    path = write(tmp_path / "trades.json", text)
    assert peeked(path) == ([(5541.2, 0.1, 1534614057.32, "s", "l", "")], [1534614057_320_000_000])
    assert checks(path)[0] == (
        "The records are taken from result.XXBTZUSD; leave out records= if the object itself is the record."
    )


def test_an_object_with_several_arrays_is_one_record_and_says_where_they_are(tmp_path):
    path = write(tmp_path / "book.json", '{"bids":[["1.5","2"]],"asks":[["1.6","3"]]}\n')
    assert checks(path) == ["There are arrays of records at bids, asks; pass one of them as records=."]
    [item] = run(program_of(str(path)))["rows"].collect()
    assert item.bids == [["1.5", "2"]]


def test_texts_of_digits_with_zeros_before_them_stay_texts(tmp_path):
    path = write(tmp_path / "a.jsonl", '{"account":"007","n":"12","price":"-1.50","exact":"98765.43210987654321"}\n')
    [item] = run(program_of(str(path)))["rows"].collect()
    assert (item.account, item.n, item.price, item.exact) == ("007", 12, -1.5, Decimal("98765.43210987654321"))


def test_an_array_of_records_is_expanded(tmp_path):
    path = write(tmp_path / "a.json", '[{"t":1714996800000,"p":1.5},{"t":1714996800001,"p":2}]')
    assert peeked(path) == ([(1714996800000, 1.5), (1714996800001, 2.0)], [NOON, NOON + 10**6])


def test_fields_that_some_objects_lack_are_optional(tmp_path):
    text = '{"a":null,"b":1,"class":true}\n{"a":1.5,"c":[1],"class":false}\n{"a":2,"b":3,"d":{"x":1},"class":true}\n'
    path = write(tmp_path / "a.jsonl", text)
    assert [(i.a, i.b, i.class_, i.c, i.d) for i in run(program_of(str(path)))["rows"].collect()] == [
        (None, 1, True, None, None),
        (1.5, None, False, [1], None),
        (2.0, 3, True, None, {"x": 1}),
    ]


def test_a_field_of_several_types_is_any(tmp_path):
    path = write(tmp_path / "a.jsonl", '{"a":1}\n{"a":"x"}\n')
    assert [item.a for item in run(program_of(str(path)))["rows"].collect()] == [1, "x"]


def test_objects_and_arrays_in_one_file_have_no_type(tmp_path):
    path = write(tmp_path / "a.jsonl", '{"a":1}\n[1,2]\n')
    assert run(program_of(str(path)))["rows"].collect() == [{"a": 1}, [1, 2]]
    assert checks(path) == ["The records are neither all objects nor all arrays, so that they have no type."]


def test_digits_that_no_float_holds_are_decimals(tmp_path):
    path = write(tmp_path / "a.jsonl", '{"t":1714996800.123456789}\n')
    assert peeked(path) == ([(Decimal("1714996800.123456789"),)], [NOON + 123_456_789])


def test_digits_as_text_are_times(tmp_path):
    assert peeked(write(tmp_path / "a.jsonl", '{"t":"1714996800000"}\n'))[1] == [NOON]


def test_whole_numbers_of_json_that_look_like_a_date_are_no_texts(tmp_path):
    path = write(tmp_path / "a.jsonl", '{"date":20240506}\n')
    assert [item.date for item in run(program_of(str(path)))["rows"].collect()] == [20240506]


def test_a_document_over_several_lines_is_refused(tmp_path):
    path = write(tmp_path / "a.json", json.dumps({"a": 1}, indent=1))
    with pytest.raises(
        SourceError, match=r"each line must be a JSON record, got '\{' .*; write one record a line, as jq"
    ):
        program_of(str(path))


def test_a_line_that_is_not_json_is_told(tmp_path):
    path = write(tmp_path / "a.jsonl", '{"a":1}\n{"a":\n{"a":2}\n')
    assert checks(path) == ["1 lines are not JSON, which ends the run, such as '{\"a\":'."]


TABLE = {
    "ts": pa.array([NOON, NOON + 1], pa.timestamp("ns", "UTC")),
    "id": pa.array([1, 1 << 63], pa.uint64()),
    "symbol": pa.array(["A", "B"]).dictionary_encode(),
    "price": pa.array([Decimal("1.50"), Decimal("2.25")], pa.decimal128(10, 2)),
    "size": pa.array([3, None], pa.int32()),
    "bid": pa.array([1.5, 2.5], pa.float32()),
    "is_buy": pa.array([True, False]),
    "day": pa.array([datetime.date(2024, 5, 6)] * 2),
}
ROWS = [
    (np.datetime64(NOON, "ns"), 1, "A", Decimal("1.50"), 3, 1.5, True, datetime.date(2024, 5, 6)),
    (np.datetime64(NOON + 1, "ns"), 1 << 63, "B", Decimal("2.25"), None, 2.5, False, datetime.date(2024, 5, 6)),
]


def stored(path, columns):
    """Write columns as the name of the file says."""
    table = pa.table(columns)
    if path.suffix == ".parquet":
        parquet.write_table(table, path)
    else:
        new = pa.ipc.new_file if path.suffix == ".arrow" else pa.ipc.new_stream
        with new(str(path), table.schema) as writer:
            writer.write_table(table)
    return path


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.arrows"])
def test_columns_of_many_types_are_read(tmp_path, name):
    assert peeked(stored(tmp_path / name, TABLE)) == (ROWS, [NOON, NOON + 1])


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow"])
@pytest.mark.parametrize("zone", ["UTC", "America/New_York", None])
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_of_every_unit_and_zone_are_read(tmp_path, name, zone, unit):
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": NS}[unit]
    times = pa.array([1714996800 * per_second], pa.timestamp(unit, zone))
    path = stored(tmp_path / name, {"price": [1.5], "ts": times})
    assert peeked(path)[1] == [NOON]
    assert checks(path) == ([] if zone else ["The times of ts have no zone: UTC is assumed, as tz=."])


def test_whole_numbers_in_parquet_are_times_by_their_magnitude(tmp_path):
    path = stored(tmp_path / "a.parquet", {"recv_ns": [NOON], "event_ms": [NOON // 10**6 - 1]})
    assert peeked(path)[1] == [NOON - 10**6]


def test_names_that_no_field_can_have_make_items_dicts(tmp_path):
    path = stored(tmp_path / "a.parquet", {"Gmt time": [1714996800], "price": [1.5]})
    assert peeked(path) == ([{"Gmt time": 1714996800, "price": 1.5}], [NOON])
    assert checks(path) == ["Some names of columns cannot be those of fields, so that items are dicts."]


def test_a_table_without_rows_is_read(tmp_path):
    path = stored(tmp_path / "a.parquet", {"price": pa.array([], pa.float64())})
    assert run(program_of(str(path)))["rows"].collect() == []


def test_a_damaged_parquet_file_is_refused(tmp_path):
    path = stored(tmp_path / "a.parquet", TABLE)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(SourceError, match="must be a Parquet file that is whole, got "):
        program_of(str(path))
