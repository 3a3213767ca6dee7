"""Tables in SQLite: the rows of a checkpoint appear together with its number, in one transaction."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Final

from rxdag.contract import Shape, Sink, SinkContext, Visible, Writer, checked_path
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
from rxdag.sinks._row_writer import RowWriter
from rxdag.sinks._sqlite_table import SqliteTable, hints_of
from rxdag.sinks._upsert import quoted

_EPOCHS: Final = EpochTable("_rxdag_epochs", "?")
_PATIENCE_S: Final = 5.0
_FIXES: Final = {
    sqlite3.SQLITE_BUSY: f"another program has had it locked for {_PATIENCE_S:g} s; end its transaction",
    sqlite3.SQLITE_LOCKED: "another connection has it locked; end its transaction",
    sqlite3.SQLITE_READONLY: "choose a file and a directory that you may write to",
    sqlite3.SQLITE_CANTOPEN: "choose a file and a directory that you may write to",
    sqlite3.SQLITE_FULL: "free some space or choose another disk",
    sqlite3.SQLITE_NOTADB: "choose another path",
    sqlite3.SQLITE_CORRUPT: "restore it from a backup",
    sqlite3.SQLITE_CONSTRAINT: "drop such items before the sink, or name the key in upsert=",
}


class _SqliteWriter(RowWriter):
    """A connection, a table, and rows made of items; subclasses write the rows."""

    def __init__(self, context: SinkContext, path: str, table: SqliteTable) -> None:
        self._shape = context.shape
        self._path = path
        self._table = table
        self.n = 0
        with self._explained():
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            # One thread at a time writes, and not always that which opens.
            self._db = sqlite3.connect(path, timeout=_PATIENCE_S, isolation_level=None, check_same_thread=False)
            try:
                self._db.execute("pragma synchronous = full")
                self._db.execute("select count(*) from sqlite_master")  # the file is a database
                self._opened()
            except BaseException:
                self._db.close()
                raise

    def _opened(self) -> None:
        """Prepare to write."""

    def row(self, item: Any) -> tuple[Any, ...]:
        with self._explained():
            return self._table.row(item, self._shape.key_names, self._db)

    @contextlib.contextmanager
    def _explained(self) -> Generator[None]:
        """Add to an error of the database its path and a fix."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            code = getattr(error, "sqlite_errorcode", None)
            fix = "choose another path" if code is None else _FIXES.get(code & 0xFF)
            said = f'sqlite: cannot write "{self._path}": {error}'
            raise SourceError(f"{said}; {fix}" if fix else said) from error

    @contextlib.contextmanager
    def _transaction(self, begin: str = "begin immediate") -> Generator[None]:
        with self._explained():
            self._db.execute(begin)
            try:
                yield
                self._db.execute("commit")
            except BaseException:
                if self._db.in_transaction:  # some errors end it
                    self._db.execute("rollback")
                raise


class _AppendWriter(_SqliteWriter, EpochWriter):
    """Adds all rows; they wait in a temporary table until they are saved, or until the end."""

    def __init__(self, context: SinkContext, path: str, table: SqliteTable) -> None:
        EpochWriter.__init__(self, context, table.name, f'sqlite: table "{table.name}" of "{path}"')
        super().__init__(context, path, table)

    def _opened(self) -> None:
        self.begin()

    def put(self, rows: list[tuple[Any, ...]]) -> None:
        if not rows:
            return
        width = len(self._table.columns)
        with self._transaction("begin"):  # the database itself is not locked
            names = ", ".join(f"c{i}" for i in range(width))
            self._db.execute(f"create temp table if not exists waiting ({names})")
            self._db.executemany(f"insert into temp.waiting values ({', '.join('?' * width)})", rows)
        self.n += len(rows)

    def waiting(self) -> Iterable[tuple[Any, ...]]:
        with self._explained():
            if self._db.execute("select 1 from sqlite_temp_master where name = 'waiting'").fetchone():
                yield from self._db.execute("select * from temp.waiting order by rowid")

    def forget_waiting(self) -> None:
        with self._explained():
            self._db.execute("drop table if exists temp.waiting")

    def epoch_there(self, key: tuple[str, str, str]) -> Epoch:
        with self._explained():
            return _EPOCHS.epoch(self._db, key) if _has_epochs(self._db) else NO_EPOCH

    def commit(self, rows: Rows, step: Step | None) -> None:
        with self._transaction():
            if step is not None:
                self._db.execute(_EPOCHS.create())
                if not _EPOCHS.step(self._db, step):
                    raise self.other_epoch(_EPOCHS.epoch(self._db, step.key))
            self._table.create(self._db)
            self._db.executemany(self._table.insert(None if step is None else step.epoch.number), rows())

    def undo(self) -> str | None:
        if not self._table.stamp:
            return None
        rows = f"{quoted(self._table.name)} where {quoted(self._table.stamp)} >"
        with self._explained():
            return _EPOCHS.undo(self._db, self._key, self._base, rows)

    def lacks_target(self) -> bool:
        columns = hints_of(self._shape.item_type)
        if columns and not self._table.columns:
            with self._explained():
                self._table.fit(columns, self._db)
        return bool(self._table.columns) and not self._table.exists

    def facts(self) -> dict[str, Any]:
        return {"columns": dict(self._table.columns)}

    def take_facts(self, facts: dict[str, Any]) -> None:
        if facts["columns"]:
            with self._explained():
                self._table.fit(dict(facts["columns"]), self._db)

    def leave(self) -> None:
        self._db.close()


