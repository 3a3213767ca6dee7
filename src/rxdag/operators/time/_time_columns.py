"""Times of a column, as its reader has them one by one."""

from __future__ import annotations

from datetime import date
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from rxdag.columns import Column, bounds_of, exact_ns, utc_of, values_of
from rxdag.contract import MAX, UNITS, RowFailed
from rxdag.operators.time._numbers import BY_SIZE, number_of, scaled
from rxdag.operators.time._text_forms import PACKED

if TYPE_CHECKING:
    from rxdag.operators.time._time_reader import TimeReader

_EXACT: Final = float(1 << 51)
_ENDS: Final = np.array([end for _, end in BY_SIZE[:-1]])
_SCALES: Final = np.array([UNITS[unit] for unit, _ in BY_SIZE])


def times_of(reader: TimeReader, column: Column) -> NDArray[np.int64]:
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


def units_of(reader: TimeReader, column: Column) -> list[str]:
    """Return the units of the numbers of a column, equal neighbours once."""
    if isinstance(column, np.ndarray) and column.dtype.kind in "if":
        sizes = _sizes(column)
        return [BY_SIZE[size][0] for size in sizes[np.flatnonzero(np.diff(sizes, prepend=-1))].tolist()]
    units = [reader.unit_of(value) for value in values_of(column)]
    return [unit for unit, _ in groupby(unit for unit in units if unit)]


def _at_once(reader: TimeReader, column: NDArray[Any]) -> NDArray[np.int64] | None:
    """Return the times of an array; None if they must be read one by one."""
    kind = column.dtype.kind
    ts: NDArray[np.int64] | None = None
    if reader.form is not None:
        ts = _unpacked(column) if kind == "i" and reader.form == PACKED else None
    elif kind == "i":
        low, high = bounds_of(column)
        return _of_ints(reader, column, low, high) if reader.scale else _by_size(reader, column, low, high)
    elif kind == "f":
        ts = _of_floats(reader, column)
    elif kind == "M" and reader.zone is None:
        ts = exact_ns(column)
    if ts is None:
        return None
    return _taken(reader, ts) if reader.day is None else _on_day(reader, reader.day, ts)


def _of_ints(reader: TimeReader, column: NDArray[np.int64], low: int, high: int) -> NDArray[np.int64] | None:
    scale = reader.scale
    if reader.least <= low * scale and high * scale <= reader.most:
        return column if scale == 1 else column * scale
    return None


def _unpacked(column: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Return times in the form HHMMSSnnnnnnnnn in ns since midnight; None if one is none."""
    minutes, rest = np.divmod(column, 10**11)
    hours, minutes = np.divmod(minutes, 100)
    fits = (column >= 0) & (minutes < 60) & (rest < 60 * 10**9)
    return (hours * 60 + minutes) * (60 * 10**9) + rest if fits.all() else None


def _on_day(reader: TimeReader, day: date, ns: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Return times of the day as instants."""
    if ns.min() < 0 or ns.max() >= UNITS["d"] or reader.zone is None:
        return None
    local = np.datetime64(day, "ns") + ns.astype("m8[ns]")
    try:
        instants = utc_of(local, reader.zone)
    except ValueError:  # a time that does not exist
        return None
    return _taken(reader, instants.astype(np.int64))


def _by_size(reader: TimeReader, column: NDArray[np.int64], low: int, high: int) -> NDArray[np.int64] | None:
    if reader.day is not None:
        scale = UNITS[reader.unit]
        return _on_day(reader, reader.day, column * scale) if low >= 0 and high < UNITS["d"] // scale else None
    if low < -MAX:  # its absolute value does not fit
        return None
    first, last = _size(low), _size(high)
    scales = _SCALES[first : first + 1] if low >= 0 and first == last else _SCALES[_sizes(column)]
    fits = (np.abs(column) < MAX // scales).all()
    return _taken(reader, column * scales) if fits else None


def _of_floats(reader: TimeReader, column: NDArray[np.float64]) -> NDArray[np.int64] | None:
    """Return the times of floats: of each, the decimal number with the fewest digits that reads back as it."""
    if not np.isfinite(column).all():
        return None
    low, high = float(column.min()), float(column.max())
    if reader.finds_unit and (low < 0 or _size(low) != _size(high)):
        return None
    unit = BY_SIZE[_size(low)][0] if reader.finds_unit else reader.unit
    places = len(str(UNITS[unit])) - 1
    largest = max(high, -low)
    if not places or largest >= MAX // UNITS[unit] - 1:
        return None
    # So few digits that no two such numbers read back as one float, and all of them are exact as a float.
    digits = places
    while digits and largest * 10.0**digits >= _EXACT:
        digits -= 1
    whole: NDArray[np.float64] = np.rint(column * 10.0**digits)
    ts: NDArray[np.int64] = whole.astype(np.int64) * 10 ** (places - digits)
    for row in (whole / 10.0**digits != column).nonzero()[0].tolist():  # they have more digits
        number = number_of(float(column[row]))
        assert number is not None
        ts[row] = scaled(number, unit)
    return ts


def _taken(reader: TimeReader, ts: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Return times if the reader takes all of them."""
    return ts if reader.least <= ts.min() and ts.max() <= reader.most else None  # NaT is below all


def _sizes(column: NDArray[Any]) -> NDArray[np.intp]:
    """Return the place of the unit of each number in `BY_SIZE`."""
    sizes: NDArray[np.intp] = np.searchsorted(_ENDS, np.abs(column), side="right")
    return sizes


def _size(number: float) -> int:
    return int(np.searchsorted(_ENDS, abs(number), side="right"))
