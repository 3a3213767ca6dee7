"""Tables of PostgreSQL: their columns, and the statements that create them and write rows."""

from __future__ import annotations

import typing
from dataclasses import dataclass, field
from typing import Any, Final

from rxdag.contract import DeadLetter, Pane, quoted_table, unique_keys
from rxdag.errors import SourceError
from rxdag.expressions import field_names
from rxdag.sinks._epochs import stamp_clash
from rxdag.sinks._flatten import flatten
from rxdag.sinks._postgres_values import cell, takes, type_of
from rxdag.sinks._upsert import on_conflict, quoted

_COLUMNS: Final = """
    select a.attname::text, format_type(a.atttypid, a.atttypmod),
        a.attnotnull and not a.atthasdef and a.attidentity = '' and a.attgenerated = ''
    from pg_attribute a where a.attrelid = to_regclass(%s) and a.attnum > 0 and not a.attisdropped order by a.attnum
"""


@dataclass
class PostgresTable:
    """The table that a run writes to.

    Attributes:
        name: Its name, or "schema.name".
        upsert: Columns that tell rows apart; empty to add every row.
        stamp: Column for the epoch of a row; empty for none.
        columns: Names of the columns of the items, with their types; empty until the first item.
        exists: True once the table is there.
    """

    name: str
    upsert: tuple[str, ...] = ()
    stamp: str = ""
    columns: dict[str, str] = field(default_factory=lambda: dict[str, str]())
    exists: bool = False

    @property
    def sql(self) -> str:
        """The name as SQL has it."""
        return quoted_table(self.name)

    @property
    def epochs(self) -> str:
        """Name of the table of epochs, as SQL has it: that of the same schema."""
        schema, dot, _ = self.name.partition(".")
        return f"{quoted(schema)}._rxdag_epochs" if dot else "_rxdag_epochs"

    def wanted(self, item: Any, key_names: tuple[str, ...]) -> dict[str, str]:
        """Return the columns for an item, with their types.

        Raises:
            ValueError: If a type is unknown.
        """
        of: Any = item.value.__class__ if item.__class__ is Pane else item.__class__
        hints = hints_of(of)
        found = {
            name: hints.get(name) or type_of(type(value)) if value is not None else hints.get(name, "")
            for name, value in flatten(item, key_names).items()
        }
        if not found:
            raise ValueError("a row must have a column or more, got none")
        unknown = [name for name, kind in found.items() if not kind]
        if unknown and not self.exists:
            raise ValueError(
                f"the first item must show the type of each column, got none for {', '.join(unknown)}; declare the fields of "
                "the items, or create the table"
            )
        return found

    def row(self, item: Any, key_names: tuple[str, ...]) -> tuple[str | None, ...]:
        """Return the item as a row of texts.

        Raises:
            ValueError: If the table cannot hold it.
        """
        record = flatten(item, key_names)
        if record.keys() != self.columns.keys():
            raise ValueError(f"a row must have the columns {', '.join(self.columns)}, got {', '.join(record)}")
        for name in self.upsert:
            if record[name] is None:
                raise ValueError(f"column {name} of upsert= must have a value, got None")
        return tuple(cell(record[name], kind, name) for name, kind in self.columns.items())

    def look(self, db: Any) -> dict[str, tuple[str, bool]]:
        """Return the columns of the existing table: type, and whether they need a value; empty if it is missing."""
        found = {name: (kind, needed) for name, kind, needed in db.execute(_COLUMNS, (self.sql,))}
        self.exists = bool(found)
        return found

    def fit(self, wanted: dict[str, str], db: Any) -> None:
        """Take these columns, with their types in the table if it exists.

        Raises:
            SourceError: If the table has other columns, or cannot be upserted by `upsert`. Lists all that differ.
        """
        where = f'postgres: table "{self.name}"'
        unknown = [name for name in self.upsert if name not in wanted]
        if unknown:
            names = ", ".join(wanted)
            raise SourceError(f"{where}: upsert must name columns of the items, {names}, got {', '.join(unknown)}")
        clash = stamp_clash(self.stamp, wanted)
        if clash:
            raise SourceError(f"{where}: {clash}")
        found = self.look(db)
        if not self.exists:
            self.columns = wanted
            return
        self._check_columns(self._with_stamp(wanted), found, where)
        if self.upsert and set(self.upsert) not in unique_keys(db, self.sql):
            raise SourceError(
                f"{where}: must have a unique index over {', '.join(self.upsert)} for upsert, got none; create unique index on "
                f"{self.sql} ({', '.join(map(quoted, self.upsert))})"
            )
        self.columns = {name: found[name][0] for name in wanted}

    def _with_stamp(self, columns: dict[str, str]) -> dict[str, str]:
        return {**columns, self.stamp: "bigint"} if self.stamp else columns

    def _check_columns(self, wanted: dict[str, str], found: dict[str, tuple[str, bool]], where: str) -> None:
        lacks = [name for name in wanted if name not in found]
        differs = [f"{name} is missing" for name in lacks]
        differs += [
            f"{name} is {found[name][0]}, and the items have {kind}"
            for name, kind in wanted.items()
            if name in found and kind and not takes(found[name][0], kind)
        ]
        differs += [
            f"{name} needs a value, and the items have none"
            for name, (_, needed) in found.items()
            if needed and name not in wanted
        ]
        if differs:
            adds = ", ".join(f"add column {quoted(name)} {wanted[name] or 'text'}" for name in lacks)
            fix = f", or alter table {self.sql} {adds}" if lacks else ""
            raise SourceError(
                f"{where}: must have the columns of the items, but {'; '.join(differs)}; write to another table{fix}"
            )

    def create(self, db: Any) -> None:
        """Create the table if it is missing."""
        if self.exists or db.execute("select to_regclass(%s) is not null", (self.sql,)).fetchone()[0]:
            return  # else the right to create tables would be needed
        parts = [f"{quoted(name)} {kind}" for name, kind in self._with_stamp(self.columns).items()]
        if self.upsert:
            parts.append(f"primary key ({', '.join(map(quoted, self.upsert))})")
        db.execute(f"create table if not exists {self.sql} ({', '.join(parts)})")

    def copy(self, *, stamped: bool) -> str:
        """Return the statement that adds rows, with the epoch as their last column if they are stamped."""
        names = (*self.columns, self.stamp) if stamped else self.columns
        return f"copy {self.sql} ({', '.join(map(quoted, names))}) from stdin"

    def insert(self) -> str:
        """Return the statement that writes a row in place of an older one."""
        names = ", ".join(map(quoted, self.columns))
        values = ", ".join(["%s"] * len(self.columns))
        # A per cent sign of a name would be a parameter.
        into = f"insert into {self.sql} as old ({names})".replace("%", "%%")
        conflict = on_conflict(self.columns, self.upsert).replace("%", "%%")
        return f"{into} values ({values}) {conflict}"


def hints_of(of: Any) -> dict[str, str]:
    """Return the columns of a type of items with their types, "" if unknown; empty if only an item tells them."""
    is_flattened = (typing.get_origin(of) or of) in (Pane, DeadLetter)
    names = None if is_flattened else field_names(of)
    try:
        hints = typing.get_type_hints(of) if names else {}
    except Exception:  # a name that only a type checker knows
        hints = {}
    return {name: type_of(hints.get(name)) for name in names or ()}
