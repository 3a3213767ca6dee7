"""Parquet files."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from typing import Any

from rxdag.contract import Sink
from rxdag.sinks._roll import RollBy
from rxdag.sinks._table_files import TableFiles, checked_tables
from rxdag.sinks._table_format import ParquetFormat


@dataclass(frozen=True)
class _Parquet(TableFiles):
    label = "parquet"
    form = ParquetFormat


def parquet(
    path: str | PathLike[str],
    /,
    *,
    schema: Any = None,
    roll: RollBy | None = None,
    append: bool = False,
    max_open: int = 200,
) -> Sink[object, int]:
    """Write a Parquet file, or numbered files; `result[sink]` is the number of rows.

    This needs the extra "arrow".

    A record gives its fields, a pane its key, start, end, value, revision and closed_by; any other item a column
    "value". Conflicting names of panes get prefixes, as in `sinks.csv`. Columns and types are those of the first 65,536
    items: a field that an item lacks is null, and an additional field fails the run. The file appears only when the run
    has succeeded; a failed or cancelled run leaves the old file in place. Links, modes, devices and FIFOs are handled as
    in `sinks.csv`.

    In a run with checkpoints, rows wait uncompressed in a file beside it, and the Parquet file is made of them at the
    end. Each checkpoint holds the rows since the last full row group, up to 65,535.

    With `roll=`, "bars.parquet" gives the files bars-000001.parquet, bars-000002.parquet, ..., as in `sinks.csv`. All have
    the same columns and types. With a size, a file ends with the row group that reaches the size.

    Fields of the items and the event time in braces divide the rows among numbered files, as in `sinks.csv`:
    polars and pyarrow read "out/symbol={symbol}/date={date}/trades.parquet" as a partitioned dataset. The files contain all
    fields, including those in the path. Up to 65,535 rows of each open file are held in memory and in each checkpoint.

    Args:
        path: Path of the file. Its directory is created if missing.
        schema: A pyarrow.Schema, for cases in which the first items are not enough. It must have all fields of the
            items.
        roll: When a file is complete and the next one begins: "checkpoint", a size such as "100MB" of rows before
            compression, or a duration such as "1h", as in `sinks.csv`.
        append: True to continue the numbering of existing files; requires numbered files.
        max_open: Maximum number of files open at once, as in `sinks.csv`.

    Raises:
        GraphError: If an argument is invalid, or `roll` is given for a device or FIFO.

    Example:
        >>> saved = rxdag.from_source(sources.iterable([{"a": 1}, {"a": 2}])).to(sinks.parquet("numbers.parquet"))
        >>> rxdag.run(saved)[saved]
        2
    """
    return _Parquet(*checked_tables(path, schema, roll, append, max_open, "parquet"))
