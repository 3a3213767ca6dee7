"""A hash table from int64 to int64, probed for a whole column at once."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

_EMPTY: Final = np.iinfo(np.int64).min
_MULTIPLIER: Final = np.uint64(0x9E3779B97F4A7C15)  # Fibonacci hashing, Knuth vol. 3, 6.4
_FIRST_BITS: Final = 12
_MOST_FULL: Final = 2
"""Least number of slots per key."""


class IntTable:
    """A hash table of ints: open addressing with linear probing, at most half full.

    Keys are any int64 except the smallest.

    Args:
        room: Number of keys for which it has room at first.
    """

    __slots__ = ("_bits", "_keys", "_values", "n")

    def __init__(self, room: int = 0) -> None:
        self.n = 0
        self._clear(max(_FIRST_BITS, (_MOST_FULL * max(room, 1) - 1).bit_length()))

    def _clear(self, bits: int) -> None:
        self._bits = bits
        self._keys = np.full(1 << bits, _EMPTY)
        self._values = np.zeros(1 << bits, np.int64)

    @property
    def nbytes(self) -> int:
        """Bytes of its arrays."""
        return self._keys.nbytes + self._values.nbytes

    def _place(self, keys: Ints) -> Ints:
        return ((keys.view(np.uint64) * _MULTIPLIER) >> np.uint64(64 - self._bits)).view(np.int64)

    def find(self, keys: Ints) -> Ints:
        """Place of each key; for a missing one -1 minus the free place where its search ended."""
        last = (1 << self._bits) - 1
        at = self._place(keys)
        there = self._keys.take(at)
        is_hit = there == keys
        found = np.where(is_hit, at, -1 - at)
        open_ = np.flatnonzero(~(is_hit | (there == _EMPTY)))
        at, wanted = at.take(open_), keys.take(open_)
        while len(open_):
            at = (at + 1) & last
            there = self._keys.take(at)
            is_hit = there == wanted
            found[open_] = np.where(is_hit, at, -1 - at)
            going = np.flatnonzero(~(is_hit | (there == _EMPTY)))
            open_, at, wanted = open_.take(going), at.take(going), wanted.take(going)
        return found

    def at(self, places: Ints) -> Ints:
        """Return the values at those places."""
        return self._values[places]

    def put(self, keys: Ints, values: Ints) -> None:
        """Set the values of keys, which are all different."""
        places = self.find(keys)
        is_known = places >= 0
        self._values[places[is_known]] = values[is_known]
        self.insert(keys[~is_known], values[~is_known])

    def insert(self, keys: Ints, values: Ints, found: Ints | None = None) -> Ints:
        """Insert keys that are not there; of equal ones the first. Returns the indices of the others.

        Args:
            keys: shape (rows,).
            values: shape (rows,).
            found: What `find` has returned for the keys, if nothing was inserted since.
        """
        while (self.n + len(keys)) * _MOST_FULL > 1 << self._bits:
            self._grow()
            found = None
        last = (1 << self._bits) - 1
        at = self._place(keys) if found is None else -1 - found
        rows, wanted, place = np.arange(len(keys)), keys, at.copy()
        while True:
            free = np.flatnonzero(self._keys.take(at) == _EMPTY)[::-1]  # written backwards, so that the first row stays
            to = at.take(free)
            self._keys[to] = wanted.take(free)
            self._values[to] = rows.take(free)  # until all are in, a value is the row that has put its key in
            out = np.flatnonzero(self._keys.take(at) != wanted)
            if not len(out):
                break
            rows, wanted, at = rows.take(out), wanted.take(out), (at.take(out) + 1) & last
            place[rows] = at
        owns = self._values.take(place) == np.arange(len(keys))
        first = np.flatnonzero(owns)
        self._values[place.take(first)] = values.take(first)
        self.n += len(first)
        return np.flatnonzero(~owns)

    def _grow(self) -> None:
        keys, values = self.items()
        self._clear(self._bits + 1)
        self.n = 0
        if len(keys):
            self.insert(keys, values)

    def items(self) -> tuple[Ints, Ints]:
        """Return keys and values, in no order."""
        live = self._keys != _EMPTY
        return self._keys[live], self._values[live]

    def replace(self, keys: Ints, values: Ints) -> None:
        """Hold exactly these keys, which are all different."""
        bits = max(_FIRST_BITS, (2 * _MOST_FULL * max(len(keys), 1) - 1).bit_length())
        self._clear(bits)
        self.n = 0
        if len(keys):
            self.insert(keys, values)
