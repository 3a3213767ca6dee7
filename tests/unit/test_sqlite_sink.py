"""sinks.sqlite: the columns it makes, the values it holds, what it refuses, and epochs."""

import enum
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import msgspec
import numpy as np
import pytest
from tests.unit.saved import Context

import rxdag
from rxdag import GraphError, NodeError, SourceError, sinks, sources, windows
from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag.codec import Codec
from rxdag.contract import Chunk


class Trade(msgspec.Struct, frozen=True):
    symbol: str
    price: float | None = None
    size: int | None = None
    fee: Decimal | None = None
    note: str | int | None = None


class Tick(msgspec.Struct, frozen=True):
    s: str
    ts: int
    p: float


class Side(enum.Enum):
    BUY = "buy"


def read(path, sql="select * from t"):
    with closing(sqlite3.connect(path)) as db:
        return db.execute(sql).fetchall()


def write(path, *items, on_error="raise", **options):
    stream = rxdag.from_source(sources.iterable(list(items)))
    sink = stream.to(sinks.sqlite(path, "t", **options), name="db", on_error=on_error)
    return rxdag.run(sink)[sink]


def types_in(path):
    return {row[1]: row[2] for row in read(path, "pragma table_info(t)")}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "x.db"


def opened(path, saved=None, name="db", **options):
    writer = sinks.sqlite(path, "t", **options).open(Context(name=name))
    try:
        if saved is not None:
            writer.restore(Codec().decode(Codec().encode(saved)))
    except Exception:
        writer.close(ok=False)
        raise
    return writer


def put(writer, *items):
    writer.write(Chunk(list(items)))


# columns


def test_types_are_those_of_the_first_item_and_of_the_record_where_it_has_none(path):
    assert write(path, Trade("a"), Trade("b", 1.5, 3, Decimal("0.10"))) == 2
    assert types_in(path) == {"symbol": "TEXT", "price": "REAL", "size": "INTEGER", "fee": "TEXT", "note": ""}
    assert read(path) == [("a", None, None, None, None), ("b", 1.5, 3, "0.10", None)]


def bars_of(*ticks):
    stream = rxdag.from_source(sources.iterable(list(ticks), of=Tick)).pipe(ops.event_time("ts", unit="s"))
    return stream.pipe(ops.key_by("s", names=("symbol",))).pipe(ops.window(windows.tumbling("1m"), agg.mean("p")))


@pytest.mark.parametrize("upsert", [None, ("symbol", "start")])
def test_a_pane_gives_the_columns_of_csv(path, upsert):
    rxdag.run(bars_of(Tick("A", 1, 2.0), Tick("A", 2, 5.0)).to(sinks.sqlite(path, "t", upsert=upsert)))
    assert types_in(path) == {
        "symbol": "TEXT", "start": "INTEGER", "end": "INTEGER", "value": "REAL", "revision": "INTEGER", "closed_by": "TEXT",
    }  # fmt: skip
    assert read(path) == [("A", 0, 60_000_000_000, 3.5, 0, "watermark")]


def test_an_empty_run_of_panes_makes_no_table(path):
    assert rxdag.run(sink := bars_of().to(sinks.sqlite(path, "t")))[sink] == 0
    assert read(path, "select name from sqlite_master") == []


def test_an_empty_run_makes_the_table_if_the_type_of_the_items_is_declared(path):
    rxdag.run(rxdag.from_source(sources.iterable([], of=Trade)).to(sinks.sqlite(path, "t")))
    assert types_in(path) == {"symbol": "TEXT", "price": "REAL", "size": "INTEGER", "fee": "TEXT", "note": ""}


def test_names_of_tables_and_columns_may_be_anything(path):
    stream = rxdag.from_source(sources.iterable([{'a "b"': 1, "select": 2}]))
    rxdag.run(stream.to(sinks.sqlite(path, 'my "t"; drop')))
    assert read(path, 'select * from "my ""t""; drop"') == [(1, 2)]


def test_rows_are_added_to_a_table_that_has_further_columns(path):
    write(path, {"b": 2, "a": 1})
    with closing(sqlite3.connect(path)) as db:
        db.execute("alter table t add column at text default 'now'")
    assert write(path, {"a": 3, "b": 4}) == 1
    assert read(path) == [(2, 1, "now"), (4, 3, "now")]


