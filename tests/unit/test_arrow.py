"""Sources and sinks of columns: arrays, CSV, Arrow, Parquet."""

import datetime
import os
import subprocess
import sys
from contextlib import closing
from typing import NamedTuple

import msgspec
import numpy as np
import pytest
from tests.unit.reading import Context

import rxdag
from rxdag import GraphError, NodeError, col, element, on_error, sinks, sources
from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag.columns import arrow_of_values

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
polars = pytest.importorskip("polars")


class Trade(NamedTuple):
    symbol: str
    price: float
    qty: int | None = None


class Quote(msgspec.Struct, kw_only=True, frozen=True):
    bid: float
    venue: str = "x"


TRADES = [Trade("A", 1.5, 1), Trade("B", 0.1 + 0.2, None), Trade("A", -0.0, 2**62)]


def through(source, sink, *operators):
    stream = rxdag.from_source(source)
    for operator in operators:
        stream = stream.pipe(operator)
    out = stream.to(sink, name="out")
    return rxdag.run(out)[out]


# ---- arrays


def test_arrays_are_read_as_records_dicts_or_values():
    arrays = {"symbol": ["A", "B"], "price": np.array([1.5, 2.0], np.float32), "qty": [1, None]}
    assert rxdag.from_source(sources.arrays(arrays, Trade)).collect() == [Trade("A", 1.5, 1), Trade("B", 2.0, None)]
    assert rxdag.from_source(sources.arrays(arrays)).head(1) == [{"symbol": "A", "price": 1.5, "qty": 1}]
    assert rxdag.from_source(sources.arrays(np.arange(3, dtype=np.uint8))).collect() == [0, 1, 2]
    assert rxdag.from_source(sources.arrays({"bid": [1.0]}, Quote)).collect() == [Quote(bid=1.0)]
    assert rxdag.from_source(sources.arrays(np.array(["b", "a"]))).collect() == ["b", "a"]
    assert rxdag.from_source(sources.arrays(np.array([2**63], np.uint64))).collect() == [2**63]


def test_items_from_arrays_are_pythons_own():
    items = rxdag.from_source(sources.arrays({"i": np.arange(2), "f": np.ones(2), "b": np.ones(2, bool)})).collect()
    assert [{type(value) for value in item.values()} for item in items] == [{int, float, bool}] * 2


@pytest.mark.parametrize(
    ("columns", "of", "message"),
    [
        ({}, None, "arrays: must have one column or more, got none"),
        ({"a": [1], "b": []}, None, "arrays: columns must be of equal length, got a of 1, b of 0"),
        ({"symbol": ["A"]}, Trade, "arrays: each field of Trade must have a column, got none for price"),
        ({"symbol": [""], "price": [1.0], "x": [1]}, Trade, "arrays: Trade must have a field for each column, lacks x"),
        ({"a": 5}, None, 'arrays: column "a" must be an array or a list of values, got 5'),
        ({"a": "abc"}, None, "arrays: column \"a\" must be an array or a list of values, got 'abc'"),
        (np.zeros((2, 3)), None, "arrays: the one must be an array or a list of values, got one of shape (2, 3)"),
        ([1], Trade, "arrays: items of a type need arrays by field, got one without a name"),
    ],
)
def test_arrays_that_do_not_go_together_are_refused(columns, of, message):
    with pytest.raises(GraphError) as caught:
        sources.arrays(columns, of)
    assert str(caught.value) == message


# ---- CSV


CSV = "symbol,price,qty\nA,1.5,1\nB,oops,2\nC,2.5,\nD,1\nA,3.5,4\n"


def test_csv_is_read_as_columns_where_expressions_follow(tmp_path):
    path = tmp_path / "trades.csv"
    path.write_text("symbol,price,qty\n" + "".join(f"{t},{t / 4},{t % 3 or ''}\n" for t in range(5000)))
    stream = rxdag.from_source(sources.csv(path, Trade)).pipe(ops.filter(col.qty.fill_null(0) > 1)).to(sinks.collect())
    dag = rxdag.Dag(stream)
    results = [rxdag.run(rxdag.compile(dag, columns=columns)) for columns in (True, False)]
    assert "filter" in rxdag.compile(dag).lanes.columns
    assert results[0][stream] == results[1][stream]
    assert len(results[0][stream]) == 1666