class _UpsertWriter(_SqliteWriter):
    """Writes at once; a row that is written again changes nothing."""

    def put(self, rows: list[tuple[Any, ...]]) -> None:
        if not rows:
            return
        with self._transaction():
            self._table.create(self._db)
            self._db.executemany(self._table.insert(), rows)
        self.n += len(rows)

    def save(self) -> int:
        return self.n

    def restore(self, saved: int) -> None:
        self.n = saved

    def close(self, *, ok: bool) -> int:
        self._db.close()
        return self.n


def _has_epochs(db: sqlite3.Connection) -> bool:
    return bool(db.execute("select 1 from sqlite_master where name = ?", (_EPOCHS.name,)).fetchone())


@dataclass(frozen=True)
class _Sqlite(Sink[object, int]):
    path: str
    table: str
    upsert: tuple[str, ...]
    stamp: str
    label = "sqlite"
    delivery = "exactly once"

    @property
    def visible(self) -> Visible:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # by key
        return "at once" if self.upsert else "at checkpoints"

    def open(self, context: SinkContext) -> Writer:
        make = _UpsertWriter if self.upsert else _AppendWriter
        return make(context, self.path, SqliteTable(self.table, self.upsert, self.stamp))

    def left_from(self, dag: str) -> str | None:
        if self.upsert or not Path(self.path).exists():
            return None
        with contextlib.closing(sqlite3.connect(self.path, timeout=_PATIENCE_S)) as db:
            left = _EPOCHS.left_from(db, dag, self.table, quoted(self.table)) if _has_epochs(db) else None
        return None if left is None else f'table "{self.table}" of "{self.path}" {left}'

    def check(self, shape: Shape, where: str) -> None:
        names = hints_of(shape.item_type)
        for name in self.upsert:
            if names and name not in names:
                raise GraphError(f"{where}: upsert must name fields of the items, {', '.join(names)}, got {name}")
        clash = stamp_clash(self.stamp, names)
        if clash:
            raise GraphError(f"{where}: {clash}")


def sqlite(
    path: str | PathLike[str],
    table: str,
    /,
    *,
    upsert: tuple[str, ...] | list[str] | None = None,
    stamp: str | None = None,
) -> Sink[object, int]:
    """Write rows to a table of a SQLite database; `result[sink]` is the number of rows.

    A record gives its fields, a pane its key, start, end, value, revision and closed_by; any other item a column
    "value". Conflicting names of panes get prefixes, as in `sinks.csv`. A missing table is created, with the columns
    and types of the first item: INTEGER, REAL, TEXT or BLOB. An existing table must have these columns, and may have
    others.

    True and False are written as 1 and 0, bytes as they are, and all other types as in `sinks.csv`: times and Decimal
    as text. An item cannot be written if it holds NaN, a whole number beyond 64 bits, a list or a record, or a value that
    its column cannot store unchanged; the policy `on_error` decides about it.

    Without `upsert`, all rows are added in one transaction when the run has succeeded; a failed or cancelled run leaves
    nothing. Until then they wait in a temporary table on disk. In a run with checkpoints, the rows since the last
    checkpoint are saved in the next one. Once it is durable, they are added in one transaction, which also stores its
    number by dag and sink in the table "_rxdag_epochs". The transaction fails if another run of the dag has written in the
    meantime.

    Args:
        path: Path of the database. The file and its directory are created if missing.
        table: Name of the table.
        upsert: Columns that identify a row, such as ("key", "start"). Each row is then written at once and replaces an
            older one with the same values in these columns, and a failed run leaves the rows written so far. If the items
            have a column "revision", no row is replaced by one of a lower revision.
        stamp: Name of a column for the number of the transaction that added a row, such as "_epoch"; INTEGER, NULL in a
            run without checkpoints. If the run continues from an older checkpoint, the error then shows the statements
            that remove the newer rows. Not with `upsert`.

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> saved = rxdag.from_source(sources.iterable([{"a": 1}, {"a": 2}])).to(sinks.sqlite("numbers.db", "numbers"))
        >>> rxdag.run(saved)[saved]
        2
    """
    given: object = upsert
    if given is not None and not (
        isinstance(given, tuple | list) and given and all(isinstance(name, str) for name in upsert or ())
    ):
        raise GraphError(f"sqlite: upsert must be a tuple of names, got {shown(upsert)}")
    named: object = table
    if not isinstance(named, str) or not named or "\0" in named or named.lower().startswith(("sqlite_", "_rxdag")):
        raise GraphError(f"sqlite: table must be the name of a table of your own, got {shown(table)}")
    path = checked_path(path, "sqlite")
    if path == ":memory:":
        raise GraphError('sqlite: path must be that of a file, got ":memory:"; sinks.collect keeps items in memory')
    return _Sqlite(path, table, tuple(upsert or ()), checked_stamp(stamp, upsert, "sqlite"))
