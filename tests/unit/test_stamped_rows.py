"""Rows that carry their epoch: a table is taken back to an older checkpoint by the statements in the error."""

import shutil
import sqlite3
from contextlib import closing, contextmanager

import msgspec
import pytest
from tests.postgres import ask
from tests.unit.saved import Context
from tests.unit.test_checkpointed_runs import Steady, settled, virtual

import rxdag
from rxdag import GraphError, SourceError, checkpoints, load_spec, sinks, sources
from rxdag.contract import Chunk

ROWS = tuple({"n": i, "text": f"a\n{i}\t\\"} for i in range(100))


class Lite:
    """A table of a SQLite database."""

    where = "sqlite"

    def __init__(self, path):
        self.path = path

    def sink(self, table="t", **options):
        return sinks.sqlite(self.path, table, **options)

    def ask(self, sql):
        with closing(sqlite3.connect(self.path)) as db:
            db.executescript(sql) if ";" in sql else None
            return [] if ";" in sql else db.execute(sql).fetchall()


class Pg:
    """A table of a PostgreSQL database."""

    where = "postgres"

    def __init__(self, dsn):
        self.dsn = dsn

    def sink(self, table="t", **options):
        return sinks.postgres(self.dsn, table, **options)

    def ask(self, sql):
        return ask(self.dsn, sql)


@pytest.fixture(params=["sqlite", "postgres"])
def db(request, tmp_path):
    if request.param == "sqlite":
        return Lite(tmp_path / "x.db")
    return Pg(request.getfixturevalue("dsn"))


def job(sink):
    return rxdag.Dag(rxdag.from_source(Steady(rows=ROWS), name="rows").to(sink, name="out"), name="job")


def run_for(dag, store, ms, start=0):
    """Run for a time, with a checkpoint each 100 ms, and stop behind a last one."""
    run = virtual(dag, store, start=start * 1_000_000, every="100ms")
    run.main.at((start + ms) * 1_000_000, run.drain)
    return settled(run)


def statements(error):
    return str(error.__cause__).partition("execute: ")[2]


@pytest.mark.parametrize("begun_ms", [1, 305])
def test_an_older_checkpoint_gives_the_output_of_one_run_once_the_statements_are_executed(db, tmp_path, begun_ms):
    path, old = tmp_path / "new.state", tmp_path / "old.state"
    run_for(job(db.sink(stamp="_epoch")), checkpoints.sqlite(path), begun_ms)
    shutil.copy(path, old)
    run_for(job(db.sink(stamp="_epoch")), checkpoints.sqlite(path), 305, start=begun_ms)
    newer = db.ask("select n from t")
    refused = settled(virtual(job(db.sink(stamp="_epoch")), checkpoints.sqlite(old)))
    assert refused.state == "failed"
    assert db.ask("select n from t") == newer
    db.ask(statements(refused.error))
    before = db.ask("select n from t")
    result = settled(virtual(job(db.sink(stamp="_epoch")), checkpoints.sqlite(old), every="100ms"))
    assert len(before) < len(newer)
    assert result["out"] == 100
    assert db.ask("select n, text from t order by n") == [(row["n"], row["text"]) for row in ROWS]


@contextmanager
def closing_failed(writer):
    try:
        yield
    finally:
        writer.close(ok=False)


def epochs(db, *, stamp="_epoch", table="t", name="db", rows=(1, 2, 3)):
    """Write rows in an epoch each; return what was saved before each of them is published."""
    writer, tokens = db.sink(table, stamp=stamp).open(Context(name=name)), []
    with closing_failed(writer):
        for n in rows:
            writer.write(Chunk([{"n": n}]))
            tokens.append(writer.save())
            writer.publish()
    return tokens


def continued(db, saved, *, stamp="_epoch", table="t"):
    writer = db.sink(table, stamp=stamp).open(Context(name="db"))
    with closing_failed(writer):
        writer.restore(saved)


def test_each_row_carries_the_number_of_its_epoch(db):
    epochs(db)
    assert db.ask("select * from t order by n") == [(1, 1), (2, 2), (3, 3)]


