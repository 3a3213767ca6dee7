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
from rxdag.contract import BadItem, Enough, Sink, WriteFailed, Writer


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


class Panic(BaseException):
    """As of a library in native code."""


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("policy", [on_error.raise_, on_error.skip, on_error.dead, on_error.retry(3)])
def test_what_is_no_exception_in_a_call_fails_the_run_and_shows_the_item(is_async, policy):
    def fails_on_2(x):
        if x == 2:
            raise Panic("in native code")

    async def later_fails_on_2(x):
        fails_on_2(x)

    sink = sinks.acall(later_fails_on_2) if is_async else sinks.call(fails_on_2)
    run = rxdag.start(rxdag.wrap([0, 1, 2, 3]).to(sink, name="out", on_error=policy))
    with pytest.raises(NodeError) as caught:
        run.wait()
    assert str(caught.value) == 'node "out" failed on 2: Panic: in native code'
    assert isinstance(caught.value.__cause__, Panic)
    ledger = run.result.stats.nodes["out"]
    assert (ledger.passed, ledger.failed, ledger.dropped, ledger.dead) == (2, 1, {}, 0)
    assert run.result.problems == ()


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
    "take_while": lambda dead: dead.pipe(ops.take_while(lambda letter: letter.attempts < 0)),
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
    letters = DEAD_ENDS[ends](out.dead).to(sinks.collect(), name="letters")
    result = testing.run_virtual(out, letters)
    assert (result["out"], result.stats.nodes["out"].dead, result.problems) == (7, 3, ())
    assert len(result["letters"]) == {"everything": 3, "take_while": 0}.get(ends, 1)
    if kind != "jsonl":
        assert seen == [2, 3, 4, 6, 7, 8, 9]


def test_null_counts():
    assert into(sinks.null(), range(5)) == 5


S = 10**9


