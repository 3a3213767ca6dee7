"""Values within an expression: a column or a scalar, with its bounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from rxdag.columns._column import INT64_MAX, INT64_MIN, Array, Column, bounds_of, is_ndarray

if TYPE_CHECKING:
    from rxdag.columns._columns import Columns

Value = tuple[Any, int, int]
"""A column or a scalar, and a lower and an upper bound if it holds ints."""
Step = Callable[["Columns"], Value]

EXACT: Final = 1 << 53
"""Ints up to this one are exact as floats."""
INT64_CHAR: Final = np.dtype(np.int64).char


class Uncertain(Exception):  # a signal that rows must decide
    """numpy's result may differ from Python's here: the items must be processed one by one."""


def measured(array: Array) -> Value:
    return (array, *bounds_of(array)) if array.dtype.kind in "ib" else (array, 0, 0)


def measured_column(column: Column) -> Value:
    return measured(column) if isinstance(column, np.ndarray) else (column, 0, 0)


def kind_of(data: Any) -> str:
    """Return numpy's kind of an array or of a scalar; "" for anything else."""
    if is_ndarray(data):
        return data.dtype.kind
    if isinstance(data, bool):
        return "b"
    return "i" if isinstance(data, int) else "f" if isinstance(data, float) else ""


def numbers(left: Value, right: Value) -> tuple[Any, Any, str]:
    """Return both sides as numbers on which numpy and Python agree, and the kind of the result."""
    a, b = left[0], right[0]
    kinds = kind_of(a), kind_of(b)
    for kind in kinds:
        if kind not in ("i", "f", "b"):
            raise Uncertain
    if "f" in kinds:
        for kind, (_, low, high) in zip(kinds, (left, right), strict=True):
            if kind == "i" and not -EXACT <= low <= high <= EXACT:
                raise Uncertain
        return a, b, "f"
    return plain_int(a), plain_int(b), "i"


def plain_int(data: Any) -> Any:
    if isinstance(data, bool):
        return int(data)
    return data.astype(np.int64) if is_ndarray(data) and data.dtype.kind == "b" else data


def uncertain(columns: Columns) -> Value:
    """Raise Uncertain: numpy never decides this."""
    raise Uncertain


def literal(value: Any) -> Step:
    """Return a step whose result is a constant."""
    if isinstance(value, int) and not INT64_MIN <= value <= INT64_MAX:
        return uncertain
    known: Value = (value, value, value) if isinstance(value, int) else (value, 0, 0)
    return lambda columns: known
