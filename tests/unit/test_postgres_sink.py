"""sinks.postgres: the columns it makes, the values it holds, what it refuses, epochs and lost connections."""

import enum
import sys
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import msgspec
import numpy as np
import psycopg
import pytest
from tests.postgres import ask
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
    at: datetime | None = None


class Tick(msgspec.Struct, frozen=True):
    s: str
    ts: int
    p: float


class Side(enum.Enum):
    BUY = "buy"


def write(dsn, *items, on_error="raise", of=None, **options):
    stream = rxdag.from_source(sources.iterable(list(items), of=of))
    sink = stream.to(sinks.postgres(dsn, "t", **options), name="db", on_error=on_error)
    return rxdag.run(sink)[sink]


def types_in(dsn, table="t"):
    query = (
        "select column_name, data_type from information_schema.columns where table_name = %s order by ordinal_position"
    )
    return dict(ask(dsn, query, (table,)))


def tables_in(dsn):
    return {name for (name,) in ask(dsn, "select tablename from pg_tables where schemaname = 'public'")}


def opened(dsn, saved=None, name="db", context=None, **options):
    writer = sinks.postgres(dsn, "t", **options).open(context or Context(name=name))
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


def test_types_are_those_of_the_record(dsn):
    at = datetime(2024, 1, 2, tzinfo=UTC)
    assert write(dsn, Trade("a"), Trade("b", 1.5, 3, Decimal("0.10"), at)) == 2
    assert types_in(dsn) == {
        "symbol": "text", "price": "double precision", "size": "bigint", "fee": "numeric",
        "at": "timestamp with time zone",
    }  # fmt: skip
    assert ask(dsn, "select * from t") == [("a", None, None, None, None), ("b", 1.5, 3, Decimal("0.10"), at)]


@pytest.mark.parametrize("upsert", [None, ("symbol", "start")])
def test_a_pane_gives_the_columns_of_csv(dsn, upsert):
    ticks = [Tick("A", 1, 2.0), Tick("A", 2, 5.0)]
    stream = rxdag.from_source(sources.iterable(ticks, of=Tick)).pipe(ops.event_time("ts", unit="s"))
    bars = stream.pipe(ops.key_by("s", names=("symbol",))).pipe(ops.window(windows.tumbling("1m"), agg.mean("p")))
    rxdag.run(bars.to(sinks.postgres(dsn, "t", upsert=upsert)))
    assert types_in(dsn) == {
        "symbol": "text", "start": "bigint", "end": "bigint", "value": "double precision", "revision": "bigint",
        "closed_by": "text",
    }  # fmt: skip
    assert ask(dsn, "select * from t") == [("A", 0, 60_000_000_000, 3.5, 0, "watermark")]


def test_an_empty_run_makes_the_table_if_the_type_of_the_items_is_declared(dsn):
    assert write(dsn, of=Trade) == 0
    assert list(types_in(dsn)) == ["symbol", "price", "size", "fee", "at"]


def test_names_of_schemas_tables_and_columns_may_be_anything(dsn):
    ask(dsn, 'create schema "a b"')
    stream = rxdag.from_source(sources.iterable([{'a "b"': 1, "select": 2}]))
    rxdag.run(stream.to(sinks.postgres(dsn, 'a b.my "t"; drop')))
    assert ask(dsn, 'select * from "a b"."my ""t""; drop"') == [(1, 2)]


def test_rows_are_added_to_a_table_that_has_further_columns(dsn):
    ask(dsn, "create table t (b int, id serial, a real, at text default 'now')")
    assert write(dsn, {"a": 3, "b": 4}) == 1
    assert ask(dsn, "select * from t") == [(4, 1, 3.0, "now")]


def test_a_first_item_without_a_type_is_told_apart(dsn):
    with pytest.raises(NodeError, match="the first item must show the type of each column, got none for x; declare"):
        write(dsn, {"x": None})


def test_all_columns_that_differ_are_told_at_once_whatever_the_policy(dsn):
    ask(dsn, "create table t (symbol int, price float8, size text, id bigint not null)")
    with pytest.raises(NodeError) as raised:
        write(dsn, Trade("a"), on_error="skip")
    assert str(raised.value.__cause__) == (
        'postgres: table "t": must have the columns of the items, but fee is missing; at is missing; symbol is integer, and the '
        "items have text; size is text, and the items have bigint; id needs a value, and the items have none; write to another "
        'table, or alter table "t" add column "fee" numeric, add column "at" timestamp with time zone'
    )


