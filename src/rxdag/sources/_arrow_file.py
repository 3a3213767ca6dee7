"""Files in Arrow's IPC format, as columns."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import tzinfo
from itertools import accumulate
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

_END_BYTES: Final = 10
"""Length of the footer's length and the magic text that end a file."""


class _ArrowFileReader(BatchesReader):
    def __init__(self, path: str, of: Any, zone: tzinfo | None, context: SourceContext) -> None:
        pa = import_extra("pyarrow", "arrow", "arrow_file")
        where = f"arrow_file: {path}"
        self._mapped: Any = None
        if Path(path).is_dir() or not Path(path).exists():
            what = f'got the directory "{path}"' if Path(path).is_dir() else f'got "{path}"{nearest_file(path)}'
            raise SourceError(f"arrow_file: path must be a file, {what}")
        try:
            self._mapped = pa.memory_map(path)
            self._file = pa.ipc.open_file(self._mapped)
            sizes = [self._file.get_batch(at).num_rows for at in range(self._file.num_record_batches)]
        except Exception as error:
            self.close()
            raise SourceError(f"{where}: must be a whole file in Arrow's IPC format, got {error}") from error
        self._starts: list[int] = [0, *accumulate(sizes)]
        """The first row of each batch, and the number of rows."""
        self._footer = footer_of(path, _END_BYTES)
        super().__init__(of, zone, where, context)

    def batches(self, first: int) -> Iterator[Any]:
        return fitting(self._from(first), self._file.schema, self._of, self._where)

    def _from(self, first: int) -> Iterator[Any]:
        at = bisect_right(self._starts, first) - 1
        batches = (self._file.get_batch(i) for i in range(at, self._file.num_record_batches))
        yield from after(batches, first - self._starts[at])

    def n_rows(self) -> int:
        return self._starts[-1]

    def position(self) -> dict[str, Any]:
        return {"row": self.row, "footer": self._footer}

    def seek(self, position: dict[str, Any]) -> None:
        check_footer(position["footer"], self._footer, self._where)
        self.seek_row(position["row"], self._where)

    def close(self) -> None:
        if self._mapped is not None:
            self._mapped.close()


@dataclass(frozen=True)
class _ArrowFile(Source[T]):
    path: str
    of: Any
    shape: Shape = field(repr=False)
    zone: tzinfo | None = None
    label = "arrow_file"
    is_stored = True
    no_position = None

    @property
    def gives_columns(self) -> bool:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # some types are made item by item
        return not checks_itself(self.of)

    def open(self, context: SourceContext) -> Reader:
        return _ArrowFileReader(self.path, self.of, self.zone, context)


@overload
def arrow_file(path: str | PathLike[str], /, of: type[T], *, tz: str | tzinfo | None = None) -> Source[T]: ...
@overload
def arrow_file(path: str | PathLike[str], /, *, tz: str | tzinfo | None = None) -> Source[dict[str, Any]]: ...
def arrow_file(path: str | PathLike[str], /, of: Any = None, *, tz: str | tzinfo | None = None) -> Any:
    """Read a file in Arrow's IPC format, also called Feather, as columns: one item per row. Needs the extra "arrow".

    The file is mapped into memory and read batch by batch.

    Args:
        path: Path of the file.
        of: Type of the items, built from the fields by name; columns without a field are ignored. By default items are
            dicts. Values are converted as in `sources.parquet`.
        tz: Time zone of times without one; see `sources.parquet`.

    Raises:
        GraphError: If `of` is not a msgspec.Struct, dataclass, NamedTuple or TypedDict, or the zone is unknown.

    Example:
        >>> trades = rxdag.from_source(sources.arrow_file("trades.arrow", Trade))
    """
    if of is not None:
        record_fields(of, "arrow_file")
    return _ArrowFile[Any](checked_path(path, "arrow_file"), of, Shape(of), zone_of(tz, "arrow_file: tz"))
