"""Names of columns: those of a pane's key, of its bounds and of its value never overwrite each other, in any form."""

import csv
import json
import math

import msgspec
import numpy as np
import pytest

import rxdag
from rxdag import GraphError, NodeError, on_error, sinks, sources, windows
from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag.contract import DeadLetter, Pane
from rxdag.sinks._flatten import flat_columns, flatten, json_line

pq = pytest.importorskip("pyarrow.parquet")


def columns_in(form, stream, path, capsys):
    """The columns of the first row, as text."""
    if form == "csv":
        rxdag.run(stream.to(sinks.csv(path)))
        row = next(csv.DictReader(path.read_text().splitlines()))
    elif form == "jsonl":
        rxdag.run(stream.to(sinks.jsonl(path)))
        row = json.loads(path.read_text().splitlines()[0])
    elif form == "stdout":
        rxdag.run(stream.to(sinks.stdout(form="jsonl")))
        row = json.loads(capsys.readouterr().out.splitlines()[0])
    elif form == "arrow":
        out = stream.to(sinks.arrow())
        row = rxdag.run(out)[out].to_pylist()[0]
    else:
        rxdag.run(stream.to(sinks.parquet(path)))
        row = pq.read_table(path).to_pylist()[0]
    return {name: str(value) for name, value in row.items()}


LAST = agg.last(lambda x: x["v"])
BOUNDS = {"start": "0", "end": "10", "revision": "0", "closed_by": "watermark"}


@pytest.mark.parametrize("form", ["csv", "jsonl", "stdout", "arrow", "parquet"])
@pytest.mark.parametrize(
    ("names", "aggregate", "expected"),
    [
        (("symbol",), LAST, {"symbol": "k", "value": "7"}),
        (("value",), LAST, {"key_value": "k", "value": "7"}),
        (("value",), agg.named(n=LAST), {"value": "k", "n": "7"}),
        (("start",), LAST, {"key_start": "k", "value": "7"}),
        (("closed_by",), agg.named(revision=LAST), {"key_closed_by": "k", "value_revision": "7"}),
        (("symbol",), agg.named(start=LAST, end=agg.count()), {"symbol": "k", "value_start": "7", "value_end": "1"}),
        (("symbol",), agg.named(symbol=LAST), {"symbol": "k", "value_symbol": "7"}),
        (("symbol",), agg.named(symbol=LAST, value_symbol=agg.count()), {"symbol": "k", "value_symbol": "7"}),
        ((), agg.named(key=LAST), {"key": "k", "value_key": "7"}),
    ],
)
def test_all_of_a_pane_is_in_columns_of_its_own(form, names, aggregate, expected, tmp_path, capsys):
    timed = rxdag.from_source(sources.iterable([{"v": 7, "k": "k"}])).pipe(ops.event_time(lambda x: 1))
    panes = timed.pipe(ops.key_by(lambda x: x["k"], names=names)).pipe(ops.window(windows.tumbling("10ns"), aggregate))
    row = columns_in(form, panes, tmp_path / "x", capsys)
    assert {name: row[name] for name in expected | BOUNDS} == expected | BOUNDS
    assert len(row) == 4 + 1 + len(getattr(aggregate, "aggregates", "1"))


@pytest.mark.parametrize("form", ["csv", "jsonl", "arrow"])
def test_parts_of_a_key_without_names_do_not_meet_the_value(form, tmp_path, capsys):
    timed = rxdag.from_source(sources.iterable([7])).pipe(ops.event_time(lambda x: 1))
    keyed = timed.pipe(ops.key_by(lambda x: ("a", "b")))
    panes = keyed.pipe(ops.window(windows.tumbling("10ns"), agg.named(key_1=agg.count())))
    row = columns_in(form, panes, tmp_path / "x", capsys)
    assert row == {"key_0": "a", "key_1": "b", "value_key_1": "1"} | BOUNDS


def test_parts_of_a_key_that_have_one_name_are_refused_when_the_graph_is_made():
    message = r"key_by: the parts of a key must have different names, got \('a', 'a'\); pass names="
    with pytest.raises(GraphError, match=message):
        ops.key_by("a", "a")
    with pytest.raises(GraphError, match=message):
        ops.key_by("x", "y", names=["a", "a"])