@pytest.mark.parametrize("upsert", [None, ("a%s",)])
def test_a_per_cent_sign_in_any_name_is_no_placeholder(dsn, tmp_path, upsert):
    ask(dsn, 'create schema "%"')
    rows = rxdag.from_source(sources.iterable([{"a%s": 1, "b%": 2}]), name="rows")
    out = rows.to(sinks.postgres(dsn, "%.100%s", upsert=upsert), name="out")
    rxdag.run(rxdag.Dag(out, name="job"), checkpoints=tmp_path / "state")
    assert ask(dsn, 'select * from "%"."100%s"') == [(1, 2)]


# values


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (True, True),
        (np.bool_(False), False),
        (2**63 - 1, 2**63 - 1),
        (float("inf"), float("inf")),
        (0.1, 0.1),
        (np.float32(0.5), 0.5),
        (np.int64(7), 7),
        ("", ""),
        ("\\N", "\\N"),
        ("\\.", "\\."),
        ("a\tb\nc\rd\\e é", "a\tb\nc\rd\\e é"),
        (b"\0\\x", b"\0\\x"),
        (Side.BUY, "buy"),
        (Decimal("1.10"), Decimal("1.10")),
        (date(2024, 1, 2), date(2024, 1, 2)),
        (time(1, 2, 3, 4), time(1, 2, 3, 4)),
        (datetime(2024, 1, 2, 3, 4, 5, 678901, tzinfo=UTC), datetime(2024, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)),
        (np.datetime64("2024-01-02T03", "ns"), datetime(2024, 1, 2, 3, tzinfo=UTC)),
        (timedelta(days=400, seconds=90, microseconds=1), timedelta(days=400, seconds=90, microseconds=1)),
        (UUID(int=7), UUID(int=7)),
        ([1, {"a": None}], [1, {"a": None}]),
    ],
    ids=repr,
)
@pytest.mark.parametrize("upsert", [None, ("id",)])
def test_a_value_is_held(dsn, value, kept, upsert):
    write(dsn, {"id": 1, "x": value}, {"id": 2, "x": None}, upsert=upsert)
    [(found,), (nothing,)] = ask(dsn, "select x from t order by id")
    assert (found, type(found), nothing) == (kept, type(kept), None)


def test_a_number_that_is_none_is_held(dsn):
    write(dsn, {"x": float("nan")})
    assert ask(dsn, "select x = 'NaN' from t") == [(True,)]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("integer", 2**31),
        ("bigint", 2**63),
        ("bigint", 1.0),
        ("bigint", True),
        ("text", 1),
        ("varchar(2)", "abc"),
        ("real", 0.1),
        ("double precision", 2**53 + 1),
        ("numeric(4,1)", Decimal("1.25")),
        ("numeric(4,1)", 1000),
        ("timestamptz", datetime(2024, 1, 2)),  # noqa: DTZ001  # naive
        ("timestamp", datetime(2024, 1, 2, tzinfo=UTC)),
        ("timestamptz(3)", datetime(2024, 1, 2, microsecond=1, tzinfo=UTC)),
        ("date", datetime(2024, 1, 2, tzinfo=UTC)),
        ("jsonb", [float("nan")]),
    ],
)
def test_a_value_that_its_column_would_change_is_a_dead_letter_and_the_others_are_written(dsn, kind, value):
    ask(dsn, f"create table t (x {kind}, n bigint)")
    stream = rxdag.from_source(sources.iterable([{"x": None, "n": 1}, {"x": value, "n": 2}, {"x": None, "n": 3}]))
    sink = stream.to(sinks.postgres(dsn, "t"), on_error="dead")
    dead = sink.dead.to(sinks.collect())
    result = rxdag.run(sink, dead)
    assert result[sink] == 2
    assert ask(dsn, "select n from t") == [(1,), (3,)]
    assert [letter.item["n"] for letter in result[dead]] == [2]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (
            2**63,
            "column x of type bigint must store values unchanged, got 9223372036854775808; convert them first",
        ),
        (np.datetime64(1, "ns"), "times must be in whole microseconds, got .*; round them, or write the number"),
        ("a\0b", "column x must get text without the character 0, got 'a.*b'; remove it first"),
        ("\ud800", "surrogates not allowed"),
    ],
)
def test_a_value_that_cannot_be_held_is_told(dsn, value, said):
    with pytest.raises(NodeError, match=said):
        write(dsn, {"x": value})


