"""map_batch: whole runs of items in the hands of numpy, polars or pyarrow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeVar, overload

from rxdag.contract import (
    BadProgram,
    ColumnsEmit,
    ColumnsKernel,
    Emit,
    RowFailed,
    Shape,
    Unkeyed,
    check_function,
    import_extra,
)
from rxdag.errors import GraphError, shown
from rxdag.expressions import Expr, checks_itself, field_names

if TYPE_CHECKING:
    from rxdag.columns import Columns

B = TypeVar("B")

Format = Literal["numpy", "polars", "pyarrow"]
FORMATS: Final = ("numpy", "polars", "pyarrow")


class _BatchKernel(ColumnsKernel):
    passes = False

    def __init__(self, fn: Callable[[Any], Any], batch_format: Format, item_type: Any, of: Any) -> None:
        self._fn = fn
        self._format = batch_format
        self._item_type = item_type
        self._of = of

    def on_item(self, item: Any, emit: Emit[Any]) -> None:
        from rxdag.columns import Columns  # it loads numpy

        rows = self._applied(Columns.from_items([item], self._item_type)).rows()
        for row in rows:
            emit(row)
        emit.absorbed(1)

    def on_columns(self, columns: Columns, emit: ColumnsEmit) -> None:
        try:
            made = self._applied(columns)
        except Exception as error:
            raise self._first_failed(columns, error) from error
        emit.absorbed(len(columns))
        emit.made(made)

    def _first_failed(self, columns: Columns, error: Exception) -> RowFailed:
        """Return the first item on which the function fails if called with it alone."""
        # A single item has already been tried on its own.
        for index in range(len(columns) if len(columns) > 1 else 0):
            try:
                self._applied(columns[index : index + 1])
            except Exception as alone:
                return RowFailed(index, alone)
        return RowFailed(0, error)

    def _applied(self, columns: Columns) -> Columns:
        from rxdag.columns import Columns, typed  # they load numpy

        made = typed(self._called(columns), self._of)
        return Columns.of_objects(made.rows()) if checks_itself(self._of) else made

    def _called(self, columns: Columns) -> Columns:
        from rxdag.columns import (
            SCALAR,
            Columns,
            batch_of_columns,
            columns_of_batch,
            columns_of_frame,
            frame_of_columns,
        )

        if columns.names == SCALAR and field_names(self._item_type):  # items of several types that have these fields
            columns = Columns.from_items(columns.rows(), self._item_type)
        if self._format == "numpy":
            frame = self._fn(frame_of_columns(columns))
            _check_made(frame, "__len__", "a dict of arrays, or one array")
            return columns_of_frame(frame, self._of)
        pa = import_extra("pyarrow", "arrow", "map_batch")
        batch = batch_of_columns(pa, columns)
        if self._format == "pyarrow":
            made = self._fn(batch)
            _check_made(made, "schema", "a RecordBatch or a Table")
            return columns_of_batch(pa, made, self._of)
        polars = import_extra("polars", "polars", "map_batch")
        made = self._fn(polars.from_arrow(batch))
        _check_made(made, "to_arrow", "a DataFrame")
        return columns_of_batch(pa, made.to_arrow(), self._of)


def _check_made(made: Any, has: str, what: str) -> None:
    """Raise BadProgram if a function's result is not such a batch."""
    if not hasattr(made, has) or isinstance(made, str):
        raise BadProgram(f"map_batch: fn must return {what}, got {shown(made)}")


@dataclass(frozen=True)
class _MapBatch(Unkeyed[Any, Any]):
    fn: Callable[[Any], Any]
    batch_format: Format
    of: Any
    item_type: Any = None
    label = "map_batch"

    def bound(self, shape: Shape) -> Self:
        return replace(self, item_type=shape.item_type)

    def shape(self, shape: Shape) -> Shape:
        return Shape(self.of)

    def kernel(self) -> _BatchKernel:
        return _BatchKernel(self.fn, self.batch_format, self.item_type, self.of)


@overload
def map_batch(fn: Callable[[Any], Any], /, *, batch_format: Format = "numpy", of: type[B]) -> Unkeyed[Any, B]: ...
@overload
def map_batch(fn: Callable[[Any], Any], /, *, batch_format: Format = "numpy", of: None = None) -> Unkeyed[Any, Any]: ...
def map_batch(fn: Callable[[Any], Any], /, *, batch_format: Format = "numpy", of: Any = None) -> Any:
    """Pass batches of items to a function that uses numpy, polars or pyarrow.

    A batch holds the items at hand, from one to several thousand. The result for an item must therefore not depend on
    the other items of its batch. The function may return more rows than it received, or fewer.

    Emits: one item for each row that `fn` returns, without event time or key; add `event_time` behind it if needed.
    Drops: nothing; every item is counted as `absorbed`.
    Holds: nothing.
    Ends: when the source ends. Fails: if `fn` raises, subject to the node's `on_error`; `fn` is then called again with
        single items, to find the one at fault.
    Clock: none.

    Args:
        fn: A function of a batch that returns a batch of the same kind.
        batch_format: "numpy": a dict of arrays by field, with text as objects; a single array if the items are not
            records. "polars": a DataFrame. "pyarrow": takes a RecordBatch and returns a batch or table. The last two
            use a column "value" if the items are not records.
        of: Type of the emitted items, built from the columns by name; dicts by default. The item fails if the type
            lacks a column, if a value has the wrong type or exceeds a limit of `msgspec.Meta`, or if `__post_init__` of
            the type rejects the row.

    Raises:
        GraphError: If `fn` is not a function, or the format is unknown.

    Example:
        >>> feed(ops.map_batch(lambda batch: {"twice": batch["a"] * 2}), [{"a": 1}, {"a": 2}])
        [{'twice': 2}, {'twice': 4}]
    """
    if not callable(fn) or isinstance(fn, Expr):
        raise GraphError(f"map_batch: fn must be a function of a batch, got {shown(fn)}")
    check_function(fn, "map_batch: fn", "the batch", instead="")
    if batch_format not in FORMATS:
        raise GraphError(f"map_batch: batch_format must be {', '.join(FORMATS)}, got {shown(batch_format)}")
    return _MapBatch(fn, batch_format, of)
