"""CSV of columns: the same bytes as those of the items, and no items where none are needed."""

import datetime as dt
from typing import Any, NamedTuple, TypedDict

import msgspec
import numpy as np
import pytest

import rxdag
from rxdag import NodeError, col, element, on_error, sinks, sources
from rxdag import operators as ops
from rxdag.columns import Columns


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


def written(values, of, path, *, columns):
    stream = rxdag.from_source(sources.arrays({"a": values, "b": ["x", "y", "z"]}, of))
    saved = stream.pipe(ops.filter(col.b != "y")).to(sinks.csv(path))
    rxdag.run(rxdag.compile(rxdag.Dag(saved), columns=columns))
    return path.read_bytes()


@pytest.mark.parametrize("of", [None, Row, Loose, Checked, Plain])
@pytest.mark.parametrize("values", VALUES, ids=str)
def test_columns_are_written_as_their_items(tmp_path, values, of):
    by_columns = written(values, of, tmp_path / "columns.csv", columns=True)
    assert by_columns == written(values, of, tmp_path / "rows.csv", columns=False)
    assert len(by_columns.splitlines()) >= 3


def test_numbers_and_texts_are_written_without_making_items(tmp_path, monkeypatch):
    monkeypatch.setattr(Columns, "rows", lambda self: pytest.fail("an item was made"))
    assert written([1, 2, 3], Row, tmp_path / "t.csv", columns=True) == b"a,b\n1,x\n3,z\n"


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