def test_a_row_of_other_columns_is_refused(dsn):
    with pytest.raises(NodeError, match="a row must have the columns a, b, got a, c"):
        write(dsn, {"a": 1, "b": 2}, {"a": 1, "c": 2})


# all or none


def test_a_run_that_fails_leaves_nothing(dsn):
    write(dsn, {"x": 1})
    with pytest.raises(NodeError):
        write(dsn, {"x": 2}, {"x": "no number"})
    assert ask(dsn, "select * from t") == [(1,)]


def test_a_run_without_checkpoints_notes_no_epoch(dsn):
    write(dsn, {"x": 1})
    assert tables_in(dsn) == {"t"}


def test_rows_that_wait_beyond_memory_are_written_in_order(dsn, monkeypatch):
    monkeypatch.setattr("rxdag.sinks._postgres._IN_MEMORY", 100)
    monkeypatch.setattr("rxdag.sinks._postgres._BLOCK", 7)
    assert write(dsn, *({"x": i} for i in range(1000))) == 1000
    assert ask(dsn, "select array_agg(x order by ctid) = array(select generate_series(0, 999)::bigint) from t") == [
        (True,)
    ]


# upsert


def test_an_upsert_replaces_the_row_of_its_key(dsn):
    write(dsn, {"k": "a", "n": 1}, {"k": "b", "n": 2}, {"k": "a", "n": 3}, upsert=["k"])
    assert ask(dsn, "select * from t order by k") == [("a", 3), ("b", 2)]


def test_an_upsert_may_have_per_cent_signs_in_its_names(dsn):
    for rows in ([{"%s": 1, "%": 2}, {"%s": 1, "%": 3}], [{"%s": 1, "%": 4}]):
        stream = rxdag.from_source(sources.iterable(rows))
        rxdag.run(stream.to(sinks.postgres(dsn, "100%", upsert=("%s",)), name="db"))
    assert ask(dsn, 'select * from "100%"') == [(1, 4)]


def test_a_row_without_columns_is_refused(dsn):
    with pytest.raises(NodeError, match="ValueError: a row must have a column or more, got none"):
        write(dsn, {})


def test_an_upsert_never_replaces_a_row_by_one_of_a_lower_revision(dsn):
    rows = [{"k": "a", "revision": r, "n": r} for r in (0, 1, 2)]
    write(dsn, *rows, upsert=["k"])
    seen = []
    for row in rows:  # again, as after a restart
        write(dsn, row, upsert=["k"])
        seen += ask(dsn, "select * from t")
    assert seen == [("a", 2, 2)] * 3
    write(dsn, {"k": "a", "revision": 2, "n": 9}, upsert=["k"])
    assert ask(dsn, "select * from t") == [("a", 2, 9)]


def test_an_upsert_of_keys_only_keeps_one_row_each(dsn):
    assert write(dsn, {"k": 1}, {"k": 1}, upsert=["k"]) == 2
    assert ask(dsn, "select * from t") == [(1,)]


def test_a_row_that_the_database_refuses_is_a_dead_letter_of_an_upsert(dsn):
    ask(dsn, "create table t (k bigint primary key, n bigint check (n < 10))")
    stream = rxdag.from_source(sources.iterable([{"k": k, "n": 9 + (k == 2)} for k in range(5)]))
    sink = stream.to(sinks.postgres(dsn, "t", upsert=["k"]), on_error="dead")
    dead = sink.dead.to(sinks.collect())
    result = rxdag.run(sink, dead)
    assert result[sink] == 4
    assert ask(dsn, "select k from t order by k") == [(0,), (1,), (3,), (4,)]
    assert [letter.item["k"] for letter in result[dead]] == [2]


def test_a_table_without_an_index_over_the_key_is_refused(dsn):
    ask(dsn, "create table t (k bigint, n bigint)")
    ask(dsn, "create unique index on t (n) include (k)")
    with pytest.raises(NodeError) as raised:
        write(dsn, {"k": 1, "n": 3}, upsert=["k"])
    fix = 'create unique index on "t" ("k")'
    assert str(raised.value.__cause__) == (
        f'postgres: table "t": must have a unique index over k for upsert, got none; {fix}'
    )
    ask(dsn, fix)
    write(dsn, {"k": 1, "n": 3}, upsert=["k"])
    assert ask(dsn, "select * from t") == [(1, 3)]