@pytest.mark.parametrize("policy", [on_error.skip, on_error.dead, on_error.raise_])
def test_a_malformed_row_is_dealt_with_as_in_rows(tmp_path, policy):
    path = tmp_path / "trades.csv"
    path.write_text(CSV)
    seen = []
    for columns in (True, False):
        trades = rxdag.from_source(sources.csv(path, Trade), on_error=policy)
        kept = trades.pipe(ops.filter(col.price > 0)).to(sinks.collect(), name="kept")
        dead = trades.dead.pipe(ops.map(lambda d: (d.item, str(d.error)))).to(sinks.collect(), name="dead")
        plan = rxdag.compile(rxdag.Dag(kept, dead), columns=columns)
        from rxdag.testing import settle_virtual, virtual

        result = settle_virtual(virtual(plan))
        assert result.problems == ()
        seen.append((result[kept], result[dead], str(result.error)))
    assert seen[0] == seen[1]
    assert seen[0][0][0] == Trade("A", 1.5, 1)
    if policy is on_error.dead:
        assert seen[0][1] == [
            (["B", "oops", "2"], f"{path}: line 3: column \"price\": must be a number, got 'oops'"),
            (["D", "1"], f"{path}: line 5: must have 3 values, got 2: ['D', '1']"),
        ]


# ---- Arrow and Parquet


def test_what_a_parquet_sink_writes_a_parquet_source_reads_bit_by_bit(tmp_path):
    path = tmp_path / "deep" / "trades.parquet"
    columns = {"symbol": ["A", "B", "A"], "price": [1.5, 0.1 + 0.2, -0.0], "qty": [1, None, 2**62]}
    assert through(sources.arrays(columns, Trade), sinks.parquet(path)) == 3
    assert repr(rxdag.from_source(sources.parquet(path, Trade)).collect()) == repr(TRADES)
    rows = tmp_path / "rows.parquet"
    assert through(sources.iterable(TRADES), sinks.parquet(rows)) == 3
    assert parquet.read_table(rows).equals(parquet.read_table(path))


def test_a_look_at_a_parquet_file_does_not_hold_its_row_group(tmp_path):
    values = np.random.default_rng(1).random((2, 1_000_000))
    parquet.write_table(pa.table({"a": values[0], "b": values[1]}), tmp_path / "in.parquet")
    before = pa.total_allocated_bytes()
    with closing(sources.parquet(tmp_path / "in.parquet").open(Context())) as reader:
        read = reader.read(5)
        held = pa.total_allocated_bytes() - before
    assert [item["b"] for item in read.rows().items] == values[1, :5].tolist()
    assert held < values.nbytes / 2


@pytest.mark.parametrize("n", [0, 1, 1023, 1024, 1025, 70_000])
@pytest.mark.parametrize("group_rows", [7, 1000, 100_000])
def test_the_small_first_batch_of_a_parquet_file_is_read_once(tmp_path, n, group_rows):
    parquet.write_table(pa.table({"a": pa.array(range(n), pa.int64())}), tmp_path / "x", row_group_size=group_rows)
    assert [item["a"] for item in rxdag.from_source(sources.parquet(tmp_path / "x")).collect()] == list(range(n))


def test_columns_go_from_parquet_to_parquet_without_becoming_rows(tmp_path):
    table = pa.table({"symbol": ["A", "B"] * 50_000, "price": np.arange(100_000) / 4})
    parquet.write_table(table, tmp_path / "in.parquet")
    stream = rxdag.from_source(sources.parquet(tmp_path / "in.parquet"))
    kept = stream.pipe(ops.filter((col.symbol == "B") & (col.price > 10))).to(sinks.parquet(tmp_path / "out.parquet"))
    plan = rxdag.compile(rxdag.Dag(kept))
    assert plan.lanes.columns == set(plan.dag.nodes)
    assert plan.lanes.why_rows == {}
    result = rxdag.run(plan)
    expected = polars.from_arrow(table).filter((polars.col("symbol") == "B") & (polars.col("price") > 10))
    assert polars.read_parquet(tmp_path / "out.parquet").equals(expected)
    assert result[kept] == expected.height


