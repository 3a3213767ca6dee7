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
    """

    __slots__ = ("_bits", "_keys", "_owner", "_values", "n")

    def __init__(self) -> None:
        self.n = 0
        self._clear(_FIRST_BITS)

    def _clear(self, bits: int) -> None:
        self._bits = bits
        self._keys = np.full(1 << bits, _EMPTY)
        self._values = np.zeros(1 << bits, np.int64)
        self._owner = np.zeros(1 << bits, np.int32)

    @property
    def nbytes(self) -> int:
        """Bytes of its arrays."""
        return self._keys.nbytes + self._values.nbytes + self._owner.nbytes

    def _place(self, keys: Ints) -> Ints:
        return ((keys.view(np.uint64) * _MULTIPLIER) >> np.uint64(64 - self._bits)).view(np.int64)

    def find(self, keys: Ints) -> Ints:
        """Place of each key; -1 for missing ones."""
        last = (1 << self._bits) - 1
        at = self._place(keys)
        there = self._keys[at]
        found = np.where(there == keys, at, -1)
        open_ = np.flatnonzero((there != keys) & (there != _EMPTY))
        at = at[open_]
        while len(open_):
            at = (at + 1) & last
            there = self._keys[at]
            hit = there == keys[open_]
            found[open_[hit]] = at[hit]
            going = ~hit & (there != _EMPTY)
            open_, at = open_[going], at[going]
        return found

    def at(self, places: Ints) -> Ints:
        """Return the values at those places."""
        return self._values[places]

    def one(self, place: int) -> int:
        """Return the value at a place."""
        return int(self._values[place])

    def put(self, place: int, value: int) -> None:
        """Change the value at a place."""
        self._values[place] = value

    def insert(self, keys: Ints, values: Ints) -> Ints:
        """Put in keys that are not there; of equal ones the first. Returns which were not the first."""
        while (self.n + len(keys)) * _MOST_FULL > 1 << self._bits:
            self._grow()
        last = (1 << self._bits) - 1
        rows = np.arange(len(keys), dtype=np.int32)
        at = self._place(keys)
        place = np.empty(len(keys), np.int64)
        while len(rows):
            free = np.flatnonzero(self._keys[at] == _EMPTY)[::-1]  # written backwards, so that the first row stays
            self._keys[at[free]] = keys[rows[free]]
            self._owner[at[free]] = rows[free]
            mine = self._keys[at] == keys[rows]
            place[rows[mine]] = at[mine]
            rows, at = rows[~mine], (at[~mine] + 1) & last
        owns = self._owner[place] == np.arange(len(keys), dtype=np.int32)
        self._values[place[owns]] = values[owns]
        self.n += int(np.count_nonzero(owns))
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
