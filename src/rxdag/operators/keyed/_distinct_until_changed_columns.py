"""Distinct until changed, over columns: each value against the one before it of its key, all at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rxdag.columns import Coded, Column, Columns, in_order, values_of
from rxdag.contract import ColumnsEmit, Emit, Kernel, RowFailed
from rxdag.expressions import FieldReader


class ChangedColumnsKernel(Kernel):
    """The last value of each key.

    Args:
        value_of: Reader of the compared value.
    """

    state = ("values",)

    def __init__(self, value_of: FieldReader) -> None:
        self._value_of = value_of
        self.values: dict[Any, Any] = {}

    def on_item(self, item: Any, key: Any, emit: Emit[Any]) -> None:
        raise TypeError("distinct_until_changed: must get columns here")

    def on_columns(self, columns: Columns, emit: ColumnsEmit) -> None:
        column = columns.values(self._value_of)
        codes = np.zeros(columns.n, np.int64) if columns.key is None else columns.key.codes
        # Stable, so that rows of the same key stay in order of arrival.
        order = in_order(codes)
        same_key = codes[order[1:]] == codes[order[:-1]]
        keep = np.ones(columns.n, np.bool_)
        rows, before = order[1:][same_key], order[:-1][same_key]
        keep[rows] = ~_equal(column, rows, before)
        begins = order[np.concatenate(([True], ~same_key))]
        ends = order[np.concatenate((~same_key, [True]))]
        keys = [None] * len(begins) if columns.key is None else values_of(columns.key[begins])
        firsts, lasts = values_of(column[begins]), values_of(column[ends])
        for row, key, first in zip(begins.tolist(), keys, firsts, strict=True):
            if key in self.values and _same(self.values[key], first, row):
                keep[row] = False
        # New keys enter the table in order of arrival, as in the row kernel.
        for _, key, last in sorted(zip(begins.tolist(), keys, lasts, strict=True), key=lambda each: each[0]):
            self.values[key] = last
        passed = columns.where(keep)
        emit.dropped(columns.n - passed.n, "unchanged")
        emit(passed)

    def snapshot(self) -> dict[str, Any]:
        return {"values": [[key, value] for key, value in self.values.items()]}

    def restore(self, saved: dict[str, Any]) -> None:
        self.values = {key: value for key, value in saved["values"]}  # noqa: C416  # the rows are lists


def _equal(column: Column, rows: NDArray[np.intp], before: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return which values equal those of other rows, by Python's rules."""
    if isinstance(column, np.ndarray) and column.dtype.kind in "ifb":
        plain: NDArray[np.bool_] = column[rows] == column[before]
        return plain
    if isinstance(column, Coded) and all(isinstance(name, str) for name in column.names):
        coded: NDArray[np.bool_] = column.codes[rows] == column.codes[before]
        return coded
    values = values_of(column)
    equal = np.empty(len(rows), np.bool_)
    # In order of arrival, so that the first row to fail is found: a later one may fail only because of it.
    for at in np.argsort(rows).tolist():
        row = int(rows[at])
        equal[at] = _same(values[before[at]], values[row], row)
    return equal


def _same(a: Any, b: Any, row: int) -> bool:
    try:
        return bool(a == b)
    except Exception as error:
        raise RowFailed(row, error) from error
