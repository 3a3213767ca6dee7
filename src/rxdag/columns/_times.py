"""Times: a column as nanoseconds since the epoch."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time, timedelta, tzinfo
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rxdag.columns._column import INT64_MAX, Column, bounds_of, values_of
from rxdag.contract import RowFailed, aware

_DAY_ENDS: Final = (time.min, time(12), time.max)


def times_of(
    column: Column, scale: int, to_ns: Callable[[Any], int], *, takes_datetime64: bool = True
) -> NDArray[np.int64]:
    """Times of a column.

    Args:
        column: Ints, datetimes or whatever a user has.
        scale: Nanoseconds of one, if they are ints.
        to_ns: The definition: what one value is, in ns; raises for one that is no time, or out of range.
        takes_datetime64: False if the definition refuses numpy's times.

    Raises:
        RowFailed: If it raises.
    """
    if isinstance(column, np.ndarray) and len(column):
        if column.dtype.kind == "i":
            low, high = bounds_of(column)
            if -(INT64_MAX // scale) < low <= high < INT64_MAX // scale:
                return column if scale == 1 else column * scale
        elif column.dtype.kind == "M" and takes_datetime64:
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


def utc_of(local: NDArray[np.datetime64], zone: tzinfo) -> NDArray[np.datetime64]:
    """Return the instants of local times; of a time that occurs twice the first, of NaT NaT.

    Args:
        local: shape (rows,), datetime64 in s or finer.
        zone: Whose times they are.

    Raises:
        ValueError: If there is no such local time, since clocks are set forward then, or its year is past 9999.
    """
    days, at = np.unique(local.astype("datetime64[D]"), return_inverse=True)
    shift_of = np.zeros(len(days), "timedelta64[us]")
    has_change = np.zeros(len(days), np.bool_)
    for i, day in enumerate(days.tolist()):
        if day is None:  # NaT
            continue
        if isinstance(day, int):
            raise ValueError(f"a local time must be before the year 10000, got {days[i]}")
        walls = [datetime.combine(day, hour, zone) for hour in _DAY_ENDS]
        offsets = {wall.replace(fold=fold).utcoffset() for wall in walls for fold in (0, 1)}
        has_change[i] = len(offsets) > 1
        shift_of[i] = offsets.pop() or timedelta(0)
    shifts = shift_of[at]
    for row in has_change[at].nonzero()[0].tolist():
        shifts[row] = aware(local[row].astype("datetime64[us]").item(), zone).utcoffset() or timedelta(0)
    instants: NDArray[np.datetime64] = local - shifts.astype(local.dtype.str.replace("M8", "m8"))
    return instants