class Pen(Writer):
    """Writes what it is given down, by what its paper says."""

    def __init__(self, paper, context):
        self._paper, self._context = paper, context

    def write(self, chunk):
        paper = self._paper
        paper.tried.append((self._context.clock.now() // S, list(chunk.items)))
        for at, item in enumerate(chunk.items):
            if item == paper.last:
                raise Enough(at)
            if paper.fails.get(item):
                paper.fails[item] -= 1
                raise WriteFailed(at, paper.cause(f"bad {item}"))
            paper.items.append(item)
            paper.places.append(tuple(each[at] if each else None for each in (chunk.ts, chunk.sequence, chunk.key)))

    def want(self):
        return self._paper.wants

    def close(self, *, ok):
        self._paper.closed.append(ok)
        return len(self._paper.items)


class Paper(Sink):
    """A sink of whole chunks.

    Args:
        fails: How often an item fails.
        cause: What it fails with.
        last: An item with which the sink has enough.
        wants: How many items it takes at once; None for any number.
    """

    label = "paper"

    def __init__(self, fails=(), *, cause=OSError, last=None, wants=None):
        self.fails, self.cause, self.last, self.wants = dict(fails), cause, last, wants
        self.paces = wants is not None
        self.tried, self.items, self.places, self.closed = [], [], [], []

    def open(self, context):
        return Pen(self, context)


def put_down(paper, items, *, policy=None):
    stream = rxdag.from_source(items if isinstance(items, rxdag.Source) else sources.iterable(items))
    out = stream.to(paper, name="out") if policy is None else stream.to(paper, name="out", on_error=policy)
    dead = out.dead.to(sinks.collect(), name="letters")
    result = testing.run_virtual(out, dead)
    assert result.problems == ()
    return result, [(letter.item, letter.attempts) for letter in result["letters"]]


RETRY = on_error.retry(3, base="1s", factor=1, then=on_error.dead)


def test_attempts_are_counted_for_each_item_of_a_chunk_by_itself():
    paper = Paper({1: 9, 2: 9, 4: 1, 5: 2})
    result, letters = put_down(paper, range(7), policy=RETRY)
    assert (paper.items, letters) == ([0, 3, 4, 5, 6], [(1, 3), (2, 3)])
    start = paper.tried[0][0]
    assert [(when - start, items[0]) for when, items in paper.tried] == [
        *[(0, 0), (1, 1), (2, 1)],
        *[(2, 2), (3, 2), (4, 2)],
        *[(4, 3), (5, 4), (6, 5), (7, 5)],
    ]
    book = result.stats.nodes["out"]
    assert (book.retried, book.dead, result.stats.writes["out"].failed, result.stats.writes["out"].n) == (7, 2, 9, 1)
    assert (paper.closed, result.stats.writes["out"].total_ns) == ([True], 0)  # in virtual time a write takes none


@pytest.mark.parametrize("is_async", [False, True])
def test_attempts_are_counted_for_each_item_of_a_call_by_itself(is_async):
    fails, seen = {1: 9, 2: 9, 4: 1, 5: 2}, []

    def fn(x):
        if fails.get(x):
            fails[x] -= 1
            raise OSError("bad")
        seen.append(x)

    async def afn(x):
        fn(x)

    result, letters = put_down(sinks.acall(afn) if is_async else sinks.call(fn), range(7), policy=RETRY)
    assert (seen, letters) == ([0, 3, 4, 5, 6], [(1, 3), (2, 3)])
    assert (result.stats.nodes["out"].retried, result.stats.writes["out"].failed) == (7, 9)
    assert result.stats.writes["out"].n == (1 if is_async else 5)


def test_an_item_that_is_wrong_in_itself_is_not_tried_again():
    paper = Paper({1: 9}, cause=BadItem)
    result, letters = put_down(paper, range(3), policy=RETRY)
    assert (paper.items, letters, result.stats.nodes["out"].retried) == ([0, 2], [(1, 1)], 0)


def test_without_a_wait_an_item_is_tried_again_at_once_with_what_comes_behind_it():
    paper = Paper({1: 2})
    put_down(paper, range(3), policy=on_error.retry(3, base="0s"))
    assert [items for _, items in paper.tried] == [[0, 1, 2], [1, 2], [1, 2]]
    assert paper.items == [0, 1, 2]


def test_what_comes_while_an_item_waits_to_be_tried_again_is_written_behind_it():
    paper = Paper({"a": 2})
    put_down(paper, testing.timeline(("1s", "a"), ("1s", "b"), ("2s", "c"), ("9s", "d")), policy=RETRY)
    assert paper.items == list("abcd")
    start = paper.tried[0][0]
    assert [(when - start, items[0]) for when, items in paper.tried][:3] == [(0, "a"), (1, "a"), (2, "a")]


def test_a_sink_that_has_enough_has_what_came_before_and_reads_no_more():
    paper = Paper(last=3)
    result, _ = put_down(paper, range(9))
    assert (paper.items, result["out"], result.stats.nodes["out"].out["delivered"]) == ([0, 1, 2], 3, 3)
    assert (paper.closed, len(paper.tried)) == ([True], 1)


@pytest.mark.parametrize("wants", [1, 3])
def test_a_sink_that_paces_is_given_no_more_than_it_wants(wants):
    paper = Paper(wants=wants)
    put_down(paper, range(7))
    assert paper.items == list(range(7))
    assert max(len(items) for _, items in paper.tried) == wants


def test_a_write_is_of_as_many_items_as_a_turn_moves():
    paper = Paper()
    put_down(paper, range(2500))
    assert [len(items) for _, items in paper.tried] == [1024, 1024, 452]
    assert paper.items == list(range(2500))


@pytest.mark.parametrize("gated", [False, True])
def test_each_item_is_written_with_its_own_time_sequence_and_key(gated):
    paper = Paper({2: 1})
    timed = ops.event_time(lambda x: x * 10, unit="ns", sequence=lambda x: 7 - x)
    stream = rxdag.from_source(sources.range(4)).pipe(timed)
    keyed = stream.pipe(ops.key_by(lambda x: "ab"[x % 2]))
    result = testing.run_virtual((keyed.buffered(max_items=2) if gated else keyed).to(paper, on_error=RETRY))
    assert (result.problems, paper.items) == ((), [0, 1, 2, 3])
    assert paper.places == [(0, 7, "a"), (10, 6, "b"), (20, 5, "a"), (30, 4, "b")]


def test_what_was_gathered_before_a_failure_is_written():
    paper = Paper()

    def boom(x):
        if x == 3:
            raise ValueError("boom")
        return x

    stream = rxdag.from_source(sources.range(9)).pipe(ops.map(boom))
    with pytest.raises(NodeError, match="boom"):
        testing.run_virtual(stream.to(paper))
    assert (paper.items, paper.closed) == ([0, 1, 2], [False])


def test_what_comes_behind_an_item_that_fails_the_sink_is_discarded_and_counted():
    paper = Paper({2: 9})
    out = rxdag.from_source(sources.range(5)).to(paper, name="out")
    result = testing.start(rxdag.Dag(out)).finish()
    book = result.stats.nodes["out"]
    assert (result.state, str(result.error)) == ("failed", 'node "out" failed on 2: OSError: bad 2')
    assert (paper.items, book.arrived, book.out["delivered"], book.failed, book.discarded) == ([0, 1], 5, 2, 1, 2)
    assert (paper.closed, result.problems) == ([False], ())


@pytest.mark.parametrize("before", ["nothing", "expressions", "event time", "keys"])
def test_what_has_come_is_written_before_the_source_rests(before):
    paper, feed = Paper(), sources.ingress()
    stream = rxdag.from_source(feed)
    if before == "expressions":
        stream = stream.pipe(ops.map(rxdag.element * 2), ops.filter(rxdag.element != 6))
    elif before == "event time":
        stream = stream.pipe(ops.event_time(lambda x: x))
    elif before == "keys":
        stream = stream.pipe(ops.key_by(lambda x: x))
    run = testing.start(rxdag.Dag(stream.to(paper, name="out")))
    expected = [2, 4, 8] if before == "expressions" else [1, 2, 4]
    for item in (1, 2):
        feed.offer(item)
    run.settle()
    assert paper.items == expected[:2]
    feed.offer(4)
    run.settle()
    assert paper.items == expected
    feed.complete()
    result = run.finish()
    assert (result.stats.nodes["out"].arrived, result.problems) == (3, ())


def of_expressions(source, paper):
    stream = rxdag.from_source(source).pipe(ops.map(rxdag.element + 1), ops.filter(rxdag.element % 3 != 0))
    return stream.to(paper, name="out")


def test_expressions_bring_several_items_at_once_and_each_is_counted():
    paper = Paper()
    result = testing.run_virtual(of_expressions(sources.range(3000), paper))
    assert paper.items == [x for x in range(1, 3001) if x % 3]
    assert (result.stats.nodes["out"].arrived, result["out"], result.problems) == (2000, 2000, ())


def test_what_expressions_bring_is_written_before_the_source_rests():
    paper = Paper()
    testing.run_virtual(of_expressions(testing.timeline(("1s", 0), ("1s", 1), ("2s", 2), ("5s", 3)), paper))
    start = paper.tried[0][0]
    written = [(when - start, item) for when, items in paper.tried for item in items]
    assert written == [(0, 1), (0, 2), (4, 4)]
