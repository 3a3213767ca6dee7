"""CSV and JSON lines of columns: the same bytes as those of the items, and no items where none are needed."""

import dataclasses
import datetime as dt
from typing import Any, NamedTuple, TypedDict

import msgspec
import numpy as np
import pytest

import rxdag
from rxdag import NodeError, col, element, on_error, sinks, sources
from rxdag import operators as ops
from rxdag.columns import Columns
from rxdag.contract import Pane
from rxdag.sinks import _files


class Row(NamedTuple):
    a: Any
    b: Any = "none"


class Loose(msgspec.Struct):
    b: Any
    a: Any


class Checked(msgspec.Struct):
    a: Any
    b: Any

    def __post_init__(self):
        self.b = self.b.upper()


class Plain(TypedDict):
    a: Any
    b: Any


VALUES = [
    ["x", "", 'say "a, b"'],
    ["a\nb", "a\rb", " é𝄞"],
    ["x", None, "y"],
    [1, -(2**62), 0],
    [1, None, 3],
    [0.1 + 0.2, -0.0, 1e16],
    [float("nan"), float("inf"), 5e-324],
    [1.5, None, 2.5],
    np.array([True, False, True]),
    [True, None, False],
    [None, None, None],
    [2**70, 1, 2],
    [1, "x", None],
    [dt.date(2024, 1, 5), dt.datetime(2024, 1, 5, tzinfo=dt.UTC), None],
    np.array(["2024-01-05T09:30", "NaT", "1970-01-01"], "M8[ns]"),
    [b"ab", dt.timedelta(seconds=1), 1.5],
]


class Renamed(msgspec.Struct, rename="upper"):
    a: Any
    b: Any


class Tagged(msgspec.Struct, tag="x"):
    a: Any
    b: Any


class Omitting(msgspec.Struct, omit_defaults=True):
    a: Any = 1
    b: Any = "x"


class AsList(msgspec.Struct, array_like=True):
    a: Any
    b: Any


@dataclasses.dataclass
class Data:
    b: Any
    a: Any


TYPES = [None, Row, Loose, Checked, Plain, Renamed, Tagged, Omitting, AsList, Data]
FORMS = {"csv": sinks.csv, "jsonl": sinks.jsonl}


def written(form, values, of, path, *, columns):
    stream = rxdag.from_source(sources.arrays({"a": values, "b": ["x", "y", "z"]}, of))
    saved = stream.pipe(ops.filter(col.b != "y")).to(FORMS[form](path), on_error=on_error.skip)
    result = rxdag.run(rxdag.compile(rxdag.Dag(saved), columns=columns))
    return result[saved], path.read_bytes()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("of", TYPES)
@pytest.mark.parametrize("values", VALUES, ids=str)
def test_columns_are_written_as_their_items_one_by_one(form, tmp_path, values, of, monkeypatch):
    by_columns = written(form, values, of, tmp_path / "columns", columns=True)
    by_rows = written(form, values, of, tmp_path / "rows", columns=False)
    monkeypatch.setattr(_files._FileWriter, "_together", lambda *given: None)
    assert by_columns == by_rows == written(form, values, of, tmp_path / "each", columns=False)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ['say "a"', "a\nb", "_a", "class", ""])
def test_odd_names_of_columns_are_written_as_one_by_one(form, tmp_path, name, monkeypatch):
    def run(path, *, columns):
        stream = rxdag.from_source(sources.arrays({"a": [1, 2], name: [1.5, 2.5]}))
        saved = stream.pipe(ops.filter(col.a > 0)).to(FORMS[form](path), on_error=on_error.skip)
        return rxdag.run(rxdag.compile(rxdag.Dag(saved), columns=columns))[saved], path.read_bytes()

    by_columns = run(tmp_path / "columns", columns=True)
    monkeypatch.setattr(_files._FileWriter, "_together", lambda *given: None)
    assert by_columns == run(tmp_path / "each", columns=False)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "value", [1.5, None, True, float("nan"), Row(1, "x"), {"a": 1}, (1, 2), dt.date(2024, 1, 5)], ids=str
)
@pytest.mark.parametrize("key", ["a", None, ("a", 1)], ids=str)
def test_panes_are_written_as_one_by_one(form, tmp_path, value, key, monkeypatch):
    panes = [Pane(key, at, at + 1, 0, value, "end") for at in range(3)]

    def run(path):
        saved = rxdag.wrap(panes).to(FORMS[form](path), on_error=on_error.skip)
        return rxdag.run(saved)[saved], path.read_bytes()

    together = run(tmp_path / "together")
    monkeypatch.setattr(_files._FileWriter, "_together", lambda *given: None)
    assert together == run(tmp_path / "each")


def test_a_number_that_json_lacks_fails_its_own_item_of_columns(tmp_path):
    stream = rxdag.from_source(sources.arrays({"a": [1.5, float("nan"), 2.5]})).pipe(ops.filter(col.a != 9))
    saved = stream.to(sinks.jsonl(tmp_path / "t.jsonl"), on_error=on_error.skip)
    assert rxdag.run(saved)[saved] == 2
    assert (tmp_path / "t.jsonl").read_text() == '{"a":1.5}\n{"a":2.5}\n'


def test_numbers_and_texts_are_written_without_making_items(tmp_path, monkeypatch):
    monkeypatch.setattr(Columns, "rows", lambda self: pytest.fail("an item was made"))
    assert written("csv", [1, 2, 3], Row, tmp_path / "t.csv", columns=True) == (2, b"a,b\n1,x\n3,z\n")
    lines = b'{"a":1,"b":"x"}\n{"a":3,"b":"z"}\n'
    assert written("jsonl", [1, 2, 3], Row, tmp_path / "t.jsonl", columns=True) == (2, lines)


def test_values_that_are_no_records_are_written_as_one_column(tmp_path):
    saved = (
        rxdag.from_source(sources.arrays(np.array([1, 2, 3])))
        .pipe(ops.map(element * 2))
        .to(sinks.csv(tmp_path / "t.csv"))
    )
    rxdag.run(saved)
    assert (tmp_path / "t.csv").read_text() == "value\n2\n4\n6\n"


def test_a_text_that_utf_8_lacks_fails_its_own_item_of_columns(tmp_path):
    stream = rxdag.from_source(sources.arrays({"a": ["x", "\ud800", "z"]})).pipe(ops.filter(col.a != ""))
    saved = stream.to(sinks.csv(tmp_path / "t.csv"), on_error=on_error.skip)
    result = rxdag.run(saved)
    assert result[saved] == 2
    assert (tmp_path / "t.csv").read_text() == "a\nx\nz\n"


def test_columns_other_than_those_of_the_header_are_refused(tmp_path):
    stream = rxdag.from_source(sources.arrays({"a": [1, 2]})).pipe(ops.filter(col.a > 0))
    with pytest.raises(NodeError, match="a row must have the columns a, b, got a"):
        rxdag.run(stream.to(sinks.csv(tmp_path / "t.csv", columns=("a", "b"))))
