"""Times of numpy: as nanoseconds since the epoch, and local ones as instants."""

from __future__ import annotations

from datetime import datetime, time, timedelta, tzinfo
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rxdag.contract import aware

_NS: Final = np.dtype("datetime64[ns]")
_FINER: Final = ("ps", "fs", "as")
_DAY_ENDS: Final = (time.min, time(12), time.max)


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
