"""Windows of a number of items."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rxdag.contract import Aggregate, Emit, Kernel
from rxdag.operators.windows._counted_rows import CountedRows
from rxdag.operators.windows._panes import blamed
from rxdag.operators.windows._rolling_rows import RollingAccumulators


class CountedWindowKernel(Kernel):
    """Holds the last items of each key, and the number of items since its last pane.

    Args:
        size: Number of items in a window.
        slide: Number of items from one pane to the next.
        aggregate: The aggregate to compute.
        into: Function of the pane, whose result is emitted instead.
    """

    state = ("rows", "since")
    derived = ("keys",)
    passes = False

    def __init__(
        self, size: int, slide: int, aggregate: Aggregate[Any, Any], into: Callable[[Any], Any] | None
    ) -> None:
        self._size = size
        self._slide = slide
        self._aggregate = aggregate
        self._how = RollingAccumulators(aggregate)
        self._into = into
        self.keys: dict[Any, CountedRows] = {}

    def in_columns(self) -> Kernel | str:
        return "its windows are counted item by item"

    def blame(self, item: Any, error: Exception) -> Exception:
        return blamed(self._aggregate, item, error)

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, emit: Emit[Any]) -> None:
        row, kept = (ts, sequence, item), self.keys.get(key)
        part = self._how.of(row)  # any error is raised before the state changes
        if kept is None:
            kept = CountedRows(self._how)
        if kept.since + 1 < self._slide:
            gone = kept.take_in(row, part, self._size)
            kept.since += 1
            self.keys[key] = kept
            if gone is not None:
                emit.absorbed(1)
            return
        n_older = kept.n_older
        gone = kept.take_in(row, part, self._size)
        try:
            pane: Any = kept.pane(key)
            end = pane.end
            made = pane if self._into is None else self._into(pane)
        except BaseException:
            kept.give_back(row, gone, n_older)
            raise
        kept.since = 0
        self.keys[key] = kept
        if gone is not None:
            emit.absorbed(1)
        if self._slide == self._size:
            emit.absorbed(len(self.keys.pop(key).rows))
        emit(made, ts=end - 1, sequence=0, key=key)

    def on_end(self, emit: Emit[Any]) -> None:
        for kept in self.keys.values():
            n_old = len(kept.rows) - kept.since
            emit.absorbed(n_old)
            for _, _, item in list(kept.rows)[n_old:]:
                emit.dropped(item, "leftover")
        self.keys = {}

    def held(self) -> int:
        return sum(len(kept.rows) for kept in self.keys.values())

    def snapshot(self) -> dict[str, Any]:
        return {
            "rows": [[key, [list(row) for row in kept.rows], kept.n_older] for key, kept in self.keys.items()],
            "since": [[key, kept.since] for key, kept in self.keys.items()],
        }

    def restore(self, saved: dict[str, Any]) -> None:
        since = dict(saved["since"])
        self.keys = {}
        for key, rows, n_older in saved["rows"]:
            kept = self.keys[key] = CountedRows(self._how)
            kept.load(rows, n_older)
            kept.since = since[key]
