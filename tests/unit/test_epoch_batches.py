"""sinks.batched with a target that keeps epochs: exactly once."""

import sqlite3
from contextlib import closing

import pytest
from tests.unit.saved import Context

import rxdag
from rxdag import GraphError, NodeError, SourceError, on_error, sinks, sources, testing
from rxdag.codec import Codec
from rxdag.contract import Chunk


class Table:
    """A table in SQLite, whose connection is bound to its thread; fails at the writes of `failing`, before or after."""

    def __init__(self, path, failing=None):
        self.path, self.failing = path, failing or {}
        self.writes = 0

    def open(self):
        self.db = sqlite3.connect(self.path)
        self.db.executescript(
            "create table if not exists rows (x); create table if not exists epochs (id); "
            "insert into epochs select '' where not exists (select * from epochs)"
        )

    def last_epoch(self):
        return self.db.execute("select id from epochs").fetchone()[0]

    def write(self, batch, epoch):
        self.writes += 1
        when = self.failing.get(self.writes)
        if when == "before":
            raise ConnectionError("lost")
        with self.db:
            moved = self.db.execute("update epochs set id = ? where id = ?", (epoch.id, epoch.after))
            if moved.rowcount != 1:
                raise RuntimeError("another run has written")
            self.db.executemany("insert into rows values (?)", [(x,) for x in batch])
        if when == "after":
            raise ConnectionError("lost")

    def close(self):
        self.db.close()


class Plain:
    """The smallest target; its `open` and `close` are its context manager."""

    def __init__(self):
        self.rows, self.last, self.events = [], "", []

    async def __aenter__(self):
        self.events.append("entered")
        return self

    async def __aexit__(self, kind, error, trace):
        self.events.append(kind)

    async def last_epoch(self):
        return self.last

    async def write(self, batch, epoch):
        assert self.last == epoch.after
        self.rows += batch
        self.last = epoch.id


def rows_in(path):
    with closing(sqlite3.connect(path)) as db:
        return [x for (x,) in db.execute("select x from rows order by rowid")]


def run(target, items, **options):
    out = rxdag.from_source(sources.iterable(items), name="rows").to(
        sinks.batched(target, on_error=on_error.retry(3, base="1ms")), name="out"
    )
    return rxdag.run(rxdag.Dag(out, name="job"), **options)


def test_a_target_with_epochs_recovers(tmp_path):
    path = tmp_path / "x.db"

    def make():
        path.unlink(missing_ok=True)
        return sinks.batched(Table(path))

    assert make().delivery == "exactly once"
    testing.check_sink(make, list(range(40)), read=lambda: rows_in(path), waive=["runs"])


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_batch_that_fails_is_tried_again_and_not_doubled(tmp_path, when):
    target = Table(tmp_path / "x.db", {1: when})
    assert run(target, range(3), checkpoints=tmp_path / "state", require="exactly")["out"] == 3
    assert rows_in(tmp_path / "x.db") == [0, 1, 2]


def test_a_batch_that_fails_each_time_fails_the_run(tmp_path):
    target = Table(tmp_path / "x.db", dict.fromkeys((1, 2, 3), "before"))
    with pytest.raises(
        NodeError, match=r"write\(batch, epoch\) must succeed, got ConnectionError: lost, after 3 attempts"
    ):
        run(target, range(3))
    assert rows_in(tmp_path / "x.db") == []


def test_coroutine_functions_and_a_context_manager_are_used():
    target = Plain()
    assert run(target, ["a", "b"])["out"] == 2
    assert (target.rows, target.events) == (["a", "b"], ["entered", None])
    assert target.last.startswith("1-")


def test_a_context_manager_gets_the_error_of_the_run():
    target = Plain()
    with pytest.raises(NodeError):
        rxdag.run(
            rxdag.from_source(sources.iterable([1, 0]))
            .pipe(rxdag.operators.map(lambda x: 1 / x))
            .to(sinks.batched(target))
        )
    assert (target.rows, target.events[0]) == ([], "entered")
    assert issubclass(target.events[1], Exception)


def test_a_class_is_a_target_for_each_run():
    made = []

    class Own(Plain):
        def __init__(self):
            super().__init__()
            made.append(self)

    run(Own, [1])
    run(Own, [2])
    assert [each.rows for each in made] == [[1], [2]]


def test_the_later_one_of_two_copies_is_refused(tmp_path):
    def opened(saved=None):
        writer = sinks.batched(Table(tmp_path / "x.db")).open(Context())
        if saved is not None:
            writer.restore(Codec().decode(Codec().encode(saved)))
        return writer

    begun = opened()
    begun.write(Chunk([0]))
    saved = begun.save()
    begun.close(ok=False)
    first, second = opened(saved), opened(saved)
    for writer in (first, second):
        writer.write(Chunk([1]))
        writer.save()
    second.publish()
    with pytest.raises(
        SourceError, match="batched: target Table was written by another run of this dag: .* at epoch 1, got 2"
    ):
        first.publish()
    first.close(ok=False)
    second.close(ok=True)
    assert rows_in(tmp_path / "x.db") == [0, 1]


def test_a_fresh_run_is_refused_while_the_target_has_an_epoch(tmp_path):
    target = Plain()
    run(target, [1], checkpoints=tmp_path / "state")
    with pytest.raises(
        rxdag.CheckpointError, match=r'sink "out" has some: its target Plain is at epoch .1-.*: empty it, and let'
    ):
        run(target, [2], checkpoints=tmp_path / "state", fresh=True)
    target.rows, target.last = [], ""
    run(target, [2], checkpoints=tmp_path / "state", fresh=True)
    assert target.rows == [2]


def test_an_epoch_that_is_none_is_refused():
    target = Plain()
    for wrong in ("7", "x-1", 7, None):
        target.last = wrong
        with pytest.raises(NodeError, match='last_epoch must return the id of an epoch, or "" for none, got'):
            run(target, [1])


def test_a_target_that_lacks_an_argument_is_refused():
    class Short(Plain):
        def write(self, batch):
            pass

    class Only:
        def last_epoch(self):
            return ""

    with pytest.raises(GraphError, match="batched: target.write must take two arguments, the batch and the epoch"):
        sinks.batched(Short())
    with pytest.raises(GraphError, match=r"target must have a method write\(batch, epoch\) beside last_epoch\(\), got"):
        sinks.batched(Only())
