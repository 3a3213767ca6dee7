"""Arrays: columns that are in memory already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, overload

from rxdag.contract import END, Chunk, Read, Reader, Shape, Source, SourceContext
from rxdag.errors import GraphError, SourceError, shown
from rxdag.expressions import ITEM
from rxdag.sources._records import record_fields, required_fields

T = TypeVar("T")


class ColumnsReader(Reader):
    """Reads columns, run by run.

    Args:
        columns: What is there: `rxdag.columns.Columns`.
    """

    def __init__(self, columns: Any) -> None:
        self._columns = columns
        self._at = 0

    def read(self, max_items: int) -> Read:
        at, n = self._at, len(self._columns)
        if at >= n:
            return END
        self._at = min(at + max_items, n)
        return Chunk(self._columns[at : self._at])

    def backlog(self) -> int:
        return len(self._columns) - self._at

    def progress(self) -> float:
        return self._at / max(1, len(self._columns))


@dataclass(frozen=True)
class _Arrays(Source[T]):
    arrays: Mapping[str, Any] = field(repr=False)
    of: Any
    shape: Shape = field(repr=False)
    label = "arrays"
    knows_backlog = True
    gives_columns = True
    is_stored = True

    def open(self, context: SourceContext) -> Reader:
        from rxdag.columns import Columns, as_column, fitted  # they load numpy

        columns = {name: as_column(values) for name, values in self.arrays.items()}
        for name, hint in () if self.of is None else record_fields(self.of, "arrays").items():
            try:
                if name in columns:
                    columns[name] = fitted(columns[name], hint)
            except ValueError as error:
                raise SourceError(f'arrays: column "{name}" {error}') from None
        return ColumnsReader(Columns.from_columns(columns, self.of)[:])


@overload
def arrays(columns: Mapping[str, Any], of: type[T], /) -> Source[T]: ...
@overload
def arrays(columns: Mapping[str, Any], /) -> Source[dict[str, Any]]: ...
@overload
def arrays(columns: Any, /) -> Source[Any]: ...
def arrays(columns: Any, of: Any = None, /) -> Any:
    """Read arrays as columns: one item for each row.

    What is given is not copied, and must not change while a run reads it. Operators with expressions work on the
    arrays themselves; for any other, items are made of them.

    Args:
        columns: Arrays or lists of equal length, by field; or one alone, whose values are the items. Integers are
            read as int64, floats as float64, text is dictionary-coded; None stands for null in a list.
        of: Type of the items, made of the fields by name: a msgspec.Struct, dataclass, NamedTuple or TypedDict. By
            default they are dicts. Values are read as `sources.parquet` reads them.

    Raises:
        GraphError: If lengths differ, or the type lacks a field that is given, or needs one that is not.
        SourceError: When it is opened, if a value is not of the type of its field.

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
    """An array or list, of values and not of rows."""
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
        raise GraphError(
            f"{where}: there must be a column for each field of {of.__name__}, {', '.join(missing)} is not"
        )
