"""Files in Arrow's IPC format."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from typing import Any

from rxdag.contract import Sink
from rxdag.sinks._roll import RollBy
from rxdag.sinks._table_files import TableFiles, checked_tables
from rxdag.sinks._table_format import ArrowFormat


@dataclass(frozen=True)
class _ArrowFile(TableFiles):
    label = "arrow_file"
    form = ArrowFormat


def arrow_file(
    path: str | PathLike[str],
    /,
    *,
    schema: Any = None,
    roll: RollBy | None = None,
    append: bool = False,
    max_open: int = 200,
) -> Sink[object, int]:
    """Write a file in Arrow's IPC format, or numbered files; `result[sink]` is the number of rows.

    This needs the extra "arrow".

    The format is also called Feather. The file is not compressed, so readers can map it into memory. Columns, types,
    checkpoints and fields in the path are handled as in `sinks.parquet`.

    Args:
        path: Path of the file. Its directory is created if missing.
        schema: A pyarrow.Schema, as in `sinks.parquet`.
        roll: When a file is complete and the next one begins: "checkpoint", a size such as "100MB", or a duration such
            as "1h", as in `sinks.csv`.
        append: True to continue the numbering of existing files; requires numbered files.
        max_open: Maximum number of files open at once, as in `sinks.csv`.

    Raises:
        GraphError: If an argument is invalid, or `roll` is given for a device or FIFO.

    Example:
        >>> saved = rxdag.from_source(sources.iterable([{"a": 1}, {"a": 2}])).to(sinks.arrow_file("numbers.arrow"))
        >>> rxdag.run(saved)[saved]
        2
        >>> rxdag.from_source(sources.arrow_file("numbers.arrow")).collect()
        [{'a': 1}, {'a': 2}]
    """
    return _ArrowFile(*checked_tables(path, schema, roll, append, max_open, "arrow_file"))
