"""Times: a column as nanoseconds since the epoch."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time, timedelta, tzinfo
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rxdag.columns._column import Column, bounds_of, values_of
from rxdag.contract import MAX, MIN, RowFailed, aware

_NS: Final = np.dtype("datetime64[ns]")
_FINER: Final = ("ps", "fs", "as")
_DAY_ENDS: Final = (time.min, time(12), time.max)


def times_of(
    column: Column, scale: int, to_ns: Callable[[Any], int], *, takes_datetime64: bool = True
) -> NDArray[np.int64]:
    """Return the times of a column.

    Args:
        column: Ints, datetimes or other values.
        scale: Nanoseconds per unit of an int.
        to_ns: The definition: converts one value to ns, and raises if it is not a time or out of range.
        takes_datetime64: False if the definition refuses numpy times.

    Raises:
        RowFailed: If `to_ns` raises.
    """
    if isinstance(column, np.ndarray) and len(column):
        if column.dtype.kind == "i":
            low, high = bounds_of(column)
            if -(MAX // scale) < low <= high < MAX // scale:
                return column if scale == 1 else column * scale
        elif column.dtype.kind == "M" and takes_datetime64:
            ns: NDArray[np.int64] | None = exact_ns(column)
            if ns is not None and ns.min() > MIN and ns.max() < MAX:  # false for NaT
                return ns
    times: list[int] = []
    for index, value in enumerate(values_of(column)):
        try:
            times.append(to_ns(value))
        except Exception as error:
            raise RowFailed(index, error) from error
    return np.array(times, np.int64)


def exact_ns(times: NDArray[np.datetime64] | np.datetime64) -> Any:
    """Return times as ns since the epoch, int64; None if one of them is outside of 1677 to 2262.

    Digits below the nanosecond are discarded. NaT is the smallest int64.

    Args:
        times: One time, or an array of them, in any unit.
    """
    ns = times.astype(_NS)
    # The cast wraps around silently; only the cast back reveals it.
    same = ns.astype(times.dtype) == times
    if not same.all() and np.datetime_data(times.dtype)[0] not in _FINER and not (same | np.isnat(times)).all():
        return None
    return ns.astype(np.int64)


def utc_of(local: NDArray[np.datetime64], zone: tzinfo) -> NDArray[np.datetime64]:
    """Return the instants of local times: the first if a time occurs twice, NaT for NaT.

    Args:
        local: shape (rows,), datetime64 in s or finer.
        zone: Zone of the times.

    Raises:
        ValueError: If a local time does not exist because clocks are set forward, its year is past 9999, or the
            instant does not fit the unit.
    """
    days, at = np.unique(local.astype("datetime64[D]"), return_inverse=True)
    shift_of = np.zeros(len(days), "timedelta64[us]")
    has_change = np.zeros(len(days), np.bool_)
    # Most days have a single offset; only rows on days with a clock change are converted one by one.
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
    # A positive shift must give an earlier instant, and any other shift must not; otherwise the value has wrapped.
    wrapped = ((instants < local) != (shifts > np.timedelta64(0, "us"))).nonzero()[0]
    if len(wrapped):
        raise ValueError(f"a time must be within 1677 to 2262 in UTC too, got {local[wrapped[0]]}")
    return instants
