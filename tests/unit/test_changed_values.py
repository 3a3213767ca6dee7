"""Values that would become others on their way into a file, and files that two sinks would write: refused, with the reason."""

import datetime as dt
import gzip
import os
import warnings
from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pytest

import rxdag
from rxdag import expressions, sinks, sources
from rxdag.expressions import is_foreign

GROUP = 65_536
NAIVE = dt.datetime(2024, 8, 8, 5, tzinfo=dt.UTC).replace(tzinfo=None)
PAIRS = {
    "bool": (True, 2.5),
    "number": (5, "5"),
    "text": ("5", 5),
    "decimal": (Decimal("1.5"), "x"),
    "decimal, float": (Decimal("0.1"), 0.25),
    "float, decimal": (0.25, Decimal("0.1")),
    "date, time of day": (dt.date(2024, 8, 8), NAIVE),
    "time without a zone": (dt.datetime(2024, 8, 8, tzinfo=dt.UTC), NAIVE),
    "time with a zone": (NAIVE, dt.datetime(2024, 8, 8, tzinfo=dt.UTC)),
    "time": (dt.datetime(2024, 8, 8, tzinfo=dt.UTC), 7),
    "duration": (dt.timedelta(seconds=1), 7),
    "binary": (b"x", "x"),
    "number, bool": (5, True),
    "inside a record": ({"a": 5}, {"a": "5"}),
    "inside a list": ([5], ["5"]),
}


def saved(kind, items, folder, **how):
    sink = sinks.arrow(**how) if kind == "arrow" else sinks.parquet(folder / "a.parquet", **how)
    kept = rxdag.from_source(sources.iterable(items)).to(sink)
    return rxdag.run(kept)[kept]


@pytest.mark.parametrize("kind", ["arrow", "parquet"])
@pytest.mark.parametrize("name", PAIRS)
def test_a_type_that_changes_later_is_refused(kind, name, tmp_path):
    first, later = PAIRS[name]
    items = [{"x": first}] * GROUP + [{"x": later}]
    with pytest.raises(rxdag.RxDagError, match=r'field "x" must be of type .*, got .*; pass schema='):
        saved(kind, items, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["arrow", "parquet"])
@pytest.mark.parametrize("name", PAIRS)
def test_a_schema_changes_no_values_either(kind, name, tmp_path):
    first, later = PAIRS[name]
    schema = pa.schema({"x": pa.array([first]).type})
    with pytest.raises(rxdag.RxDagError, match=r'field "x" must be of type'):
        saved(kind, [{"x": later}], tmp_path, schema=schema)


@pytest.mark.parametrize("kind", ["arrow", "parquet"])
@pytest.mark.parametrize("name", [name for name in PAIRS if name != "time"])
def test_neighbours_of_two_kinds_are_refused(kind, name, tmp_path):
    for pair in (PAIRS[name], PAIRS[name][::-1]):
        with pytest.raises(
            rxdag.RxDagError, match="items must have the columns and types of the first ones, got .*; pass schema="
        ):
            saved(kind, [{"x": value} for value in pair], tmp_path)


def test_a_type_that_holds_the_values_is_taken():
    wide = pa.schema({"x": pa.float64(), "s": pa.dictionary(pa.int32(), pa.string()), "t": pa.timestamp("ns", "UTC")})
    rows = [{"x": 5, "s": "a", "t": dt.datetime(2024, 8, 8, tzinfo=dt.UTC)}, {"x": None, "s": None, "t": None}]
    table = saved("arrow", rows, None, schema=wide)
    assert table.schema == wide
    assert table.column("x").to_pylist() == [5.0, None]
    with pytest.raises(rxdag.RxDagError, match="pass schema="):  # and one that does not hold them is not
        saved("arrow", [{"x": 2.5}], None, schema=pa.schema({"x": pa.int64()}))


class Row(msgspec.Struct):
    by: dict


@pytest.mark.parametrize(
    "item",
    [{1: 0, "1": 1}, {"a": {1: 0, "1": 1}}, {"a": [{1: 0, "1": 1}]}, Row({True: 1, "True": 2}), [({2: 0, "2": 1},)]],
)
def test_keys_that_are_one_as_text_are_refused_wherever_they_are(item, tmp_path):
    kept = rxdag.from_source(sources.iterable([item])).to(sinks.jsonl(tmp_path / "a.jsonl"))
    with pytest.raises(rxdag.NodeError, match="keys of a mapping must differ as text"):
        rxdag.run(kept)


