"""Nodes that convert columns to rows, and rows to columns."""

from __future__ import annotations

from typing import Any, Final

from mypy_extensions import i64

from rxdag.contract import MIN
from rxdag.engine._faults import node_error
from rxdag.engine._node import Exit
from rxdag.engine._point import COLUMNS, ITEM, Point

_TURN: Final = 1024


class Rows:
    """The rest of a run of columns, as rows.

    Args:
        items: All items of the run, those already sent included.
        times: Event time of each.
        sequences: Sequence of each.
        keys: Key of each.
        before: Watermark before each; None if there are no times.
    """

    def __init__(
        self, items: list[Any], times: list[int], sequences: list[Any], keys: list[Any], before: list[int] | None
    ) -> None:
        self.items = items
        self.times = times
        self.sequences = sequences
        self.keys = keys
        self.before = before
        self.at = 0

    def __len__(self) -> int:
        return len(self.items) - self.at

    def left(self) -> tuple[Any, ...]:
        """Return the items that have not been passed on, with their times, sequences, keys and watermarks."""
        at, before = self.at, self.before
        rest = (each[at:] for each in (self.items, self.times, self.sequences, self.keys))
        return (*rest, None if before is None else before[at:])


class RowsNode(Point):
    """Passes the items of columns on one by one, each after the watermark before it."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.told: i64 = MIN
        """The last watermark sent between items."""

    def push_columns(self, columns: Any) -> None:
        exit_ = self.exits[0]
        exit_.n += len(columns)
        try:
            times, sequences, keys = columns.beside_rows()
            rows = Rows(columns.rows(), times, sequences, keys, columns.marks_before())
        except BaseException as error:  # the items cannot be built from their fields
            self.could_not(columns, error)
            return
        if self.blocked:
            self.hold((COLUMNS, exit_, rows, 0, 0, None))
        else:
            self.send_columns(exit_, rows)

    def send_columns(self, exit_: Exit, columns: Any) -> None:
        rows: Rows = columns
        items = rows.items
        before = rows.before if exit_.timed else None
        free = self.obstacles()
        out = exit_.out
        n = len(items)
        i = rows.at
        turn = i + _TURN
        while i < n:
            # A watermark takes no room, so it is sent even if the next item has to rest.
            if before is not None and before[i] > self.told:
                self.told = before[i]
                out.mark(before[i])
            # At least one item per call, so that it makes progress even if the thread is always needed.
            if self.blocked > free or i >= turn or (i > rows.at and self.domain.must_give_back()):
                rows.at = i
                self.hold_first((COLUMNS, exit_, rows, 0, 0, None))
                return
            out.push(items[i], rows.times[i], rows.sequences[i], rows.keys[i])
            i += 1

    def could_not(self, columns: Any, error: BaseException) -> None:
        """Fail the run: items cannot be made of columns."""
        self.exits[0].lost += len(columns)
        self.domain.interrupt_for(error)
        made = node_error(self.name, error)
        self.give_end(made)
        self.seal()
        self.domain.run.fail(made)

    def push(self, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        exit_ = self.exits[0]
        exit_.n += 1
        if self.blocked:
            self.hold((ITEM, exit_, item, ts, sequence, key))
        else:
            exit_.out.push(item, ts, sequence, key)

    def mark(self, watermark: i64) -> None:
        self.give_mark(watermark)

    def end(self, error: Exception | None) -> None:
        self.give_end(error)
        self.seal()

    def unused(self) -> None:
        self.clear()
        super().unused()
