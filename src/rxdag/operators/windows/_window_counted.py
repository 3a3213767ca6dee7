"""Windows of so many items."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from rxdag.contract import Aggregate, Emit, Kernel, Pane
from rxdag.operators.windows._panes import blamed

_Row = tuple[Any, int, int]


class CountedWindowKernel(Kernel):
    """The last items of each key, and how many have come since its last pane.

    Args:
        size: Items of a window.
        slide: Items from one pane to the next.
        aggregate: What to compute.
        into: What becomes of a pane.
    """

    state = ("rows", "since")
    passes = False

    def __init__(
        self, size: int, slide: int, aggregate: Aggregate[Any, Any], into: Callable[[Any], Any] | None
    ) -> None:
        self._size = size
        self._slide = slide
        self._aggregate = aggregate
        self._new = aggregate.factory()
        self._into = into
        self.rows: dict[Any, deque[_Row]] = {}
        self.since: dict[Any, int] = {}

    def in_columns(self) -> Kernel | str:
        return "its windows are counted item by item"

    def blame(self, item: Any, error: Exception) -> Exception:
        return blamed(self._aggregate, item, error)

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, emit: Emit[Any]) -> None:
        row, since = (item, ts, sequence), self.since.get(key, 0) + 1
        if since < self._slide:
            self._new().add_at(item, ts, sequence)  # raises, if it does, before anything has changed
            self._take_in(key, row, since, emit)
            return
        made, end = self._pane(key, [*self.rows.get(key, ()), row][-self._size :])
        self._take_in(key, row, 0, emit)
        if self._slide == self._size:
            self._let_go(self.rows[key], self._size, emit)
            del self.rows[key], self.since[key]
        emit(made, ts=end - 1, sequence=0, key=key)

    def _take_in(self, key: Any, row: _Row, since: int, emit: Emit[Any]) -> None:
        rows = self.rows.setdefault(key, deque())
        rows.append(row)
        self.since[key] = since
        if len(rows) > self._size:
            self._let_go(rows, len(rows) - self._size, emit)

    def _pane(self, key: Any, rows: list[_Row]) -> tuple[Any, int]:
        """Return what comes out for the last items of a key, and the end of their window."""
        accumulator = self._new()
        for item, ts, sequence in rows:
            accumulator.add_at(item, ts, sequence)
        times = [ts for _, ts, _ in rows]
        start, end = min(times), max(times) + 1
        pane: Any = Pane(key, start, end, 0, accumulator.result_in(start, end), "count")
        return (pane if self._into is None else self._into(pane)), end

    def _let_go(self, rows: deque[_Row], n: int, emit: Emit[Any]) -> None:
        for _ in range(n):
            rows.popleft()
        emit.absorbed(n)

    def on_end(self, emit: Emit[Any]) -> None:
        for key, rows in self.rows.items():
            since = self.since[key]
            emit.absorbed(len(rows) - since)
            for item, _, _ in list(rows)[len(rows) - since :]:
                emit.dropped(item, "leftover")
        self.rows, self.since = {}, {}

    def held(self) -> int:
        return sum(len(rows) for rows in self.rows.values())

    def snapshot(self) -> dict[str, Any]:
        return {
            "rows": [[key, [list(row) for row in rows]] for key, rows in self.rows.items()],
            "since": [[key, n] for key, n in self.since.items()],
        }

    def restore(self, saved: dict[str, Any]) -> None:
        self.rows = {key: deque((item, ts, sequence) for item, ts, sequence in rows) for key, rows in saved["rows"]}
        self.since = {key: n for key, n in saved["since"]}  # noqa: C416  # the rows are lists