@pytest.mark.parametrize("make", [sinks.csv, sinks.jsonl])
def test_an_item_whose_keys_are_one_as_text_is_at_fault_and_no_field_is_lost(make, tmp_path):
    rows = rxdag.from_source(sources.iterable([{"1": "a"}, {1: "b", "1": "c"}, {"1": "d"}]))
    out = rows.to(make(tmp_path / "x"), name="out", on_error=on_error.dead)
    dead = out.dead.pipe(ops.map(lambda letter: str(letter.error))).to(sinks.collect(), name="dead")
    result = rxdag.run(out, dead)
    assert (result["out"], result["dead"]) == (2, ["keys of a mapping must differ as text, got [1, '1']"])


@pytest.mark.parametrize("batch_format", ["numpy", "pyarrow"])
def test_columns_of_one_name_end_the_run(batch_format):
    import pyarrow as pa

    made = {1: [1], "1": [2]} if batch_format == "numpy" else pa.table([pa.array([1]), pa.array([2])], names=["1", "1"])
    stream = rxdag.from_source(sources.range(1)).pipe(ops.map_batch(lambda _: made, batch_format=batch_format))
    with pytest.raises(NodeError, match="columns must have names that differ"):
        stream.collect()


class Price(msgspec.Struct):
    value: float
    parts: list[float] = []


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, np.float64("nan")])
@pytest.mark.parametrize(
    ("make", "place"),
    [
        (lambda x: {"a": x}, "field a"),
        (lambda x: {"a": {"b": [1.0, x]}}, "field a.b.1"),
        (lambda x: Price(x), "field value"),
        (lambda x: Price(1.0, [x]), "field parts.0"),
        (lambda x: (None, x), "field 1"),
        (lambda x: x, "the item"),
    ],
)
def test_a_number_that_json_has_not_is_refused_where_it_stands(tmp_path, bad, make, place):
    kept = rxdag.from_source(sources.iterable([make(1.0), make(bad)])).to(sinks.jsonl(tmp_path / "rows.jsonl"))
    with pytest.raises(rxdag.RxDagError, match=f"numbers must be finite.* in {place};"):
        rxdag.run(kept)


def test_none_is_null():
    assert json_line()({"a": None, "b": "null", "c": [1.0, None]}, ()) == b'{"a":null,"b":"null","c":[1.0,null]}\n'


def test_in_a_dead_letter_it_is_a_text():
    letter = DeadLetter("map", {"a": [math.nan, None]}, ValueError("x"), 1, "")
    assert json_line()(letter, ()) == b'{"node":"map","item":{"a":["nan",null]},"error":"ValueError: x","attempts":1}\n'


class Point(msgspec.Struct):
    start: int
    key: str


def pane(key, value, at=0):
    return Pane(key, at, at + 1, 0, value, "end")


@pytest.mark.parametrize("key_names", [(), ("key",), ("sym", "start")])
@pytest.mark.parametrize(
    "items",
    [
        [pane("a", 1.5), pane("b", 2.5, 7)],
        [pane("a", Point(1, "x")), pane("b", Point(2, "y"))],
        [pane(("a", 1), Point(1, "x")), pane(("b", 2), Point(2, "y"))],
        [pane(("a", 1), None), pane(("b", 2), None)],
        [pane((), 1), pane((), 2)],
        [Point(1, "x"), Point(2, "y")],
        [1, 2],
        [(1, 2), (3, 4)],
    ],
)
def test_columns_hold_what_the_records_of_all_items_hold(items, key_names):
    columns = flat_columns(items, key_names)
    rows = [flatten(item, key_names) for item in items]
    assert [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)] == rows
    assert [*columns] == [*rows[0]]


@pytest.mark.parametrize(
    "items",
    [
        [],
        [1, 2.5],
        [{"a": 1}, {"a": 2}],
        [pane("a", 1), pane("a", 2.5)],
        [pane("a", {"b": 1}), pane("a", {"b": 2})],
        [pane(("a", "b"), 1), pane("a", 1)],
        [pane(("a", "b"), 1), pane(("a",), 1)],
        [DeadLetter("node", 1, ValueError(), 1, "")],
    ],
)
def test_items_that_may_differ_in_their_columns_have_none_in_common(items):
    assert flat_columns(items, ()) is None
