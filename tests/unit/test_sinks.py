import contextlib
import csv
import gzip
import json
import os
from dataclasses import dataclass

import msgspec
import pytest

import rxdag
from rxdag import NodeError, on_error, sinks, sources, testing, windows
from rxdag import aggregates as agg
from rxdag import operators as ops


class Bar(msgspec.Struct):
    symbol: str
    close: float
    vwap: float | None = None


@dataclass
class Point:
    x: int
    is_set: bool


def into(sink, items, **options):
    stream = rxdag.from_source(sources.iterable(items))
    out = stream.to(sink, name="out", **options)
    return rxdag.run(out)[out]


def test_csv_writes_records_with_a_header_and_numbers_that_read_back(tmp_path):
    path = tmp_path / "deep" / "bars.csv"
    value = 0.1 + 0.2
    assert into(sinks.csv(path), [Bar('a"b', value), Bar("c,d", 2.0, 1.5)]) == 2
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert rows == [
        {"symbol": 'a"b', "close": "0.30000000000000004", "vwap": ""},
        {"symbol": "c,d", "close": "2.0", "vwap": "1.5"},
    ]
    assert float(rows[0]["close"]) == value


def test_csv_flattens_panes_dataclasses_mappings_and_plain_values(tmp_path):
    path = tmp_path / "x.csv"
    stream = rxdag.from_source(sources.iterable([1, 2, 12])).pipe(ops.event_time(lambda x: x))
    keyed = stream.pipe(ops.key_by(lambda x: ("v", "s"), names=("venue", "symbol")))
    panes = keyed.pipe(ops.window(windows.tumbling("10ns"), agg.ohlcv(lambda x: x, lambda x: 1)))
    rxdag.run(panes.to(sinks.csv(path)))
    assert path.read_text().splitlines()[:2] == [
        "venue,symbol,start,end,open,high,low,close,volume,vwap,count,revision,closed_by",
        "v,s,0,10,1,2,1,2,2,1.5,2,0,watermark",
    ]
    counts = stream.pipe(ops.key_by(lambda x: 7)).pipe(ops.window(windows.tumbling("10ns"), agg.count()))
    rxdag.run(counts.to(sinks.csv(path)))
    assert path.read_text().splitlines()[:2] == ["key,start,end,value,revision,closed_by", "7,0,10,2,0,watermark"]
    into(sinks.csv(path), [Point(1, True), Point(2, False)])
    assert path.read_text() == "x,is_set\n1,true\n2,false\n"
    into(sinks.csv(path), [{"a": 1}])
    assert path.read_text() == "a\n1\n"
    into(sinks.csv(path), ["x", "y"])
    assert path.read_text() == "value\nx\ny\n"


def test_csv_with_columns_has_a_header_without_rows_and_their_order(tmp_path):
    path = tmp_path / "x.csv"
    into(sinks.csv(path, columns=["b", "a"]), [])
    assert path.read_text() == "b,a\n"
    into(sinks.csv(path, columns=["b", "a"]), [{"a": 1, "b": 2}])
    assert path.read_text() == "b,a\n2,1\n"


def test_a_row_of_other_columns_is_an_error_that_shows_both(tmp_path):
    with pytest.raises(NodeError, match=r'node "out" failed on .*a row must have the columns a, got b'):
        into(sinks.csv(tmp_path / "x.csv"), [{"a": 1}, {"b": 2}])
    assert list(tmp_path.iterdir()) == []


def test_rows_that_cannot_be_written_go_to_dead_and_the_others_are_there(tmp_path):
    path = tmp_path / "x.csv"
    stream = rxdag.from_source(sources.iterable([{"a": 1}, {"b": 2}, {"a": 3}]))
    out = stream.to(sinks.csv(path), name="out", on_error=on_error.dead)
    dead = out.dead.to(sinks.collect())
    result = rxdag.run(out, dead)
    assert path.read_text() == "a\n1\n3\n"
    assert [letter.item for letter in result[dead]] == [{"b": 2}]
    assert not result.problems


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz"])
def test_jsonl_writes_a_line_an_item(tmp_path, name):
    path = tmp_path / name
    assert into(sinks.jsonl(path), [Bar("a", 1.5), {"x": [1]}, Point(1, True), 3]) == 4
    text = gzip.decompress(path.read_bytes()).decode() if name.endswith("gz") else path.read_text()
    assert [json.loads(line) for line in text.splitlines()] == [
        {"symbol": "a", "close": 1.5, "vwap": None},
        {"x": [1]},
        {"x": 1, "is_set": True},
        3,
    ]


def test_jsonl_writes_dead_letters(tmp_path):
    path = tmp_path / "dead.jsonl"
    stream = rxdag.from_source(sources.iterable([1, 0])).pipe(
        ops.map(lambda x: 1 / x), name="inv", on_error=on_error.dead
    )
    rxdag.run(stream.to(sinks.null()), stream.dead.to(sinks.jsonl(path)))
    assert json.loads(path.read_text()) == {
        "node": "inv",
        "item": 0,
        "error": "ZeroDivisionError: division by zero",
        "attempts": 1,
    }


