"""Parking: short runs that wait for more in front of a region of columns, where nothing can be seen of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from rxdag.contract import Chunk, Kernel

if TYPE_CHECKING:
    from rxdag.columns import Columns

_FEW: Final = 128
"""Fewer rows than that wait as they are: made columns alone, they cost more than in a loop of rows."""


class Parking:
    """What waits: a run that brings a watermark, or is one too many, takes all of it along.

    Args:
        most: So many items may wait.
        kernel: Of the first node of the region.
        columns_of: Makes columns of a chunk of rows.
    """

    def __init__(self, most: int, kernel: Callable[[], Kernel], columns_of: Callable[[Chunk], Columns]) -> None:
        self._most = most
        self._kernel = kernel
        self._columns_of = columns_of
        self._runs: list[Columns] = []
        self._few: list[Any] = []
        """Rows that came a few at a time, behind the runs."""
        self.n = 0
        """How many items wait."""

    def add(self, chunk: Chunk) -> Columns | None:
        """Take in a chunk of items: what is to go on now, or None if it waits."""
        columns = chunk.columns
        if columns is None:
            items = chunk.items
            if len(items) < _FEW and chunk.ts is None and chunk.key is None and self._may_wait(items):
                self._few += items
                self.n += len(items)
                return None
            columns = self._columns_of(chunk)
        self._gather()
        may_wait = self._may_wait(columns)
        self._runs.append(columns)
        self.n += columns.n
        return None if may_wait else self.take()

    def _may_wait(self, run: Columns | list[Any]) -> bool:
        kernel = self._kernel()
        return self.n + len(run) < self._most and not (kernel.makes_time and kernel.brings_watermark(run))

    def _gather(self) -> None:
        """Make columns of the few rows."""
        if self._few:
            few, self._few = self._few, []
            self._runs.append(self._columns_of(Chunk(few)))

    def take(self) -> Columns | None:
        """All that waits, in one run; None if nothing does."""
        self._gather()
        runs, self._runs, self.n = self._runs, [], 0
        if len(runs) < 2:
            return runs[0] if runs else None
        from rxdag.columns import joined  # it loads numpy, which columns have done

        return joined(runs)

    def clear(self) -> int:
        """Let go of all that waits; returns how many items that were."""
        n, self._runs, self._few, self.n = self.n, [], [], 0
        return n
