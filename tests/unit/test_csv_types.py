"""CSV: every type that the source reads comes back equal from the sink, and a type that no text is of is refused at once."""

import datetime as dt
import enum
import gzip
import math
import uuid
from decimal import Decimal
from typing import Annotated, Any, Literal, NewType

import msgspec
import numpy as np
import pytest

import rxdag
from rxdag import GraphError, NodeError, col, on_error, sinks, sources
from rxdag import operators as ops


class Side(enum.Enum):
    BUY = "B"
    SELL = "S"


class Level(enum.IntEnum):
    LOW = 1


class Name(enum.StrEnum):
    A = "a,b"


class Text(str, enum.Enum):  # noqa: UP042  # what older programs have
    A = "t"


Ticks = NewType("Ticks", int)
UTC_NOON = dt.datetime(2024, 1, 5, 12, tzinfo=dt.UTC)
ODD = dt.timezone(dt.timedelta(hours=5, minutes=30, seconds=15))


def item_type(hint):
    return msgspec.defstruct("Item", [("x", hint)])


def read(text, hint, folder, **options):
    """The values of a column of a file, on rows; the same on columns."""
    (folder / "t.csv").write_text(f"x,y\n{text},1\n")
    stream = rxdag.from_source(sources.csv(folder / "t.csv", item_type(hint), **options))
    rows = [item.x for item in stream.collect()]
    columns = stream.pipe(ops.map(col.x)).collect()
    assert repr(columns) == repr(rows)
    return rows


def back(value, hint, folder):
    """A value that went through a file."""
    sink = rxdag.from_source(sources.iterable([{"x": value}])).to(sinks.csv(folder / "t.csv"))
    rxdag.run(sink)
    [item] = rxdag.from_source(sources.csv(folder / "t.csv", item_type(hint))).collect()
    return item.x


# ---- there and back


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("a", str),
        ("", str),
        (" a\t", str),
        ('a "b", c', str),
        ("a", Any),
        ("a", Literal["a", 1]),
        (1, Literal["a", 1]),
        (-5, int),
        (2**70, int),
        (5, Ticks),
        (5, int | None),
        (None, int | None),
        (None, Literal["a", None]),
        (5, Annotated[int, msgspec.Meta(ge=0)] | None),
        (0.1, float),
        (1e300, float),
        (-math.inf, float),
        (1, int | float),
        (1.5, int | float),
        (np.float64(0.1), float),
        (np.int8(5), int),
        (np.str_("a"), str),
        (True, bool),
        (False, bool),
        (np.bool_(True), bool),
        (np.bool_(False), bool),
        (True, bool | None),
        (Decimal("0.10"), Decimal),
        (Decimal("1E+3"), Decimal),
        (UTC_NOON, dt.datetime),
        (UTC_NOON.replace(microsecond=1), dt.datetime),
        (UTC_NOON.astimezone(dt.timezone(-dt.timedelta(hours=5))), dt.datetime),
        (UTC_NOON.astimezone(ODD), dt.datetime),
        (UTC_NOON, int | dt.datetime),
        (dt.date(2024, 1, 5), dt.date),
        (dt.time(12, 30), dt.time),
        (dt.time(12, 30, 0, 5, tzinfo=dt.UTC), dt.time),
        (dt.timedelta(seconds=1.5), dt.timedelta),
        (-dt.timedelta(days=2, microseconds=1), dt.timedelta),
        (dt.timedelta(0), dt.timedelta | None),
        (dt.timedelta.max, dt.timedelta),
        (np.timedelta64(-1500, "ms"), dt.timedelta),
        (np.timedelta64(7, "us"), dt.timedelta),
        (np.timedelta64(2, "D"), dt.timedelta),
        (uuid.UUID(int=7), uuid.UUID),
        (b"\x00\xff", bytes),
        (b"", bytes),
        (bytearray(b"ab"), bytearray),
        (memoryview(b"ab"), memoryview),
        (Side.SELL, Side),
        (Side.SELL, Side | None),
        (Level.LOW, Level),
        (Name.A, Name),
        (Text.A, Text),
        (np.datetime64("2024-01-05T12:00:00.123456789", "ns"), np.datetime64),
        (np.datetime64("1969-12-31T23:59:59.999999999", "ns"), np.datetime64),
        (np.datetime64("2024-01-05T12:00:00.123456", "us"), np.datetime64 | None),
        (np.datetime64("2024-01-05T12:00:00", "s"), np.datetime64),
        (np.datetime64("2024-01-05T12:30", "m"), np.datetime64),
        (np.datetime64("2024-01-05T12", "h"), np.datetime64),
        (np.datetime64("2024-01-05", "D"), np.datetime64),
        (np.datetime64("2024-02", "M"), np.datetime64),
        (np.datetime64("2024", "Y"), np.datetime64),
        (np.datetime64("9999-01-05T12:00:00.5", "us"), np.datetime64),
    ],
)
def test_a_value_comes_back_equal(value, hint, tmp_path):
    got = back(value, hint, tmp_path)
    assert got == value
    assert not isinstance(value, enum.Enum | bytearray | memoryview) or type(got) is type(value)


