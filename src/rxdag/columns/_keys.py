"""Keys: columns of small ints, equal for items that belong together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, SupportsInt

import numpy as np
from numpy.typing import NDArray

from rxdag.columns._column import Coded, Column, bounds_of, is_array, object_array, values_of
from rxdag.contract import RowFailed
from rxdag.expressions import FieldReader, Several

if TYPE_CHECKING:
    from rxdag.columns._columns import Columns

Ints = NDArray[np.int64]

_DENSE: Final = 1 << 16
_BITS: Final = 62
_ALIKE: Final[set[type]] = {str, int, bool, bytes}
"""Types whose equal values do not differ; of floats, 0.0 and -0.0 do."""
_TEXT_BITS: Final = 20  # bits of a text next to a number: a million texts


def parts_of(fn: FieldReader) -> list[FieldReader]:
    """Return the expressions of a key: each of a tuple, else the only one."""
    expr = fn.expr
    return [FieldReader(part, None) for part in expr.of] if isinstance(expr, Several) else [fn]


def coded_key(columns: Columns, fn: Any) -> Coded:
    """Return the keys of an expression.

    Raises:
        RowFailed: If it raises for an item, or a value is not hashable.
    """
    if isinstance(fn, FieldReader) and isinstance(fn.expr, Several):
        parts = [code_column(columns.values(part)) for part in _cached_parts(fn)]
        return _combined(parts)
    return code_column(columns.values(fn))


def coded_texts(columns: Columns, fn: Any) -> Coded:
    """Return keys, dictionary-coded, where keys of one code have the same text.

    Equal keys may have different texts, as 1 and 1.0; such keys are coded by their texts.

    Raises:
        RowFailed: If the expression or the text of its value raises for an item.
    """
    is_tuple = isinstance(fn, FieldReader) and isinstance(fn.expr, Several)
    found = [columns.values(part) for part in (_cached_parts(fn) if is_tuple else [fn])]
    if all(isinstance(column, Coded) or is_array(column, "ib") for column in found):
        parts = [code_column(column) for column in found]
        return _combined(parts) if is_tuple else parts[0]
    texts: list[str] = []
    for index, value in enumerate(values_of(columns.values(fn))):
        try:
            texts.append(str(value))
        except Exception as error:
            raise RowFailed(index, error) from error
    return code_values(texts)


def _cached_parts(fn: FieldReader) -> list[FieldReader]:
    if fn.vector is None:
        fn.vector = parts_of(fn)
    parts: list[FieldReader] = fn.vector
    return parts


def code_column(column: Column) -> Coded:
    """Return a column, dictionary-coded."""
    if isinstance(column, Coded):
        return column
    if is_array(column, "ib"):
        array = column
        if array.dtype.kind == "b":
            return Coded(array.astype(np.int64), [False, True])
        low, high = bounds_of(array)
        if high - low < max(_DENSE, 4 * len(array)):
            return Coded(array - low, range(low, high + 1))
        names, codes = np.unique(array, return_inverse=True)
        return Coded(codes.reshape(len(array)), names.tolist())
    return code_values(values_of(column))


def code_values(values: Sequence[Any]) -> Coded:
    """Return Python objects, dictionary-coded; None is a null, as in other columns.

    Raises:
        RowFailed: If a value is not hashable.
    """
    known: dict[Any, int] = {}
    codes: list[int] = []
    for index, value in enumerate(values):
        try:
            codes.append(-1 if value is None else known.setdefault(value, len(known)))
        except Exception as error:  # of its own __hash__ or __eq__
            raise RowFailed(index, error) from error
    return Coded(np.array(codes, np.int64), list(known), None if _are_alike(values, known) else object_array(values))


def _are_alike(values: Sequence[Any], known: dict[Any, int]) -> bool:
    """Return True if equal values are the same in all respects, so that one of them can stand for all."""
    kinds = set(map(type, values)) - {type(None)}
    return len(kinds) < 2 and (kinds <= _ALIKE or (kinds == {float} and 0.0 not in known))


def _combined(parts: list[Coded]) -> Coded:
    """Return the codes of several columns as codes of their tuples."""
    first = parts[0]
    code, size = _from_zero(first), len(first.names) + 1
    for part in parts[1:]:
        code = code * (len(part.names) + 1) + _from_zero(part)
        size *= len(part.names) + 1
        # Renumbered before the product can exceed int64.
        if size > 1 << 40:
            _, code = np.unique(code, return_inverse=True)
            size = len(first)
    found, codes = distinct(code, size)
    del found
    rows = first_rows(codes, int(codes.max()) + 1 if len(codes) else 0)
    names = list(zip(*(values_of(part[rows]) for part in parts), strict=True))
    if all(part.own is None for part in parts):
        return Coded(codes, names)
    # Parts that differ only in type give equal tuples.
    return code_values(list(zip(*map(values_of, parts), strict=True)))


def _from_zero(part: Coded) -> Ints:
    return part.codes.astype(np.int64, copy=False) + 1  # a null is 0


def distinct(code: Ints, size: int) -> tuple[Ints, NDArray[np.intp]]:
    """Return the distinct values, ascending, and the index of each row's value; without a sort if they are few.

    Args:
        code: shape (rows,), 0 to `size`, exclusive.
        size: Number of possible values.
    """
    if size > max(_DENSE, 4 * len(code)):
        found, which = np.unique(code, return_inverse=True)
        return found, which.reshape(len(code))
    occurs = np.zeros(size, np.bool_)
    occurs[code] = True
    found = np.flatnonzero(occurs)
    place = np.empty(size, np.intp)
    place[found] = np.arange(len(found))
    return found, place[code]


def first_rows(group: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """Return a row of each group: its first."""
    rows = np.empty(count, np.intp)
    # Backwards, since the last of several assignments to one place wins.
    rows[group[::-1]] = np.arange(len(group))[::-1]
    return rows


class KeyPacker:
    """Encodes keys as int64; a key has the same int for as long as it is known.

    A key of texts, which are numbered, and ints of 0 or more is packed into the bits of one int; other keys are
    numbered from -2 down. `forget` drops the texts and keys that are no longer in use.

    Args:
        fn: Reader of the key.
    """

    def __init__(self, fn: FieldReader) -> None:
        self._parts = parts_of(fn)
        self._is_tuple = isinstance(fn.expr, Several)
        self._kinds: tuple[str, ...] = ()
        self._widths: tuple[int, ...] = ()
        self._texts: dict[str, int] = {}
        self._whole: dict[Any, int] = {}
        self._tables: list[tuple[Any, int, Ints] | None] = [None] * len(self._parts)

    def pack(self, columns: Columns) -> Ints:
        """Return the key of each item.

        Raises:
            RowFailed: If the key of an item cannot be read or hashed.
        """
        found = [columns.values(part) for part in self._parts]
        if not self._kinds:
            # Fixed by the first run; later keys of another kind are numbered in `_whole`.
            self._set_kinds(isinstance(column, Coded) for column in found)
        packed = self._packed(found)
        if packed is not None:
            return packed
        keys: list[int] = []
        for index, values in enumerate(zip(*map(values_of, found), strict=True)):
            try:
                keys.append(self.code(values if self._is_tuple else values[0]))
            except Exception as error:  # of its own __hash__ or __eq__
                raise RowFailed(index, error) from error
        return np.array(keys, np.int64)

    def _packed(self, found: list[Column]) -> Ints | None:
        """Return the keys by arithmetic; None if one does not fit."""
        packed: Ints | None = None
        for at, (kind, bits, column) in enumerate(zip(self._kinds, self._widths, found, strict=True)):
            if kind == "s" and isinstance(column, Coded):
                codes: Ints = self._table(at, column)[column.codes]
                if len(codes) and (int(codes.min()) < 0 or len(self._texts) >> bits):
                    return None
            elif kind == "i" and is_array(column, "i"):
                codes = column
                low, high = bounds_of(codes)
                if low < 0 or high >> bits:
                    return None
            else:
                return None
            packed = codes if packed is None else (packed << bits) | codes
        return packed

    def _table(self, at: int, column: Coded) -> Ints:
        """Return the number of each name of a dictionary; -1, last, for a null and for anything but text."""
        cached = self._tables[at]
        names = column.names
        # A dictionary may grow in place, so its length is compared too.
        if cached is None or cached[0] is not names or cached[1] != len(names):
            texts = self._texts
            numbers = [texts.setdefault(name, len(texts)) if isinstance(name, str) else -1 for name in names]
            cached = self._tables[at] = (names, len(names), np.array([*numbers, -1], np.int64))
        return cached[2]

    def code(self, key: Any) -> int:
        """Return the int of one key.

        Raises:
            Exception: What its hash or its comparison raises.
        """
        values: tuple[Any, ...] = key if self._is_tuple else (key,)
        if not self._kinds:
            self._set_kinds(isinstance(value, str) for value in values)
        packed = 0
        for kind, bits, value in zip(self._kinds, self._widths, values, strict=True):
            part = self._part(kind, value)
            if part is None or not 0 <= part < 1 << bits:
                # Negative, so that it cannot be taken for a packed key.
                return self._whole.setdefault(key, -2 - len(self._whole))
            packed = (packed << bits) | part
        return packed

    def _part(self, kind: str, value: Any) -> int | None:
        if kind == "s":
            return self._texts.setdefault(value, len(self._texts)) if isinstance(value, str) else None
        try:
            number = int(value) if isinstance(value, SupportsInt) else None
            return number if number == value else None  # 2.0, Decimal(2) and 2 are one key, as in a dict
        except Exception:  # not finite, or of a type of its own
            return None

    def _set_kinds(self, are_texts: Iterable[bool]) -> None:
        """Set the kind and the bits of each part of a key, from the first keys."""
        self._kinds = tuple("s" if is_text else "i" for is_text in are_texts)
        ints = self._kinds.count("i")
        if ints in (0, len(self._kinds)):
            self._widths = (_BITS // len(self._kinds),) * len(self._kinds)
        else:
            wide = (_BITS - _TEXT_BITS * (len(self._kinds) - ints)) // ints
            self._widths = tuple(_TEXT_BITS if kind == "s" else wide for kind in self._kinds)

    def keys(self, packed: Ints) -> list[Any]:
        """Return the keys of their ints."""
        texts = list(self._texts)
        whole = {code: key for key, code in self._whole.items()}

        def key_of(code: int) -> Any:
            if code < 0:
                return whole[code]
            values: list[Any] = []
            for kind, bits in zip(reversed(self._kinds), reversed(self._widths), strict=True):
                number, code = code & ((1 << bits) - 1), code >> bits
                values.append(texts[number] if kind == "s" else number)
            return tuple(reversed(values)) if self._is_tuple else values[0]

        return [key_of(code) for code in packed.tolist()]

    @property
    def known(self) -> int:
        """Number of texts and whole keys held."""
        return len(self._texts) + len(self._whole)

    def renumber(self, packed: Ints) -> Ints:
        """Forget all but those keys, and return their new ints."""
        keys = self.keys(packed)
        self._texts.clear()
        self._whole.clear()
        self._tables = [None] * len(self._parts)
        return np.array([self.code(key) for key in keys], np.int64)
