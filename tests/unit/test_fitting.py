"""What a source reads fits the type of its items, or is refused: in every format by the same rule."""

import dataclasses
import datetime as dt
import enum
import json
from decimal import Decimal
from typing import Literal, NamedTuple, NewType, TypedDict

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import rxdag
from rxdag import NodeError, SourceError, col, on_error, sinks, sources
from rxdag import operators as ops

FORMS = ("csv", "jsonl", "parquet", "arrow")


def read(form, folder, columns, of):
    """Items of columns, written in a format and read as a type."""
    path = folder / f"t.{form}"
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    if form == "csv":
        path.write_text("\n".join([",".join(columns), *(",".join(map(str, row.values())) for row in rows)]) + "\n")
    elif form == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif form == "parquet":
        parquet.write_table(pa.table(columns), path)
    source = sources.arrow(pa.table(columns), of) if form == "arrow" else getattr(sources, form)(path, of)
    return rxdag.from_source(source).collect()


class Quote(msgspec.Struct):
    price: float = 0.0


@dataclasses.dataclass
class Point:
    price: float = 0.0


class Pair(NamedTuple):
    price: float = 0.0


class Row(TypedDict, total=False):
    price: float


# ---- no field fits


@pytest.mark.parametrize("of", [Quote, Point, Row])
@pytest.mark.parametrize("form", FORMS)
def test_a_type_none_of_whose_fields_is_there_is_refused(form, of, tmp_path):
    with pytest.raises(NodeError) as caught:
        read(form, tmp_path, {"Price": [1.0, 2.0]}, of)
    assert isinstance(caught.value.__cause__, SourceError)
    assert "Price" in str(caught.value)
    if form != "jsonl":
        assert f"must have a column of {of.__name__}, whose fields are price; it has Price" in str(caught.value)


@pytest.mark.parametrize("form", FORMS)
def test_one_field_that_is_there_is_enough(form, tmp_path):
    class Two(msgspec.Struct):
        price: float = 0.0
        size: int = 7

    assert read(form, tmp_path, {"price": [1.5], "other": [1]}, Two) == [Two(1.5, 7)]


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_columns_of_no_rows_must_fit_too(form, tmp_path):
    with pytest.raises(NodeError, match="must have a column of Quote"):
        read(form, tmp_path, {"Price": pa.array([], pa.float64())}, Quote)


@pytest.mark.parametrize("text", ["1,2\n3,4\n", "price;size\n1;2\n", "PRICE,SIZE\n1,2\n"])
@pytest.mark.parametrize("on_bad", [on_error.raise_, on_error.skip, on_error.dead])
def test_a_csv_file_without_a_header_that_fits_is_refused_under_every_policy(text, on_bad, tmp_path):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(NodeError, match="line 1: header must have a column of Quote, whose fields are price; it has"):
        rxdag.from_source(sources.csv(tmp_path / "t.csv", Quote), on_error=on_bad).collect()


@pytest.mark.parametrize("form", ["csv", "parquet", "arrow"])
def test_two_columns_for_one_field_are_refused(form, tmp_path):
    table = pa.Table.from_arrays([pa.array([1.0]), pa.array([2.0])], names=["price", "price"])
    path = tmp_path / f"t.{form}"
    if form == "csv":
        path.write_text("price,price\n1,2\n")
    elif form == "parquet":
        parquet.write_table(table, path)
    source = sources.arrow(table, Quote) if form == "arrow" else getattr(sources, form)(path, Quote)
    with pytest.raises(NodeError, match="must have one column for each field, has several called price"):
        rxdag.from_source(source).collect()


class Renamed(msgspec.Struct, rename="camel"):
    best_bid: int = 0


class Left(msgspec.Struct, tag=True):
    a: int = 0


class Right(msgspec.Struct, tag=True):
    b: int = 0


class Holder(msgspec.Struct):
    quote: Quote
    quotes: list[Quote] = []


@pytest.mark.parametrize(
    ("of", "line", "item"),
    [
        (Quote, "{}", Quote()),
        (Quote, '{"Price": 1}', None),
        (Renamed, '{"bestBid": 1}', Renamed(1)),
        (Renamed, '{"best_bid": 1}', None),
        (Left | Right, '{"type": "Left"}', Left()),
        (Left | Right, '{"type": "Left", "b": 1}', None),
        (Holder, '{"quote": {"price": 1.0}}', Holder(Quote(1.0))),
        (Holder, '{"quote": {"Price": 1.0}}', None),
        (Holder, '{"quote": {}, "quotes": [{"price": 1}, {"x": 1}]}', None),
        (list[Quote], '[{"price": 1}, {"x": 1}]', None),
        (Pair, "[]", Pair()),
        (dict, '{"x": 1}', {"x": 1}),
    ],
)
def test_an_object_of_json_has_one_of_the_fields_of_its_type(of, line, item, tmp_path):
    (tmp_path / "t.jsonl").write_text(line + "\n")
    stream = rxdag.from_source(sources.jsonl(tmp_path / "t.jsonl", of), on_error=on_error.dead)
    out, dead = stream.to(sinks.collect()), stream.dead.to(sinks.collect())
    result = rxdag.run(out, dead)
    assert result[out] == ([] if item is None else [item])
    said = ["an object must have one of the fields of its type" in str(letter.error) for letter in result[dead]]
    assert said == ([True] if item is None else [])


# ---- values of the type of their field


class Side(enum.Enum):
    BUY = "B"
    SELL = "S"


class Inner(msgspec.Struct):
    a: int = 0


NOON = dt.datetime(2024, 1, 5, 12, tzinfo=dt.UTC)
Quantity = NewType("Quantity", int)