# values


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (True, 1),
        (np.bool_(False), 0),
        (2**63 - 1, 2**63 - 1),
        (float("inf"), float("inf")),
        (np.float32(0.5), 0.5),
        (np.int64(7), 7),
        ("", ""),
        ("\0é", "\0é"),
        (b"\0", b"\0"),
        (bytearray(b"x"), b"x"),
        (Side.BUY, "buy"),
        (Decimal("1.10"), "1.10"),
        (date(2024, 1, 2), "2024-01-02"),
        (datetime(2024, 1, 2, 3, tzinfo=UTC), "2024-01-02 03:00:00+00:00"),
        (np.datetime64("2024-01-02T03", "ns"), "2024-01-02T03:00:00.000000000Z"),
        (timedelta(seconds=90), "PT90S"),
        (None, None),
    ],
    ids=repr,
)
def test_a_value_is_held(path, value, kept):
    write(path, {"x": value})
    [(found,)] = read(path)
    assert (found, type(found)) == (kept, type(kept))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (2**63, "whole numbers must fit in 64 bits, got 9223372036854775808; convert them to text"),
        (float("nan"), "numbers must not be NaN, which SQLite takes for NULL, got nan; make it None"),
        ([1], r"a column must get a number, text, bytes or a time, got \[1\]; convert it first"),
        ("\ud800", "surrogates not allowed"),
    ],
)
def test_a_value_that_cannot_be_held_is_a_dead_letter_and_the_others_are_written(path, value, said):
    stream = rxdag.from_source(sources.iterable([{"x": 1}, {"x": value}, {"x": 2}]))
    sink = stream.to(sinks.sqlite(path, "t"), on_error="dead")
    dead = sink.dead.to(sinks.collect())
    result = rxdag.run(sink, dead)
    assert result[sink] == 2
    assert read(path) == [(1,), (2,)]
    with pytest.raises(ValueError, match=said):
        raise result[dead][0].error


@pytest.mark.parametrize(
    ("first", "then", "said"),
    [
        (1, "12", "column x of type INTEGER must store values unchanged, got '12'; convert them first"),
        ("a", 12, "column x of type TEXT must store values unchanged, got 12"),
        (0.5, 2**53 + 1, "column x of type REAL must store values unchanged, got 9007199254740993"),
    ],
)
def test_a_value_that_its_column_would_change_is_refused(path, first, then, said):
    with pytest.raises(NodeError, match=said):
        write(path, {"x": first}, {"x": then})


def test_numbers_that_stay_equal_go_into_columns_of_the_other_type(path):
    write(path, {"x": 1, "y": 0.5}, {"x": 2.5, "y": 2**53})
    assert read(path) == [(1, 0.5), (2.5, float(2**53))]


def test_a_row_of_other_columns_is_refused(path):
    with pytest.raises(NodeError, match="a row must have the columns a, b, got a, c"):
        write(path, {"a": 1, "b": 2}, {"a": 1, "c": 2})


# all or none


def test_a_run_that_fails_leaves_nothing(path):
    write(path, {"x": 1})
    with pytest.raises(NodeError):
        write(path, {"x": 2}, {"x": "no number"})
    assert read(path) == [(1,)]


def test_a_run_without_checkpoints_notes_no_epoch(path):
    write(path, {"x": 1})
    assert read(path, "select name from sqlite_master") == [("t",)]


def test_rows_that_wait_lock_nobody_out(path):
    first, second = opened(path), opened(path, name="other")
    put(first, {"x": 1})
    put(second, {"x": 2})
    with closing(sqlite3.connect(path, timeout=0)) as db:
        db.execute("create table mine(x)")
    assert (second.close(ok=True), first.close(ok=True)) == (1, 1)
    assert read(path) == [(2,), (1,)]


# upsert


def test_an_upsert_replaces_the_row_of_its_key(path):
    write(path, {"k": "a", "n": 1}, {"k": "b", "n": 2}, {"k": "a", "n": 3}, upsert=["k"])
    assert read(path) == [("a", 3), ("b", 2)]


def test_an_upsert_never_replaces_a_row_by_one_of_a_lower_revision(path):
    rows = [{"k": "a", "revision": r, "n": r} for r in (0, 1, 2)]
    write(path, *rows, upsert=["k"])
    seen = []
    for row in rows:  # again, as after a restart
        write(path, row, upsert=["k"])
        seen += read(path)
    assert seen == [("a", 2, 2)] * 3
    write(path, {"k": "a", "revision": 2, "n": 9}, upsert=["k"])
    assert read(path) == [("a", 2, 9)]


def test_an_upsert_of_keys_only_keeps_one_row_each(path):
    assert write(path, {"k": 1}, {"k": 1}, upsert=["k"]) == 2
    assert read(path) == [(1,)]


def test_an_upsert_takes_no_key_that_is_none(path):
    with pytest.raises(NodeError, match="column k of upsert= must have a value, got None"):
        write(path, {"k": None, "n": 1}, upsert=["k"])