@pytest.mark.parametrize("kind", ["table", "batch", "reader", "polars"])
def test_arrow_is_read_from_whatever_speaks_it(kind):
    table = pa.table({"a": [1, 2], "s": ["x", None], "l": [[1], [2]], "t": pa.array([1, 2], pa.timestamp("ns", "UTC"))})
    data = {
        "table": table,
        "batch": table.to_batches()[0],
        "reader": table.to_reader(),
        "polars": polars.from_arrow(table),
    }[kind]
    items = rxdag.from_source(sources.arrow(data)).collect()
    assert items[1] == {"a": 2, "s": None, "l": [2], "t": np.datetime64(2, "ns")}


def test_every_kind_of_arrow_column_is_read():
    day = datetime.date(2026, 1, 2)
    table = pa.table(
        {
            "u": pa.array([2**63, 1], pa.uint64()),
            "h": pa.array([0.5, None], pa.float32()),
            "b": pa.array([True, None]),
            "d": pa.array([day, None]),
            "c": pa.array(["x", "y"]).dictionary_encode(),
            "n": pa.array([None, None]),
            "i": pa.chunked_array([[1], [None]], pa.int8()),
        }
    )
    assert rxdag.from_source(sources.arrow(table)).collect() == [
        {"u": 2**63, "h": 0.5, "b": True, "d": day, "c": "x", "n": None, "i": 1},
        {"u": 1, "h": None, "b": None, "d": None, "c": "y", "n": None, "i": None},
    ]


def test_entries_of_a_dictionary_that_are_repeated_or_null_are_one_key():
    names = pa.array(["a", "b", "a", None])
    symbols = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, 3, None, 3]), names)
    table = pa.table({"s": symbols, "t": list(range(6))})
    counted = (
        rxdag.from_source(sources.arrow(table))
        .pipe(ops.event_time("t"))
        .pipe(ops.key_by(col.s))
        .pipe(ops.rolling(9, agg.count()), name="rolling")
        .to(sinks.collect())
    )
    plan = rxdag.compile(rxdag.Dag(counted), columns=True)
    assert [n["lane"] for n in plan.explain(form="dict")["nodes"] if n["name"] == "rolling"] == ["columns"]
    assert rxdag.run(plan)[counted] == [1, 1, 2, 1, 2, 3]


def test_a_record_batch_reader_is_read_once():
    stream = rxdag.from_source(sources.arrow(pa.table({"a": [1]}).to_reader()))
    assert stream.collect() == [{"a": 1}]
    with pytest.raises(NodeError, match="RecordBatchReader can be read by one run only, got a second; pass a table"):
        stream.collect()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"symbol": ["A"]}, "arrow: must have the columns of Trade, lacks price; it has symbol"),
        (
            {"symbol": [1], "price": [1.0]},
            'arrow: column "symbol" must be str, got int64; cast it, or declare the field with another type',
        ),
    ],
)
def test_columns_that_do_not_fit_the_type_end_the_run(table, message):
    with pytest.raises(NodeError) as caught:
        rxdag.from_source(sources.arrow(pa.table(table), Trade)).collect()
    assert str(caught.value) == f'source "arrow": {message}'


def test_ints_are_read_into_a_field_of_floats():
    assert repr(rxdag.from_source(sources.arrow(pa.table({"bid": [1, 2]}), Quote)).head(1)[0].bid) == "1.0"