@pytest.mark.parametrize("make", [sinks.csv, sinks.jsonl])
def test_a_failed_or_cancelled_run_leaves_the_old_file_and_nothing_else(tmp_path, make):
    path = tmp_path / "x"
    path.write_text("old")

    def boom(x):
        if x == 5:
            raise ValueError("boom")
        return x

    stream = rxdag.from_source(sources.range(10)).pipe(ops.map(boom))
    with pytest.raises(NodeError, match="boom"):
        rxdag.run(stream.to(make(path)))
    ingress = sources.ingress()
    run = rxdag.start(rxdag.from_source(ingress).to(make(path)))
    ingress.push(1)
    run.cancel()
    assert run.wait().state == "cancelled"
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize("make", [sinks.csv, sinks.jsonl])
def test_a_failure_in_one_branch_leaves_no_file_of_another(tmp_path, make):
    numbers = rxdag.from_source(sources.range(10))
    good = numbers.to(make(tmp_path / "good"))

    def boom(x):
        raise ValueError("boom")

    with pytest.raises(NodeError, match="boom"):
        rxdag.run(numbers.to(sinks.call(boom)), good)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("make", [sinks.csv, sinks.jsonl])
def test_a_directory_and_a_path_through_a_file_say_what_is_wrong(tmp_path, make):
    with pytest.raises(NodeError, match="path must be a file, got the directory"):
        into(make(tmp_path), [1])
    (tmp_path / "f").write_text("")
    with pytest.raises(NodeError, match="a part of the path is a file"):
        into(make(tmp_path / "f" / "x"), [1])


def test_no_permission_to_write_says_what_to_do(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(NodeError, match='sink "out": csv: cannot write .*: Permission denied; choose a file and a dir'):
        into(sinks.csv(tmp_path / "x.csv"), [1])


@pytest.mark.parametrize("make", [sinks.csv, sinks.jsonl])
def test_a_full_disk_ends_the_run_says_so_and_leaves_nothing(tmp_path, make, monkeypatch):
    def full(fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NodeError, match="No space left on device; free some space"):
        into(make(tmp_path / "x"), [1])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full on this system")
def test_a_disk_that_fills_while_writing_ends_the_run():
    with pytest.raises(NodeError, match='sink "out": jsonl: cannot write .*No space left on device'):
        into(sinks.jsonl("/dev/full"), [list(range(5000))] * 5)


def test_stdout_prints_a_line_an_item(capsys):
    assert into(sinks.stdout(), [1, "a"]) == 2
    assert into(sinks.stdout(form="jsonl"), [{"a": 1}]) == 1
    assert capsys.readouterr().out == '1\na\n{"a":1}\n'


def test_call_counts_what_returned_and_shows_the_item_that_failed():
    seen = []

    def fn(x):
        if x == 3:
            raise ValueError("boom")
        seen.append(x)

    with pytest.raises(NodeError, match='node "out" failed on 3: ValueError: boom') as caught:
        into(sinks.call(fn), range(10))
    assert (caught.value.item, seen) == (3, [0, 1, 2])
    assert into(sinks.call(fn), range(3)) == 3


@pytest.mark.parametrize("is_async", [False, True])
def test_items_that_a_call_fails_on_can_be_skipped_or_sent_to_dead(is_async):
    seen = []

    def fn(x):
        if x % 3 == 0:
            raise ValueError("boom")
        seen.append(x)

    async def afn(x):
        fn(x)

    stream = rxdag.from_source(sources.range(10))
    sink = sinks.acall(afn) if is_async else sinks.call(fn)
    out = stream.to(sink, name="out", on_error=on_error.dead)
    dead = out.dead.to(sinks.collect())
    result = rxdag.run(out, dead)
    assert seen == [1, 2, 4, 5, 7, 8]
    assert [letter.item for letter in result[dead]] == [0, 3, 6, 9]
    assert (result[out], result.problems) == (6, ())
    assert into(sinks.acall(afn) if is_async else sinks.call(fn), range(10), on_error=on_error.skip) == 6


DEAD_ENDS = {
    "take": lambda dead: dead.pipe(ops.take(1)),
    "take_while": lambda dead: dead.pipe(ops.take_while(lambda letter: letter.item < 0)),
    "first": lambda dead: dead.pipe(ops.first()),
    "behind a gate": lambda dead: dead.buffered(max_items=1).pipe(ops.take(1)),
    "everything": lambda dead: dead,
}


@pytest.mark.parametrize("ends", DEAD_ENDS)
@pytest.mark.parametrize("kind", ["call", "acall", "batched", "jsonl"])
def test_a_sink_goes_on_when_the_reader_of_its_dead_letters_has_ended(kind, ends, tmp_path):
    seen = []

    def fn(x):
        if x in (0, 1, 5):
            raise ValueError("boom")
        seen.append(x)

    async def afn(x):
        fn(x)

    @contextlib.asynccontextmanager
    async def table():
        async def insert(batch):
            for x in batch:
                fn(x)

        yield insert

    items = [object() if x in (0, 1, 5) else x for x in range(10)] if kind == "jsonl" else range(10)
    made = {
        "call": lambda: sinks.call(fn),
        "acall": lambda: sinks.acall(afn),
        "batched": lambda: sinks.batched(table, max_items=1),
        "jsonl": lambda: sinks.jsonl(tmp_path / "out.jsonl"),
    }[kind]()
    out = rxdag.from_source(sources.iterable(items)).to(made, name="out", on_error=on_error.dead)
    if kind == "jsonl" and ends == "take_while":
        pytest.skip("its items have no order")
    letters = DEAD_ENDS[ends](out.dead).to(sinks.collect(), name="letters")
    result = testing.run_virtual(out, letters)
    assert (result["out"], result.stats.nodes["out"].dead, result.problems) == (7, 3, ())
    assert len(result["letters"]) == {"everything": 3, "take_while": 0}.get(ends, 1)
    if kind != "jsonl":
        assert seen == [2, 3, 4, 6, 7, 8, 9]


def test_null_counts():
    assert into(sinks.null(), range(5)) == 5
