"""Writers of tables: items become rows, and an item that cannot does not hinder those before it."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from rxdag.contract import Chunk, WriteFailed, Writer
from rxdag.errors import SourceError


class RowWriter(Writer):
    """Makes rows of items; subclasses know the table."""

    def write(self, chunk: Chunk) -> None:
        rows: list[tuple[Any, ...]] = []
        for index, item in enumerate(chunk.items):
            try:
                rows.append(self.row(item))
            except SourceError:  # of the table, at the first item
                raise
            except Exception as error:
                self.put(rows)
                raise WriteFailed(index, error) from error
        self.put(rows)

    @abstractmethod
    def row(self, item: Any) -> tuple[Any, ...]:
        """Return an item as a row; the first one decides on the columns.

        Raises:
            ValueError: If the table cannot hold it.
            SourceError: If the table has other columns.
        """

    @abstractmethod
    def put(self, rows: list[tuple[Any, ...]]) -> None:
        """Take rows of the table's columns."""
