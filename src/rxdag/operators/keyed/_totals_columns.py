"""Count, sum, min and max over columns, a run of items at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from rxdag.columns import Array, Column, Columns, Value, bounds_of, values_of
from rxdag.contract import ColumnsEmit, RowFailed
from rxdag.expressions import FieldReader
from rxdag.operators.keyed._expiring import ABSENT
from rxdag.operators.keyed._fold_kernel import FoldKernel

_INT64: Final = np.iinfo(np.int64)


class TotalColumnsKernel(FoldKernel):
    """A total of a field.

    Args:
        name: Kind of total: "count", "sum", "min" or "max".
        initial: Total before the first item.
        step: Adds one value to the total.
        field: Its reader.
    """

    node = None
    gives_columns = False

    def __init__(self, name: str, initial: Any, step: Callable[[Any, Any], Any], field: FieldReader) -> None:
        super().__init__(initial, step)
        self._field = field
        self._whole: Callable[[Value], tuple[Any] | None] = {"sum": self._sum, "min": self._min, "max": self._max}.get(
            name, _no_value
        )
        self._counts = name == "count"

    def on_columns(self, columns: Columns, emit: ColumnsEmit) -> None:
        self.value = self.value + columns.n if self._counts else self._with(columns)
        self.n += columns.n
        if columns.ts is None:
            if self.ts <= 0:
                self.ts, self.sequence = 0, 0
            return
        most = int(columns.ts.max())
        if most >= self.ts:
            last = columns.n - 1 - int(np.argmax(columns.ts[::-1]))
            self.ts = most
            self.sequence = 0 if columns.sequence is None else columns.sequence[last : last + 1].tolist()[0]

    def _with(self, columns: Columns) -> Any:
        """Return the total with the values of a run; nothing has changed if one of them fails."""
        value = columns.measured(self._field)
        column: Column = value[0]
        if isinstance(column, np.ndarray) and column.dtype.kind in "if":
            whole = self._whole(value)
            if whole is not None:
                return whole[0]
        total = self.value
        for index, value in enumerate(values_of(column)):
            try:
                total = self.fn(total, value)
            except Exception as error:
                raise RowFailed(index, error) from error
        return total

    def _sum(self, value: Value) -> tuple[Any] | None:
        """Return the sum as Python adds it up, one after the other; None if that takes Python's numbers."""
        column, low, high = value
        if column.dtype.kind == "i":
            if type(self.value) is not int or not (_fits(column, low, high) or _fits(column, *bounds_of(column))):
                return None
            return (self.value + int(column.sum()),)
        if type(self.value) not in (int, float) or abs(self.value) > _INT64.max:
            return None
        sums = column.copy()
        sums[0] += float(self.value)
        return (np.add.accumulate(sums, out=sums)[-1].item(),)

    def _min(self, value: Value) -> tuple[Any] | None:
        return self._ranked(value[0], np.argmin)

    def _max(self, value: Value) -> tuple[Any] | None:
        return self._ranked(value[0], np.argmax)

    def _ranked(self, column: Array, place_of: Callable[[Array], Any]) -> tuple[Any] | None:
        """Return the first of the least or greatest; None if there is a NaN, or another type, which the step may refuse."""
        best = column[int(place_of(column))].item()
        has_order = self.value is ABSENT or type(self.value) in (int, float)
        return (self.fn(self.value, best),) if has_order and best == best else None


def _fits(column: Array, low: int, high: int) -> bool:
    """Return whether the sum of ints within bounds fits into an int64."""
    return max(abs(low), abs(high)) * len(column) <= _INT64.max


def _no_value(_: Value) -> None:
    return None
