"""Kept tables: rows that wait in a part file until a Parquet file, which cannot be continued, is made of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from os import PathLike
from typing import Any, Final

from rxdag.contract import import_extra
from rxdag.sinks._arrow import packed, unpacked
from rxdag.sinks._whole_file import WholeFile

_LENGTH_BYTES: Final = 8
_KEPT: Final = "rxdag.part"
"""Entry in the file's metadata: the part file that its rows were kept in, by which a restored run knows the file."""


def keep(pa: Any, kept: WholeFile, table: Any) -> int:
    """Add a table, uncompressed, and return the number of bytes written."""
    data = packed(pa, table)
    kept.write(len(data).to_bytes(_LENGTH_BYTES, "big") + data)
    return _LENGTH_BYTES + len(data)


def tables_in(pa: Any, kept: WholeFile) -> Iterator[Any]:
    """Yield the tables, oldest first."""
    with kept.explained(), kept.reopened() as file:
        while length := file.read(_LENGTH_BYTES):
            yield unpacked(pa, file.read(int.from_bytes(length, "big")))


def mark_made_of(writer: Any, kept: WholeFile) -> None:
    """Note in a Parquet file that it is made of a part file."""
    writer.add_key_value_metadata({_KEPT: kept.part_name})


def is_made_of(path: str | PathLike[str], part: str, rows: int) -> bool:
    """Return True if there is a Parquet file that is made of a part file and has this number of rows."""
    pa, parquet = import_extra("pyarrow", "arrow", "parquet"), import_extra("pyarrow.parquet", "arrow", "parquet")
    with contextlib.suppress(OSError, pa.ArrowInvalid):
        found = parquet.read_metadata(path)
        entries: dict[bytes, bytes] = found.metadata or {}
        return entries.get(_KEPT.encode()) == part.encode() and int(found.num_rows) == rows
    return False
