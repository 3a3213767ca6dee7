"""The minimum event time of held items."""

from __future__ import annotations

import heapq

from rxdag.contract import MAX
from rxdag.operators._heaps import LEAST


class LeastTime:
    """A multiset of times whose minimum is found in constant time.

    A removed time stays in the heap until it reaches the top, or most of the heap is removed times.
    """

    __slots__ = ("_gone", "_heap", "_n")

    def __init__(self) -> None:
        self._heap: list[int] = []
        self._gone: dict[int, int] = {}
        """Number of times that each time in the heap was removed."""
        self._n = 0

    def __len__(self) -> int:
        return self._n

    def add(self, ts: int) -> None:
        """Take in a time."""
        heapq.heappush(self._heap, ts)
        self._n += 1

    def remove(self, ts: int) -> None:
        """Remove a time that was added."""
        heap, gone = self._heap, self._gone
        gone[ts] = gone.get(ts, 0) + 1
        self._n -= 1
        while heap and heap[0] in gone:
            least = heapq.heappop(heap)
            n = gone.pop(least)
            if n > 1:
                gone[least] = n - 1
        if len(heap) > 2 * self._n + LEAST:  # a time that stays at the top would keep all that were removed
            self._sweep()

    def _sweep(self) -> None:
        """Remove the removed times from the heap."""
        gone, left = self._gone, list[int]()
        for ts in self._heap:
            n = gone.get(ts, 0)
            if n:
                gone[ts] = n - 1
            else:
                left.append(ts)
        heapq.heapify(left)
        self._heap, self._gone = left, {}

    def clear(self) -> None:
        """Remove all times."""
        self._heap, self._gone, self._n = [], {}, 0

    @property
    def least(self) -> int:
        """The least time; MAX if empty."""
        return self._heap[0] if self._heap else MAX
