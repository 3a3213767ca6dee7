"""Times of a column, as its reader has them one by one."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from rxdag.columns import bounds_of, exact_ns, values_of
from rxdag.contract import MAX, UNITS, RowFailed
from rxdag.operators.time._time_reader import BY_SIZE

if TYPE_CHECKING:
    from rxdag.operators.time._time_reader import TimeReader

_ENDS: Final = np.array([end for _, end in BY_SIZE[:-1]])
_SCALES: Final = np.array([UNITS[unit] for unit, _ in BY_SIZE])


def times_of(reader: TimeReader, column: Any) -> NDArray[np.int64]:
    """Return the times of a column, ns.

    Raises:
        RowFailed: If the reader refuses one.
    """
    if isinstance(column, np.ndarray) and len(column):
        ts = _at_once(reader, column)
        if ts is not None:
            return ts
    times: list[int] = []
    for index, value in enumerate(values_of(column)):
        try:
            times.append(reader.ns(value))
        except Exception as error:
            raise RowFailed(index, error) from error
    return np.array(times, np.int64)


def units_of(reader: TimeReader, column: Any) -> list[str]:
    """Return the units of the numbers of a column, equal neighbours once."""
    if isinstance(column, np.ndarray) and column.dtype.kind == "i":
        sizes = _sizes(column)
        return [BY_SIZE[size][0] for size in sizes[np.flatnonzero(np.diff(sizes, prepend=-1))].tolist()]
    return [unit for unit, _ in groupby(filter(None, map(reader.unit_of, values_of(column))))]


def _at_once(reader: TimeReader, column: NDArray[Any]) -> NDArray[np.int64] | None:
    """Return the times of an array; None if they must be read one by one."""
    if column.dtype.kind == "i":
        low, high = bounds_of(column)
        return _of_ints(reader, column, low, high) if reader.scale else _by_size(reader, column, low, high)
    if column.dtype.kind == "M" and reader.zone is None:
        ns = exact_ns(column)
        return None if ns is None else _taken(reader, ns)
    return None


def _of_ints(reader: TimeReader, column: NDArray[np.int64], low: int, high: int) -> NDArray[np.int64] | None:
    scale = reader.scale
    if reader.least <= low * scale and high * scale <= reader.most:
        return column if scale == 1 else column * scale
    return None


def _by_size(reader: TimeReader, column: NDArray[np.int64], low: int, high: int) -> NDArray[np.int64] | None:
    scales = _SCALES[_sizes(np.array([low, high]))]
    if low < 0 or scales[0] != scales[1]:  # of several units
        scales = _SCALES[_sizes(column)]
    else:
        scales = scales[:1]
    fits = (np.abs(column) < MAX // scales).all()
    return _taken(reader, column * scales) if fits else None


def _taken(reader: TimeReader, ts: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Return times if the reader takes all of them."""
    return ts if reader.least <= ts.min() and ts.max() <= reader.most else None  # NaT is below all


def _sizes(column: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the place of the unit of each number in `BY_SIZE`."""
    return np.searchsorted(_ENDS, np.abs(column), side="right")
