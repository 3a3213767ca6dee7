"""Rows of tables: the reader of what is in columns already."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

from rxdag.contract import END, Chunk, Read, Reader
from rxdag.errors import SourceError


class RowsReader(Reader):
    """Reads rows part by part; its position is a number of rows, malformed ones included."""

    def __init__(self) -> None:
        self._parts: Iterator[tuple[int, Any]] | None = None
        self._part: Any = ()
        self._first = 0
        """Number of rows before the part at hand."""
        self._at = 0

    @abstractmethod
    def parts(self, first: int) -> Iterator[tuple[int, Any]]:
        """Yield the items after so many rows, in order.

        Each part is columns or a list of items that follow one another, with the number of rows before it.
        """

    @abstractmethod
    def n_rows(self) -> int:
        """Return the number of rows, as far as known."""

    def read(self, max_items: int) -> Read:
        if self._parts is None:
            self._parts = self.parts(self._first)
        while self._at >= len(self._part):
            part = next(self._parts, None)
            if part is None:
                self._part, self._first, self._at = (), self.n_rows(), 0
                return END
            self._first, self._part = part
            self._at = 0
        at = self._at
        self._at = min(at + max_items, len(self._part))
        return Chunk(self._part[at : self._at])

    @property
    def row(self) -> int:
        """Number of rows that have been read."""
        return self._first + self._at

    def seek_row(self, row: int, where: str) -> None:
        """Continue after so many rows.

        Raises:
            SourceError: If there are fewer.
        """
        if self.n_rows() < row:
            raise SourceError(
                f"{where}: must have {row:,} rows or more, as when the checkpoint was taken, got {self.n_rows():,}; put "
                "them back, or start without the checkpoint"
            )
        self._first = row

    def progress(self) -> float | None:
        return min(1.0, self.row / max(1, self.n_rows()))
