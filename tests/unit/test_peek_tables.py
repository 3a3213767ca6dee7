"""`rxdag peek` on tables in text: delimiters, quotes, headers, missing values, lines that are no rows."""

import pytest
from tests.unit.peeked import checks, peeked, run, write

from rxdag.peek import program_of

NS = 10**9
NOON = 1714996800 * NS
"""2024-05-06 12:00 UTC."""


def rows_of(path):
    """The items as tuples, and the dialect."""
    names = run(program_of(str(path)))
    return [
        tuple(getattr(item, name) for name in item.__struct_fields__) for item in names["rows"].collect()
    ], names.get("dialect")


@pytest.mark.parametrize("delimiter", [",", ";", "|", "\t", " "])
def test_the_delimiter_is_found(tmp_path, delimiter):
    text = "id,name,price\n1,a,1.5\n2,b,2.5\n".replace(",", delimiter)
    assert rows_of(write(tmp_path / "a.csv", text))[0] == [(1, "a", 1.5), (2, "b", 2.5)]


@pytest.mark.parametrize("suffix", ["", ".gz", ".bz2", ".zip", ".zst"])
def test_compressed_files_are_read(tmp_path, suffix):
    assert rows_of(write(tmp_path / f"a.csv{suffix}", "id,price\n1,1.5\n2,2.5\n"))[0] == [(1, 1.5), (2, 2.5)]


def test_commas_in_quotes_are_no_delimiters(tmp_path):
    items, dialect = rows_of(write(tmp_path / "a.csv", 'id,text\n1,"a, b"\n2,"c, d, e"\n'))
    assert (items, dialect) == ([(1, "a, b"), (2, "c, d, e")], None)


def test_a_delimiter_of_another_kind_in_each_text_changes_nothing(tmp_path):
    assert rows_of(write(tmp_path / "a.csv", "id,text\n1,a;b\n2,c;d\n"))[0] == [(1, "a;b"), (2, "c;d")]


def test_single_quotes_are_found(tmp_path):
    items, dialect = rows_of(write(tmp_path / "a.csv", "'id','text'\n'1','a, b'\n'2','c'\n"))
    assert items == [(1, "a, b"), (2, "c")]
    assert repr(dialect) == """Dialect(quote="'")"""


def test_decimal_commas_are_found(tmp_path):
    items, dialect = rows_of(write(tmp_path / "a.csv", "1,5;2,25\n-3;4,5\n"))
    assert items == [(1.5, 2.25), (-3.0, 4.5)]
    assert repr(dialect) == "Dialect(delimiter=';', header=False, decimal=',')"


def test_texts_for_missing_numbers_are_found(tmp_path):
    items, dialect = rows_of(write(tmp_path / "a.csv", "id,a,b\n1,n/a,x\n2,1.5,n/a\n3,,\n"))
    assert items == [(1, None, "x"), (2, 1.5, "n/a"), (3, None, "")]
    assert repr(dialect) == "Dialect(nulls=('n/a',))"


def test_lines_above_the_header_are_skipped(tmp_path):
    text = "Prices of the day\n\nby nobody, invented\nid,price,size\n1,1.5,3\n2,2.5,4\n3,3.5,5\n"
    items, dialect = rows_of(write(tmp_path / "a.csv", text))
    assert items == [(1, 1.5, 3), (2, 2.5, 4), (3, 3.5, 5)]
    assert repr(dialect) == "Dialect(skip_lines=3)"


def test_comments_are_found(tmp_path):
    text = "# invented\nid,price\n1,1.5\n# a gap\n2,2.5\n"
    items, dialect = rows_of(write(tmp_path / "a.csv", text))
    assert items == [(1, 1.5), (2, 2.5)]
    assert repr(dialect) == "Dialect(comment='#')"


def test_names_in_a_comment_are_used(tmp_path):
    text = "# invented\n# id,Best Price\n1,1.5\n2,2.5\n3,3.5\n"
    items, dialect = rows_of(write(tmp_path / "a.csv", text))
    assert items == [(1, 1.5), (2, 2.5), (3, 3.5)]
    assert repr(dialect) == "Dialect(header=('id', 'best_price'), comment='#')"


def test_two_columns_of_the_same_name_get_names_of_their_own(tmp_path):
    items, dialect = rows_of(write(tmp_path / "a.csv", "price,size,price\n1.5,3,2.5\n"))
    assert items == [(1.5, 3, 2.5)]
    assert repr(dialect) == "Dialect(header=('price', 'size', 'price_'), skip_lines=1)"


