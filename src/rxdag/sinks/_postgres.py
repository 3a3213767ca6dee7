"""Tables in PostgreSQL: the rows of a checkpoint appear together with its number, in one transaction."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeAlias

from rxdag.contract import (
    Dsn,
    Duration,
    PostgresServer,
    Shape,
    Sink,
    SinkContext,
    Visible,
    WriteFailed,
    Writer,
    checked_dsn,
    positive_ns,
)
from rxdag.errors import GraphError, SourceError, shown
from rxdag.sinks._epochs import (
    NO_EPOCH,
    Epoch,
    EpochTable,
    EpochWriter,
    Rows,
    Step,
    checked_stamp,
    stamp_clash,
)
from rxdag.sinks._postgres_session import PostgresSession
from rxdag.sinks._postgres_table import PostgresTable, hints_of
from rxdag.sinks._postgres_values import copy_line
from rxdag.sinks._row_writer import RowWriter
from rxdag.sinks._upsert import quoted

_IN_MEMORY: Final = 2**24
"""Size of the rows that wait above which they go to a temporary file, bytes."""
_BLOCK: Final = 2**20

_Row: TypeAlias = tuple[str | None, ...]


class _PostgresWriter(RowWriter):
    """A session, a table, and rows made of items; subclasses write the rows."""

    def __init__(self, context: SinkContext, server: PostgresServer, table: PostgresTable, patience_s: float) -> None:
        self._shape = context.shape
        self._server = server
        self._table = table
        self._session = PostgresSession(server, f'table "{table.name}" of ', patience_s, context)
        self._session.connect()
        self.n = 0
        try:
            self._session.do(table.look)
            self._opened()
        except BaseException:
            self._session.close()
            raise

    def _opened(self) -> None:
        """Prepare to write."""

    def row(self, item: Any) -> _Row:
        names = self._shape.key_names
        if not self._table.columns:
            wanted = self._table.wanted(item, names)
            self._session.do(lambda db: self._table.fit(wanted, db))
        return self._table.row(item, names)


class _AppendWriter(_PostgresWriter, EpochWriter):
    """Adds all rows, by COPY; they wait in memory, or in a temporary file, until they are saved, or until the end."""

    def __init__(self, context: SinkContext, server: PostgresServer, table: PostgresTable, patience_s: float) -> None:
        self._epochs = EpochTable(table.epochs, "%s")
        self._transaction: int | None = None
        """Number of a transaction without an epoch whose end is unknown."""
        EpochWriter.__init__(self, context, table.name, f'postgres: table "{table.name}"')
        super().__init__(context, server, table, patience_s)

    def _opened(self) -> None:
        self.begin()
        self._waiting = tempfile.SpooledTemporaryFile[bytes](_IN_MEMORY)

    def put(self, rows: list[_Row]) -> None:
        self._waiting.write(b"".join(map(copy_line, rows)))
        self.n += len(rows)

    def waiting(self) -> Iterable[bytes]:
        self._waiting.seek(0)
        while block := self._waiting.read(_BLOCK):
            yield block

    def forget_waiting(self) -> None:
        self._waiting.seek(0)
        self._waiting.truncate()

    def epoch_there(self, key: tuple[str, str, str]) -> Epoch:
        return self._session.do(lambda db: self._epochs.epoch(db, key) if _has(db, self._epochs) else NO_EPOCH)

    def commit(self, rows: Rows, step: Step | None) -> None:
        self._session.do(lambda db: self._add(db, rows) if step is None else self._add_after(db, rows, step))

    def _add_after(self, db: Any, rows: Rows, step: Step) -> None:
        """Add rows if the table of epochs is at their base; do nothing if they are there already."""
        with db.transaction():
            if not _has(db, self._epochs):
                db.execute(self._epochs.create())
            if self._epochs.step(db, step):
                self._copy(db, rows, step.epoch.number if self._table.stamp else None)
                return
        found = self._epochs.epoch(db, step.key)
        if found != step.epoch:  # else the connection was lost during the commit
            raise self.other_epoch(found)

    def _add(self, db: Any, rows: Rows) -> None:
        """Add rows, unless an earlier call has added them on a connection that was lost during the commit."""
        if self._transaction is not None:
            (status,) = db.execute("select txid_status(%s)", (self._transaction,)).fetchone()
            if status == "committed":
                return
            if status == "in progress":  # the server has not noticed yet
                raise self._server.psycopg.errors.ConnectionException("the transaction before has not ended")
        with db.transaction():
            (self._transaction,) = db.execute("select txid_current()").fetchone()
            self._copy(db, rows, None)

    def _copy(self, db: Any, rows: Rows, stamp: int | None) -> None:
        self._table.create(db)
        end = b"\n" if stamp is None else b"\t%d\n" % stamp
        with db.cursor().copy(self._table.copy(stamped=stamp is not None)) as copy:
            for block in rows():
                copy.write(block.replace(b"\n", end))  # a line feed in a value is escaped

    def undo(self) -> str | None:
        if not self._table.stamp:
            return None
        rows = f"{self._table.sql} where {quoted(self._table.stamp)} >"
        return self._session.do(lambda db: self._epochs.undo(db, self._key, self._base, rows))

    def lacks_target(self) -> bool:
        columns = hints_of(self._shape.item_type)
        if columns and all(columns.values()) and not self._table.columns:
            self._session.do(lambda db: self._table.fit(columns, db))
        return bool(self._table.columns) and not self._table.exists

    def facts(self) -> dict[str, Any]:
        return {"columns": dict(self._table.columns)}

    def take_facts(self, facts: dict[str, Any]) -> None:
        if facts["columns"]:
            columns = dict(facts["columns"])
            self._session.do(lambda db: self._table.fit(columns, db))

    def leave(self) -> None:
        self._waiting.close()
        self._session.close()


class _UpsertWriter(_PostgresWriter):
    """Writes at once; a row that is written again changes nothing."""

    def put(self, rows: list[_Row]) -> None:
        if not rows:
            return
        try:
            self._session.do(lambda db: self._insert(db, rows))
        except SourceError as error:
            if not self._server.is_of_a_row(error.__cause__):
                raise
            self._put_one_by_one(rows)
        else:
            self.n += len(rows)

    def _insert(self, db: Any, rows: list[_Row]) -> None:
        with db.transaction(), db.cursor() as cursor:
            self._table.create(db)
            cursor.executemany(self._table.insert(), rows)

    def _put_one_by_one(self, rows: list[_Row]) -> None:
        """Write rows up to the one that the database refuses."""
        for index, row in enumerate(rows):
            try:
                self._session.do(partial(self._insert, rows=[row]))
            except SourceError as error:
                if not self._server.is_of_a_row(error.__cause__):
                    raise
                raise WriteFailed(index, error) from error
            self.n += 1

    def save(self) -> int:
        return self.n

    def restore(self, saved: int) -> None:
        self.n = saved

    def close(self, *, ok: bool) -> int:
        self._session.close()
        return self.n


def _has(db: Any, epochs: EpochTable) -> bool:
    return bool(db.execute("select to_regclass(%s) is not null", (epochs.name,)).fetchone()[0])


@dataclass(frozen=True)
class _Postgres(Sink[object, int]):
    dsn: Dsn = field(repr=False)
    table: str
    upsert: tuple[str, ...]
    stamp: str
    patience_ns: int
    label = "postgres"
    where = "blocking"
    delivery = "exactly once"
    adjustable = ("patience",)
    secrets = ("dsn",)

    @property
    def visible(self) -> Visible:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # by key
        return "at once" if self.upsert else "at checkpoints"

    def left_from(self, dag: str) -> str | None:
        if self.upsert:
            return None
        table = PostgresTable(self.table)
        epochs = EpochTable(table.epochs, "%s")
        server = PostgresServer(self.dsn, "postgres", "write")
        try:
            with closing(server.connect()) as db:
                left = epochs.left_from(db, dag, self.table, table.sql) if _has(db, epochs) else None
        except server.psycopg.Error as error:
            raise server.explained(error, f'table "{self.table}" of ') from error
        return None if left is None else f'table "{self.table}" of "{server.place}" {left}'

    def open(self, context: SinkContext) -> Writer:
        make = _UpsertWriter if self.upsert else _AppendWriter
        server = PostgresServer(self.dsn, "postgres", "write")
        return make(context, server, PostgresTable(self.table, self.upsert, self.stamp), self.patience_ns / 1e9)

    def check(self, shape: Shape, where: str) -> None:
        names = hints_of(shape.item_type)
        for name in self.upsert:
            if names and name not in names:
                raise GraphError(f"{where}: upsert must name fields of the items, {', '.join(names)}, got {name}")
        clash = stamp_clash(self.stamp, names)
        if clash:
            raise GraphError(f"{where}: {clash}")


def postgres(
    dsn: str | Callable[[], str],
    table: str,
    /,
    *,
    upsert: tuple[str, ...] | list[str] | None = None,
    stamp: str | None = None,
    patience: Duration = "1m",
) -> Sink[object, int]:
    """Write rows to a table of a PostgreSQL database; `result[sink]` is the number of rows (extra `postgres`).

    A record gives its fields, a pane its key, start, end, value, revision and closed_by; any other item a column
    "value". Conflicting names of panes get prefixes, as in `sinks.csv`. A missing table is created, with the columns of
    the first item: bigint, double precision, text, boolean, bytea, numeric, timestamptz, date, time, interval, uuid, or
    jsonb for lists, dicts and records. An existing table must have these columns, and may have others that need no
    value; all differences are reported at once.

    A value that its column cannot store unchanged is not written: a number that is too large or has too many digits, a
    time without a zone for timestamptz, text with the character 0, or a datetime64 with nanoseconds. The policy
    `on_error` decides about the item.

    Without `upsert`, all rows are added by COPY, in one transaction when the run has succeeded; a failed or cancelled
    run leaves nothing. In a run with checkpoints, the rows since the last checkpoint are saved in the next one. Once it is
    durable, they are added in one transaction, which also stores its number by dag and sink in the table "_rxdag_epochs"
    of the same schema. The transaction fails if another run of the dag has written in the meantime.

    A lost connection is re-established, and its transaction repeated unless it has taken effect. The first connection is
    attempted once.

    Args:
        dsn: Address of the database, as "postgresql://user@host:5432/name" or "host=... dbname=...". Pass a function that
            returns it if credentials change; it is called for each connection. The address is never shown or saved.
        table: Name of the table, or "schema.table".
        upsert: Columns that identify a row, such as ("key", "start"). Each row is then written at once and replaces an
            older one with the same values in these columns, and a failed run leaves the rows written so far. If the items
            have a column "revision", no row is replaced by one of a lower revision.
        stamp: Name of a column for the number of the transaction that added a row, such as "_epoch"; bigint, NULL in a
            run without checkpoints. If the run continues from an older checkpoint, the error then shows the statements
            that remove the newer rows. Not with `upsert`.
        patience: Maximum time to try to re-establish a lost connection; then the run fails.

    Raises:
        GraphError: If an argument is invalid.
        MissingExtra: When the sink is opened, if psycopg is not installed.

    Example:
        >>> sinks.postgres("postgresql://app@db.example.com/market", "bars", upsert=("symbol", "start"))
        _Postgres(table='bars', upsert=('symbol', 'start'), stamp='', patience_ns=60000000000)
    """
    given: object = upsert
    if given is not None and not (
        isinstance(given, tuple | list) and given and all(isinstance(name, str) for name in upsert or ())
    ):
        raise GraphError(f"postgres: upsert must be a tuple of names, got {shown(upsert)}")
    named: object = table
    if not isinstance(named, str) or not all(named.split(".", 1)) or "\0" in named or "_rxdag" in named:
        raise GraphError(f"postgres: table must be the name of a table of your own, got {shown(table)}")
    patience_ns = positive_ns(patience, "postgres: patience")
    stamped = checked_stamp(stamp, upsert, "postgres")
    return _Postgres(checked_dsn(dsn, "postgres"), table, tuple(upsert or ()), stamped, patience_ns)