def test_what_is_no_table_is_refused_when_the_graph_is_made():
    with pytest.raises(GraphError, match="arrow: takes an Arrow table, batch or stream, got list"):
        sources.arrow([1])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("trades.parquet", b"PAR1", "must be a Parquet file that is whole, got"),
        ("trades.csv", b"", r'path must be a file, got ".*trades.parquet"; did you mean ".*trades.csv"\?'),
    ],
)
def test_a_parquet_file_that_is_none_ends_the_run(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(NodeError, match=message):
        rxdag.from_source(sources.parquet(tmp_path / "trades.parquet")).collect()


def test_a_failed_run_leaves_the_old_parquet_file(tmp_path):
    path = tmp_path / "old.parquet"
    path.write_bytes(b"old")
    with pytest.raises(NodeError):
        through(sources.iterable([1, 0]), sinks.parquet(path), ops.map(lambda x: 1 / x))
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["old.parquet"]


def test_sinks_of_nothing_have_the_schema_that_is_said(tmp_path):
    schema = pa.schema({"a": pa.int64()})
    assert through(sources.iterable([]), sinks.arrow(schema=schema)).schema == schema
    assert through(sources.iterable([]), sinks.parquet(tmp_path / "none.parquet", schema=schema)) == 0
    assert parquet.read_table(tmp_path / "none.parquet").schema == schema
    with pytest.raises(GraphError, match="arrow: schema must be a pyarrow.Schema, got 3"):
        sinks.arrow(schema=3)


def test_items_that_change_their_type_end_the_run():
    with pytest.raises(NodeError, match="arrow: items must have the columns and types of the first ones, got"):
        through(sources.iterable([{"a": 1}] * 70_000 + [{"a": "x"}]), sinks.arrow())


# ---- fields that come later


FIRST = 65_536


@pytest.mark.parametrize("as_file", [False, True])
@pytest.mark.parametrize(
    ("items", "last"),
    [
        ([{"a": 1}, {"a": 2, "b": 20}, {"b": 30}], {"a": None, "b": 30}),
        ([{"a": 1}] * (FIRST - 1) + [{"a": 2, "b": 3}], {"a": 2, "b": 3}),
        ([{"a": 1, "b": 2}] * FIRST + [{"a": 2}], {"a": 2, "b": None}),
        ([{"a": {"x": 1}}, {"a": {"y": 2}}], {"a": {"x": None, "y": 2}}),
        ([{"a": [{"x": 1}]}] * (FIRST - 1) + [{"a": [{"y": 2}]}], {"a": [{"x": None, "y": 2}]}),
        ([5, {"a": 1}], {"value": None, "a": 1}),
    ],
)
def test_columns_are_those_of_all_the_first_items(tmp_path, as_file, items, last):
    if as_file:
        assert through(sources.iterable(items), sinks.parquet(tmp_path / "x")) == len(items)
        table = parquet.read_table(tmp_path / "x")
    else:
        table = through(sources.iterable(items), sinks.arrow())
    assert table.num_rows == len(items)
    assert table.slice(len(items) - 1).to_pylist() == [last]


@pytest.mark.parametrize("as_file", [False, True])
@pytest.mark.parametrize(
    ("items", "schema", "further"),
    [
        ([{"a": 1}] * FIRST + [{"a": 2, "b": 3}], None, "b"),
        ([{"a": {"x": 1}}] * FIRST + [{"a": {"x": 1, "y": 2}}], None, "a.y"),
        ([{"a": [{"x": 1}]}] * FIRST + [{"a": [{"x": 1, "y": 2}]}], None, "a.y"),
        ([{"a": 1, "b": 2}], pa.schema({"a": pa.int64()}), "b"),
        ([{"a": 1}, {"a": 1, "b": 2}], pa.schema({"a": pa.int64()}), "b"),
        ([{"a": {"x": 1, "y": 2}}], pa.schema({"a": pa.struct({"x": pa.int64()})}), "a.y"),
    ],
)
def test_a_field_that_has_no_column_ends_the_run_and_none_is_dropped(tmp_path, as_file, items, schema, further):
    sink = sinks.parquet(tmp_path / "x", schema=schema) if as_file else sinks.arrow(schema=schema)
    message = (
        f'items must have the fields of the first 65,536, or of schema=, got another field, "{further}"; pass schema='
    )
    with pytest.raises(NodeError, match=message):
        through(sources.iterable(items), sink)
    assert os.listdir(tmp_path) == []


def test_an_item_without_fields_ends_the_run_for_it_would_be_no_row():
    with pytest.raises(NodeError, match="arrow: an item must have one field or more, got one without"):
        through(sources.iterable([{"a": 1}, {}]), sinks.arrow())


def test_a_batch_of_items_loses_no_field_that_the_first_lacks():
    items = [{"a": 1}, {"a": 2, "b": 20}]
    assert rxdag.from_source(sources.iterable(items)).pipe(ops.map_batch(lambda batch: batch)).collect() == items


def test_a_parquet_file_is_not_packed_whatever_its_name(tmp_path):
    through(sources.iterable([{"a": 1}]), sinks.parquet(tmp_path / "x.gz"))
    assert parquet.read_table(tmp_path / "x.gz").to_pylist() == [{"a": 1}]


# ---- what is no record


def test_values_and_panes_have_columns_of_their_own():
    assert through(sources.range(2), sinks.arrow()).to_pydict() == {"value": [0, 1]}
    assert through(sources.arrays(np.arange(2)), sinks.arrow(), ops.map(element + 1)).to_pydict() == {"value": [1, 2]}


def test_without_pyarrow_the_message_says_what_to_install():
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "import rxdag; from rxdag import sources\n"
        "try: rxdag.from_source(sources.parquet('x')).collect()\n"
        "except rxdag.NodeError as e: print(e, type(e.__cause__).__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == (
        'source "parquet": parquet: pyarrow must be installed, and is not; run pip install "pyarrow>=17.0" (extra '
        '"arrow") MissingExtra\n'
    )


