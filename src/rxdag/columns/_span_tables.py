"""Times of keys in a hash table for each span of time, so that the keys of a span are forgotten together."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from rxdag.columns._int_table import IntTable

Ints = NDArray[np.int64]

MISSING: Final = -(1 << 63)
"""Time of a key that is not there."""


class SpanTables:
    """Times of keys, by the span of the time; a key in several tables has the time in the latest.

    A key may be in the table of the span after its own.

    Args:
        within: Length of a span, ns.
    """

    __slots__ = ("_tables", "_within")

    def __init__(self, within: int) -> None:
        self._within = within
        self._tables: dict[int, IntTable] = {}

    @property
    def n(self) -> int:
        """Number of keys in all tables."""
        return sum(table.n for table in self._tables.values())

    @property
    def first(self) -> int | None:
        """The earliest span with a table; None if there is none."""
        return min(self._tables, default=None)

    def find(self, keys: Ints) -> tuple[Ints, Ints | None]:
        """Return the time of each key, or `MISSING`; and their places in the latest table, for `insert`."""
        times = np.full(len(keys), MISSING)
        rows: NDArray[np.intp] | None = None
        latest: Ints | None = None
        for span in sorted(self._tables, reverse=True):
            table = self._tables[span]
            places = table.find(keys if rows is None else keys.take(rows))
            latest = places if latest is None else latest
            found = np.flatnonzero(places >= 0)
            if len(found):
                times[found if rows is None else rows.take(found)] = table.at(places.take(found))
                missing = np.flatnonzero(places < 0)
                rows = missing if rows is None else rows.take(missing)
        return times, latest

    def insert(self, keys: Ints, times: Ints, found: Ints | None = None) -> Ints:
        """Insert keys that are not there; of equal ones the first. Returns the indices of the others.

        Args:
            keys: shape (rows,).
            times: shape (rows,), ns.
            found: Their places in the latest table, if nothing was inserted since.
        """
        if not len(keys):
            return np.zeros(0, np.int64)
        spans = times // self._within
        last = int(spans.max())
        if last - int(spans.min()) <= 1:
            is_latest = last == max(self._tables, default=None)
            return self._table(last).insert(keys, times, found if is_latest else None)
        # Far from each other: a key must not wait for the end of a much later span.
        again = IntTable().insert(keys, times)
        is_first = np.ones(len(keys), np.bool_)
        is_first[again] = False
        for span in np.unique(spans[is_first]).tolist():
            rows = np.flatnonzero(is_first & (spans == span))
            self._table(span).insert(keys[rows], times[rows])
        return again

    def put(self, keys: Ints, times: Ints) -> None:
        """Set the times of keys, which are all different; each is later than the time of its key so far."""
        spans = times // self._within
        for span in np.unique(spans).tolist():
            here = spans == span
            self._table(span).put(keys[here], times[here])

    def _table(self, span: int) -> IntTable:
        table = self._tables.get(span)
        if table is None:
            # As large as the others, since a span has about as many keys as the one before it.
            most = max((other.n for other in self._tables.values()), default=0)
            table = self._tables[span] = IntTable(most)
        return table

    def forget(self, span: int) -> None:
        """Forget the tables of earlier spans."""
        for each in [each for each in self._tables if each < span]:
            del self._tables[each]

    def items(self) -> tuple[Ints, Ints]:
        """Return keys and their times, in no order."""
        latest: dict[int, int] = {}
        for span in sorted(self._tables):
            keys, times = self._tables[span].items()
            latest.update(zip(keys.tolist(), times.tolist(), strict=True))
        return np.array([*latest], np.int64), np.array([*latest.values()], np.int64)

    def replace(self, keys: Ints, times: Ints) -> None:
        """Hold exactly these keys, which are all different."""
        self._tables.clear()
        self.insert(keys, times)