def test_what_equals_nothing_comes_back_too(tmp_path):
    assert math.isnan(back(math.nan, float, tmp_path))
    assert np.isnat(back(np.datetime64("NaT"), np.datetime64, tmp_path))


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
@pytest.mark.parametrize(
    "text", ["a\r", "\r", "a\rc", "a\r\nb", "a\nb", "\n", '"\r"', "a\r\r", "\ra", "a\x00b", "\x85a\u2028"]
)
def test_a_text_with_ends_of_lines_comes_back_equal(text, name, tmp_path):
    rows = [{"y": 1, "x": text, "z": text}, {"y": 2, "x": "b", "z": "c"}]
    rxdag.run(rxdag.from_source(sources.iterable(rows)).to(sinks.csv(tmp_path / name)))
    of = msgspec.defstruct("Item", [("y", int), ("x", str), ("z", str)])
    assert rxdag.from_source(sources.csv(tmp_path / name, of)).collect() == [of(1, text, text), of(2, "b", "c")]


def test_lines_end_as_they_did(tmp_path):
    rxdag.run(rxdag.from_source(sources.iterable([{"x": 1, "y": "a\r"}])).to(sinks.csv(tmp_path / "t.csv.gz")))
    assert gzip.decompress((tmp_path / "t.csv.gz").read_bytes()) == b'x,y\n1,"a\r"\n'


def test_jsonl_writes_durations_of_numpy_as_others(tmp_path):
    rows = [{"x": dt.timedelta(seconds=1.5)}, {"x": np.timedelta64(1_500_000_000, "ns")}, {"x": np.timedelta64(3, "h")}]
    rxdag.run(rxdag.from_source(sources.iterable(rows)).to(sinks.jsonl(tmp_path / "t.jsonl")))
    items = rxdag.from_source(sources.jsonl(tmp_path / "t.jsonl", item_type(dt.timedelta))).collect()
    assert [item.x for item in items] == [dt.timedelta(seconds=1.5), dt.timedelta(seconds=1.5), dt.timedelta(hours=3)]


def test_a_duration_beyond_nanoseconds_is_at_fault(tmp_path):
    stream = rxdag.from_source(sources.iterable([{"x": np.timedelta64(10**6, "D")}]))
    with pytest.raises(NodeError, match="a duration must be within 292 years, in whole nanoseconds, got"):
        rxdag.run(stream.to(sinks.csv(tmp_path / "t.csv")))


# ---- types that no text is of

NO_TEXT = (
    list[int],
    list,
    dict[str, int],
    set[str],
    tuple[int, ...],
    np.float64,
    np.int64,
    complex,
    range,
    type,
    msgspec.defstruct("Inner", [("a", int)]),
    list[int] | None,
    int | list[int],
    enum.Enum("Mixed", {"A": 1, "B": "b"}),
    Literal[True],
    Annotated[list[int], msgspec.Meta(max_length=2)],
)


@pytest.mark.parametrize("hint", NO_TEXT)
def test_a_field_that_no_text_can_be_is_refused_when_the_source_is_made(hint):
    with pytest.raises(GraphError) as caught:
        sources.csv("t.csv", item_type(hint))
    assert str(caught.value).startswith(
        'csv: field "x" of Item must be of a type that can be parsed from one text, got '
    )
    assert str(caught.value).endswith("; declare it as str, and convert it in ops.map")


@pytest.mark.parametrize("hint", NO_TEXT)
def test_such_a_field_with_a_default_is_refused_where_the_file_has_its_column(hint, tmp_path):
    of = msgspec.defstruct("Item", [("x", int), ("y", hint, None)])
    (tmp_path / "t.csv").write_text("x\n1\n")
    (tmp_path / "u.csv").write_text("x,y\n1,2\n")
    assert rxdag.from_source(sources.csv(tmp_path / "t.csv", of)).collect() == [of(1)]
    stream = rxdag.from_source(sources.csv(tmp_path / "u.csv", of), on_error=on_error.dead)
    with pytest.raises(NodeError, match='u.csv: line 1: column "y" must be of a type that can be parsed from one text'):
        stream.collect()


# ---- texts that only look right


