"""The minimum event time of held items."""

from __future__ import annotations

import heapq

from rxdag.contract import MAX


class LeastTime:
    """A multiset of times whose minimum is found in constant time.

    A removed time stays in the heap until it reaches the top.
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

    def clear(self) -> None:
        """Remove all times."""
        self._heap, self._gone, self._n = [], {}, 0

    @property
    def least(self) -> int:
        """The least time; MAX if empty."""
        return self._heap[0] if self._heap else MAX
