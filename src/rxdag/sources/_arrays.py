"""Arrays: columns that are in memory already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, overload

from rxdag.contract import END, Chunk, Read, Reader, Shape, Source, SourceContext
from rxdag.errors import GraphError, shown
from rxdag.expressions import ITEM, checks_itself
from rxdag.sources._records import record_fields, required_fields
from rxdag.sources._sound import SoundRows

T = TypeVar("T")


class _ArraysReader(Reader):
    """Reads columns one run at a time.

    Args:
        parts: Yields the items in order, as columns or lists, without malformed rows.
        n: Number of rows.
    """

    def __init__(self, parts: Iterator[Any], n: int) -> None:
        self._parts = parts
        self._part: Any = ()
        self._at = 0
        self._n = n
        self._given = 0

    def read(self, max_items: int) -> Read:
        while self._at >= len(self._part):
            part = next(self._parts, None)
            if part is None:
                self._given = self._n
                return END
            self._part, self._at = part, 0
        at = self._at
        self._at = min(at + max_items, len(self._part))
        self._given += self._at - at
        return Chunk(self._part[at : self._at])

    def backlog(self) -> int:
        return self._n - self._given

    def progress(self) -> float:
        return self._given / max(1, self._n)


@dataclass(frozen=True)
class _Arrays(Source[T]):
    arrays: Mapping[str, Any] = field(repr=False)
    of: Any
    shape: Shape = field(repr=False)
    label = "arrays"
    knows_backlog = True
    is_stored = True

    @property
    def gives_columns(self) -> bool:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # some types are made item by item
        return not checks_itself(self.of)

    def open(self, context: SourceContext) -> Reader:
        from rxdag.columns import Columns, as_column  # they load numpy

        columns = {name: as_column(values) for name, values in self.arrays.items()}
        whole = Columns.from_columns(columns, self.of)[:]
        n = len(whole)
        if self.of is None:
            return _ArraysReader(iter((whole,)), n)
        sound = SoundRows(self.of, record_fields(self.of, "arrays"), "arrays", context)
        return _ArraysReader(sound.parts(columns, n, 0), n)


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