def test_the_front_door_loads_neither_numpy_nor_pyarrow():
    code = "import sys, rxdag; rxdag.col, rxdag.from_source, rxdag.sources, rxdag.operators; print(sorted({'numpy', 'pyarrow', 'reactivex'} & {*sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_field_that_was_none_in_all_the_first_items_says_what_to_do_about_a_later_value():
    items = [{"a": None, "b": 1}] * 65_536 + [{"a": 1.5, "b": 1}]
    with pytest.raises(NodeError, match="must be of type null, as in the first 65,536 items .*; pass schema="):
        rxdag.run(rxdag.from_source(sources.iterable(items)).to(sinks.arrow()))


@pytest.mark.parametrize("batched", [False, True])
def test_columns_of_one_name_are_refused_where_the_last_would_win(tmp_path, batched):
    table = pa.table([[1], [2], [3]], names=["a", "a", "b"])
    message = "arrow: columns must have names of their own, got several called a; rename them, or pass a type without"
    with pytest.raises(NodeError, match=message):
        rxdag.wrap(table.to_batches()[0] if batched else table).collect()


@pytest.mark.parametrize("as_file", [False, True])
def test_an_int_beyond_64_bits_ends_the_run_and_says_what_to_do(tmp_path, as_file):
    out = sinks.parquet(tmp_path / "big.parquet") if as_file else sinks.arrow()
    with pytest.raises(NodeError, match="items must have the columns and types of the first ones, .*; pass schema="):
        rxdag.run(rxdag.wrap([{"n": 2**70}]).to(out))


@pytest.mark.parametrize(
    "values",
    [
        [1, -(2**63)],
        [1, None],
        [1.5, None],
        ["a", None, ""],
        [True, None],
        [None, None],
        [],
        [1, 2.5],
        [b"a", None],
        [datetime.date(2024, 1, 5)],
        [[1], []],
    ],
    ids=str,
)
def test_values_have_the_type_that_pyarrow_finds(values):
    assert arrow_of_values(pa, values).equals(pa.array(values))


def test_pyarrow_looks_for_no_module_when_simple_items_are_written(tmp_path, monkeypatch):
    class Finder:
        def find_spec(self, name, path=None, target=None):
            sought.append(name)

    sought = []
    rows = [Trade("a", float(i), i) for i in range(1000)]
    saved = rxdag.from_source(sources.iterable(rows)).to(sinks.parquet(tmp_path / "t.parquet"))
    rxdag.run(saved)
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    rxdag.run(saved)
    assert "dateutil" not in sought