def test_a_table_without_an_index_over_the_key_is_refused(path):
    write(path, {"k": 1, "n": 2})
    with pytest.raises(NodeError) as raised:
        write(path, {"k": 1, "n": 3}, upsert=["k"])
    assert str(raised.value.__cause__) == (
        'sqlite: table "t": must have a unique index over k for upsert, got none; create unique index "t_by_key" on "t" ("k")'
    )
    with closing(sqlite3.connect(path)) as db:
        db.execute('create unique index "t_by_key" on "t" ("k")')
    write(path, {"k": 1, "n": 3}, upsert=["k"])
    assert read(path) == [(1, 3)]


def test_upsert_names_columns_of_the_items(path):
    with pytest.raises(
        GraphError, match="upsert must name fields of the items, symbol, price, size, fee, note, got key"
    ):
        rxdag.from_source(sources.iterable([], of=Trade)).to(sinks.sqlite(path, "t", upsert=["key"]))
    with pytest.raises(NodeError, match=r"upsert must name columns of the items, a, got key"):
        write(path, {"a": 1}, upsert=["key"])


# errors of the database


@pytest.mark.parametrize("policy", ["raise", "skip"])
def test_a_table_of_other_columns_fails_the_run_whatever_the_policy(path, policy):
    write(path, {"a": 1, "b": 2})
    with pytest.raises(NodeError) as raised:
        write(path, {"a": 1, "c": 2}, on_error=policy)
    assert str(raised.value.__cause__) == (
        'sqlite: table "t": must have the columns a, c, got a, b; write to another table, or add c'
    )


def test_a_file_that_is_no_database_and_a_path_that_cannot_be_are_named(path, tmp_path):
    (tmp_path / "text").write_text("no database at all" * 100)
    with pytest.raises(NodeError, match=r'sqlite: cannot write ".*text": file is not a database; choose another path'):
        write(tmp_path / "text", {"a": 1})
    with pytest.raises(NodeError, match=r'sqlite: cannot write ".*text/x.db": .*; choose another path'):
        write(tmp_path / "text" / "x.db", {"a": 1})
    with pytest.raises(NodeError, match=r'sqlite: cannot write ".*": unable to open database file; choose a file and'):
        write(tmp_path, {"a": 1})


def test_a_locked_database_is_named(path, monkeypatch):
    monkeypatch.setattr("rxdag.sinks._sqlite._PATIENCE_S", 0.0)
    write(path, {"x": 1})
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("begin immediate")
        with pytest.raises(
            NodeError, match=r'sqlite: cannot write ".*x.db": database is locked; another program has had'
        ):
            write(path, {"x": 2})
    assert read(path) == [(1,)]


def test_a_full_disk_and_a_database_that_is_only_read_are_named(path):
    for pragma, said in (
        ("max_page_count = 1", "full; free some space"),
        ("query_only = 1", "readonly database; choose a file"),
    ):
        writer = opened(path)
        put(writer, {"x": "long" * 2000})
        writer._db.execute(f"pragma {pragma}")
        with pytest.raises(SourceError, match=f'sqlite: cannot write ".*x.db": .*{said}'):
            writer.close(ok=True)
    assert read(path, "select name from sqlite_master") == []


def test_a_constraint_of_the_table_is_named(path):
    write(path, {"x": 1})
    with closing(sqlite3.connect(path)) as db:
        db.execute("create unique index one on t (x)")
    with pytest.raises(
        NodeError, match=r"UNIQUE constraint failed: t.x; drop such items before the sink, or name the key"
    ):
        write(path, {"x": 1})


@pytest.mark.parametrize(
    ("args", "options", "said"),
    [
        (("x.db", ""), {}, "sqlite: table must be the name of a table of your own, got ''"),
        (("x.db", 3), {}, "sqlite: table must be the name of a table of your own, got 3"),
        (("x.db", "sqlite_master"), {}, "sqlite: table must be the name of a table of your own, got 'sqlite_master'"),
        (("x.db", "_rxdag_epochs"), {}, "sqlite: table must be the name of a table of your own, got '_rxdag_epochs'"),
        (("x.db", "t"), {"upsert": "key"}, "sqlite: upsert must be a tuple of names, got 'key'"),
        (("x.db", "t"), {"upsert": ()}, r"sqlite: upsert must be a tuple of names, got \(\)"),
        (
            (":memory:", "t"),
            {},
            'sqlite: path must be that of a file, got ":memory:"; sinks.collect keeps items in memory',
        ),
        (("", "t"), {}, "sqlite: path must name a file, got ''"),
    ],
)
def test_a_bad_argument_is_refused(args, options, said):
    with pytest.raises(GraphError, match=said):
        sinks.sqlite(*args, **options)


# epochs


def epochs(path):
    return read(path, "select dag, sink, epoch from _rxdag_epochs order by sink")


