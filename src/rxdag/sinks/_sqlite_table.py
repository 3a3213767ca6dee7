"""Tables of SQLite: their columns, the values that these hold, and the statements that write rows."""

from __future__ import annotations

import math
import sqlite3
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from functools import cache
from types import NoneType, UnionType
from typing import Any, Final
from uuid import UUID

from rxdag.contract import DeadLetter, Pane
from rxdag.errors import SourceError, shown
from rxdag.expressions import field_names
from rxdag.sinks._epochs import stamp_clash
from rxdag.sinks._flatten import flatten, is_numpy, text_cell
from rxdag.sinks._upsert import on_conflict, quoted

_TYPES: Final[Mapping[Any, str]] = {int: "INTEGER", bool: "INTEGER", float: "REAL", str: "TEXT", bytes: "BLOB"}
_AS_TEXT: Final = (datetime, date, time, Decimal, UUID)
_EXACT: Final = 2**53
_KINDS: Final = (
    ("INTEGER", ("INT",)),
    ("TEXT", ("CHAR", "CLOB", "TEXT")),
    ("BLOB", ("BLOB",)),
    ("REAL", ("REAL", "FLOA", "DOUB")),
)
"""Affinities by what the declared type contains: https://www.sqlite.org/datatype3.html, section 3.1."""


@dataclass
class SqliteTable:
    """The table that a run writes to.

    Attributes:
        name: Its name.
        upsert: Columns that tell rows apart; empty to add every row.
        stamp: Column for the epoch of a row; empty for none.
        columns: Names of the columns of the items, with their declared types; empty until the first item.
        exists: True once the table is there.
    """

    name: str
    upsert: tuple[str, ...] = ()
    stamp: str = ""
    columns: dict[str, str] = field(default_factory=lambda: dict[str, str]())
    exists: bool = False

    def row(self, item: Any, key_names: tuple[str, ...], db: sqlite3.Connection) -> tuple[Any, ...]:
        """Return the item as a row; the first one decides on the columns.

        Raises:
            ValueError: If the table cannot hold it.
            SourceError: If the table has other columns.
        """
        record = flatten(item, key_names)
        cells = {name: cell(value) for name, value in record.items()}
        if not self.columns:
            hints = hints_of(_record_type(item))
            self.fit({name: _TYPES.get(type(each)) or hints.get(name, "") for name, each in cells.items()}, db)
        if set(cells) != set(self.columns):
            raise ValueError(f"a row must have the columns {', '.join(self.columns)}, got {', '.join(cells)}")
        for name, kind in self.columns.items():
            if not _is_kept(cells[name], affinity(kind)):
                raise ValueError(
                    f"column {name} of type {kind} must store values unchanged, got {shown(record[name])}; "
                    "convert them first"
                )
        for name in self.upsert:
            if cells[name] is None:
                raise ValueError(f"column {name} of upsert= must have a value, got None")
        return tuple(cells[name] for name in self.columns)

    def fit(self, columns: dict[str, str], db: sqlite3.Connection) -> None:
        """Take these columns, with their types in the table if it exists.

        Raises:
            SourceError: If the table lacks one, or cannot be upserted by `upsert`.
        """
        where = f'sqlite: table "{self.name}"'
        missing = [name for name in self.upsert if name not in columns]
        if missing:
            raise SourceError(f"{where}: upsert must name columns of the items, {', '.join(columns)}, got {missing[0]}")
        clash = stamp_clash(self.stamp, columns)
        if clash:
            raise SourceError(f"{where}: {clash}")
        found = {row[1].lower(): row[2] for row in db.execute(f"pragma table_info({quoted(self.name)})")}
        self.exists = bool(found)
        if self.exists:
            lacks = [name for name in self._with_stamp(columns) if name.lower() not in found]
            if lacks:
                raise SourceError(
                    f"{where}: must have the columns {', '.join(self._with_stamp(columns))}, got {', '.join(found)}; write to "
                    f"another table, or add {', '.join(lacks)}"
                )
            if self.stamp and affinity(found[self.stamp.lower()]) != "INTEGER":
                raise SourceError(
                    f"{where}: column {self.stamp} of stamp= must be of type INTEGER, got "
                    f"{found[self.stamp.lower()] or 'none'}; choose another column"
                )
            columns = {name: found[name.lower()] for name in columns}
            if self.upsert and {name.lower() for name in self.upsert} not in _unique(db, self.name):
                keys = ", ".join(map(quoted, self.upsert))
                raise SourceError(
                    f"{where}: must have a unique index over {', '.join(self.upsert)} for upsert, got none; "
                    f"create unique index {quoted(f'{self.name}_by_key')} on {quoted(self.name)} ({keys})"
                )
        self.columns = columns

    def create(self, db: sqlite3.Connection) -> None:
        """Create the table if it is missing."""
        if self.exists or not self.columns:
            return
        parts = [f"{quoted(name)} {kind}".rstrip() for name, kind in self._with_stamp(self.columns).items()]
        if self.upsert:
            parts.append(f"primary key ({', '.join(map(quoted, self.upsert))})")
        db.execute(f"create table if not exists {quoted(self.name)} ({', '.join(parts)})")
        self.exists = True

    def _with_stamp(self, columns: dict[str, str]) -> dict[str, str]:
        return {**columns, self.stamp: "INTEGER"} if self.stamp else columns

    def insert(self, epoch: int | None = None) -> str:
        """Return the statement that writes a row, with an epoch if it has one and there is a column for it."""
        is_stamped = self.stamp and epoch is not None
        names = ", ".join(map(quoted, (*self.columns, self.stamp) if is_stamped else self.columns))
        values = ", ".join(["?"] * len(self.columns) + [str(epoch)] * bool(is_stamped))
        clause = on_conflict(self.columns, self.upsert) if self.upsert else ""
        return f"insert into main.{quoted(self.name)} as old ({names}) values ({values}) {clause}"