@pytest.mark.parametrize("sink", [sinks.csv, sinks.jsonl, sinks.parquet])
def test_two_sinks_of_a_graph_do_not_write_one_file(sink, tmp_path):
    numbers = rxdag.from_source(sources.iterable([1]))
    (tmp_path / "link").symlink_to(tmp_path / "a")
    two = numbers.to(sink(tmp_path / "a")), numbers.to(sink(tmp_path / "link"))
    with pytest.raises(rxdag.CompileError, match=r'sinks ".*" and ".*": must write different files, got .*link'):
        rxdag.compile(rxdag.Dag(*two))
    rxdag.run(numbers.to(sink("/dev/null")), numbers.to(sink("/dev/null")))
    for _ in range(2):  # one after the other they may
        rxdag.run(numbers.to(sink(tmp_path / "a")))


ENDS = {
    "sources.csv": lambda path: sources.csv(path, dict[str, str]),
    "sources.jsonl": lambda path: sources.jsonl(path, int),
    "sources.parquet": sources.parquet,
    "sinks.csv": sinks.csv,
    "sinks.jsonl": sinks.jsonl,
    "sinks.parquet": sinks.parquet,
}


@pytest.mark.parametrize("path", [None, 7, "", "a\0b", object])
@pytest.mark.parametrize("name", [*ENDS])
def test_what_is_no_path_is_refused_where_it_is_given(name, path):
    if name == "sources.csv":
        ENDS[name] = lambda path: sources.csv(path, Named)
    with pytest.raises(rxdag.GraphError, match=rf"{name.split('.')[1]}: path must "):
        ENDS[name](path)


class Named(msgspec.Struct):
    x: int


def test_a_parquet_file_that_cannot_be_written_is_named(tmp_path):
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("needs /dev/full")
    kept = rxdag.from_source(sources.iterable([{"x": 1}] * 10)).to(sinks.parquet(full))
    with pytest.raises(rxdag.RxDagError, match=r'parquet: cannot write "/dev/full": No space left .*; free some space'):
        rxdag.run(kept)


def test_a_packed_file_that_is_left_is_closed(tmp_path):
    def fail(x):
        raise ValueError(x)

    kept = rxdag.from_source(sources.iterable([1])).pipe(rxdag.operators.map(fail)).to(sinks.csv(tmp_path / "a.csv.gz"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(rxdag.NodeError):
            rxdag.run(kept)
    assert os.listdir(tmp_path) == []
    rxdag.run(rxdag.from_source(sources.iterable([1])).to(sinks.csv(tmp_path / "a.csv.gz")))
    assert gzip.decompress((tmp_path / "a.csv.gz").read_bytes()) == b"value\n1\n"


@pytest.mark.parametrize("text", ["x * 1000", "1000 * x", "x % 7"])
def test_arrays_of_texts_are_not_multiplied(text):
    fn = expressions.parse(text)
    for array in (np.array(["ab"], object), np.array(["ab"])):
        kept = (
            rxdag.from_source(sources.iterable([{"x": array}], of=dict))
            .pipe(rxdag.operators.map(fn))
            .to(sinks.collect())
        )
        with pytest.raises(rxdag.NodeError, match="must be of numbers"):
            rxdag.run(kept)


class Level(msgspec.Struct, frozen=True):
    price: float = 0.0


class Listed(msgspec.Struct, array_like=True):
    level: Level


@pytest.mark.parametrize(
    ("of", "text"),
    [
        (dict[int, Level], '{"1": {"other": 2}}'),
        (frozenset[Level], '[{"other": 2}]'),
        (set[Level], '[{"price": 2}, {"other": 2}]'),
        (Listed, '[{"other": 2}]'),
    ],
)
def test_what_has_none_of_the_fields_is_foreign_wherever_it_is(of, text):
    assert is_foreign(msgspec.json.decode(text, type=of), msgspec.json.decode(text))
    good = text.replace("other", "price")
    assert not is_foreign(msgspec.json.decode(good, type=of), msgspec.json.decode(good))