def test_upsert_names_columns_of_the_items(dsn):
    with pytest.raises(GraphError, match="upsert must name fields of the items, symbol, price, size, fee, at, got key"):
        rxdag.from_source(sources.iterable([], of=Trade)).to(sinks.postgres(dsn, "t", upsert=["key"]))
    with pytest.raises(NodeError, match=r"upsert must name columns of the items, a, got key"):
        write(dsn, {"a": 1}, upsert=["key"])


# errors of the database


def test_no_server_and_no_database_are_named(dsn, postgresql):
    with pytest.raises(
        NodeError, match=r'cannot write table "t" of "127.0.0.1:1/x": .*refused.*; check that the server runs'
    ):
        write("postgresql://me:s3cret@127.0.0.1:1/x", {"a": 1})
    with pytest.raises(NodeError, match=r'of "127.0.0.1:\d+/no": .*database "no" does not exist'):
        write(postgresql.address.replace("/postgres", "/no"), {"a": 1})


def test_missing_rights_are_named(dsn):
    ask(dsn, "create table t (x bigint)")
    ask(dsn, "drop role if exists reader")
    ask(dsn, "create role reader login")
    with pytest.raises(NodeError, match=r"permission denied for table t; let the owner grant the rights to this user"):
        write(dsn.replace("rxdag@", "reader@"), {"x": 1})


def test_a_constraint_of_the_table_is_named_without_the_row(dsn):
    ask(dsn, "create table t (x bigint unique)")
    write(dsn, {"x": 12345})
    with pytest.raises(NodeError) as raised:
        write(dsn, {"x": 12345})
    place = dsn.partition("@")[2]
    assert str(raised.value.__cause__) == (
        f'postgres: cannot write table "t" of "{place}": duplicate key value violates unique constraint "t_x_key"; drop such '
        "items before the sink, or name the key in upsert="
    )


@pytest.mark.parametrize(
    ("args", "options", "said"),
    [
        (("a", ""), {}, "postgres: table must be the name of a table of your own, got ''"),
        (("a", 3), {}, "postgres: table must be the name of a table of your own, got 3"),
        (("a", ".t"), {}, "postgres: table must be the name of a table of your own, got '.t'"),
        (("a", "_rxdag_epochs"), {}, "postgres: table must be the name of a table of your own, got '_rxdag_epochs'"),
        (("a", "t"), {"upsert": "key"}, "postgres: upsert must be a tuple of names, got 'key'"),
        (("a", "t"), {"patience": "0s"}, "postgres: patience must be more than 0, got '0s'"),
        (("", "t"), {}, 'postgres: dsn must be a string such as "postgresql://user@host/database", or a function that'),
        ((7, "t"), {}, "postgres: dsn must be a string such as .*, got int"),
    ],
)
def test_a_bad_argument_is_refused(args, options, said):
    with pytest.raises(GraphError, match=said):
        sinks.postgres(*args, **options)


def test_the_password_is_in_no_text_of_the_sink(caplog):
    address = "host=127.0.0.1 port=1 user=me password=s3cret"
    for given in (address, lambda: address, "s3cret is no address", lambda: "s3cret"):
        sink = rxdag.from_source(sources.iterable([{"x": 1}])).to(sinks.postgres(given, "t"), name="db")
        dag = rxdag.Dag(sink, name="job")
        with pytest.raises(NodeError) as raised:
            rxdag.run(dag)
        texts = [repr(sink), repr(dag), rxdag.compile(dag).explain(), caplog.text]
        error = raised.value
        while error is not None:
            texts += [str(error), repr(error)]
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        assert not [text for text in texts if "s3cret" in text]