def test_rows_appear_at_publish_with_the_epoch_of_the_dag_and_the_sink(path):
    first, second = opened(path, name="a"), opened(path, name="b")
    put(first, {"x": 1})
    first.save()
    assert read(path, "select name from sqlite_master") == []
    first.publish()
    put(second, {"x": 2})
    for _ in range(2):
        second.save()
        second.publish()
        put(second, {"x": 3})
    assert read(path) == [(1,), (2,), (3,)]
    assert epochs(path) == [("job", "a", 1), ("job", "b", 2)]
    first.close(ok=False)
    second.close(ok=False)


def test_a_checkpoint_without_rows_costs_no_transaction(path):
    writer = opened(path)
    saved = writer.save()
    writer.publish()
    writer.close(ok=True)
    assert read(path, "select name from sqlite_master") == []
    assert opened(path, saved).close(ok=True) == 0


def test_the_later_one_of_two_runs_on_one_state_is_refused_and_nothing_doubles(path):
    begun = opened(path)
    put(begun, {"x": 0})
    saved = begun.save()
    begun.close(ok=False)
    first, second = opened(path, saved), opened(path, saved)
    put(first, {"x": 1})
    put(second, {"x": 1})
    first.save()
    second.save()
    second.publish()
    with pytest.raises(SourceError) as raised:
        first.publish()
    assert str(raised.value) == (
        f'sqlite: table "t" of "{path}" was written by another run of this dag: sink "db" of dag "job" must be at epoch 1, got '
        "2; let one run write to it, or start over"
    )
    first.close(ok=False)
    second.close(ok=True)
    assert read(path) == [(0,), (1,)]


def test_a_sink_that_has_got_another_name_continues_its_epochs(path):
    writer = opened(path)
    put(writer, {"x": 1})
    saved = writer.save()
    writer.publish()
    put(writer, {"x": 2})
    writer.close(ok=False)
    writer = opened(path, saved, name="renamed")
    put(writer, {"x": 2})
    writer.save()
    writer.publish()
    writer.close(ok=True)
    assert read(path) == [(1,), (2,)]
    assert epochs(path) == [("job", "db", 2)]


def test_a_table_that_is_ahead_of_the_checkpoint_or_was_put_back_is_refused(path):
    writer = opened(path)
    tokens = []
    for x in range(4):
        put(writer, {"x": x})
        tokens.append(writer.save())
        writer.publish()
    writer.close(ok=True)
    with pytest.raises(SourceError, match=r"was written by another run of this dag: .* must be at epoch 1, got 4"):
        opened(path, tokens[1])
    path.unlink()
    with pytest.raises(
        SourceError, match=r"is older than the checkpoint: .* must be at epoch 3, got 0; let one run write to it"
    ):
        opened(path, tokens[3])


def two_tables(path, items=(1, 2)):
    rows = rxdag.from_source(sources.iterable([{"x": x} for x in items]), name="rows")
    first = rows.to(sinks.sqlite(path, "o'ne"), name="first")
    second = rows.to(sinks.sqlite(path, "two"), name="second")
    return rxdag.Dag(first, second, rows.to(sinks.sqlite(path, "three", upsert=["x"]), name="third"), name="job")


def test_a_fresh_run_is_refused_until_the_rows_of_the_run_before_are_removed(path, tmp_path):
    rxdag.run(two_tables(path), checkpoints=tmp_path / "state")
    fixes = [
        f"""delete from "{table}"; delete from _rxdag_epochs where dag = 'job' and target = '{target}'"""
        for table, target in (("o'ne", "o''ne"), ("two", "two"))
    ]
    for store in ("state", "another state"):
        with pytest.raises(rxdag.CheckpointError) as raised:
            rxdag.run(two_tables(path), checkpoints=tmp_path / store, fresh=True)
        assert str(raised.value) == (
            f"""dag "job": fresh=True must find no rows of earlier runs, but sink "first" has some: its table "o'ne" of "{path}" is at """
            f"""epoch 1: {fixes[0]}; sink "second" has some: its table "two" of "{path}" is at epoch 1: {fixes[1]}; remove them, or """
            "continue without fresh=True"
        )
    assert rxdag.run(two_tables(path), checkpoints=tmp_path / "state").was_done
    with closing(sqlite3.connect(path)) as db:
        db.executescript("; ".join(fixes))
    again = rxdag.run(two_tables(path, (3,)), checkpoints=tmp_path / "state", fresh=True)
    assert not again.was_done
    assert [read(path, f'select * from "{name}"') for name in ("o'ne", "two", "three")] == [
        [(3,)],
        [(3,)],
        [(1,), (2,), (3,)],
    ]


def test_a_run_that_begins_anew_adds_its_rows(path):
    for _ in range(2):
        writer = opened(path)
        put(writer, {"x": 1})
        writer.save()
        writer.publish()
        writer.close(ok=True)
    assert read(path) == [(1,), (1,)]
    assert epochs(path) == [("job", "db", 2)]