def test_names_that_no_field_can_have_are_renamed(tmp_path):
    path = write(tmp_path / "a.csv", ",class,int,Trade Price,_x,52wk\n0,1,2,1.5,4,5\n")
    [item] = run(program_of(str(path)))["rows"].collect()
    assert item.__struct_fields__ == ("column_1", "class_", "int_", "trade_price", "x", "column_52wk")
    assert (item.column_1, item.class_, item.int_, item.trade_price, item.x, item.column_52wk) == (0, 1, 2, 1.5, 4, 5)


def test_a_table_of_texts_has_a_header_if_no_text_of_it_comes_again(tmp_path):
    assert rows_of(write(tmp_path / "a.csv", "symbol,side\nA,buy\nB,sell\n"))[0] == [("A", "buy"), ("B", "sell")]
    assert rows_of(write(tmp_path / "b.csv", "A,buy\nB,buy\n"))[0] == [("A", "buy"), ("B", "buy")]


def test_a_column_without_delimiters_is_a_table(tmp_path):
    assert rows_of(write(tmp_path / "a.csv", "price\n1.5\n2.5\n"))[0] == [(1.5,), (2.5,)]


def test_ids_with_leading_zeros_stay_texts(tmp_path):
    assert rows_of(write(tmp_path / "a.csv", "id,price\n007,1.5\n010,2.5\n"))[0] == [("007", 1.5), ("010", 2.5)]


def test_the_trailer_of_a_long_file_is_found_at_its_end(tmp_path):
    text = "time|price\n" + "1714996800|1.5\n" * 100_000 + "END|100000\n"
    path = write(tmp_path / "a.csv", text)
    items, dialect = rows_of(path)
    assert len(items) == 100_000
    assert repr(dialect) == "Dialect(delimiter='|', trailer='END|')"
    assert checks(path) == ["The types fit the first 69,905 rows; the others were not read."]


def test_a_trailer_of_another_width_is_found(tmp_path):
    items, dialect = rows_of(write(tmp_path / "a.csv", "symbol;price;size\nA;1.5;3\nB;2.5;4\nTotal;7\n"))
    assert items == [("A", 1.5, 3), ("B", 2.5, 4)]
    assert repr(dialect) == "Dialect(delimiter=';', trailer='Total;')"


def test_the_far_end_of_a_compressed_file_is_not_read(tmp_path):
    path = write(tmp_path / "a.csv.gz", "time|price\n" + "1714996800|1.5\n" * 100_000)
    assert checks(path) == [
        "The types fit the first 69,905 rows; the others were not read.",
        "The end of a compressed file is not read: if its last line is not a row, pass trailer= its beginning.",
    ]


def test_a_line_of_another_width_is_told(tmp_path):
    path = write(tmp_path / "a.csv", "id,price\n" + "1,1.5\n" * 20 + "2,2,5\n" + "3,3.5\n" * 20)
    assert checks(path) == ["Line 22 does not have 2 values, which ends the run: '2,2,5'."]