@pytest.mark.parametrize("password", ["s3@cret", "s3/cret", "s3:cret/x", "s3%cret", "s3?cret", "s3#cret"])
def test_no_part_of_a_password_that_is_written_wrongly_is_shown(password):
    with pytest.raises(NodeError) as raised:
        write(f"postgresql://me:{password}@127.0.0.1:1/x", {"x": 1})
    said = f"{raised.value} {raised.value.__cause__!r} {raised.value.__cause__.__cause__!r}"
    assert "s3" not in said
    assert "cret" not in said


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    for end in (sinks.postgres("dbname=x", "t"), sources.postgres("dbname=x", "t")):
        with pytest.raises(
            rxdag.MissingExtra, match=r'postgres: psycopg must be installed, and is not; run pip install .*"postgres"'
        ):
            end.open(Context())


def test_a_user_who_may_not_create_tables_writes_to_those_that_exist(dsn):
    writer = opened(dsn)
    put(writer, {"x": 1})
    writer.save()
    writer.publish()
    writer.close(ok=True)
    ask(dsn, "drop role if exists writer")
    ask(dsn, "create role writer login")
    ask(dsn, "grant select, insert, update on t, _rxdag_epochs to writer")
    writer = opened(dsn.replace("rxdag@", "writer@"))
    for x in (2, 3):
        put(writer, {"x": x})
        writer.save()
        writer.publish()
    assert writer.close(ok=True) == 2
    assert ask(dsn, "select * from t") == [(1,), (2,), (3,)]
    ask(dsn, "drop owned by writer")


def test_a_function_gives_the_address_for_each_connection(dsn):
    calls = []

    def address():
        calls.append(1)
        return dsn

    writer = opened(address)
    put(writer, {"x": 1})
    ask(dsn, "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'rxdag'")
    assert writer.close(ok=True) == 1
    assert len(calls) == 2
    assert ask(dsn, "select * from t") == [(1,)]


# epochs


def epochs(dsn):
    return ask(dsn, "select dag, sink, epoch from _rxdag_epochs order by sink")


def test_rows_appear_at_publish_with_the_epoch_of_the_dag_and_the_sink(dsn):
    first, second = opened(dsn, name="a"), opened(dsn, name="b")
    put(first, {"x": 1})
    first.save()
    assert tables_in(dsn) == set()
    first.publish()
    put(second, {"x": 2})
    for _ in range(2):
        second.save()
        second.publish()
        put(second, {"x": 3})
    assert ask(dsn, "select * from t") == [(1,), (2,), (3,)]
    assert epochs(dsn) == [("job", "a", 1), ("job", "b", 2)]
    first.close(ok=False)
    second.close(ok=False)


def test_the_later_one_of_two_runs_on_one_state_is_refused_and_nothing_doubles(dsn):
    begun = opened(dsn)
    put(begun, {"x": 0})
    saved = begun.save()
    begun.close(ok=False)
    first, second = opened(dsn, saved), opened(dsn, saved)
    put(first, {"x": 1})
    put(second, {"x": 1})
    first.save()
    second.save()
    second.publish()
    with pytest.raises(SourceError) as raised:
        first.publish()
    assert str(raised.value) == (
        'postgres: table "t" was written by another run of this dag: sink "db" of dag "job" must be at epoch 1, got '
        "2; let one run write to it, or start over"
    )
    first.close(ok=False)
    second.close(ok=True)
    assert ask(dsn, "select * from t order by x") == [(0,), (1,)]


def test_a_table_that_is_ahead_of_the_checkpoint_or_was_put_back_is_refused(dsn):
    writer = opened(dsn)
    tokens = []
    for x in range(4):
        put(writer, {"x": x})
        tokens.append(writer.save())
        writer.publish()
    writer.close(ok=True)
    with pytest.raises(SourceError, match=r"was written by another run of this dag: .* must be at epoch 1, got 4"):
        opened(dsn, tokens[1])
    ask(dsn, "drop table _rxdag_epochs")
    with pytest.raises(
        SourceError, match=r"is older than the checkpoint: .* must be at epoch 3, got 0; let one run write to it"
    ):
        opened(dsn, tokens[3])
    assert ask(dsn, "select count(*) from t") == [(4,)]


