"""Count, sum, min and max over columns, a run of items at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from rxdag.columns import Array, Columns, values_of
from rxdag.contract import ColumnsEmit, RowFailed
from rxdag.expressions import FieldReader
from rxdag.operators.keyed._fold_kernel import FoldKernel

_INT64: Final = np.iinfo(np.int64)


class TotalColumnsKernel(FoldKernel):
    """A total of a field.

    Args:
        name: Kind of total: "count", "sum", "min" or "max".
        initial: Total before the first item.
        step: Adds one value to the total.
        value_of: Reader of the field.
    """

    node = None
    gives_columns = False

    def __init__(self, name: str, initial: Any, step: Callable[[Any, Any], Any], value_of: FieldReader) -> None:
        super().__init__(initial, step)
        self._value_of = value_of
        self._whole: Callable[[Array], Any] = {"sum": self._sum, "min": self._min, "max": self._max}.get(
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
        column = columns.values(self._value_of)
        if isinstance(column, np.ndarray) and column.dtype.kind in "if":
            whole = self._whole(column)
            if whole is not None:
                return whole[0]
        total = self.value
        for index, value in enumerate(values_of(column)):
            try:
                total = self.fn(total, value)
            except Exception as error:
                raise RowFailed(index, error) from error
        return total

    def _sum(self, column: Array) -> tuple[Any] | None:
        """Return the sum as Python adds it up, one after the other; None if that takes Python's numbers."""
        if column.dtype.kind == "i":
            most = max(abs(int(column.min())), abs(int(column.max()))) * len(column)
            return (self.value + int(column.sum()),) if most <= _INT64.max and type(self.value) is int else None
        if type(self.value) not in (int, float) or abs(self.value) > _INT64.max:
            return None
        return (np.add.accumulate(np.concatenate(([float(self.value)], column)))[-1].item(),)

    def _min(self, column: Array) -> tuple[Any] | None:
        return self._ranked(column, np.argmin)

    def _max(self, column: Array) -> tuple[Any] | None:
        return self._ranked(column, np.argmax)

    def _ranked(self, column: Array, place_of: Callable[[Array], Any]) -> tuple[Any] | None:
        """Return the first of the least or greatest; None if there is a NaN, which the row step has to refuse."""
        best = column[int(place_of(column))].item()
        return None if best != best else (self.fn(self.value, best),)


def _no_value(_: Array) -> None:
    return None
