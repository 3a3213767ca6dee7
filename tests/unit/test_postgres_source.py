"""sources.postgres: pages by key, rows that commit late, positions, lost connections, and what it refuses."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import psycopg
import pytest
from tests.postgres import ask
from tests.unit.reading import Context, go_on, read_all, rest_of, stop

import rxdag
from rxdag import GraphError, NodeError, SourceError, sinks, sources
from rxdag.codec import Codec
from rxdag.contract import END, Chunk


class Row(msgspec.Struct, frozen=True):
    id: int
    x: float | None = None


START = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture
def table(dsn):
    """A table of ten rows of three times; keys are in another order than the rows."""
    ask(dsn, "create table t (ts timestamptz not null, id bigint primary key, x numeric)")
    for i in (3, 1, 2, 0, 9, 8, 7, 4, 5, 6):
        ask(dsn, "insert into t values (%s, %s, %s)", (START + timedelta(microseconds=i // 4), i, Decimal(i) / 2))
    return dsn


ROWS = [Row(i, i / 2) for i in range(10)]


def ids(items):
    return [each["id"] if isinstance(each, dict) else each.id for each in items]


# what is read


@pytest.mark.parametrize("what", ["t", "public.t", "select * from t where x::text not like '%x%' -- all;", "table t;"])
@pytest.mark.parametrize("size", [1, 3, 10, 11, 100])
def test_a_table_and_a_query_are_read_in_the_order_of_the_key(table, what, size):
    assert read_all(sources.postgres(table, what, Row), size=size) == (ROWS, [])


def test_without_a_type_rows_are_dicts_of_all_columns(table):
    [first, *_] = read_all(sources.postgres(table, "t"))[0]
    assert first == {"ts": START, "id": 0, "x": Decimal(0)}


def test_no_more_rows_are_read_than_are_asked_for(table, monkeypatch):
    asked = []
    whole = psycopg.Connection.execute

    def execute(self, query, params=None, **named):
        if params and "order by" in query:
            asked.append(params[-1])
        return whole(self, query, params, **named)

    monkeypatch.setattr(psycopg.Connection, "execute", execute)
    assert stop(sources.postgres(table, "t", Row, order=("id",)), 3)[0] == ROWS[:3]
    assert stop(sources.postgres(table, "select * from t", Row), 3)[0] == ROWS[:3]
    assert asked == [3, 4]  # one row more of a query shows that no other has the key of the third


def test_only_the_columns_of_the_type_are_read(table):
    ask(table, "create view v as select ts, id, x, 1 / (id - id) as broken from t")
    assert ids(read_all(sources.postgres(table, "v", Row))[0]) == list(range(10))


def test_a_row_that_does_not_fit_goes_to_the_policy_and_the_others_are_read(table):
    ask(table, "update t set x = 'NaN' where id = 4")

    class Halves(msgspec.Struct):
        id: int
        x: int

    ask(table, "alter table t alter x type text using case when id % 2 = 0 then x::text else 'odd' end")

    class Text(msgspec.Struct):
        id: int
        x: str | None

    assert len(read_all(sources.postgres(table, "t", Text))[0]) == 10
    items, dead = read_all(sources.postgres(table, "select ts, id, nullif(id, 5) as x from t", Halves))
    assert ids(items) == [0, 1, 2, 3, 4, 6, 7, 8, 9]
    assert [text[:59] for text in dead] == ["postgres: the query: must be Halves: Expected `int`, got `n"]


def test_an_error_comes_behind_the_items_before_it(table):
    class Positive(msgspec.Struct):
        id: int
        x: float

    ask(table, "update t set x = null where id = 2")
    with closing(sources.postgres(table, "t", Positive).open(Context(raises=True))) as reader:
        assert ids(reader.read(5).items) == [0, 1]
        with pytest.raises(SourceError, match=r'table "t": must be Positive: Expected `float`, got `null`'):
            reader.read(5)


# positions


@pytest.mark.parametrize("n", range(11))
def test_a_reader_continues_behind_the_last_row(table, n):
    source = sources.postgres(table, "t", Row)
    items, _, position = stop(source, n, size=4)
    assert (items, go_on(source, position)) == (ROWS[:n], (ROWS[n:], []))


@pytest.mark.parametrize("options", [{}, {"settle": "1h"}, {"xid": "xid"}])
def test_a_run_ends_with_the_rows_that_were_settled_at_its_first_start(table, options):
    ask(table, "alter table t add xid xid8 not null default pg_current_xact_id()")
    source = sources.postgres(table, "t", Row, **options)
    _, _, position = stop(source, 4)
    ask(table, "insert into t values (now(), 10, 5)")
    assert go_on(source, position) == (ROWS[4:], [])
    assert len(read_all(source)[0]) == (10 if "settle" in options else 11)


def test_an_empty_table_ends_at_once(dsn):
    ask(dsn, "create table t (ts timestamptz, id bigint, primary key (ts, id))")
    for options in ({}, {"settle": "1ms"}):
        assert read_all(sources.postgres(dsn, "t", **options)) == ([], [])


def test_keys_keep_their_full_precision(dsn):
    ask(dsn, "create table t (ts float8 not null, id numeric not null, unique (ts, id))")
    ask(dsn, "insert into t select 0.1 + 0.2, n / 3.0 from generate_series(1, 50) n")
    assert len(read_all(sources.postgres(dsn, "t"), size=1)[0]) == 50


def test_another_order_than_that_of_the_checkpoint_is_refused(table):
    _, _, position = stop(sources.postgres(table, "t", Row), 3)
    with pytest.raises(
        SourceError, match="order and xid must be those of the checkpoint, ts, id, got id; undo the change"
    ):
        go_on(sources.postgres(table, "t", Row, order=["id"]), position)


# rows that commit late


class LateCommits:
    """Two transactions, of which the later one commits first."""

    def __init__(self, dsn):
        ask(dsn, "create table t (ts timestamptz not null default now(), id bigserial primary key, "
                 "xid xid8 not null default pg_current_xact_id())")  # fmt: skip
        self.slow, self.quick = psycopg.connect(dsn), psycopg.connect(dsn)
        self.slow.execute("insert into t default values")
        self.quick.execute("insert into t default values")
        self.quick.commit()

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.slow.close()
        self.quick.close()


class Late(msgspec.Struct, frozen=True):
    id: int


def followed(dsn, late, **options):
    """What a follower reads before the slow transaction commits, and what behind that."""
    source = sources.postgres(dsn, "t", Late, follow=True, **options)
    context = Polling()
    with closing(source.open(context)) as reader:
        before = context.read(reader)
        late.slow.commit()
        return before, context.read(reader)


class Polling(Context):
    """A context of a follower, whose polls are due at once."""

    def __init__(self):
        super().__init__()
        self.clock = self
        self.time = 0

    def now(self):
        return self.time

    def wake_at(self, when):
        self.time = when

    def read(self, reader):
        """The ids that it reads until there is nothing more."""
        found = []
        while isinstance(read := reader.read(5), Chunk):
            found += ids(read.items)
        return found


def test_a_row_that_commits_late_is_missed_by_key_alone(dsn):
    with LateCommits(dsn) as late:
        assert followed(dsn, late) == ([2], [])


def test_a_row_that_commits_late_is_read_with_xid(dsn):
    with LateCommits(dsn) as late:
        assert followed(dsn, late, xid="xid", order=["id"]) == ([], [1, 2])


def test_a_row_that_commits_late_is_read_with_settle(dsn):
    with LateCommits(dsn) as late:
        assert followed(dsn, late, settle="1h") == ([], [])
        ask(dsn, "update t set ts = ts - interval '2 hours'")  # as if time had passed
        with closing(sources.postgres(dsn, "t", Late, settle="1h").open(Polling())) as reader:
            assert ids(rest_of(reader)) == [1, 2]


def test_a_smaller_key_of_a_later_transaction_is_read_with_xid(dsn):
    with LateCommits(dsn) as late:
        late.slow.commit()
        source = sources.postgres(dsn, "t", Late, follow=True, xid="xid", order=["id"])
        context = Polling()
        with closing(source.open(context)) as reader:
            assert context.read(reader) == [1, 2]
            ask(dsn, "insert into t (id) values (-1)")
            assert context.read(reader) == [-1]


def test_a_source_that_may_miss_rows_says_so_and_is_not_exactly_once(table, tmp_path):
    def dag(**options):
        rows = rxdag.from_source(sources.postgres(table, "t", Row, **options), name="rows")
        return rxdag.Dag(rows.to(sinks.csv(tmp_path / "x.csv"), name="file"), name="job")

    assert "may miss rows that commit late" in rxdag.compile(dag()).explain()
    assert "may miss" not in rxdag.compile(dag(settle="5s")).explain()
    with pytest.raises(GraphError) as raised:
        rxdag.run(dag(), checkpoints=tmp_path / "state", require="exactly")
    assert str(raised.value) == (
        'dag "job": checkpoints: source "rows" must read every item, but it may miss rows that commit late; pass settle= or xid='
    )
    rxdag.run(dag(settle="5s"), checkpoints=tmp_path / "state", require="exactly")


def test_rows_of_transactions_of_another_server_are_refused(dsn):
    ask(dsn, "create table t (id bigint primary key, xid xid8 not null)")
    ask(dsn, "insert into t values (1, '1'), (2, '999999999')")
    with pytest.raises(
        SourceError, match="column xid must have transactions of this server, got later ones, as after a dump"
    ):
        read_all(sources.postgres(dsn, "t", order=["id"], xid="xid"))
    ask(dsn, "update t set xid = '1' where id = 2")
    assert ids(read_all(sources.postgres(dsn, "t", order=["id"], xid="xid"))[0]) == [1, 2]


# polling and lost connections


def test_a_follower_waits_between_polls_and_reads_new_rows(table):
    context = Polling()
    with closing(sources.postgres(table, "t", Row, follow=True, poll="5s").open(context)) as reader:
        assert context.read(reader) == list(range(10))
        assert context.time == 5_000_000_000
        ask(table, "insert into t values (now(), 10, 5)")
        assert context.read(reader) == [10]


class Logging(Polling):
    def __init__(self):
        super().__init__()
        self.codes = []

    def log(self, code, **fields):
        self.codes.append(code)


def test_a_connection_that_is_lost_is_made_again_and_no_row_is_lost_or_doubled(postgresql, table):
    context = Logging()
    with closing(sources.postgres(table, "t", Row).open(context)) as reader:
        found = ids(reader.read(4).items)
        assert reader.is_connected()
        postgresql.stop()
        assert [reader.read(4) for _ in range(3)] == [None] * 3
        assert not reader.is_connected()
        postgresql.start()
        while (read := reader.read(4)) is not END:
            found += [] if read is None else ids(read.items)
    assert found == list(range(10))
    assert context.codes[:2] == ["source.disconnected", "source.retrying"]
    assert context.codes[-1] == "source.connected"


def test_a_source_gives_up_after_its_attempts_or_at_once(postgresql, table):
    for reconnect, reads in ((sources.Backoff(attempts=2), 1), (None, 0)):
        context = Logging()
        with closing(sources.postgres(table, "t", Row, reconnect=reconnect).open(context)) as reader:
            reader.read(4)
            postgresql.stop()
            try:
                assert [reader.read(4) for _ in range(reads)] == [None] * reads
                with pytest.raises(
                    SourceError, match=r'postgres: cannot read table "t" of .*; check that the server runs'
                ):
                    reader.read(4)
            finally:
                postgresql.start()


# what is refused when it is opened


@pytest.mark.parametrize(
    ("create", "options", "said"),
    [
        ("ts int", {}, r'table "t": must have the columns of Row, lacks id; it has ts'),
        ("ts int not null, id int", {}, r'must be not null, got id; alter table "t" alter "id" set not null'),
        ("id int", {"order": ["Id"]}, r"order must name columns, id, got Id; did you mean"),
        (
            "id int primary key",
            {"order": ["id"], "settle": "1s"},
            "column id must be timestamp with time zone for settle, got",
        ),
        (
            "id int primary key, xid bigint",
            {"order": ["id"], "xid": "xid"},
            "column xid must be xid8 for xid, got bigint; add",
        ),
        ("id int primary key", {"order": ["id"], "xid": "xid"}, "xid must name columns, id, got xid"),
    ],
)
def test_a_table_that_cannot_be_read_by_key_is_refused(dsn, create, options, said):
    ask(dsn, f"create table t ({create})")
    with pytest.raises(NodeError, match=said):
        rxdag.from_source(sources.postgres(dsn, "t", Row, **options)).collect()


def test_a_key_that_is_null_or_doubled_is_refused_in_a_query(table):
    with pytest.raises(SourceError, match="postgres: the query: ts, id must have a value in each row, got NULL"):
        read_all(sources.postgres(table, "select ts, nullif(id, 3) as id from t"))
    for size in (1, 2, 100):
        with pytest.raises(
            SourceError,
            match=r"the columns of order must be unique, got several rows with k '0'; add a column to order=",
        ):
            read_all(sources.postgres(table, "select 0 as k, id from t", order=["k"]), size=size)


def test_a_wrong_query_and_a_missing_table_are_named(table):
    with pytest.raises(
        NodeError, match=r'postgres: cannot read "127.*": column "nothing" does not exist; name columns'
    ):
        rxdag.from_source(sources.postgres(table, "select nothing from t")).collect()
    with pytest.raises(
        NodeError, match=r'cannot read table "no" of .*: relation "no" does not exist; create the table'
    ):
        rxdag.from_source(sources.postgres(table, "no")).collect()


def test_a_query_cannot_write(table):
    ask(
        table,
        "create function f() returns table (ts timestamptz, id bigint) language sql as 'delete from t returning ts, id'",
    )
    with pytest.raises(SourceError, match="read-only transaction"):
        read_all(sources.postgres(table, "select * from f()"))
    assert ask(table, "select count(*) from t") == [(10,)]


@pytest.mark.parametrize(
    ("args", "options", "said"),
    [
        (("a", ""), {}, "postgres: table_or_query must be a name or a query, got ''"),
        (
            ("a", "t"),
            {"order": "ts"},
            r"postgres: order must be names of columns, such as \(\"ts\", \"id\"\), got 'ts'",
        ),
        (("a", "t"), {"order": ()}, "postgres: order must be names"),
        (("a", "t"), {"xid": "ts"}, "postgres: xid must be the name of a column that is not in order, got 'ts'"),
        (("a", "t"), {"xid": "x", "settle": "1s"}, "postgres: settle and xid must not both be given"),
        (("a", "t"), {"settle": "0s"}, "postgres: settle must be more than 0"),
        (("a", "t"), {"follow": 1}, "postgres: follow must be True or False, got 1"),
        (("a", "t"), {"reconnect": 3}, r"postgres: reconnect must be a sources.Backoff\(...\) or None, got 3"),
        (("", "t"), {}, "postgres: dsn must be a string such as"),
        (("a", "t", int), {}, "postgres: of must be a msgspec.Struct"),
    ],
)
def test_a_bad_argument_is_refused(args, options, said):
    with pytest.raises(GraphError, match=said):
        sources.postgres(*args, **options)


def test_the_address_may_change_between_runs_and_is_not_in_the_checkpoint(table, tmp_path):
    ask(table, "insert into t select now(), n, n from generate_series(10, 20) n")
    failing = [True]

    def job(dsn):
        def check(row):
            if row.id == 15 and failing:
                raise RuntimeError("stop")
            return row

        rows = rxdag.from_source(sources.postgres(dsn, "t", Row, order=["id"]), name="rows")
        out = rows.pipe(rxdag.operators.map(check), name="check").to(sinks.postgres(dsn, "out"), name="out")
        return rxdag.Dag(out, name="job")

    other = table.replace("rxdag@", "rxdag:s3cret@")
    run = rxdag.start(job(other), checkpoints=tmp_path / "state", every="1h")
    with pytest.raises(NodeError):
        run.wait()
    failing.clear()
    result = rxdag.run(job(lambda: table), checkpoints=tmp_path / "state")
    assert result["out"] == 21
    assert b"s3cret" not in (tmp_path / "state").read_bytes()
    store = rxdag.checkpoints.sqlite(tmp_path / "state")
    parts = [Codec().decode(data) for data in store.read(store.latest().id).values()]
    assert "s3cret" not in repr(parts)


def test_a_value_that_python_cannot_hold_is_not_taken_for_a_lost_connection(dsn):
    stream = rxdag.from_source(sources.postgres(dsn, "select 1 as id, 'infinity'::timestamptz as at", order=("id",)))
    with pytest.raises(NodeError, match=r"cannot read \"[^ ]*\": timestamp too large \(after year 10K\): 'infinity'$"):
        stream.collect()
