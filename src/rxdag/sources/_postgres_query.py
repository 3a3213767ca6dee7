"""Queries of a table by key: each page begins after the last row of the previous one, and holds only settled rows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from rxdag.contract import quoted_table, unique_keys
from rxdag.errors import SourceError, did_you_mean, shown
from rxdag.sources._records import check_columns, record_fields

_QUERY: Final = re.compile(r"\s*(\(|--|/\*|(select|with|table|values)\b\s*\S)", re.I)
_NOT_NULL: Final = """
    select a.attname::text from pg_attribute a join pg_class c on c.oid = a.attrelid
    where c.oid = to_regclass(%s) and c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped and a.attnotnull
"""


@dataclass(frozen=True)
class PostgresQuery:
    """A table or a query, and the order in which it is read.

    Attributes:
        what: A table, "schema.table", or a query.
        of: Type of the items; None for dicts of all columns.
        order: Columns that are unique together, in the order of reading.
        settle_us: Age of the first of these columns at which a row no longer changes, microseconds; or None.
        xid: Column with the transaction that wrote the row; or None.
    """

    what: str
    of: Any
    order: tuple[str, ...]
    settle_us: int | None
    xid: str | None

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns of the key; transactions come first, since a later one may write a smaller number."""
        return self.order if self.xid is None else (self.xid, *self.order)

    @property
    def is_table(self) -> bool:
        """Return True for a table or a view, False for a query."""
        return _QUERY.match(self.what) is None

    @property
    def where(self) -> str:
        """The name of the input, for messages."""
        return f'postgres: table "{self.what}"' if self.is_table else "postgres: the query"

    @property
    def relation(self) -> str:
        """The table or the query as SQL has it; a per cent sign would be a parameter."""
        text = quoted_table(self.what) if self.is_table else f"({self.what.strip().rstrip(';')}\n)"
        return text.replace("%", "%%")

    def fields(self, db: Any) -> list[str]:
        """Return the columns to read, in order, after a look at the table. Called once.

        Raises:
            SourceError: If a column is missing or cannot be what it is to be.
        """
        cursor = db.execute(f"select * from {self.relation} as rows limit 0", ())
        found = {column.name: column.type_code for column in cursor.description}
        if self.of is not None:
            check_columns(
                self.of, [each.name for each in cursor.description], lambda what: SourceError(f"{self.where}: {what}")
            )
        for name, argument in [(name, "order") for name in self.order] + [(self.xid, "xid")]:
            if name is not None and name not in found:
                near = did_you_mean(name, found)
                raise SourceError(f"{self.where}: {argument} must name columns, {', '.join(found)}, got {name}{near}")
        self._check_types(db, found)
        self._check_key(db)
        if self.xid is not None:
            self._check_transactions(db)
        return (
            list(found) if self.of is None else [name for name in record_fields(self.of, "postgres") if name in found]
        )

    def _check_types(self, db: Any, found: dict[str, int]) -> None:
        def kind(name: str) -> str:
            return str(db.execute("select format_type(%s, null)", (found[name],)).fetchone()[0])

        if self.xid is not None and kind(self.xid) != "xid8":
            raise SourceError(
                f"{self.where}: column {self.xid} must be xid8 for xid, got {kind(self.xid)}; add one: "
                "xid xid8 not null default pg_current_xact_id()"
            )
        first = self.order[0]
        if self.settle_us is not None and kind(first) != "timestamp with time zone":
            raise SourceError(
                f"{self.where}: column {first} must be timestamp with time zone for settle, got {kind(first)}; put the time of "
                "the insert first in order, or pass xid="
            )

    def _check_key(self, db: Any) -> None:
        if self.is_table and (needed := {name for (name,) in db.execute(_NOT_NULL, (quoted_table(self.what),))}):
            may_lack = [name for name in self.keys if name not in needed]
            if may_lack:
                alters = ", ".join(f'alter "{name}" set not null' for name in may_lack)
                raise SourceError(
                    f"{self.where}: columns of order and xid must be not null, got {', '.join(may_lack)}; alter table "
                    f"{quoted_table(self.what)} {alters}"
                )
            return
        lacking = " or ".join(f"{_column(name)} is null" for name in self.keys)
        if db.execute(f"select exists (select from {self.relation} as rows where {lacking})", ()).fetchone()[0]:
            raise SourceError(f"{self.where}: {', '.join(self.keys)} must have a value in each row, got NULL")

    def _check_transactions(self, db: Any) -> None:
        """Raise SourceError if rows have later transactions than the server: they would wait for ever."""
        xid = _column(self.xid or "")
        later = f"select from {self.relation} as rows where {xid} >= pg_snapshot_xmax(pg_current_snapshot())"
        if db.execute(f"select exists ({later})", ()).fetchone()[0]:
            raise SourceError(
                f"{self.where}: column {self.xid} must have transactions of this server, got later ones, as after a dump was "
                f"restored; update it to '1' in these rows, and start over"
            )

    def tells_apart(self, db: Any) -> bool:
        """Return True if the table itself makes sure that no two rows have the same key."""
        return self.is_table and any(each <= set(self.keys) for each in unique_keys(db, quoted_table(self.what)))

    def bound(self, db: Any) -> list[str]:
        """Return the end of what is settled now, as texts; empty if there is no row."""
        if self.xid is not None:
            found = db.execute("select pg_snapshot_xmin(pg_current_snapshot())::text", ()).fetchone()
        elif self.settle_us is not None:
            query = "select (statement_timestamp() - %s * interval '1 microsecond')::text"
            found = db.execute(query, (self.settle_us,)).fetchone()
        else:
            keys = ", ".join(f"{_column(name)}::text" for name in self.keys)
            order = ", ".join(f"{_column(name)} desc" for name in self.keys)
            found = db.execute(f"select {keys} from {self.relation} as rows order by {order} limit 1", ()).fetchone()
        return [] if found is None else list(found)

    def page(
        self, db: Any, names: list[str], key: list[str] | None, until: list[str] | None, n: int
    ) -> list[tuple[Any, ...]]:
        """Return rows after a key: the columns, then the key as texts.

        Args:
            db: The connection.
            names: Columns to read.
            key: Key of the last row; None to start.
            until: End of what is read; None for what is settled now.
            n: Maximum number of rows.
        """
        quoted = [_column(name) for name in self.keys]
        conditions: list[str] = []
        values: list[Any] = []
        if key is not None:
            conditions.append(f"({', '.join(quoted)}) > ({', '.join(['%s'] * len(key))})")
            values += key
        if self.xid is not None:
            conditions.append(f"{quoted[0]} < {'%s' if until else 'pg_snapshot_xmin(pg_current_snapshot())'}")
            values += until or []
        elif self.settle_us is not None:
            now = "statement_timestamp() - %s * interval '1 microsecond'"
            conditions.append(f"{quoted[0]} <= {'%s' if until else now}")
            values += until or [self.settle_us]
        elif until:
            conditions.append(f"({', '.join(quoted)}) <= ({', '.join(['%s'] * len(until))})")
            values += until
        where = f" where {' and '.join(conditions)}" if conditions else ""
        columns = ", ".join([*map(_column, names), *(f"{each}::text" for each in quoted)])
        query = f"select {columns} from {self.relation} as rows{where} order by {', '.join(quoted)} limit %s"
        rows: list[tuple[Any, ...]] = db.execute(query, (*values, n)).fetchall()
        return rows

    def check_apart(self, rows: list[tuple[Any, ...]]) -> None:
        """Raise SourceError if two rows that follow one another have the same key."""
        n = len(self.keys)
        for one, two in pairwise(rows):
            if one[-n:] == two[-n:]:
                key = ", ".join(f"{name} {shown(each)}" for name, each in zip(self.keys, one[-n:], strict=True))
                raise SourceError(
                    f"{self.where}: the columns of order must be unique, got several rows with {key}; add a column to order="
                )


def _column(name: str) -> str:
    """Return a column as SQL has it; in `order by`, its name alone could be that of its text."""
    return 'rows."' + name.replace('"', '""').replace("%", "%%") + '"'