def test_the_statements_are_in_the_error(db):
    saved = epochs(db, stamp='the "epoch"', table="it's")[1]
    with pytest.raises(SourceError) as raised:
        continued(db, saved, stamp='the "epoch"', table="it's")
    assert str(raised.value).partition("got 3; ")[2] == (
        'to go back to the checkpoint, stop all other runs and execute: delete from "it\'s" where "the ""epoch""" > 1; '
        f"update _rxdag_epochs set epoch = 1, mark = '{saved['base'][1]}' "
        "where dag = 'job' and sink = 'db' and target = 'it''s'"
    )


def test_names_with_a_per_cent_sign_are_written_and_gone_back_to(dsn):
    ask(dsn, 'create schema "100%s"')
    db = Pg(dsn)
    saved = epochs(db, stamp="%(epoch)", table="100%s.t%")[1]
    with pytest.raises(SourceError) as raised:
        continued(db, saved, stamp="%(epoch)", table="100%s.t%")
    db.ask(str(raised.value).partition("execute: ")[2])
    continued(db, saved, stamp="%(epoch)", table="100%s.t%")
    assert db.ask('select * from "100%s"."t%"') == [(1, 1), (2, 2)]
    assert db.sink("100%s.t%").left_from("job").startswith('table "100%s.t%" of')


def test_without_a_stamp_there_are_no_statements(db):
    saved = epochs(db, stamp=None)[1]
    with pytest.raises(SourceError, match="got 3; let one run write to it, or start over"):
        continued(db, saved, stamp=None)


def test_a_table_that_another_sink_has_written_to_has_no_statements(db):
    saved = epochs(db)[1]
    epochs(db, name="another")
    with pytest.raises(SourceError, match="got 3; let one run write to it, or start over"):
        continued(db, saved)


def test_a_table_that_was_put_back_has_no_statements(db):
    saved = epochs(db)[2]
    db.ask("update _rxdag_epochs set epoch = 1;")
    with pytest.raises(SourceError, match="is older than the checkpoint: .* got 1; let one run write to it"):
        continued(db, saved)


def test_a_run_without_checkpoints_leaves_the_stamp_empty(db):
    rows = rxdag.from_source(sources.iterable([{"n": 1}]))
    rxdag.run(rows.to(db.sink(stamp="_epoch")))
    assert db.ask("select * from t") == [(1, None)]


def test_a_table_without_the_column_is_refused(db):
    db.ask("create table t (n integer)")
    with pytest.raises(SourceError, match=f'{db.where}: table "t": must have the columns .*_epoch'):
        epochs(db)
    assert db.ask("select * from t") == []


def test_a_column_that_does_not_compare_as_numbers_do_is_refused(db):
    db.ask("create table t (n integer, _epoch text)")
    with pytest.raises(SourceError, match="_epoch.*(must be of type INTEGER, got TEXT|is text, and)"):
        epochs(db)


class Row(msgspec.Struct, frozen=True):
    n: int
    _Epoch: int


def test_a_stamp_with_the_name_of_a_field_is_refused(db):
    rows = rxdag.from_source(sources.iterable([Row(1, 2)], of=Row), name="rows")
    with pytest.raises(GraphError, match="stamp must not be the name of a column of the items, got '_epoch'; choose"):
        rows.to(db.sink(stamp="_epoch"))


def test_a_stamp_with_the_name_of_a_field_that_the_first_item_shows_is_refused(db):
    with pytest.raises(SourceError, match="table \"t\": stamp must not be the name of a column of the items, got 'n'"):
        epochs(db, stamp="n")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"stamp": ""}, "stamp must be the name of a column, such as \"_epoch\", got ''"),
        ({"stamp": 1}, 'stamp must be the name of a column, such as "_epoch", got 1'),
        ({"stamp": "e", "upsert": ("n",)}, "stamp must be left out with upsert=, whose rows have no epochs, got 'e'"),
    ],
)
def test_a_stamp_that_cannot_be_is_refused(db, options, said):
    with pytest.raises(GraphError) as raised:
        db.sink(**options)
    assert str(raised.value) == f"{db.where}: {said}"


def test_a_spec_may_name_the_stamp(tmp_path):
    text = """
    nodes:
      rows: {source: range, bounds: [3]}
      out: {sink: sqlite, input: rows, path: x.db, table: t, stamp: e}
    """
    rxdag.run(load_spec(text=text, base=tmp_path), checkpoints=tmp_path / "state")
    assert Lite(tmp_path / "x.db").ask("select value, e from t") == [(0, 1), (1, 1), (2, 1)]
