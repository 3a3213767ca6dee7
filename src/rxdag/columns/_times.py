"""Times: a column as nanoseconds since the epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rxdag.columns._column import INT64_MAX, Column, bounds_of, values_of
from rxdag.contract import RowFailed


def times_of(column: Column, scale: int, to_ns: Callable[[Any], int]) -> NDArray[np.int64]:
    """Times of a column.

    Args:
        column: Ints, datetimes or whatever a user has.
        scale: Nanoseconds of one, if they are ints.
        to_ns: The definition: what one value is, in ns; raises for one that is no time, or out of range.

    Raises:
        RowFailed: If it raises.
    """
    if isinstance(column, np.ndarray) and len(column):
        if column.dtype.kind == "i":
            low, high = bounds_of(column)
            if -(INT64_MAX // scale) < low <= high < INT64_MAX // scale:
                return column if scale == 1 else column * scale
        elif column.dtype.kind == "M":
            ns = column.astype("datetime64[ns]")
            if bool((ns.astype(column.dtype) == column).all()):  # false for NaT, and for what is out of range
                return ns.astype(np.int64)
    times: list[int] = []
    for index, value in enumerate(values_of(column)):
        try:
            times.append(to_ns(value))
        except Exception as error:
            raise RowFailed(index, error) from error
    return np.array(times, np.int64)