def test_a_header_without_rows_is_told(tmp_path):
    path = write(tmp_path / "a.csv", "id,price\n")
    assert checks(path) == ["The file has no rows: all fields are texts."]
    assert rows_of(path)[0] == []


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("1714996800", 'unit="s"'),
        ("1714996800000", 'unit="ms"'),
        ("1714996800000000", 'unit="us"'),
        ("1714996800000000000", 'unit="ns"'),
        ("1714996800.0", 'unit="s"'),
        ("1714996800000.0", 'unit="ms"'),
        ("2024-05-06T12:00:00Z", ""),
        ("2024-05-06 14:00:00.000000000+02:00", ""),
        ("20240506T120000Z", ""),
        ("2024-05-06 12:00", 'tz="UTC"'),
        ("2024-05-06 12:00:00 UTC", 'format="%Y-%m-%d %H:%M:%S UTC", tz="UTC"'),
        ("2024-05-06 14:00:00 +0200", ""),
        ("2024/05/06 14:00:00 +0200", 'format="%Y/%m/%d %H:%M:%S %z"'),
        ("06.05.2024 14:00:00.000 GMT+0200", 'format="%d.%m.%Y %H:%M:%S.%f GMT%z"'),
        ("2024/5/6 12:00:00", 'format="%Y/%m/%d %H:%M:%S", tz="UTC"'),
        ("2024.05.06 12:00", 'format="%Y.%m.%d %H:%M", tz="UTC"'),
        ("20240506-12:00:00.000", 'format="%Y%m%d-%H:%M:%S.%f", tz="UTC"'),
        ("20240506120000", 'format="%Y%m%d%H%M%S", tz="UTC"'),
        ("20240506120000000", 'format="%Y%m%d%H%M%S%f", tz="UTC"'),
        ("06-May-2024 12:00:00", 'format="%d-%b-%Y %H:%M:%S", tz="UTC"'),
        ("5/6/2024 12:00:00 PM", 'format="%m/%d/%Y %I:%M:%S %p", tz="UTC"'),
        ("28800", 'unit="s", date="2024-05-06", tz="America/New_York"'),
        ("28800000", 'unit="ms", date="2024-05-06", tz="America/New_York"'),
        ("28800000000000", 'unit="ns", date="2024-05-06", tz="America/New_York"'),
        ("08:00:00.000", 'format="%H:%M:%S.%f", date="2024-05-06", tz="America/New_York"'),
        ("080000000000000", 'format="HHMMSSnnnnnnnnn", date="2024-05-06", tz="America/New_York"'),
    ],
)
def test_a_form_of_times_is_found(tmp_path, text, options):
    path = write(tmp_path / "a_20240506.csv", f"time,price\n{text},1.5\n{text},2.5\n")
    assert peeked(path)[1] == [NOON, NOON]
    code = "".join(program_of(str(path)).split("ops.event_time(")[1].split())
    assert code.rstrip(",)").endswith("".join(f'"time", {options}'.rstrip(", ").split()))


def test_whole_days_are_found(tmp_path):
    assert peeked(write(tmp_path / "a.csv", "date,price\n20240506,1.5\n20240507,2.5\n")) == (
        [("20240506", 1.5), ("20240507", 2.5)],
        [NOON - 12 * 3600 * NS, NOON + 12 * 3600 * NS],
    )


def test_a_time_of_the_day_gets_its_date_from_another_column(tmp_path):
    path = write(tmp_path / "a.csv", "<DATE>\t<TIME>\t<CLOSE>\n2024.05.06\t12:00:00\t1.5\n2024.05.06\t12:01:00\t2.5\n")
    assert peeked(path) == (
        [("2024.05.06", "12:00:00", 1.5), ("2024.05.06", "12:01:00", 2.5)],
        [NOON, NOON + 60 * NS],
    )


def test_a_day_that_could_be_a_month_is_told(tmp_path):
    path = write(tmp_path / "a.csv", "05/06/2024,12:00,1.5\n05/06/2024,12:01,2.5\n")
    assert peeked(path)[1] == [NOON, NOON + 60 * NS]
    assert checks(path) == [
        "The times have no zone: UTC is assumed, as tz=.",
        "Day and month cannot be told apart in 05/06/2024 12:00: %m/%d/%Y %H:%M is assumed, as format=.",
    ]
    path = write(tmp_path / "b.csv", "13/05/2024 12:00,1.5\n13/05/2024 12:01,2.5\n")
    assert checks(path) == ["The times have no zone: UTC is assumed, as tz=."]


def test_a_day_that_is_nowhere_is_told(tmp_path):
    path = write(tmp_path / "a.csv", "time,price\n34200.5,1.5\n")
    assert checks(path) == [
        "The times have no zone: America/New_York is assumed, as tz=.",
        "The times have no date, and neither does the name of the file: pass it as date=.",
    ]


@pytest.mark.parametrize(
    ("header", "row", "name"),
    [
        ("ts_recv,ts_event", "1714996800000000001,1714996800000000000", "ts_event"),
        ("recvTime,eventTime", "1714996800001,1714996800000", "eventTime"),
        ("close_time,open_time", "1714996859999,1714996800000", "open_time"),
        ("id,time", "1714996801,1714996800", "time"),
        ("date,timestamp", "20240506,1714996800", "timestamp"),
        ("updated,x", "2024-05-06T12:00:01Z,2024-05-06T12:00:00Z", "x"),
    ],
)
def test_the_time_of_the_event_is_preferred(tmp_path, header, row, name):
    path = write(tmp_path / "a.csv", f"{header},price\n{row},1.5\n")
    assert f'ops.event_time("{name}"' in program_of(str(path))
    assert peeked(path)[1] == [NOON]
