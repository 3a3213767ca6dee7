"""Rolling windows over a period of event time."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from rxdag.contract import MAX, MIN, Accumulator, Aggregate, Emit, Kernel
from rxdag.operators.keyed._expiring import Expiring
from rxdag.operators.windows._panes import blamed
from rxdag.operators.windows._rolling_rows import (
    RollingAccumulators,
    RollingRows,
    Row,
    result_of,
    rolling_in_columns,
)

Closed = Literal["right", "left", "both", "none"]
"""Ends of a window that belong to it."""

_Waiting: TypeAlias = tuple[Row, Any, "Accumulator[Any, Any] | None"]
"""An item, its key, and the accumulator of the item alone; None after a restart."""
_Instant: TypeAlias = tuple[list[_Waiting], dict[Any, RollingRows], list[Any]]
"""Items of one event time in their order, the windows of their keys, and results for the first of them."""


class RollingTimeKernel(Kernel):
    """Items by event time until the watermark passes them; behind it the windows that later ones still need."""

    state = ("waiting", "past")
    derived = ("windows", "wake", "_n", "_times", "_at_hand", "is_paused")
    pauses = True

    def __init__(
        self, period: int, closed: Closed, aggregate: Aggregate[Any, Any], into: Callable[[Any, Any], Any] | None
    ) -> None:
        self._aggregate = aggregate
        self._how = RollingAccumulators(aggregate)
        self._into = into
        self._period = period
        self._has_start = closed in ("left", "both")
        self._has_end = closed in ("right", "both")
        self.waiting: dict[int, list[_Waiting]] = {}
        """Items by event time, in order of arrival."""
        self._times: list[int] = []
        """Heap of the event times of `waiting`."""
        self._n = 0
        self._windows = Expiring()
        self._at_hand: _Instant | None = None
        """The first instant, if its results are not complete yet."""

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, emit: Emit[Any]) -> None:
        if ts <= self.watermark:
            return emit.late(item)
        row: Row = (ts, sequence, item)
        part = self._how.of(row)  # any error is raised before the state changes
        rows = self.waiting.get(ts)
        if rows is None:
            rows = self.waiting[ts] = []
            heapq.heappush(self._times, ts)
            if ts < self.wake:
                self.wake = ts
        rows.append((row, key, part))
        self._n += 1
        return None

    def blame(self, item: Any, error: Exception) -> Exception:
        return blamed(self._aggregate, item, error)

    def in_columns(self) -> Kernel | str:
        arrays = rolling_in_columns(self._aggregate)
        if isinstance(arrays, str):
            return arrays
        from rxdag.operators.windows._rolling_columns import RollingTimeColumnsKernel  # it loads numpy

        start, end = self._has_start, self._has_end
        return RollingTimeColumnsKernel(self._period, self._aggregate, arrays, self._into, has_start=start, has_end=end)

    def on_watermark(self, watermark: int, emit: Emit[Any]) -> None:
        n = 0
        while self._times and self._times[0] <= watermark and not self.is_paused:
            self.is_paused = (n > 0 and emit.must_pause()) or not self._give_out(self._times[0], emit)
            n += 1
        if not self.is_paused:
            self._windows.take_out(watermark + 1)
        self.wake = self._next_wake()

    def _next_wake(self) -> int:
        """Return the watermark that sets something free."""
        return min(self._times[0] if self._times else MAX, self._windows.due - 1)

    def _start_of(self, ts: int) -> int:
        """Return the first time in the windows of an instant."""
        return ts - self._period + (0 if self._has_start else 1)

    def _give_out(self, ts: int, emit: Emit[Any]) -> bool:
        """Emit one result for each item of the first instant; return False if it pauses before the last one."""
        if self._at_hand is None:
            self._at_hand = self._begin(ts)
        rows, windows, made = self._at_hand
        start = self._start_of(ts)
        first = len(made)
        for at in range(first, len(rows)):
            if at > first and emit.must_give_back():  # not before the first, so that each call makes progress
                return False
            row, key, _ = rows[at]
            made.append(result_of(self._into, row[2], windows[key], start, ts))
        self._at_hand = None
        # Otherwise _begin() has already added them, since items of an instant are in each other's windows.
        for row, key, part in rows if not self._has_end else ():
            windows[key].add(row, part)
        del self.waiting[ts]
        heapq.heappop(self._times)
        self._n -= len(rows)
        # Emitted last, once all user calls for the instant have succeeded and the state is complete.
        for out, (row, key, _) in zip(made, rows, strict=True):
            emit(out, ts=ts, sequence=row[1], key=key)
        return True

    def _begin(self, ts: int) -> _Instant:
        """Return the items of an instant and the windows of their keys: they are in each other's windows, or none is."""
        rows = self.waiting[ts]
        if len(rows) > 1:
            rows = sorted(rows, key=_sequence_of)
        windows: dict[Any, RollingRows] = {}
        for row, key, part in rows:
            window = windows.get(key)
            if window is None:
                window = windows[key] = self._from(key, ts, self._start_of(ts))
            if self._has_end:
                window.add(row, part)
        return rows, windows, []

    def _from(self, key: Any, ts: int, start: int) -> RollingRows:
        """Return the window of a key without the items before its start."""
        kept = self._windows.find(key, ts, MIN)
        window: RollingRows = RollingRows(self._how) if kept is None else kept.value
        n = 0
        for row in window.rows:
            if row[0] >= start:
                break
            n += 1
        # Borders are the multiples of the period: a window contains one of them, so that its items are in two parts.
        is_border = bool(window.rows) and window.rows[-1][0] < self._border_of(ts)
        if n or is_border:
            window.let_go(n, is_border=is_border)
        self._windows.keep(key, window, self._until(ts))
        return window

    def _border_of(self, ts: int) -> int:
        """Return the time at which the newer part of a window begins."""
        return ts - ts % self._period

    def _until(self, ts: int) -> int:
        """Return the first time at which an item is no longer needed; one at the start of a window may still count."""
        return min(ts + self._period + 1, MAX)

    def on_end(self, emit: Emit[Any]) -> None:
        self.on_watermark(MAX, emit)

    def held(self) -> int:
        return self._n

    def snapshot(self) -> dict[str, Any]:
        """Return rows [item, ts, sequence, key]: waiting ones by arrival, past ones of each key by time."""
        waiting = [[item, ts, sequence, key] for rows in self.waiting.values() for (ts, sequence, item), key, _ in rows]
        at_hand = MAX if self._at_hand is None else self._times[0]  # its items are in `waiting`
        return {
            "waiting": waiting,
            "past": [
                [item, ts, sequence, key]
                for key, window, _ in self._windows.rows()
                for ts, sequence, item in window.rows
                if ts < at_hand
            ],
        }

    def restore(self, saved: dict[str, Any]) -> None:
        self.waiting, self._at_hand = {}, None
        for item, ts, sequence, key in saved["waiting"]:
            self.waiting.setdefault(ts, []).append(((ts, sequence, item), key, None))
        self._times = sorted(self.waiting)
        self._n = len(saved["waiting"])
        by_key: dict[Any, list[list[Any]]] = {}
        for item, ts, sequence, key in saved["past"]:
            by_key.setdefault(key, []).append([ts, sequence, item])
        self._windows.load([[key, self._loaded(rows), self._until(rows[-1][0])] for key, rows in by_key.items()])
        self.wake = self._next_wake()

    def _loaded(self, rows: list[list[Any]]) -> RollingRows:
        """Return the window of saved items."""
        window, border = RollingRows(self._how), self._border_of(rows[-1][0])
        window.load(rows, sum(ts < border for ts, _, _ in rows))
        return window


def _sequence_of(waiting: _Waiting) -> Any:
    return waiting[0][1]
