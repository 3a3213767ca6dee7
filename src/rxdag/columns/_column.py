"""A column: the values of one field, as a numpy array, dictionary-coded, or with nulls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias, TypeGuard

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
"""int64, float64, bool, datetime64 or object; an object array holds Python objects of any type, including None."""
At: TypeAlias = "slice | NDArray[np.intp]"
"""A selection of rows: a slice with both ends and without a step, or positions."""

INT64_MIN: Final = -(1 << 63)
INT64_MAX: Final = (1 << 63) - 1


class Coded:
    """A dictionary-coded column.

    Args:
        codes: shape (rows,), an integer dtype: the position of each value in `names`, -1 for None.
        names: The values, all different and none of them None. Columns with the same list object share their codes, so
            the list may grow but its entries must not change.
        own: shape (rows,), objects: the values themselves where equal ones may differ, as 1, 1.0 and True do; None if
            they are the entries of `names`.
    """

    __slots__ = ("codes", "names", "own")

    def __init__(self, codes: Array, names: Sequence[Any], own: Array | None = None) -> None:
        self.codes = codes
        self.names = names
        self.own = own

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, at: At) -> Coded:
        own = None if self.own is None else of_array(self.own, at)
        return Coded(of_array(self.codes, at), self.names, own)


class Nullable:
    """A column with nulls.

    Args:
        values: shape (rows,); entries at nulls are ignored.
        valid: shape (rows,), bool: False for a null.
    """

    __slots__ = ("valid", "values")

    def __init__(self, values: Array, valid: Array) -> None:
        self.values = values
        self.valid = valid

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, at: At) -> Nullable:
        return Nullable(self.values[at], self.valid[at])


Column: TypeAlias = "Array | Coded | Nullable"


def is_ndarray(data: object) -> TypeGuard[Array]:
    """Return True for a numpy array."""
    return isinstance(data, np.ndarray)


def values_of(column: Column) -> list[Any]:
    """Return the values as Python objects."""
    if isinstance(column, Coded):
        if column.own is not None:
            return column.own.tolist()  # type: ignore[no-any-return]
        names = column.names
        if len(column.codes) and int(column.codes.min()) < 0:
            return [None if code < 0 else names[code] for code in column.codes.tolist()]
        return [names[code] for code in column.codes.tolist()]
    if isinstance(column, Nullable):
        values = values_of(column.values)
        return [value if ok else None for value, ok in zip(values, column.valid.tolist(), strict=True)]
    if column.dtype.kind == "M":
        return list(column)  # tolist would give ints, or datetimes without a zone
    return column.tolist()  # type: ignore[no-any-return]


def as_column(values: Any) -> Column:
    """Return a column from an array, a list, or a column.

    Integers become int64, floats float64; text is dictionary-coded. Values that fit none of these stay Python objects.
    """
    if isinstance(values, Coded | Nullable):
        return values
    if not is_ndarray(values):
        return column_of(list(values))
    array = values
    kind = array.dtype.kind
    if kind == "i":
        return array.astype(np.int64, copy=False)
    if kind == "u":
        fits = array.dtype.itemsize < 8 or not len(array) or int(array.max()) <= INT64_MAX
        return array.astype(np.int64) if fits else array.astype(object)
    if kind == "f" and array.dtype.itemsize <= 8:
        return array.astype(np.float64, copy=False)
    if kind in "bM":
        return array
    if kind == "U":
        names, codes = np.unique(array, return_inverse=True)
        return Coded(codes.reshape(len(array)), names.tolist())
    return column_of(array.tolist())


def column_of(values: list[Any]) -> Column:
    """Return Python objects as a column, in the narrowest form that returns them exactly."""
    # Exact types: a bool, or an int of a subclass, must not come back as an int.
    kinds = set(map(type, values))
    if kinds == {int}:
        try:
            return np.array(values, np.int64)
        except OverflowError:
            return object_array(values)
    if kinds == {float}:
        return np.array(values, np.float64)
    if kinds == {bool}:
        return np.array(values, np.bool_)
    if kinds in ({str}, {str, type(None)}):
        return coded(values)
    if kinds in ({int, type(None)}, {float, type(None)}):
        zero = 0 if int in kinds else 0.0
        filled = column_of([zero if value is None else value for value in values])
        if is_array(filled, "if"):
            return Nullable(filled, np.array([value is not None for value in values]))
    return object_array(values)


def coded(values: list[Any]) -> Coded:
    """Dictionary-code texts, in the order in which they come."""
    codes: dict[Any, int] = {}
    at = [-1 if value is None else codes.setdefault(value, len(codes)) for value in values]
    return Coded(np.array(at, np.int64), list(codes))


def ints_of(values: list[Any]) -> Array:
    """Return ints as int64, or unchanged if int64 cannot hold them."""
    column = column_of(values)
    return column if is_array(column, "i") else object_array(values)


def objects_of(column: Column) -> Array:
    """Return a column as Python objects."""
    return column if is_array(column, "O") else object_array(values_of(column))


def object_array(values: Sequence[Any]) -> Array:
    """Return values as an array of Python objects, of one dimension."""
    array = np.empty(len(values), object)
    array[:] = values
    return array


def is_array(column: object, kinds: str) -> TypeGuard[Array]:
    """Return True for a plain array of one of the kinds, as numpy calls them: "if"."""
    return is_ndarray(column) and column.dtype.kind in kinds


def taken(column: Column, at: At) -> Column:
    """Return the values at those places."""
    return of_array(column, at) if isinstance(column, np.ndarray) else column[at]


def taken_or_null(column: Column, at: NDArray[np.intp]) -> Column:
    """Return the values at those places, null where a place is -1."""
    found = at >= 0
    if found.all():
        return taken(column, at)
    if not len(column) or (isinstance(column, np.ndarray) and column.dtype.kind not in "ifb"):
        values = [*values_of(column), None]
        return object_array([values[place] for place in at.tolist()])
    some = taken(column, np.where(found, at, 0))
    if isinstance(some, Coded):
        if some.own is not None:  # taken, so it is a copy
            some.own[~found] = None
        return Coded(np.where(found, some.codes, -1), some.names, some.own)
    if isinstance(some, Nullable):
        return Nullable(some.values, some.valid & found)
    return Nullable(some, found)


def of_array(array: Array, at: At) -> Array:
    """Return the values of an array at those places."""
    return array[at] if isinstance(at, slice) else array.take(at)  # twice as fast as indexing


def bounds_of(column: Column) -> tuple[int, int]:
    """Return the least and largest value of a column of int64 or bool; (0, 0) if it is empty."""
    if not isinstance(column, np.ndarray) or column.dtype.kind not in "ib":
        raise TypeError("bounds_of: must be of int64 or bool")
    return (int(column.min()), int(column.max())) if len(column) else (0, 0)


def in_order(codes: NDArray[Any]) -> NDArray[np.intp]:
    """Return the positions of integers in ascending order, equal ones by position."""
    if len(codes):
        least = int(codes.min())
        if int(codes.max()) - least < 1 << 16:  # numpy sorts 16-bit ints by radix, which is several times faster
            codes = (codes - least).astype(np.uint16)
    return np.argsort(codes, kind="stable")


def concatenate(columns: Sequence[Column]) -> Column:
    """Concatenate several columns of one field."""
    if len(columns) == 1:
        return columns[0]
    if all(isinstance(c, Coded) for c in columns):
        return _concatenate_coded([c for c in columns if isinstance(c, Coded)])
    if all(isinstance(c, np.ndarray) for c in columns):
        arrays = [c for c in columns if isinstance(c, np.ndarray)]
        if all(a.dtype == arrays[0].dtype for a in arrays):
            return np.concatenate(arrays)
    parts = [as_nullable(c) for c in columns if isinstance(c, Nullable) or is_array(c, "if")]
    if len(parts) == len(columns) and len({part.values.dtype for part in parts}) == 1:
        return Nullable(np.concatenate([p.values for p in parts]), np.concatenate([p.valid for p in parts]))
    return column_of([value for column in columns for value in values_of(column)])


def as_nullable(column: Any) -> Nullable:
    """Return a plain array as a column without nulls."""
    return column if isinstance(column, Nullable) else Nullable(column, np.ones(len(column), np.bool_))


def _concatenate_coded(columns: list[Coded]) -> Coded:
    names = columns[0].names
    if all(c.names is names and c.own is None for c in columns):
        return Coded(np.concatenate([c.codes for c in columns]), names)
    known: dict[Any, int] = {}
    parts: list[Array] = []
    for column in columns:
        # -1, the code of a null, takes the last entry of the table.
        table = np.array([known.setdefault(name, len(known)) for name in column.names] + [-1], np.int64)
        parts.append(table[column.codes])
    own = None if all(c.own is None for c in columns) else np.concatenate([objects_of(c) for c in columns])
    return Coded(np.concatenate(parts), list(known), own)