def test_a_fresh_run_is_refused_until_the_rows_of_the_run_before_are_removed(dsn, tmp_path):
    def dag(*items, name):
        rows = rxdag.from_source(sources.iterable([{"x": x} for x in items]), name="rows")
        return rxdag.Dag(rows.to(sinks.postgres(dsn, "public.t"), name=name), name="job")

    rxdag.run(dag(1, 2, name="old"), checkpoints=tmp_path / "state")
    fix = """delete from "public"."t"; delete from "public"._rxdag_epochs where dag = 'job' and target = 'public.t'"""
    with pytest.raises(rxdag.CheckpointError) as raised:
        rxdag.run(dag(3, name="new"), checkpoints=tmp_path / "state", fresh=True)
    assert str(raised.value) == (
        f'dag "job": fresh=True must find no rows of earlier runs, but sink "new" has some: its table "public.t" of '
        f'"{dsn.partition("@")[2]}" is at epoch 1: {fix}; remove them, or continue without fresh=True'
    )
    ask(dsn, fix)
    rxdag.run(dag(3, name="new"), checkpoints=tmp_path / "state", fresh=True)
    assert ask(dsn, "select * from t") == [(3,)]


# lost connections


class CutAtCommit(psycopg.Connection):
    """A connection that is lost as its first transaction ends: before the commit, or after it."""

    cuts = []

    def transaction(self, *args, **named):
        whole = super().transaction(*args, **named)
        cut = self.cuts.pop() if self.cuts else None
        db = self

        class Cut:
            def __enter__(self):
                return whole.__enter__()

            def __exit__(self, *failure):
                if cut == "before":
                    db.close()
                    raise psycopg.OperationalError("the connection is lost")
                whole.__exit__(*failure)
                if cut == "after":
                    db.close()
                    raise psycopg.OperationalError("the connection is lost")

        return Cut()


@pytest.mark.parametrize("cut", ["before", "after"])
@pytest.mark.parametrize("has_checkpoints", [True, False])
@pytest.mark.parametrize("upsert", [None, ("x",)])
def test_a_connection_that_is_lost_in_a_commit_loses_and_doubles_nothing(
    dsn, monkeypatch, cut, has_checkpoints, upsert
):
    monkeypatch.setattr(psycopg, "connect", CutAtCommit.connect)
    writer = opened(dsn, upsert=upsert)
    monkeypatch.setattr(CutAtCommit, "cuts", [cut])
    put(writer, {"x": 1}, {"x": 2})
    if has_checkpoints:
        writer.save()
        writer.publish()
    assert writer.close(ok=True) == 2
    assert CutAtCommit.cuts == []
    assert ask(dsn, "select * from t order by x") == [(1,), (2,)]


def test_a_server_that_restarts_in_the_middle_is_waited_for(postgresql, dsn):
    context = Context()
    writer = opened(dsn, context=context)
    put(writer, {"x": 1})
    writer.save()
    writer.publish()
    assert context.logged == []
    postgresql.stop()
    postgresql.start()
    put(writer, {"x": 2})
    writer.save()
    writer.publish()
    assert writer.close(ok=True) == 2
    assert context.logged == [("sink.disconnected", ["error"]), ("sink.connected", ["lost_s"])]
    assert ask(dsn, "select * from t order by x") == [(1,), (2,)]


def test_a_server_that_stays_away_fails_the_run_after_the_patience(postgresql, dsn):
    context = Context()
    writer = opened(dsn, context=context, patience="300ms")
    put(writer, {"x": 1})
    postgresql.stop()
    try:
        with pytest.raises(SourceError, match=r'cannot write table "t" of .*; check that the server runs'):
            writer.close(ok=True)
    finally:
        postgresql.start()
    assert tables_in(dsn) == set()
    assert context.logged == [("sink.disconnected", ["error"])]


@pytest.mark.parametrize("upsert", [None, ("id",)])
def test_a_job_goes_on_when_the_server_of_its_source_and_its_sink_restarts(postgresql, dsn, tmp_path, upsert):
    ask(dsn, "create table numbers (id bigint primary key)")
    ask(dsn, "insert into numbers select generate_series(1, 6000)")

    def seen(row):
        if row["id"] == 3000:
            postgresql.stop()
            postgresql.start()
        return row

    rows = rxdag.from_source(sources.postgres(dsn, "numbers", order=["id"]), name="rows")
    out = rows.pipe(ops.map(seen), name="seen").to(sinks.postgres(dsn, "t", upsert=upsert), name="out")
    assert rxdag.run(rxdag.Dag(out, name="job"), checkpoints=tmp_path / "state", every="5ms")["out"] == 6000
    assert ask(dsn, "select count(*), count(distinct id), min(id), max(id) from t") == [(6000, 6000, 1, 6000)]
