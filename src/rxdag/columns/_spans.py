"""Spans: panes that overlap, as ranges of rows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from rxdag.columns._column import Array


class Spans:
    """Panes that are overlapping ranges of rows, each cut into two parts by a border. No pane is empty.

    Rows are in the order in which they are added. Panes are ascending, so that those with one border are neighbours.

    Args:
        low: shape (panes,): first row of each pane.
        border: shape (panes,): first row of its newer part; `low` if there is no older part, `high` if no newer one.
        high: shape (panes,): row after its last.
        ts: shape (rows,), int64, event times.
        sequence: shape (rows,), tie-break; None if arrival decides.
    """

    __slots__ = ("border", "high", "low", "sequence", "ts")

    def __init__(
        self,
        low: NDArray[np.intp],
        border: NDArray[np.intp],
        high: NDArray[np.intp],
        ts: NDArray[np.int64],
        sequence: Array | None,
    ) -> None:
        self.low = low
        self.border = border
        self.high = high
        self.ts = ts
        self.sequence = sequence

    def __len__(self) -> int:
        return len(self.low)

    def runs(self) -> Iterator[tuple[int, int]]:
        """Return the ranges of panes that have one border."""
        if len(self):
            starts = [0, *(np.flatnonzero(self.border[1:] != self.border[:-1]) + 1).tolist(), len(self)]
            yield from pairwise(starts)
