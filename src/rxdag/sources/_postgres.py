"""Tables and queries of PostgreSQL, read by key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar, overload

import msgspec

from rxdag.contract import (
    END,
    Chunk,
    Dsn,
    Duration,
    PostgresServer,
    Read,
    Reader,
    Shape,
    Source,
    SourceContext,
    checked_dsn,
    flag,
    positive_ns,
)
from rxdag.errors import GraphError, SourceError, shown, text_of
from rxdag.sources._backoff import Backoff
from rxdag.sources._postgres_query import PostgresQuery
from rxdag.sources._records import record_fields

T = TypeVar("T")

_RECONNECT: Final = Backoff(base="200ms", cap="30s", jitter=0.2)
_SETTINGS: Final = (
    "set timezone to 'UTC'",
    "set datestyle to 'ISO'",
    "set extra_float_digits to 1",  # texts of keys are exact
    "set default_transaction_read_only to on",
)
_LATE: Final = "it may miss rows that commit late; pass settle= or xid="


class _PostgresReader(Reader):
    """Reads page by page; its position is the key of the last row."""

    def __init__(self, source: _Postgres[Any], context: SourceContext) -> None:
        self._source = source
        self._query = source.query
        self._context = context
        self._server = PostgresServer(source.dsn, "postgres", "read")
        self._db: Any = None
        self._type: Any = list[source.query.of]  # type: ignore[name-defined]  # a type at run time
        self._names: list[str] = []
        self._is_told_apart = False
        self._connections = self._failures = 0
        self._was_connected = False
        self._due = 0
        """Time of the next read, ns since the epoch."""
        self._key: list[str] | None = None
        self._until: list[str] | None = None
        self._at_end = False
        self._error: Exception | None = None

    def read(self, max_items: int) -> Read:
        while True:
            if self._error is not None:
                raise self._error
            if self._at_end:
                return END
            if self._context.clock.now() < self._due:
                self._context.wake_at(self._due)
                return None
            try:
                rows = self._page(max_items)
            except self._server.psycopg.Error as error:
                self._lost(error)
                continue
            if len(rows) < max_items:
                self._wait_or_end()
            items = self._items(rows)
            if items:
                return Chunk(items)

    def _page(self, max_items: int) -> list[tuple[Any, ...]]:
        """Return the next rows, after connecting if necessary."""
        if self._db is None:
            self._connect()
        if not self._source.follow and self._until is None:
            self._until = self._query.bound(self._db)
        if self._until == []:
            return []
        # One more row shows whether the last row of this page and the first of the next have the same key.
        n = max_items if self._is_told_apart else max_items + 1
        rows = self._query.page(self._db, self._names, self._key, self._until, n)
        if not self._is_told_apart:
            self._query.check_apart(rows)
        self._failures = 0
        return rows[:max_items]

    def _connect(self) -> None:
        self._connections += 1
        db = self._server.connect()
        try:
            for setting in _SETTINGS:
                db.execute(setting)
            if not self._was_connected:
                self._names = self._query.fields(db)
                self._is_told_apart = self._query.tells_apart(db)
        except BaseException:
            db.close()
            raise
        self._db = db
        self._was_connected = True
        if self._connections > 1:
            self._context.log("source.connected", connection=self._connections)

    def _lost(self, error: Exception) -> None:
        """Wait before the next connection after a failure, or raise its error."""
        reconnect = self._source.reconnect
        is_lost = self._was_connected and (self._db is None or self._server.is_lost(error, self._db))
        explained = self._server.explained(error, "" if not self._query.is_table else f'table "{self._query.what}" of ')
        self.close()
        if not is_lost or reconnect is None:
            raise explained from error
        self._failures += 1
        self._context.log("source.disconnected", connection=self._connections, error=error)
        if reconnect.attempts is not None and self._failures >= reconnect.attempts:
            self._context.log("source.given_up", connection=self._connections, error=error)
            raise explained from error
        wait = reconnect.waits().wait_ns(self._failures, self._context.random)
        self._context.log("source.retrying", connection=self._connections, wait_s=wait / 1e9)
        self._due = self._context.clock.now() + wait

    def _wait_or_end(self) -> None:
        if self._source.follow:
            self._due = self._context.clock.now() + self._source.poll_ns
        else:
            self._at_end = True

    def _items(self, rows: list[tuple[Any, ...]]) -> list[Any]:
        """Return rows as items; malformed ones are subject to the policy of the node."""
        n = len(self._query.keys)
        records = [dict(zip(self._names, row, strict=False)) for row in rows]
        items: list[Any] = []
        try:
            items = self._made(records)
        except Exception:  # one of them; whatever the type's own code raises
            return self._one_by_one(rows, records)
        if rows:
            self._key = list(rows[-1][-n:])
        return items

    def _one_by_one(self, rows: list[tuple[Any, ...]], records: list[dict[str, Any]]) -> list[Any]:
        items: list[Any] = []
        n = len(self._query.keys)
        for row, record in zip(rows, records, strict=True):
            problem = None
            try:
                items += self._made([record])
            except Exception as error:
                of = self._query.of
                problem = SourceError(
                    f"{self._query.where}: must be {of.__name__}: {text_of(error)}, got {shown(record, most=80)}"
                )
                problem.__cause__ = error
            try:
                if problem is not None:
                    self._context.bad(record, problem)
            except Exception as failure:  # items before it are delivered first
                self._error = failure
                break
            self._key = list(row[-n:])
        return items

    def _made(self, records: list[dict[str, Any]]) -> list[Any]:
        return records if self._query.of is None else msgspec.convert(records, self._type, dec_hook=_other)

    def position(self) -> dict[str, Any]:
        return {"order": list(self._query.keys), "key": self._key, "until": self._until}

    def seek(self, position: dict[str, Any]) -> None:
        keys = list(self._query.keys)
        if position["order"] != keys:
            raise SourceError(
                f"{self._query.where}: order and xid must be those of the checkpoint, {', '.join(position['order'])}, got "
                f"{', '.join(keys)}; undo the change, or start without the checkpoint"
            )
        self._key = position["key"]
        self._until = None if self._source.follow else position["until"]

    def is_connected(self) -> bool:
        return self._db is not None or self._connections == 0

    def close(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            db.close()


def _other(kind: Any, value: Any) -> Any:
    """Return a value as a type that msgspec does not know, such as np.datetime64."""
    if kind.__name__ == "datetime64" and getattr(value, "tzinfo", None) is not None:
        return kind(value.replace(tzinfo=None), "us")
    return kind(value)


@dataclass(frozen=True)
class _Postgres(Source[T]):
    dsn: Dsn = field(repr=False)
    query: PostgresQuery
    follow: bool
    poll_ns: int
    reconnect: Backoff | None = field(repr=False)
    shape: Shape = field(repr=False)
    label = "postgres"
    where = "blocking"
    is_stored = True
    no_position = None
    adjustable = ("settle", "follow", "poll", "reconnect")
    secrets = ("dsn",)

    @property
    def may_miss(self) -> str | None:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # some miss none
        return _LATE if self.query.settle_us is None and self.query.xid is None else None

    def open(self, context: SourceContext) -> Reader:
        return _PostgresReader(self, context)


@overload
def postgres(
    dsn: str | Callable[[], str],
    table_or_query: str,
    /,
    *,
    order: Sequence[str] = ...,
    settle: Duration | None = ...,
    xid: str | None = ...,
    follow: bool = ...,
    poll: Duration = ...,
    reconnect: Backoff | None = ...,
) -> Source[dict[str, Any]]: ...
@overload
def postgres(
    dsn: str | Callable[[], str],
    table_or_query: str,
    /,
    of: type[T],
    *,
    order: Sequence[str] = ...,
    settle: Duration | None = ...,
    xid: str | None = ...,
    follow: bool = ...,
    poll: Duration = ...,
    reconnect: Backoff | None = ...,
) -> Source[T]: ...
def postgres(
    dsn: str | Callable[[], str],
    table_or_query: str,
    /,
    of: type[Any] | None = None,
    *,
    order: Sequence[str] = ("ts", "id"),
    settle: Duration | None = None,
    xid: str | None = None,
    follow: bool = False,
    poll: Duration = "1s",
    reconnect: Backoff | None = _RECONNECT,
) -> Source[Any]:
    """Read the rows of a PostgreSQL table or query in key order, once or for ever (extra `postgres`).

    Each query selects the next rows after the key of the last one, in the order of the key. Create an index on the key
    columns. Only the columns of `of` are read. A row that does not fit `of` is malformed: by the node's `on_error`, it ends
    the run, is skipped, or is sent to port "dead" as a dict.

    A transaction may commit after another one although its rows have smaller keys. A reader that is already past these
    keys would miss the rows. Two arguments prevent that:

    * `settle` delays each row until the first column of `order`, the time of its insert by the clock of the database, is
      that old. It must be longer than any transaction that inserts.
    * `xid` names a column `xid8 not null default pg_current_xact_id()`. Rows are read once all transactions up to
      theirs have ended, in the order of transactions, and by `order` within one. The index must begin with that column.
      The source then waits for every transaction that writes in the database, and misses nothing.

    Without either, `explain()` reports that the source may miss rows, and `require="exactly"` refuses it.

    A run that continues from a checkpoint reads on after the last key. Updates and deletions of rows up to that key are
    not noticed. A lost connection is re-established; the first connection is attempted once.

    Args:
        dsn: Address of the database, as "postgresql://user@host:5432/name" or "host=... dbname=...". Pass a function that
            returns it if credentials change; it is called for each connection. The address is never shown or saved.
        table_or_query: Name of a table or view, "schema.table", or a query: "select ...".
        of: Type of the items: a msgspec.Struct, dataclass, NamedTuple or TypedDict; by default dicts of all columns.
        order: Columns that are unique together and never NULL. New rows must have larger values, except as covered by
            `settle` and `xid`. A query is searched for NULL once, at the start.
        settle: Age from which a row no longer changes.
        xid: Column with the transaction that wrote the row.
        follow: True to wait for new rows for ever; False to end after the rows that are settled at the first start.
        poll: With `follow`, time between two queries if there are no more rows.
        reconnect: Delays between attempts to re-establish a lost connection, by default without limit; None to fail
            instead.

    Raises:
        GraphError: If an argument is invalid.
        MissingExtra: When the source is opened, if psycopg is not installed.

    Example:
        >>> trades = sources.postgres(
        ...     "postgresql://app@db.example.com/market",
        ...     "trades",
        ...     Trade,
        ...     order=("created", "id"),
        ...     settle="5s",
        ...     follow=True,
        ... )
        >>> rxdag.from_source(trades, name="trades")
        <Stream postgres "trades", port out>
    """
    if reconnect is not None and not isinstance(reconnect, Backoff):
        raise GraphError(f"postgres: reconnect must be a sources.Backoff(...) or None, got {shown(reconnect)}")
    return _Postgres(
        checked_dsn(dsn, "postgres"),
        _checked_query(table_or_query, of, order, settle, xid),
        flag(follow, "postgres: follow"),
        positive_ns(poll, "postgres: poll"),
        reconnect,
        Shape(of),
    )


def _checked_query(
    table_or_query: str, of: type[Any] | None, order: Sequence[str], settle: Duration | None, xid: str | None
) -> PostgresQuery:
    if of is not None:
        record_fields(of, "postgres")
    given: object = table_or_query
    if not isinstance(given, str) or not given.strip() or "\0" in given:
        raise GraphError(f"postgres: table_or_query must be a name or a query, got {shown(table_or_query)}")
    names: object = order
    if (
        isinstance(names, str)
        or not isinstance(names, Sequence)
        or not order
        or not all(isinstance(n, str) for n in order)
    ):
        raise GraphError(f'postgres: order must be names of columns, such as ("ts", "id"), got {shown(order)}')
    if xid is not None and (not isinstance(xid, str) or not xid or xid in order):
        raise GraphError(f"postgres: xid must be the name of a column that is not in order, got {shown(xid)}")
    if settle is not None and xid is not None:
        raise GraphError(
            "postgres: settle and xid must not both be given, since xid needs no settling time; leave out settle"
        )
    settle_us = None if settle is None else -(-positive_ns(settle, "postgres: settle") // 1000)
    return PostgresQuery(table_or_query, of, tuple(order), settle_us, xid)
