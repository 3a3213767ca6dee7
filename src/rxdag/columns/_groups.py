"""Groups: which rows of a run belong to which pane."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rxdag.columns._column import Array

Places = NDArray[np.intp]
"""Positions of panes in the arrays of an aggregate."""

_MOST_BITS: Final = 62


class Groups:
    """The rows of a run, grouped by pane.

    Args:
        places: shape (groups,): place of each group's pane.
        group: shape (rows,): index of each row's group.
        ts: shape (rows,), int64, event times.
        sequence: shape (rows,), tie-break; None if arrival decides.
    """

    __slots__ = ("_first", "_last", "_rank", "_row_bits", "group", "place_of", "places", "sequence", "ts")

    def __init__(self, places: Places, group: NDArray[np.intp], ts: NDArray[np.int64], sequence: Array | None) -> None:
        self.places = places
        self.group = group
        self.place_of = places[group]
        self.ts = ts
        self.sequence = sequence
        self._row_bits = max(len(group) - 1, 1).bit_length()
        self._rank: NDArray[np.int64] | None = None
        self._first: NDArray[np.intp] | None = None
        self._last: NDArray[np.intp] | None = None

    def first(self) -> NDArray[np.intp]:
        """Return the first row of each group by (event time, sequence, arrival)."""
        if self._first is None:
            best = np.full(len(self.places), np.iinfo(np.int64).max)
            np.minimum.at(best, self.group, self._ranks())
            self._first = best & ((1 << self._row_bits) - 1)
        return self._first

    def last(self) -> NDArray[np.intp]:
        """Return the last row of each group by (event time, sequence, arrival)."""
        if self._last is None:
            best = np.full(len(self.places), -1)
            np.maximum.at(best, self.group, self._ranks())
            self._last = best & ((1 << self._row_bits) - 1)
        return self._last

    def _ranks(self) -> NDArray[np.int64]:
        """Return ints that order the rows, with the row number in the lowest bits."""
        if self._rank is None:
            n = len(self.ts)
            order = _packed(self.ts, self.sequence, _MOST_BITS - self._row_bits)
            if order is None:
                # lexsort is stable, and sorts by its last key first.
                by: Any = (self.ts,) if self.sequence is None else (self.sequence, self.ts)
                order = np.empty(n, np.int64)
                order[np.lexsort(by)] = np.arange(n)
            self._rank = (order << self._row_bits) | np.arange(n)
        return self._rank


def _packed(ts: NDArray[np.int64], sequence: Array | None, most_bits: int) -> NDArray[np.int64] | None:
    """Return time and sequence packed into one int; None if they do not fit."""
    base = int(ts.min())
    bits = (int(ts.max()) - base).bit_length()
    if sequence is None:
        return ts - base if bits <= most_bits else None
    if sequence.dtype.kind != "i":
        return None
    low = int(sequence.min())
    more = (int(sequence.max()) - low).bit_length()
    return (((ts - base) << more) | (sequence - low)) if bits + more <= most_bits else None
