"""Kept tables: rows that wait in a part file until a file of tables, which cannot be continued, is made of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from os import PathLike, fspath
from typing import Any, Final

from rxdag.sinks._arrow import packed, unpacked
from rxdag.sinks._table_format import TableFormat
from rxdag.sinks._whole_file import WholeFile

_LENGTH_BYTES: Final = 8
_KEPT: Final = b"rxdag.part"
"""Entry in the file's metadata: the part file that its rows were kept in, by which a restored run knows the file."""


def keep(pa: Any, kept: WholeFile, table: Any) -> int:
    """Add a table, uncompressed, and return the number of bytes written."""
    data = packed(pa, table)
    kept.write(len(data).to_bytes(_LENGTH_BYTES, "big") + data)
    return _LENGTH_BYTES + len(data)


def write_kept(form: TableFormat, kept: WholeFile, schema: Any, file: WholeFile) -> None:
    """Write the kept tables into a file, oldest first, with the name of the part file that they were in."""
    marked = schema.with_metadata({**(schema.metadata or {}), _KEPT: kept.part_name.encode()})
    with file.explained(), form.writer(file.raw, marked) as writer:
        for table in _tables_in(form.pa, kept):
            file.raw.make_room()
            writer.write_table(table)


def _tables_in(pa: Any, kept: WholeFile) -> Iterator[Any]:
    with kept.explained(), kept.reopened() as file:
        while length := file.read(_LENGTH_BYTES):
            yield unpacked(pa, file.read(int.from_bytes(length, "big")))


def is_made_of(form: TableFormat, path: str | PathLike[str], part: str, rows: int) -> bool:
    """Return True if there is a file that is made of a part file and has this number of rows."""
    with contextlib.suppress(OSError, form.pa.ArrowInvalid):
        entries, found = form.read_foot(fspath(path))
        return entries.get(_KEPT) == part.encode() and found == rows
    return False
