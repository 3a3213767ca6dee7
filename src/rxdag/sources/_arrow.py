"""Arrow tables and Parquet files, as columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import tzinfo
from os import PathLike
from pathlib import Path
from typing import Any, Final, TypeVar, overload

from rxdag.contract import END, Chunk, Read, Reader, Shape, Source, SourceContext, checked_path, import_extra, zone_of
from rxdag.errors import GraphError, SourceError
from rxdag.sources._files import nearby
from rxdag.sources._iterable import Once
from rxdag.sources._records import check_columns, inner_type, record_fields

T = TypeVar("T")

_BATCH_ROWS: Final = 1 << 16


class _BatchesReader(Reader):
    """Reads record batches, run by run."""

    def __init__(self, batches: Iterator[Any], of: Any, zone: tzinfo | None, where: str) -> None:
        self._batches = batches
        self._of = of
        self._zone = zone
        self._where = where
        self._pa = import_extra("pyarrow", "arrow", where)
        self._columns: Any = None
        self._at = 0
        self.given = 0
        """Rows, so far."""

    def read(self, max_items: int) -> Read:
        while self._columns is None or self._at >= len(self._columns):
            batch = next(self._batches, None)
            if batch is None:
                return END
            self._columns, self._at = self._made(batch), 0
        at = self._at
        self._at = min(at + max_items, len(self._columns))
        self.given += self._at - at
        return Chunk(self._columns[at : self._at])

    def _made(self, batch: Any) -> Any:
        from rxdag.columns import Columns, column_of_arrow, fitted  # they load numpy

        pa, of, where = self._pa, self._of, self._where
        fields = None if of is None else record_fields(of, where)
        if fields is not None:
            batch = batch.select([name for name in fields if name in batch.schema.names])
        batch = _zoned(pa, batch, self._zone, where)
        made: dict[str, Any] = {}
        for at, name in enumerate(batch.schema.names):
            hint = Any if fields is None else fields[name]
            try:
                array = _checked(pa, batch.column(at), inner_type(hint))
                made[name] = fitted(column_of_arrow(pa, array), hint, first=self.given)
            except ValueError as error:
                raise SourceError(f'{where}: column "{name}" {error}') from error
        columns = Columns.from_columns(made, of)
        columns.n = batch.num_rows
        return columns[:]


def _zoned(pa: Any, batch: Any, zone: tzinfo | None, where: str) -> Any:
    """The columns, those with times without a zone as instants of it.

    Raises:
        SourceError: If there are such times and no zone, or one of them is no local time.
    """
    from rxdag.columns import has_naive_times, utc_of  # they load numpy

    for at, (name, kind) in enumerate(zip(batch.schema.names, batch.schema.types, strict=True)):
        if not has_naive_times(pa.types, kind):
            continue
        if zone is None:
            raise SourceError(
                f'{where}: column "{name}" must have times with a zone, got {kind}; say tz= of the source, as tz="UTC"'
            )
        array = batch.column(at)
        if isinstance(array, pa.ChunkedArray):
            array = array.combine_chunks()
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        if not pa.types.is_timestamp(array.type):
            raise SourceError(
                f'{where}: column "{name}" must have times with a zone inside of {kind}; tz= is for plain columns'
            )
        local = array.to_numpy(zero_copy_only=False)
        try:
            instants = utc_of(local, zone)
        except ValueError as error:
            raise SourceError(f'{where}: column "{name}": {error}') from None
        made = pa.array(instants, pa.timestamp(array.type.unit, "UTC"), mask=instants != instants)
        batch = batch.set_column(at, name, made)
    return batch


def _checked(pa: Any, array: Any, hint: Any) -> Any:
    """Return a column of arrow's, if it is of the type of its field.

    Raises:
        ValueError: If it is not.
    """
    types, kind = pa.types, array.type
    value_type = kind.value_type if types.is_dictionary(kind) else kind
    fits = {
        int: types.is_integer(value_type),
        float: types.is_floating(value_type) or types.is_integer(kind),
        bool: types.is_boolean(value_type),
        str: types.is_string(value_type) or types.is_large_string(value_type) or str(value_type) == "string_view",
    }
    if hint in fits and not fits[hint] and not types.is_null(kind):
        raise ValueError(f"must be {hint.__name__}, got {kind}; cast it, or declare the field otherwise")
    return array


def _fitting(batches: Iterable[Any], schema: Any, of: Any, where: str) -> Iterator[Any]:
    """Yield batches, if their columns are those of a type."""
    if of is not None:
        check_columns(of, schema.names, lambda what: SourceError(f"{where}: {what}"))
    yield from batches


@dataclass(frozen=True)
class _Arrow(Source[T]):
    data: Any = field(repr=False)
    of: Any
    shape: Shape = field(repr=False)
    once: Once = field(default_factory=lambda: Once(), repr=False, compare=False)
    zone: tzinfo | None = None
    label = "arrow"
    gives_columns = True

    @property
    def is_stored(self) -> bool:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # a stream gives its batches once
        return not hasattr(self.data, "read_next_batch")

    def open(self, context: SourceContext) -> Reader:
        pa = import_extra("pyarrow", "arrow", "arrow")
        data = self.data
        if isinstance(data, pa.RecordBatchReader):
            self.once.use("arrow: a RecordBatchReader", "a table, or make a graph for each run")
        elif not isinstance(data, pa.Table | pa.RecordBatch):
            data = pa.table(data)
        batches = (
            data.to_batches() if isinstance(data, pa.Table) else [data] if isinstance(data, pa.RecordBatch) else data
        )
        return _BatchesReader(_fitting(batches, data.schema, self.of, "arrow"), self.of, self.zone, "arrow")


@overload
def arrow(data: Any, of: type[T], /, *, tz: str | tzinfo | None = None) -> Source[T]: ...
@overload
def arrow(data: Any, /, *, tz: str | tzinfo | None = None) -> Source[dict[str, Any]]: ...
def arrow(data: Any, of: Any = None, /, *, tz: str | tzinfo | None = None) -> Any:
    """Read an Arrow table as columns: one item for each row. Needs the extra "arrow".

    Args:
        data: A pyarrow Table, RecordBatch or RecordBatchReader, or whatever speaks Arrow's C stream interface, as a
            polars DataFrame does. A RecordBatchReader can be read by one run only.
        of: Type of the items, made of the fields by name; columns that it does not have are left out. By default
            items are dicts. Values are read as `sources.parquet` reads them.
        tz: What times without a zone are; see `sources.parquet`.

    Raises:
        GraphError: If `data` is none of these, or there is no such zone.

    Example:
        >>> import pyarrow
        >>> table = pyarrow.table({"bid": [1.0, 2.0], "ask": [1.5, 2.5]})
        >>> rxdag.from_source(sources.arrow(table)).pipe(ops.map(col.ask - col.bid)).collect()
        [0.5, 0.5]
    """
    if not hasattr(data, "__arrow_c_stream__") and not hasattr(data, "__arrow_c_array__"):
        raise GraphError(f"arrow: takes an Arrow table, batch or stream, got {type(data).__name__}")
    if of is not None:
        record_fields(of, "arrow")
    return _Arrow[Any](data, of, Shape(of), zone=zone_of(tz, "arrow: tz"))


class _ParquetReader(_BatchesReader):
    def __init__(self, path: str, of: Any, zone: tzinfo | None) -> None:
        parquet = import_extra("pyarrow.parquet", "arrow", "parquet")
        self._file: Any = None
        where = f"parquet: {path}"
        if Path(path).is_dir() or not Path(path).exists():
            what = f'got the directory "{path}"' if Path(path).is_dir() else f'got "{path}"{nearby(Path(path))}'
            raise SourceError(f"parquet: path must be a file, {what}")
        try:
            self._file = parquet.ParquetFile(path)
        except Exception as error:
            raise SourceError(f"{where}: must be a Parquet file that is whole, got {error}") from error
        super().__init__(self._read(where, of), of, zone, where)

    def _read(self, where: str, of: Any) -> Iterator[Any]:
        there = self._file.schema_arrow
        names = None if of is None else [name for name in there.names if name in record_fields(of, "parquet")]
        batches = self._file.iter_batches(batch_size=_BATCH_ROWS, columns=names)
        try:
            yield from _fitting(batches, there, of, where)
        except OSError as error:
            raise SourceError(f"{where}: must be a Parquet file that is whole, got {error}") from error

    def progress(self) -> float | None:
        return None if self._file is None else min(1.0, self.given / max(1, self._file.metadata.num_rows))

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
    gives_columns = True
    is_stored = True

    def open(self, context: SourceContext) -> Reader:
        return _ParquetReader(self.path, self.of, self.zone)


@overload
def parquet(path: str | PathLike[str], of: type[T], /, *, tz: str | tzinfo | None = None) -> Source[T]: ...
@overload
def parquet(path: str | PathLike[str], /, *, tz: str | tzinfo | None = None) -> Source[dict[str, Any]]: ...
def parquet(path: str | PathLike[str], of: Any = None, /, *, tz: str | tzinfo | None = None) -> Any:
    """Read a Parquet file as columns: one item for each row. Needs the extra "arrow".

    It is read in batches of 65,536 rows, and only the columns that the items have.

    Args:
        path: Of the file.
        of: Type of the items, made of the fields by name; columns that it does not have are left out. By default
            items are dicts. Ints are read into a field that is a float, times into one that is a datetime (in UTC; what is
            below the microsecond is cut off), dicts into one that is a record, and texts into an enumeration. Any other
            difference ends the run, as a null in a field that is not `| None`, or no column for any of the fields. A
            field `np.datetime64` keeps the times as they are, and is faster.
        tz: What times without a zone are, as pandas and polars write them by default: the IANA name of a zone, as
            "America/New_York", or a tzinfo. Without it they end the run. Of a local time that occurs twice, when clocks
            are set back, the first instant is taken; one that does not occur, when they are set forward, ends the run.
            Times with a zone are the instants that they are.

    Raises:
        GraphError: If `of` is no msgspec.Struct, dataclass, NamedTuple or TypedDict, or there is no such zone.

    Example:
        >>> trades = rxdag.from_source(sources.parquet("trades.parquet", Trade))
    """
    if of is not None:
        record_fields(of, "parquet")
    return _Parquet[Any](checked_path(path, "parquet"), of, Shape(of), zone_of(tz, "parquet: tz"))
