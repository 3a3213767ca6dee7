"""Blocks: columns of equal length under one selection."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from rxdag.columns._column import At, Column

Bounds = tuple[int, int]


class Block:
    """Columns of equal length that share one selection of rows.

    Args:
        columns: The columns, by name.
        at: The selected rows; None for all.
        bounds: Minimum and maximum of int64 columns, where known.
    """

    __slots__ = ("at", "bounds", "columns")

    def __init__(
        self, columns: Mapping[str, Column], at: At | None = None, bounds: dict[str, Bounds] | None = None
    ) -> None:
        self.columns = columns
        self.at = at
        self.bounds: dict[str, Bounds] = {} if bounds is None else bounds

    def take(self, at: At) -> Block:
        """Return the rows at those positions of the selection."""
        mine = self.at
        if mine is None:
            composed: At = at
        elif isinstance(mine, slice):
            composed = slice(mine.start + at.start, mine.start + at.stop) if isinstance(at, slice) else at + mine.start
        else:
            composed = mine[at] if isinstance(at, slice) else mine.take(at)
        return Block(self.columns, composed, self.bounds)


def without(block: Block, names: Collection[str]) -> Block:
    """Return the block without some of its columns."""
    if not any(name in block.columns for name in names):
        return block
    return Block(_Others(block.columns, names), block.at, block.bounds)


class _Others(Mapping[str, Column]):
    """All but some of the columns."""

    __slots__ = ("_columns", "_names")

    def __init__(self, columns: Mapping[str, Column], without: Container[str]) -> None:
        self._columns = columns
        self._names = [name for name in columns if name not in without]

    def __getitem__(self, name: str) -> Column:
        if name not in self._names:
            raise KeyError(name)
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def positions(at: At | None, n: int) -> NDArray[np.intp]:
    """Return a selection of that many rows as their positions."""
    if isinstance(at, np.ndarray):
        return at
    first = 0 if at is None else at.start
    return np.arange(first, first + n)
