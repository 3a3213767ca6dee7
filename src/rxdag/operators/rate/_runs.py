"""Runs of columns that wait for the watermark to pass them."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rxdag.columns import Columns, code_values, columns_of_rows, ints_of, joined
from rxdag.contract import MAX, ColumnsEmit, RowFailed


class Runs:
    """Items above the watermark, in order of arrival."""

    def __init__(self) -> None:
        self._runs: list[Columns] = []
        self.n = 0
        self.wake = MAX
        """Least watermark at which an item is emitted."""

    def add(self, columns: Columns) -> None:
        """Take in a run without late items."""
        if columns.n and columns.ts is not None:
            self._runs.append(columns.marked(None))
            self.n += columns.n
            self.wake = min(self.wake, int(columns.ts.min()))

    def take_up_to(self, watermark: int) -> Columns | None:
        """Remove and return the items that the watermark has passed; None if there are none."""
        if not self._runs or watermark < self.wake:
            return None
        whole = joined(self._runs) if len(self._runs) > 1 else self._runs[0]
        is_ready = times(whole) <= watermark
        ready, rest = whole.where(is_ready), whole.where(~is_ready)
        self._runs, self.n, self.wake = [], 0, MAX
        self.add(rest)
        return ready

    def rows(self) -> list[list[Any]]:
        """Return the runs as plain data; see `saved_rows`."""
        return [row for run in self._runs for row in saved_rows(run)]

    def load(self, rows: list[list[Any]]) -> None:
        """Restore the result of `rows`."""
        self._runs, self.n, self.wake = [], 0, MAX
        columns = columns_of(rows)
        if columns is not None:
            self.add(columns)


def saved_rows(columns: Columns | None) -> list[list[Any]]:
    """Return items as rows for a row kernel: [item, event time, sequence, key], with 0 or None for missing parts."""
    if columns is None:
        return []
    n = columns.n
    parts = (columns.rows(), columns.times() or [0] * n, columns.sequences() or [0] * n, columns.keys() or [None] * n)
    return [list(row) for row in zip(*parts, strict=True)]


def columns_of(rows: list[list[Any]]) -> Columns | None:
    """Return such rows as columns, always with times and keys."""
    if not rows:
        return None
    items, ts, sequence, keys = map(list, zip(*rows, strict=True))
    return columns_of_rows(items).timed(ints_of(ts), ints_of(sequence)).keyed(code_values(keys))


def times(columns: Columns) -> NDArray[np.int64]:
    """Return the event times of items that have them."""
    if columns.ts is None:
        raise TypeError("columns: must have event times here")
    return columns.ts


def split_late(columns: Columns, watermark: int) -> tuple[Columns, NDArray[np.intp] | None]:
    """Return the items that are not late, and their positions; None for all."""
    passed = watermark if columns.before is None else np.maximum(columns.before, watermark)
    is_late = times(columns) <= passed
    if not is_late.any():
        return columns, None
    live = (~is_late).nonzero()[0]
    return columns.take(live), live


@contextmanager
def in_whole(live: NDArray[np.intp] | None) -> Generator[None]:
    """Raise a failure of one of the live rows as that of its row in the whole run."""
    try:
        yield
    except RowFailed as failed:
        if live is None:
            raise
        raise RowFailed(int(live[failed.index]), failed.cause) from failed.cause


def emit_late(columns: Columns, live: NDArray[np.intp] | None, emit: ColumnsEmit) -> None:
    """Emit the late items."""
    if live is not None:
        is_late = np.ones(columns.n, np.bool_)
        is_late[live] = False
        emit.late(columns.where(is_late))


def in_time(columns: Columns) -> NDArray[np.intp]:
    """Return positions ordered by (event time, sequence, arrival)."""
    ts = times(columns)
    if columns.sequence is None:
        return np.argsort(ts, kind="stable")
    order: NDArray[np.intp] = np.lexsort((ranked(columns.sequence), ts))
    return order


def ranked(sequence: Any) -> Any:
    """Return numbers in the order of the sequence, equal ones by position."""
    if sequence.dtype.kind in "if":
        return sequence
    order = np.argsort(sequence, kind="stable")
    rank = np.empty(len(sequence), np.int64)
    rank[order] = np.arange(len(sequence))
    return rank
