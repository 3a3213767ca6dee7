"""Arrow tables, as columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any, TypeVar, overload

from rxdag.contract import Reader, Shape, Source, SourceContext, import_extra, zone_of
from rxdag.errors import GraphError
from rxdag.expressions import checks_itself
from rxdag.sources._batches import BatchesReader, after, fitting
from rxdag.sources._iterable import Once
from rxdag.sources._records import record_fields

T = TypeVar("T")


class _StreamReader(BatchesReader):
    """Reads the batches of a stream, which come once."""

    def __init__(self, stream: Any, of: Any, zone: tzinfo | None, context: SourceContext) -> None:
        super().__init__(of, zone, "arrow", context)
        self._stream = stream

    def batches(self, first: int) -> Iterator[Any]:
        return fitting(self._stream, self._stream.schema, self._of, self._where)

    def progress(self) -> None:
        """Return None: the number of rows is not known."""


class _TableReader(BatchesReader):
    def __init__(self, table: Any, of: Any, zone: tzinfo | None, context: SourceContext) -> None:
        super().__init__(of, zone, "arrow", context)
        self._table = table

    def batches(self, first: int) -> Iterator[Any]:
        return after(fitting(self._table.to_batches(), self._table.schema, self._of, self._where), first)

    def n_rows(self) -> int:
        rows: int = self._table.num_rows
        return rows

    def position(self) -> int:
        return self.row

    def seek(self, position: int) -> None:
        self.seek_row(position, "arrow")


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

    @property
    def no_position(self) -> str | None:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # as above
        return None if self.is_stored else "a RecordBatchReader can be read once only; pass a table"

    def open(self, context: SourceContext) -> Reader:
        pa = import_extra("pyarrow", "arrow", "arrow")
        data = self.data
        if isinstance(data, pa.RecordBatchReader):
            self.once.use("arrow: a RecordBatchReader", "a table, or make a graph for each run")
            return _StreamReader(data, self.of, self.zone, context)
        if isinstance(data, pa.RecordBatch):
            data = pa.Table.from_batches([data])
        table = data if isinstance(data, pa.Table) else pa.table(data)
        return _TableReader(table, self.of, self.zone, context)


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
