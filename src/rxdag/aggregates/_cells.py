"""Cells: one value for each pane of a window, in the narrowest array that gives Python's exact results."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rxdag.columns import Array, Groups, Places, column_of, is_array, object_array

_INT64: Final = np.iinfo(np.int64)
_MOST: Final = 1 << 400
"""Smaller ints can be multiplied and added to floats without an error: even a sum of many products fits into a float."""

Empty = Callable[[], NDArray[np.bool_]]
"""Returns a mask of the places that have received nothing yet."""


def are_plain(values: Iterable[Any]) -> bool:
    """Return True for ints and floats that Python adds up and multiplies without an error."""
    return all(type(each) is float or (type(each) is int and -_MOST < each < _MOST) for each in values)


def is_plain(values: Array) -> bool:
    """Return True for an array of such numbers."""
    return values.dtype.kind in "if" or are_plain(values.tolist())


class Cells:
    """A growing array of numbers: int64, float64, or Python objects once both occur or an int is too large.

    Args:
        start: Initial value of a place, by the kind of the array: "i", "f", "O".
    """

    __slots__ = ("_odd", "_size", "array", "start")

    def __init__(self, start: dict[str, Any]) -> None:
        self.start = start
        self._odd: set[int] = set()
        """Places whose value is neither an int nor a float, or a very large int."""
        self.array: Array | None = None
        self._size = 0

    def reserve(self, size: int) -> None:
        """Grow the array to that many cells."""
        if self.array is not None and size > self._size:
            grown = np.empty(size, self.array.dtype)
            grown[: self._size] = self.array
            grown[self._size :] = self.start[grown.dtype.kind]
            self.array = grown
        self._size = size

    def clear(self, places: Places) -> None:
        """Reset cells to their initial value."""
        if self.array is not None:
            self.array[places] = self.start[self.array.dtype.kind]
        if self._odd:
            self._odd.difference_update(places.tolist())

    @property
    def is_plain(self) -> bool:
        """True if plain numbers can be added to all values."""
        return not self._odd

    def fit(self, values: Array, empty: Empty) -> tuple[Array, Array]:
        """Return the array and the values in one dtype."""
        array = self.array
        if array is None:
            kind = values.dtype.kind
            self.array = array = np.empty(self._size, object if kind == "O" else values.dtype)
            array[:] = self.start[kind]
        if array.dtype == values.dtype:
            return array, values
        return self.widen(empty), values.astype(object)

    def widen(self, empty: Empty) -> Array:
        """Return the array converted to Python objects."""
        array = self.array
        if array is None:
            raise TypeError("cells: must hold something to be widened")
        if array.dtype.kind != "O":
            # Empty places hold the initial value of the old dtype, such as the smallest int64: wrong for objects.
            is_new = empty()
            array = array.astype(object)
            array[is_new[: len(array)]] = self.start["O"]
            self.array = array
        return array

    def at(self, places: Places) -> list[Any]:
        """Return the values at those positions, as Python objects."""
        if self.array is None:
            return [self.start["i"]] * len(places)
        return self.array[places].tolist()  # type: ignore[no-any-return]

    def put(self, place: int, value: Any, empty: Empty) -> None:
        """Put a Python object at a place."""
        column = column_of([value])
        if not is_array(column, "if"):
            column = object_array([value])
        array, values = self.fit(column, empty)
        array[place] = values[0]
        if not are_plain((value,)):
            self._odd.add(place)


class Total(Cells):
    """Sums, added one by one in order of arrival."""

    __slots__ = ("_most",)

    def __init__(self) -> None:
        super().__init__({"i": 0, "f": 0.0, "O": 0})
        self._most = 0
        """Upper bound of the absolute value of all sums of ints."""

    def add(self, values: Array, groups: Groups, empty: Empty) -> None:
        """Add each value to the sum of its group."""
        array, values = self.fit(values, empty)
        if array.dtype.kind == "i" and len(values):
            array, values = self._with_room(array, values, empty)
        # One by one, in order of arrival, so that float sums equal those of the accumulator to the bit.
        with np.errstate(all="ignore"):  # an overflow gives infinity, as in Python
            np.add.at(array, groups.place_of, values)

    def _with_room(self, array: Array, values: Array, empty: Empty) -> tuple[Array, Array]:
        more = max(abs(int(values.min())), abs(int(values.max()))) * len(values)
        self._most += more
        # The bound only grows, so the sums themselves are measured before int64 is given up.
        if self._most > _INT64.max:
            self._most = max(abs(int(array.min())), abs(int(array.max()))) + more
            if self._most > _INT64.max:
                return self.widen(empty), values.astype(object)
        return array, values

    def put(self, place: int, value: Any, empty: Empty) -> None:
        super().put(place, value, empty)
        if isinstance(value, int):
            self._most = max(self._most, abs(value))


class Highest(Cells):
    """The largest value."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__({"i": _INT64.min, "f": -np.inf, "O": -np.inf})

    def add(self, values: Array, groups: Groups, empty: Empty) -> None:
        """Take in values; of equal ones the first stays."""
        array, values = self.fit(values, empty)
        if values.dtype.kind == "f" and not values.all():
            _one_by_one(operator.gt, array, values, groups)  # numpy takes either of 0.0 and -0.0
        else:
            np.maximum.at(array, groups.place_of, values)


class Lowest(Cells):
    """The least value."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__({"i": _INT64.max, "f": np.inf, "O": np.inf})

    def add(self, values: Array, groups: Groups, empty: Empty) -> None:
        """Take in values; of equal ones the first stays."""
        array, values = self.fit(values, empty)
        if values.dtype.kind == "f" and not values.all():
            _one_by_one(operator.lt, array, values, groups)
        else:
            np.minimum.at(array, groups.place_of, values)


def _one_by_one(is_better: Callable[[Any, Any], bool], array: Array, values: Array, groups: Groups) -> None:
    for place, value in zip(groups.place_of.tolist(), values.tolist(), strict=True):
        if is_better(value, array[place]):
            array[place] = value


class Chosen(Cells):
    """A value that is replaced now and then."""

    __slots__ = ()

    def __init__(self, start: int | float = 0) -> None:
        super().__init__({"i": start, "f": float(start), "O": start})

    def replace(self, places: Places, values: Array, empty: Empty) -> None:
        """Put new values at those places."""
        array, values = self.fit(values, empty)
        array[places] = values