def typed(form, values, hint, kind=None):
    """Values of one column, as the field of a type has them."""
    of = msgspec.defstruct("Item", [("x", hint)])
    array = pa.array(values, kind)
    source = sources.arrays({"x": values}, of) if form == "arrays" else sources.arrow(pa.table({"x": array}), of)
    return [item.x for item in rxdag.from_source(source).collect()]


@pytest.mark.parametrize("form", ["arrow", "arrays"])
@pytest.mark.parametrize(
    ("values", "hint", "expected"),
    [
        ([1, 2], float, [1.0, 2.0]),
        ([1, None], float | None, [1.0, None]),
        (["a", None], str | None, ["a", None]),
        ([None], float | None, [None]),
        ([1], Quantity, [1]),
        ([1, 2], int | str, [1, 2]),
        (["B", "S"], Side, [Side.BUY, Side.SELL]),
        (["B"], Literal["B"], ["B"]),
        ([{"a": 1}], Inner, [Inner(1)]),
        ([[1, 2]], list[float], [[1.0, 2.0]]),
        ([NOON, None], dt.datetime | None, [NOON, None]),
        ([NOON.date()], dt.date, [NOON.date()]),
        ([NOON.time()], dt.time, [NOON.time()]),
        ([Decimal("1.5")], Decimal, [Decimal("1.5")]),
        ([b"x"], bytes, [b"x"]),
    ],
)
def test_values_are_of_the_type_of_their_field(form, values, hint, expected):
    got = typed(form, values, hint)
    assert got == expected
    assert list(map(type, got)) == list(map(type, expected))


@pytest.mark.parametrize("form", ["arrow", "arrays"])
@pytest.mark.parametrize(
    ("values", "hint"),
    [
        (["A", None], str),
        ([1.0, None], float),
        ([1, None], int),
        ([True, None], bool),
        ([None], float),
        ([NOON, None], dt.datetime),
        (["a"], float),
        ([1.5], int),
        ([True], int),
        ([1], bool),
        ([1], str),
        (["2024-01-05T12:00:00Z"], dt.datetime),
        ([NOON.date()], dt.datetime),
        ([NOON], dt.date),
        ([NOON], int),
        ([1.5], Decimal),
        (["B", "Q"], Side),
        ([[1, None]], list[int]),
        ([{"b": 1}], Inner),
        ([1], str | dt.date),
    ],
)
def test_a_value_of_another_type_ends_the_run_with_column_and_cure(form, values, hint):
    with pytest.raises(NodeError, match=r'column "x" must be .*, got .*; (cast it|declare the field)') as caught:
        typed(form, values, hint)
    assert isinstance(caught.value.__cause__, SourceError)


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_a_null_is_told_with_its_row_in_every_batch(form, tmp_path):
    prices = pa.chunked_array([[1.0] * 70_000, [2.0, None]])
    with pytest.raises(NodeError) as caught:
        read(form, tmp_path, {"price": prices}, Quote) if form == "arrow" else _parquet(tmp_path, prices)
    assert 'column "price" must be float, got None in row 70,002; declare the field as float | None' in str(
        caught.value
    )


def _parquet(folder, prices):
    parquet.write_table(pa.table({"price": prices}), folder / "t.parquet")
    return rxdag.from_source(sources.parquet(folder / "t.parquet", Quote)).collect()


def test_rows_and_columns_have_the_same_datetimes():
    of = msgspec.defstruct("Item", [("ts", dt.datetime)])
    table = pa.table({"ts": pa.array([NOON])})
    kept = rxdag.from_source(sources.arrow(table, of)).pipe(ops.filter(col.ts == NOON)).to(sinks.arrow())
    assert rxdag.run(kept)[kept].to_pydict() == {"ts": [NOON]}


def test_a_field_of_numpys_time_keeps_it():
    [got] = typed("arrow", [1], np.datetime64, pa.timestamp("ns", "UTC"))
    assert got == np.datetime64(1, "ns")


@pytest.mark.parametrize("batch_format", ["numpy", "polars", "pyarrow"])
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("price", 'column "price" must be float, got None in row 1'),
        ("Price", "Quote must have a field for each column"),
    ],
)
def test_map_batch_makes_items_of_their_type(batch_format, name, message):
    make = {
        "numpy": lambda frame: {name: [None] * len(frame["a"])},
        "polars": lambda frame: frame.select(frame["a"].cast(float).replace(1.0, None).alias(name)),
        "pyarrow": lambda batch: pa.table({name: pa.array([None], pa.float64())}),
    }[batch_format]
    stream = rxdag.from_source(sources.arrays({"a": [1]})).pipe(
        ops.map_batch(make, batch_format=batch_format, of=Quote)
    )
    with pytest.raises(NodeError, match=message):
        stream.collect()


@pytest.mark.parametrize("frame", ['{"Price": 1}', b'{"Price": 1}'])
def test_a_frame_of_a_websocket_is_held_to_the_same(frame):
    found = sources.websocket("ws://localhost", of=Quote).found
    assert found('{"price": 1}') == [Quote(1.0)]
    [malformed] = found(frame)
    assert "an object must have one of the fields of its type" in str(malformed.error)


@pytest.mark.parametrize("frame", ['"2024-01-05T11:59:59.9999997Z"', b'"2024-01-05T11:59:59.9999997Z"'])
def test_times_of_a_websocket_are_cut_off_too(frame):
    found = sources.websocket("ws://localhost", of=dt.datetime).found
    assert found(frame) == [dt.datetime(2024, 1, 5, 11, 59, 59, 999_999, tzinfo=dt.UTC)]
