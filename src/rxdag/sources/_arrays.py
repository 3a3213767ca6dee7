"""Arrays: columns that are in memory already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, overload

from rxdag.contract import Reader, Shape, Source, SourceContext
from rxdag.errors import GraphError, shown
from rxdag.expressions import ITEM, checks_itself
from rxdag.sources._records import record_fields, required_fields
from rxdag.sources._rows import RowsReader
from rxdag.sources._sound import SoundRows

if TYPE_CHECKING:
    from rxdag.columns import Column

T = TypeVar("T")


class _ArraysReader(RowsReader):
    """Reads columns, one run of good rows at a time.

    Args:
        columns: The values, by field.
        of: Type of the items.
        context: Context of the source.
    """

    def __init__(self, columns: dict[str, Column], of: Any, context: SourceContext) -> None:
        from rxdag.columns import Columns  # it loads numpy

        super().__init__()
        self._columns = columns
        self._of = of
        self._context = context
        self._whole = Columns.from_columns(columns, of)[:]

    def parts(self, first: int) -> Iterator[tuple[int, Any]]:
        n = self.n_rows()
        if self._of is None:
            return iter(((first, self._whole[first:]),))
        sound = SoundRows(self._of, record_fields(self._of, "arrays"), "arrays", self._context)
        return sound.parts({name: column[first:] for name, column in self._columns.items()}, n - first, first)

    def n_rows(self) -> int:
        return len(self._whole)

    def position(self) -> int:
        return self.row

    def seek(self, position: int) -> None:
        self.seek_row(position, "arrays")

    def backlog(self) -> int:
        return self.n_rows() - self.row


@dataclass(frozen=True)
class _Arrays(Source[T]):
    arrays: Mapping[str, Any] = field(repr=False)
    of: Any
    shape: Shape = field(repr=False)
    label = "arrays"
    knows_backlog = True
    is_stored = True
    no_position = None

    @property
    def gives_columns(self) -> bool:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # some types are made item by item
        return not checks_itself(self.of)

    def open(self, context: SourceContext) -> Reader:
        from rxdag.columns import as_column  # it loads numpy

        columns = {name: as_column(values) for name, values in self.arrays.items()}
        return _ArraysReader(columns, self.of, context)


@overload
def arrays(columns: Mapping[str, Any], /, of: type[T]) -> Source[T]: ...
@overload
def arrays(columns: Mapping[str, Any], /) -> Source[dict[str, Any]]: ...
@overload
def arrays(columns: Any, /) -> Source[Any]: ...
def arrays(columns: Any, /, of: Any = None) -> Any:
    """Read arrays as columns: one item per row.

    The arrays are not copied and must not change while a run reads them. Operators with expressions work on the arrays
    themselves; for all others, rows are converted to items.

    Args:
        columns: Arrays or lists of equal length, by field; or a single one, whose values are the items. Integers are
            read as int64, floats as float64, text is dictionary-coded; None stands for null in a list.
        of: Type of the items, built from the fields by name: a msgspec.Struct, dataclass, NamedTuple or TypedDict. By
            default items are dicts. Values are converted as in `sources.parquet`; a datetime must have a zone.

    Raises:
        GraphError: If lengths differ, a given field is missing in the type, or a required field is not given.
        SourceError: While reading, if a value does not have the type of its field, unless `on_error` says otherwise.

    Example:
        >>> import numpy as np
        >>> quotes = rxdag.from_source(sources.arrays({"bid": np.array([1.0, 2.0]), "ask": np.array([1.5, 2.5])}))
        >>> quotes.pipe(ops.map(col.ask - col.bid)).collect()
        [0.5, 0.5]
    """
    if not isinstance(columns, Mapping):
        if of is not None:
            raise GraphError("arrays: items of a type need arrays by field, got one without a name")
        return _Arrays[Any]({ITEM: _one_dimension("the one", columns)}, None, Shape())
    named: dict[str, Any] = {str(name): values for name, values in columns.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]  # of whatever
    if not named:
        raise GraphError("arrays: must have one column or more, got none")
    lengths = {name: len(_one_dimension(f'column "{name}"', values)) for name, values in named.items()}
    if len(set(lengths.values())) > 1:
        raise GraphError(
            f"arrays: columns must be of equal length, got {', '.join(f'{name} of {n:,}' for name, n in lengths.items())}"
        )
    if of is not None:
        check_fields(of, tuple(named), "arrays")
    return _Arrays[Any](named, of, Shape(of))


def _one_dimension(what: str, values: Any) -> Any:
    """Return an array or a list of values, not of rows."""
    is_text = isinstance(values, str | bytes)
    if is_text or not hasattr(values, "__len__") or getattr(values, "ndim", 1) != 1:
        size: Any = getattr(values, "shape", None)
        given = shown(values) if size is None else f"one of shape {size}"
        raise GraphError(f"arrays: {what} must be an array or a list of values, got {given}")
    return values


def check_fields(of: Any, names: tuple[str, ...], where: str) -> None:
    """Raise GraphError if a type of records does not go with the columns that there are."""
    fields = record_fields(of, where)
    unknown = [name for name in names if name not in fields]
    if unknown:
        raise GraphError(f"{where}: {of.__name__} must have a field for each column, lacks {', '.join(unknown)}")
    missing = [name for name in fields if name in required_fields(of) and name not in names]
    if missing:
        raise GraphError(f"{where}: each field of {of.__name__} must have a column, got none for {', '.join(missing)}")
