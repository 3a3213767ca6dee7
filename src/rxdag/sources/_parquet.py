"""Parquet files, as columns."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import tzinfo
from itertools import accumulate, islice
from os import PathLike
from pathlib import Path
from typing import Any, Final, TypeVar, overload

from rxdag.contract import Reader, Shape, Source, SourceContext, checked_path, import_extra, nearest_file, zone_of
from rxdag.errors import SourceError
from rxdag.expressions import checks_itself
from rxdag.sources._batches import BatchesReader, after, fitting
from rxdag.sources._footer import check_footer, footer_of
from rxdag.sources._records import record_fields

T = TypeVar("T")

_BATCH_ROWS: Final = 1 << 16
_FIRST_ROWS: Final = 1 << 10
_END_BYTES: Final = 8
"""Length of the footer's length and the magic text that end a file."""
_BUFFER_BYTES: Final = 1 << 16
"""Bytes of each column read at a time; by default pyarrow reads the whole row group."""


class _ParquetReader(BatchesReader):
    def __init__(self, path: str, of: Any, zone: tzinfo | None, context: SourceContext) -> None:
        parquet = import_extra("pyarrow.parquet", "arrow", "parquet")
        self._file: Any = None
        where = f"parquet: {path}"
        if Path(path).is_dir() or not Path(path).exists():
            what = f'got the directory "{path}"' if Path(path).is_dir() else f'got "{path}"{nearest_file(path)}'
            raise SourceError(f"parquet: path must be a file, {what}")
        try:
            self._file = parquet.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER_BYTES)
        except Exception as error:
            raise SourceError(f"{where}: must be a Parquet file that is whole, got {error}") from error
        self._footer = footer_of(path, _END_BYTES)
        self._found: list[int] = []
        super().__init__(of, zone, where, context)

    def batches(self, first: int) -> Iterator[Any]:
        there, of = self._file.schema_arrow, self._of
        names = None if of is None else [name for name in there.names if name in record_fields(of, "parquet")]
        try:
            yield from fitting(self._grown(first, names), there, of, self._where)
        except OSError as error:
            raise SourceError(f"{self._where}: must be a Parquet file that is whole, got {error}") from error

    def _grown(self, first: int, names: list[str] | None) -> Iterator[Any]:
        """Yield the batches of the rows after so many; the first of a file is small, for a look at a few rows."""
        group, row = self._place(first)
        groups = range(group, self._file.num_row_groups)
        if not first and groups:
            for batch in islice(self._batches(_FIRST_ROWS, groups[:1], names), 1):
                yield batch
                row = batch.num_rows
        yield from after(self._batches(_BATCH_ROWS, groups, names), row)

    def _batches(self, rows: int, groups: range, names: list[str] | None) -> Iterator[Any]:
        # Threads for the columns of a small batch cost more CPU time than they decode.
        batches: Iterator[Any] = self._file.iter_batches(rows, row_groups=groups, columns=names, use_threads=False)
        return batches

    def n_rows(self) -> int:
        rows: int = self._file.metadata.num_rows
        return rows

    def _place(self, row: int) -> tuple[int, int]:
        """Return the row group of a row, and its number there; at the end, the number of groups and 0."""
        if not row:
            return 0, 0
        starts = self._starts()
        group = bisect_right(starts, row) - 1
        return group, row - starts[group]

    def _starts(self) -> list[int]:
        """Return the first row of each group, and the number of rows."""
        if not self._found:
            metadata = self._file.metadata
            sizes: list[int] = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
            self._found = [0, *accumulate(sizes)]
        return self._found

    def position(self) -> dict[str, Any]:
        group, row = self._place(self.row)
        return {"group": group, "row": row, "footer": self._footer}

    def seek(self, position: dict[str, Any]) -> None:
        check_footer(position["footer"], self._footer, self._where)
        group, row = int(position["group"]), int(position["row"])
        self.seek_row(self._starts()[group] + row, self._where)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


@dataclass(frozen=True)
class _Parquet(Source[T]):
    path: str
    of: Any
    shape: Shape = field(repr=False)
    zone: tzinfo | None = None
    label = "parquet"
    is_stored = True
    no_position = None

    @property
    def gives_columns(self) -> bool:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # some types are made item by item
        return not checks_itself(self.of)

    def open(self, context: SourceContext) -> Reader:
        return _ParquetReader(self.path, self.of, self.zone, context)


@overload
def parquet(path: str | PathLike[str], /, of: type[T], *, tz: str | tzinfo | None = None) -> Source[T]: ...
@overload
def parquet(path: str | PathLike[str], /, *, tz: str | tzinfo | None = None) -> Source[dict[str, Any]]: ...
def parquet(path: str | PathLike[str], /, of: Any = None, *, tz: str | tzinfo | None = None) -> Any:
    """Read a Parquet file as columns: one item per row. Needs the extra "arrow".

    The file is read in batches of 65,536 rows, the first of 1,024, and only the columns needed by the items. A row group
    is never held as a whole.

    Values are converted to the types of the fields: ints to float, times to datetime (in UTC, truncated to
    microseconds), dicts to records, texts to enumerations. A row is malformed if a value does not fit, such as a null
    in a field that is not `| None`, an int that no float represents, or a value beyond a limit of `msgspec.Meta`, or if
    `__post_init__` of the type rejects it. A malformed row ends the run, with column and row; with `from_source(...,
    on_error="dead")` it goes to port "dead" as a dict and the run continues. A column of the wrong type always ends the
    run, and so does a file without any of the fields. A field of type `np.datetime64` keeps times unchanged and is
    faster; a type with `__post_init__` is read row by row.

    Args:
        path: Path of the file.
        of: Type of the items, built from the fields by name; columns without a field are ignored. By default items are
            dicts.
        tz: Time zone of times without one, as pandas and polars write them by default: an IANA name such as
            "America/New_York", or a tzinfo. By default such times end the run. If a local time occurs twice, when
            clocks are set back, the first instant is used; one that does not exist, when they are set forward, ends the
            run. Times with a zone are read as they are.

    Raises:
        GraphError: If `of` is not a msgspec.Struct, dataclass, NamedTuple or TypedDict, or the zone is unknown.

    Example:
        >>> trades = rxdag.from_source(sources.parquet("trades.parquet", Trade))
    """
    if of is not None:
        record_fields(of, "parquet")
    return _Parquet[Any](checked_path(path, "parquet"), of, Shape(of), zone_of(tz, "parquet: tz"))