@cache
def affinity(declared: str) -> str:
    """Return the affinity of a column by its declared type."""
    if not declared:
        return "BLOB"
    upper = declared.upper()
    return next((kind for kind, words in _KINDS if any(word in upper for word in words)), "NUMERIC")


def cell(value: Any) -> Any:
    """Return a value as SQLite holds it: None, int, float, str or bytes.

    Raises:
        ValueError: If it would be changed, or cannot be held.
    """
    if isinstance(value, bool) or is_numpy(value, "bool"):
        return int(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)  # pyright: ignore[reportUnknownArgumentType]  # of any format
    if type(value).__module__ == "numpy" and getattr(value, "ndim", 1) == 0 and value.dtype.kind in "iuf":
        value = value.item()
    value = text_cell(value)
    if isinstance(value, _AS_TEXT):
        return str(value)
    if isinstance(value, str):
        value = str.__str__(value)
        value.encode()  # it may hold half of a surrogate pair
    elif isinstance(value, int):
        value = int(value)
        if not -(2**63) <= value < 2**63:
            raise ValueError(f"whole numbers must fit in 64 bits, got {shown(value)}; convert them to text")
    elif isinstance(value, float):
        value = float(value)
        if math.isnan(value):
            raise ValueError("numbers must not be NaN, which SQLite takes for NULL, got nan; make it None")
    elif value is not None:
        raise ValueError(f"a column must get a number, text, bytes or a time, got {shown(value)}; convert it first")
    return value


def _is_kept(value: Any, kind: str) -> bool:
    """Return True if a column of an affinity holds the value as it is, or as an equal number."""
    if isinstance(value, str):
        return kind in ("TEXT", "BLOB")
    if isinstance(value, int) and kind == "REAL":
        return abs(value) <= _EXACT
    return kind != "TEXT" or not isinstance(value, int | float)


def _record_type(item: Any) -> type[Any]:
    held: type[Any] = item.value.__class__ if item.__class__ is Pane else item.__class__
    return held


def hints_of(of: Any) -> dict[str, str]:
    """Return the columns of a type of items with their declared types; empty if only an item tells them."""
    is_flattened = (typing.get_origin(of) or of) in (Pane, DeadLetter)
    names = None if is_flattened else field_names(of)
    try:
        hints = typing.get_type_hints(of) if names else {}
    except Exception:  # a name that only a type checker knows
        hints = {}
    return {name: _declared(hints.get(name)) for name in names or ()}


def _declared(hint: Any) -> str:
    if typing.get_origin(hint) in (typing.Union, UnionType):
        kinds = {_declared(each) for each in typing.get_args(hint) if each is not NoneType}
        return kinds.pop() if len(kinds) == 1 else ""
    return "TEXT" if hint in _AS_TEXT else _TYPES.get(hint, "")


def _unique(db: sqlite3.Connection, table: str) -> list[set[str]]:
    """Return the columns, in lower case, of each unique index of a table, its primary key included."""
    found: list[set[str]] = [{row[1].lower() for row in db.execute(f"pragma table_info({quoted(table)})") if row[5]}]
    for _, name, is_unique, _, is_partial in db.execute(f"pragma index_list({quoted(table)})").fetchall():
        if is_unique and not is_partial:
            columns: Sequence[Any] = db.execute(f"pragma index_info({quoted(name)})").fetchall()
            found.append({str(column[2]).lower() for column in columns})
    return found
