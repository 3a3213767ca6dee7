"""Routes by key and shards over columns: each item goes where it goes on rows."""

from typing import Any, NamedTuple

import pytest

import rxdag
from rxdag import col, on_error, sinks, sources
from rxdag import operators as ops
from rxdag.columns import Columns, coded_texts, column_of, ways_of
from rxdag.contract import RowFailed
from rxdag.expressions import FieldReader
from rxdag.testing import Chunked


class Row(NamedTuple):
    t: int
    s: Any
    x: int


ROWS = [Row(i, "abc"[i % 3], i % 5) for i in range(12)]
BOTH = pytest.mark.parametrize("columns", [True, False], ids=["columns", "rows"])


def ports_of(operator, rows, *, columns, policy=on_error.raise_):
    """Return the times of the items at each port, and the books of the route."""
    source = Chunked((tuple(rows),), None, Row, gives_columns=True)
    routed = rxdag.from_source(source).pipe(operator, name="route", on_error=policy)
    names = [port for port in operator.ports if port != "dead"]
    kept = [routed[port].to(sinks.collect(), name=port) for port in names]
    plan = rxdag.compile(rxdag.Dag(*kept), columns=columns)
    [route] = [node for node in plan.explain(form="dict")["nodes"] if node["name"] == "route"]
    assert route["lane"] == ("columns" if columns else "rows")
    result = rxdag.run(plan)
    assert not result.problems
    return {port: [row.t for row in result[port]] for port in names if result[port]}, result.stats.nodes["route"]


@BOTH
def test_each_item_goes_to_the_port_of_its_key(columns):
    ports, _ = ports_of(ops.route_by(col.s, ["b", "a"], default="rest"), ROWS, columns=columns)
    assert ports == {"a": [0, 3, 6, 9], "b": [1, 4, 7, 10], "rest": [2, 5, 8, 11]}


@BOTH
def test_an_item_whose_key_has_no_port_is_unrouted(columns):
    ports, books = ports_of(ops.route_by("x", [1, 4]), ROWS, columns=columns)
    assert ports == {"1": [1, 6, 11], "4": [4, 9]}
    assert books.unrouted == 7


@BOTH
def test_a_null_goes_to_the_port_of_none(columns):
    rows = [Row(0, "a", 0), Row(1, None, 0), Row(2, "a", 0)]
    assert ports_of(ops.route_by("s", [None, "a"]), rows, columns=columns)[0] == {"None": [1], "a": [0, 2]}


@BOTH
def test_a_key_that_cannot_be_hashed_fails_its_item_alone(columns):
    rows = [Row(0, "a", 0), Row(1, ["a"], 0), Row(2, "a", 0)]
    ports, books = ports_of(ops.route_by("s", ["a"]), rows, columns=columns, policy=on_error.skip)
    assert ports == {"a": [0, 2]}
    assert books.dropped == {"skipped": 1}


@BOTH
@pytest.mark.parametrize(
    ("keys", "port"),
    [
        (["AAPL"], "7"),
        ([3_740_000_000], "5"),
        ([True], "0"),
        ([None], "1"),
        ([2.5], "6"),
        ([-0.0], "3"),
        ([0.0], "1"),
        ([("a", 1)], "3"),
    ],
    ids=repr,
)
def test_a_part_is_the_hash_of_the_text_of_the_key(keys, port, columns):
    rows = [Row(i, key, 0) for i, key in enumerate(keys)]
    assert ports_of(ops.partition(8, "s"), rows, columns=columns)[0] == {port: [0]}


@BOTH
@pytest.mark.parametrize(
    ("keys", "ports"),
    [
        ([0.0, -0.0, 0, False, 0.0], {"1": [0, 4], "3": [1], "6": [3], "7": [2]}),
        ([0.0, -0.0, 0.0], {"1": [0, 2], "3": [1]}),
    ],
    ids=["of several types", "floats"],
)
def test_equal_keys_of_different_texts_go_to_different_parts(keys, ports, columns):
    rows = [Row(i, key, 0) for i, key in enumerate(keys)]
    assert ports_of(ops.partition(8, "s"), rows, columns=columns)[0] == ports


@BOTH
def test_a_key_whose_text_has_no_utf8_fails_its_items_alone(columns):
    rows = [Row(0, "a", 0), Row(1, "\ud800", 0), Row(2, "a", 0), Row(3, "\ud800", 0)]
    ports, books = ports_of(ops.partition(1, "s"), rows, columns=columns, policy=on_error.skip)
    assert ports == {"0": [0, 2]}
    assert books.dropped == {"skipped": 2}


@BOTH
@pytest.mark.parametrize("key", ["s", "x", lambda row: (row.s, row.x)], ids=["text", "int", "tuple"])
def test_the_shards_of_all_workers_are_the_items(key, columns):
    source = Chunked((tuple(ROWS),), None, Row, gives_columns=True)
    kept = rxdag.from_source(source).pipe(ops.shard(key), name="shard").to(sinks.collect(), name="out")
    dag = rxdag.Dag(kept)
    results = [rxdag.run(rxdag.compile(dag.shard(worker, 3), columns=columns)) for worker in range(3)]
    assert sorted(row for result in results for row in result["out"]) == ROWS
    assert sum(result.stats.nodes["shard"].filtered for result in results) == 24


@BOTH
def test_the_ports_of_keys_meet_in_the_order_of_the_items(columns):
    source = Chunked((tuple(ROWS),), None, Row, gives_columns=True)
    ways = rxdag.from_source(source).pipe(ops.route_by("s", ["a", "b", "c"]), name="route")
    kept = rxdag.merge(ways["c"], ways["a"].pipe(ops.filter(col.x > 0)), ways["b"]).to(sinks.collect(), name="out")
    plan = rxdag.compile(rxdag.Dag(kept), columns=columns)
    assert ("meet in order at merge" in plan.explain()) is columns
    assert [row.t for row in rxdag.run(plan)["out"]] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]


def test_the_way_of_a_key_is_asked_once_for_a_run():
    asked = []

    def way_of(key):
        asked.append(key)
        return len(key)

    key = column_of(["b", "aa", "b", "aa", "b"])
    assert ways_of(key, way_of).tolist() == [1, 2, 1, 2, 1]
    assert asked == ["b", "aa"]


def test_the_first_item_whose_way_fails_is_the_one_that_fails():
    key = column_of(["ok", "late", "soon", "late"])
    with pytest.raises(RowFailed, match="soon") as failed:
        ways_of(key[[0, 2, 1, 3]], lambda name: 0 if name == "ok" else int(name))
    assert failed.value.index == 1


def test_a_run_that_is_split_keeps_the_order_in_each_way():
    columns = Columns.from_columns({"t": column_of([10, 11, 12, 13, 14])})
    parts = columns.split(ways_of(column_of(["a", "bbb", "a", "bbb", "a"]), len), 4)
    assert [part["t"].tolist() for part in parts] == [[], [10, 12, 14], [], [11, 13]]


def test_the_texts_of_a_dictionary_are_not_made_anew_for_each_item():
    columns = Columns.from_columns({"s": column_of(["b", "a", "b"])})
    coded = coded_texts(columns, FieldReader(col.s, None))
    assert coded is columns["s"]


def test_an_array_source_feeds_a_partition_as_columns():
    parts = rxdag.from_source(sources.arrays({"s": ["AAPL", "MSFT"]})).pipe(ops.partition(8, "s"))
    assert parts["7"].collect() == [{"s": "AAPL"}]
