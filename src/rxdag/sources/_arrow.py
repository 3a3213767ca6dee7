"""Arrow tables and Parquet files, as columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import tzinfo
from os import PathLike
from pathlib import Path
from typing import Any, Final, TypeVar, overload

from rxdag.contract import (
    END,
    Chunk,
    Read,
    Reader,
    Shape,
    Source,
    SourceContext,
    checked_path,
    import_extra,
    nearest_file,
    zone_of,
)
from rxdag.errors import GraphError, SourceError
from rxdag.expressions import checks_itself, kinds_in
from rxdag.sources._iterable import Once
from rxdag.sources._records import check_columns, record_fields
from rxdag.sources._sound import SoundRows

T = TypeVar("T")

_BATCH_ROWS: Final = 1 << 16


class _BatchesReader(Reader):
    """Reads record batches, run by run."""

    def __init__(
        self, batches: Iterator[Any], of: Any, zone: tzinfo | None, where: str, context: SourceContext
    ) -> None:
        self._batches = batches
        self._of = of
        self._zone = zone
        self._where = where
        self._context = context
        self._pa = import_extra("pyarrow", "arrow", where)
        self._parts = self._made()
        self._part: Any = ()
        self._at = 0
        self.taken = 0
        """Number of rows in the batches so far."""

    def read(self, max_items: int) -> Read:
        while self._at >= len(self._part):
            part = next(self._parts, None)
            if part is None:
                return END
            self._part, self._at = part, 0
        at = self._at
        self._at = min(at + max_items, len(self._part))
        return Chunk(self._part[at : self._at])

    def _made(self) -> Iterator[Any]:
        from rxdag.columns import Columns, column_of_arrow  # they load numpy

        pa, of, where = self._pa, self._of, self._where
        fields = None if of is None else record_fields(of, where)
        for given in self._batches:
            batch = given
            if fields is not None:
                batch = batch.select([name for name in fields if name in batch.schema.names])
            batch = _zoned(pa, batch, self._zone, where)
            columns: dict[str, Any] = {}
            for at, name in enumerate(batch.schema.names):
                try:
                    array = batch.column(at) if fields is None else _checked(pa, batch.column(at), fields[name])
                    columns[name] = column_of_arrow(pa, array)
                except ValueError as error:
                    raise SourceError(f'{where}: column "{name}" {error}') from error
            first, self.taken = self.taken, self.taken + batch.num_rows
            if fields is None:
                whole = Columns.from_columns(columns, of)
                whole.n = batch.num_rows
                yield whole[:]
            else:
                yield from SoundRows(of, fields, where, self._context).parts(columns, batch.num_rows, first)


def _zoned(pa: Any, batch: Any, zone: tzinfo | None, where: str) -> Any:
    """Return the columns, with naive times interpreted in the zone.

    Raises:
        SourceError: If there are naive times but no zone, or a time does not exist in the zone.
    """
    from rxdag.columns import has_naive_times, utc_of  # they load numpy

    for at, (name, kind) in enumerate(zip(batch.schema.names, batch.schema.types, strict=True)):
        if not has_naive_times(pa.types, kind):
            continue
        if zone is None:
            raise SourceError(
                f'{where}: column "{name}" must have times with a zone, got {kind}; pass tz= to the source, such as '
                'tz="UTC"'
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
    """Return an Arrow column if it has the type of its field.

    Raises:
        ValueError: If it has another type.
    """
    types, kind = pa.types, array.type
    value_type = kind.value_type if types.is_dictionary(kind) else kind
    hint, *others = [each for each in kinds_in(hint) if each is not type(None)] or [Any]
    fits = {
        int: types.is_integer(value_type),
        float: types.is_floating(value_type) or types.is_integer(kind),
        bool: types.is_boolean(value_type),
        str: types.is_string(value_type) or types.is_large_string(value_type) or str(value_type) == "string_view",
    }
    if not others and hint in fits and not fits[hint] and not types.is_null(kind):
        raise ValueError(f"must be {hint.__name__}, got {kind}; cast it, or declare the field with another type")
    return array


def _fitting(batches: Iterable[Any], schema: Any, of: Any, where: str) -> Iterator[Any]:
    """Yield batches, if their columns are those of a type; without one, if each has a name of its own."""
    twice = [name for name in dict.fromkeys(schema.names) if schema.names.count(name) > 1]
    if of is None and twice:
        raise SourceError(
            f"{where}: columns must have names of their own, got several called {', '.join(twice)}; rename them, or "
            "pass a type without such a field"
        )
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

    @property
    def gives_columns(self) -> bool:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # some types are made item by item
        return not checks_itself(self.of)

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
        fitting = _fitting(batches, data.schema, self.of, "arrow")
        return _BatchesReader(fitting, self.of, self.zone, "arrow", context)


@overload
def arrow(data: Any, /, of: type[T], *, tz: str | tzinfo | None = None) -> Source[T]: ...
@overload
def arrow(data: Any, /, *, tz: str | tzinfo | None = None) -> Source[dict[str, Any]]: ...
def arrow(data: Any, /, of: Any = None, *, tz: str | tzinfo | None = None) -> Any:
    """Read an Arrow table as columns: one item per row. Needs the extra "arrow".

    Args:
        data: A pyarrow Table, RecordBatch or RecordBatchReader, or any object with Arrow's C stream interface, such as
            a polars DataFrame. A RecordBatchReader can be read by one run only.
        of: Type of the items, built from the fields by name; columns without a field are ignored. By default items are
            dicts. Values are converted as in `sources.parquet`.
        tz: Time zone of times without one; see `sources.parquet`.

    Raises:
        GraphError: If `data` is none of these, or the zone is unknown.

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
    def __init__(self, path: str, of: Any, zone: tzinfo | None, context: SourceContext) -> None:
        parquet = import_extra("pyarrow.parquet", "arrow", "parquet")
        self._file: Any = None
        where = f"parquet: {path}"
        if Path(path).is_dir() or not Path(path).exists():
            what = f'got the directory "{path}"' if Path(path).is_dir() else f'got "{path}"{nearest_file(path)}'
            raise SourceError(f"parquet: path must be a file, {what}")
        try:
            self._file = parquet.ParquetFile(path)
        except Exception as error:
            raise SourceError(f"{where}: must be a Parquet file that is whole, got {error}") from error
        super().__init__(self._read(where, of), of, zone, where, context)

    def _read(self, where: str, of: Any) -> Iterator[Any]:
        there = self._file.schema_arrow
        names = None if of is None else [name for name in there.names if name in record_fields(of, "parquet")]
        batches = self._file.iter_batches(batch_size=_BATCH_ROWS, columns=names)
        try:
            yield from _fitting(batches, there, of, where)
        except OSError as error:
            raise SourceError(f"{where}: must be a Parquet file that is whole, got {error}") from error

    def progress(self) -> float | None:
        if self._file is None:
            return None
        rows: int = self._file.metadata.num_rows
        return min(1.0, (self.taken - len(self._part) + self._at) / max(1, rows))

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

    The file is read in batches of 65,536 rows, and only the columns needed by the items.

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