@pytest.mark.parametrize(
    ("text", "hint", "message"),
    [
        ("1", dt.timedelta, "must be timedelta"),
        ("1.5", dt.timedelta, "must be timedelta"),
        ("93000", dt.timedelta | None, "must be timedelta"),
        ("1.5", int | dt.timedelta, "must be int | datetime.timedelta"),
        ("20240105", dt.datetime | dt.timedelta, "must be datetime.datetime | datetime.timedelta"),
        ("20240105", np.datetime64, "must be date"),
        ("1e400", float, "must be a number that a float can hold"),
        ("-1e400", float | None, "must be a number that a float can hold"),
        ("1_000", int | float, "must be int | float"),
        ("\u0661", int | Decimal, "must be int | decimal.Decimal"),
        ("2024-01-05T12:00:00.123456\u0661Z", dt.datetime, "must be datetime"),
        ("2024-01-05T12:00:00.123456\u0661Z", np.datetime64, "must be datetime"),
        ("2024-01-05T12:00:00", np.datetime64, "a time must have a zone"),
        ("9999-01-05T12:00:00.1234567Z", np.datetime64, "must be within 1677 to 2262"),
        ("PT0.123456\u0661S", dt.timedelta, "must be timedelta"),
        ("YQ", bytes, "must be bytes"),
        ("C", Side, "must be Side"),
        ("2", Level, "must be Level"),
        ("x", None | Literal["a"], "must be"),
    ],
)
def test_a_text_that_only_looks_right_is_malformed(text, hint, message, tmp_path):
    with pytest.raises(NodeError) as caught:
        read(text, hint, tmp_path)
    assert f'line 2: column "x": {message}' in str(caught.value)


@pytest.mark.parametrize(
    ("text", "hint", "expected"),
    [
        ("1", int | float, 1),
        ("1.0", int | float, 1.0),
        ("true", int | bool, True),
        ("1", int | str, "1"),
        ("inf", float, math.inf),
        ("-Infinity", float, -math.inf),
        ("", int | float | None, None),
        ("PT1.5S", int | dt.timedelta, dt.timedelta(seconds=1.5)),
        ("2024-01-05T14:00:00.123456789999+02:00", np.datetime64, np.datetime64("2024-01-05T12:00:00.123456789")),
        ("2024-01-05T12:00:00.1234567Z", np.datetime64, np.datetime64("2024-01-05T12:00:00.123456700")),
    ],
)
def test_a_text_is_of_the_narrowest_type(text, hint, expected, tmp_path):
    [got] = read(text, hint, tmp_path)
    assert (got, type(got)) == (expected, type(expected))


def test_times_of_numpy_take_the_zone_of_the_source(tmp_path):
    [got] = read("2024-07-05T09:30:00.000000001", np.datetime64, tmp_path, tz="America/New_York")
    assert got == np.datetime64("2024-07-05T13:30:00.000000001")


@pytest.mark.parametrize("text", ["1_000", "\u0661", "\\u0661", "\uff11\uff12", "1_0.5"])
@pytest.mark.parametrize(
    ("hint", "line"),
    [
        (Decimal, '"%s"'),
        (Decimal | None, '"%s"'),
        (list[Decimal], '["1", "%s"]'),
        (tuple[int, Decimal], '[1, "%s"]'),
        (set[Decimal], '["%s"]'),
        (dict[str, Decimal], '{"a_b": "%s"}'),
        (msgspec.defstruct("Inner", [("a", Decimal)], rename={"a": "A"}), '{"A": "%s"}'),
        (msgspec.defstruct("Row", [("a", int), ("b", Decimal)], array_like=True), '[1, "%s"]'),
    ],
)
def test_a_decimal_in_json_is_one_of_a_data_file(text, hint, line, tmp_path):
    (tmp_path / "t.jsonl").write_text(f'{{"x": {line % text}}}\n', encoding="utf-8")
    stream = rxdag.from_source(sources.jsonl(tmp_path / "t.jsonl", item_type(hint)), on_error=on_error.dead)
    out, dead = stream.to(sinks.collect()), stream.dead.to(sinks.collect())
    result = rxdag.run(out, dead)
    assert result[out] == []
    assert "a decimal must be a number - at `$.x" in str(result[dead][0].error)


def test_texts_beside_decimals_in_json_stay_as_they_are(tmp_path):
    of = msgspec.defstruct("Item", [("a_b", Decimal), ("id", str)])
    (tmp_path / "t.jsonl").write_text('{"a_b": "1.50", "id": "1_000"}\n{"a_b": 2, "id": "\u0661"}\n', encoding="utf-8")
    items = rxdag.from_source(sources.jsonl(tmp_path / "t.jsonl", of)).collect()
    assert items == [of(Decimal("1.50"), "1_000"), of(Decimal(2), "\u0661")]


def test_a_frame_of_a_websocket_is_held_to_the_same():
    [malformed] = sources.websocket("ws://localhost", of=item_type(Decimal)).found(b'{"x": "1_000"}')
    assert "a decimal must be a number - at `$.x`, got '1_000'" in str(malformed.error)
