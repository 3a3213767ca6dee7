"""Connections to PostgreSQL, by an address of which messages show only host, port and database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias, cast

from rxdag.contract._extra import import_extra
from rxdag.contract._functions import check_function
from rxdag.contract._kernel import BadProgram
from rxdag.errors import GraphError, SourceError, text_of

Dsn: TypeAlias = str | Callable[[], str]
"""Address of a database, such as "postgresql://user:password@host/name", or a function that returns it."""

_DEFAULTS: Final = {
    "application_name": "rxdag",
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
    "client_encoding": "utf8",
}
"""A server that is gone is noticed within a minute."""
_FIXES: Final = {
    "22": "convert such values before the sink, or change the type of the column",
    "23": "drop such items before the sink, or change the constraint",
    "23505": "drop such items before the sink, or name the key in upsert=",
    "25006": "connect to the primary server, with a user that may write",
    "3D000": "create the database, or name another one",
    "42501": "let the owner grant the rights to this user: select, insert and update, and create on the schema if a table is missing",
    "42703": "name columns of the table",
    "42P01": "create the table, or name another one",
    "53100": "free some space on the disk of the server",
    "57014": "raise statement_timeout of this user",
    "53300": "close other connections, or raise max_connections",
}
"""Fixes by SQLSTATE, or by its first two characters."""
_LOST: Final = ("08", "57P01", "57P02", "57P03")
"""SQLSTATEs of a connection that is lost, or of a server that starts or stops."""
_AGAIN: Final = ("40001", "40P01")
"""SQLSTATEs of a transaction that was rolled back because of another one, and may be retried."""
_AT_ONCE: Final = ("pg_class_relname_nsp_index", "pg_type_typname_nsp_index")
"""Constraints that one of two transactions violates if both create the same table."""

_UNIQUE: Final = """
    select array_agg(a.attname::text) from pg_index i
    join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any((i.indkey::int2[])[0:i.indnkeyatts - 1])
    where i.indrelid = to_regclass(%s) and i.indisunique and i.indpred is null and i.indexprs is null
    group by i.indexrelid
"""


def quoted_table(name: str) -> str:
    """Return the name of a table, or "schema.table", as SQL has it."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in name.split(".", 1))


def unique_keys(db: Any, table: str) -> list[set[str]]:
    """Return the columns of each unique index of a table, its primary key included.

    Args:
        db: The connection.
        table: Name of the table as SQL has it.
    """
    found: list[tuple[list[str]]] = db.execute(_UNIQUE, (table,)).fetchall()
    return [set(columns) for (columns,) in found]


def checked_dsn(dsn: Any, where: str) -> Dsn:
    """Return the address of a database; it is not shown if it is wrong, since it may hold a password.

    Raises:
        GraphError: If it is neither a string nor a function without arguments.
    """
    if callable(dsn):
        check_function(dsn, f"{where}: dsn", instead="")
        return cast("Callable[[], str]", dsn)  # the type of its result is checked with each call
    if not isinstance(dsn, str) or not dsn or "\0" in dsn:
        raise GraphError(
            f'{where}: dsn must be a string such as "postgresql://user@host/database", or a function that returns one, '
            f"got {type(dsn).__name__ if not isinstance(dsn, str) else 'an empty string, or one with the character 0'}"
        )
    return dsn


def _is_port(port: object) -> bool:
    return port is None or all(each.strip().isdecimal() or not each for each in str(port).split(","))


class PostgresServer:
    """A database, and the errors of its connections.

    Args:
        dsn: Its address; a function is called for each connection, so that credentials can change.
        where: Function of the user, for messages.
        doing: What the connections are for, for messages: "write" or "read".
    """

    def __init__(self, dsn: Dsn, where: str, doing: str) -> None:
        self._dsn = dsn
        self._where = where
        self._doing = doing
        self.psycopg: Any = import_extra("psycopg", "postgres", f"{where}")
        self.place = ""
        """Host, port and name of the database; empty before the first connection."""

    def connect(self) -> Any:
        """Return a new connection, which commits each statement outside of a transaction.

        Raises:
            SourceError: If the address is invalid.
            psycopg.Error: If the server cannot be reached or refuses the connection.
        """
        dsn: object = self._dsn() if callable(self._dsn) else self._dsn
        if not isinstance(dsn, str):
            raise BadProgram(f"{self._where}: dsn must return a string, got {type(dsn).__name__}")
        try:
            options: dict[str, Any] = self.psycopg.conninfo.conninfo_to_dict(dsn)
        except self.psycopg.Error:
            # Without its cause, which shows a part of the text.
            raise SourceError(
                f'{self._where}: dsn must be an address such as "postgresql://user@host/database", got another form; '
                "see the manual of PostgreSQL, connection strings"
            ) from None
        if "@" in f"{options.get('host', '')[1:]}{options.get('dbname', '')}" or not _is_port(options.get("port")):
            # Otherwise the rest of the password would be shown as part of the place.
            raise SourceError(
                f"{self._where}: dsn must have @, /, : and % in a password as %40, %2F, %3A and %25, got them unescaped"
            )
        self.place = f"{options.get('host') or 'localhost'}:{options.get('port') or 5432}/{options.get('dbname') or ''}"
        return self.psycopg.connect(**{**_DEFAULTS, **options}, autocommit=True, prepare_threshold=None)

    def is_lost(self, error: Exception, db: Any) -> bool:
        """Return True if an error means that the connection is gone, rather than that a statement is wrong."""
        if not isinstance(error, self.psycopg.Error):
            return False
        state: str | None = getattr(error, "sqlstate", None)
        is_gone = isinstance(error, self.psycopg.OperationalError) and (db is None or db.closed or state is None)
        return is_gone or (state is not None and state.startswith(_LOST))

    def may_work_again(self, error: Exception) -> bool:
        """Return True if a transaction was rolled back because of another one."""
        state = getattr(error, "sqlstate", None)
        constraint = getattr(getattr(error, "diag", None), "constraint_name", None)
        return state in _AGAIN or (state in ("23505", "42P07", "42710") and constraint in (*_AT_ONCE, None))

    def is_of_a_row(self, error: BaseException | None) -> bool:
        """Return True if a row is to blame: a value that does not fit, or a constraint."""
        state = getattr(error, "sqlstate", None) or ""
        return state.startswith(("22", "23"))

    def explained(self, error: Exception, what: str = "") -> SourceError:
        """Return an error of the database with its place and a fix.

        Args:
            error: The error.
            what: What was written or read: "table "bars" of ", or nothing.
        """
        state: str = getattr(error, "sqlstate", None) or ""
        said = getattr(getattr(error, "diag", None), "message_primary", None)
        said = said or " ".join(text_of(error).split())  # without details, which show rows
        fix = _FIXES.get(state) or _FIXES.get(state[:2])
        # Without a state, it is of the connection, or psycopg has refused a value, such as the date infinity.
        is_of_value = isinstance(error, self.psycopg.DataError | self.psycopg.ProgrammingError)
        if fix is None and ((not state and not is_of_value) or state.startswith(("08", "28", "57P"))):
            fix = "check that the server runs and accepts this host, and check the user and the password"
        return SourceError(
            f'{self._where}: cannot {self._doing} {what}"{self.place}": {said}{f"; {fix}" if fix else ""}'
        )
