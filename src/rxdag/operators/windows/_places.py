"""Places: which cells of the arrays of an aggregate are in use."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from rxdag.contract import ColumnsAggregate

_FIRST: Final = 256


class Places:
    """The free cells of arrays that grow twofold.

    Args:
        arrays: The arrays.
    """

    def __init__(self, arrays: ColumnsAggregate) -> None:
        self._arrays = arrays
        self._free: list[int] = []
        self._size = 0

    def take(self) -> int:
        """Return a free cell, cleared for a new pane."""
        places = self.reserve(1)
        self._arrays.clear(np.array(places, np.intp))
        return places[0]

    def reserve(self, n: int) -> list[int]:
        """Return free cells, not cleared yet."""
        free = self._free
        if len(free) < n:
            size = max(_FIRST, 2 * self._size, self._size + n)
            self._arrays.reserve(size)
            self._free = free = [*range(size - 1, self._size - 1, -1), *free]
            self._size = size
        taken = free[len(free) - n :]
        del free[len(free) - n :]
        return taken

    def give_back(self, places: Iterable[int]) -> None:
        """Return cells, so that `take` can use them again."""
        self._free += places
