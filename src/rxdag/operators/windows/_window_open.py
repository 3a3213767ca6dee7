"""Windows that each come out once, at their end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rxdag.contract import MAX, Accumulator, Aggregate, Assigner, Emit, Kernel, Pane
from rxdag.operators.windows._panes import blamed, in_order

_Open = dict[Any, Accumulator[Any, Any]]


class OpenWindowKernel(Kernel):
    """Open windows by (end, start), each with its keys.

    Args:
        assigner: Which windows an item belongs to.
        aggregate: What to compute.
        into: What becomes of a pane.
    """

    state = ("open", "wake")
    passes = False
    splices = ("_add_at",)

    def __init__(self, assigner: Assigner, aggregate: Aggregate[Any, Any], into: Callable[[Any], Any] | None) -> None:
        self._assigner = assigner
        self._assign = assigner.assign
        self._overlaps = assigner.overlaps
        self._aggregate = aggregate
        sample = aggregate.accumulator()
        self._add_at = type(sample).add_at
        self.shared = type(sample).shared
        for name in self.shared:
            setattr(self, f"shared_{name}", getattr(sample, name))
        self._into = into
        self.open: dict[tuple[int, int], _Open] = {}
        self.wake = MAX
        self.counts: dict[tuple[int, int], int] = {}
        """Items by the window that holds them, but for those since it is at hand: `_n`, `_other_n`."""
        self._n = self._other_n = 0
        self._at = self._other_at = (0, 0)
        self._low = self._other_low = 1
        self._high = self._other_high = 0
        self._keys: _Open = {}
        self._other_keys: _Open = {}

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, emit: Emit[Any]) -> None:
        if self._low <= ts < self._high:
            keys = self._keys
        elif self._other_low <= ts < self._other_high:
            self._swap()
            keys = self._keys
        else:
            found = self._find(item, ts, emit)
            if found is None:
                return
            if not self._low <= ts < self._high:  # one of several windows, even if the others are closed
                self._add_to_all(found, item, ts, sequence, key)
                return
            keys = found[0]
        accumulator = keys.get(key)
        if accumulator is None:
            accumulator = self._new()
            self._add_at(accumulator, item, ts, sequence)
            keys[key] = accumulator
        else:
            self._add_at(accumulator, item, ts, sequence)
        self._n += 1

    def in_columns(self) -> Kernel | str:
        evenly = self._assigner.evenly
        if evenly is None:
            return "its windows are not of one size"
        arrays = self._aggregate.in_columns()
        if isinstance(arrays, str):
            return arrays
        from rxdag.operators.windows._window_columns import WindowColumnsKernel  # it loads numpy

        return WindowColumnsKernel(evenly, self._aggregate, arrays, self._into)

    def _new(self) -> Accumulator[Any, Any]:
        return self._aggregate.accumulator()

    def blame(self, item: Any, error: Exception) -> Exception:
        return blamed(self._aggregate, item, error)

    def _find(self, item: Any, ts: int, emit: Emit[Any]) -> list[_Open] | None:
        """The live windows of a time; None if there are none, and the item has been counted."""
        windows = self._assign(ts)
        live = [(end, start) for start, end in windows if end - 1 > self.watermark]
        if not live:
            if windows:
                emit.late(item)
            else:
                emit.unassigned(item)
            return None
        found: list[_Open] = []
        for window in live:
            keys = self.open.get(window)
            if keys is None:
                keys = self.open[window] = {}
                self.counts[window] = 0
                self.wake = min(self.wake, window[0] - 1)
            found.append(keys)
        if not self._overlaps:
            self._settle()
            self._swap()
            self._at = live[0]
            self._low, self._high = windows[0]
            self._keys = found[0]
        return found

    def _swap(self) -> None:
        """Have the other of the two windows at hand: out of order, items fall into now this one, now that."""
        self._low, self._other_low = self._other_low, self._low
        self._high, self._other_high = self._other_high, self._high
        self._keys, self._other_keys = self._other_keys, self._keys
        self._n, self._other_n = self._other_n, self._n
        self._at, self._other_at = self._other_at, self._at

    def _settle(self) -> None:
        """Put the items of the two windows at hand to their counts."""
        if self._n:
            self.counts[self._at] += self._n
            self._n = 0
        if self._other_n:
            self.counts[self._other_at] += self._other_n
            self._other_n = 0

    def _put_away(self) -> None:
        """Have no window at hand."""
        self._settle()
        self._low, self._high = 1, 0
        self._other_low, self._other_high = 1, 0
        self._keys, self._other_keys = {}, {}

    def _add_to_all(self, found: list[_Open], item: Any, ts: int, sequence: int, key: Any) -> None:
        """An item of several windows; it is held once, until the last of them is purged: the one that ends last."""
        for keys in found:
            accumulator = keys.get(key)
            if accumulator is None:
                accumulator = self._new()
                accumulator.add_at(item, ts, sequence)
                keys[key] = accumulator
            else:
                accumulator.add_at(item, ts, sequence)
        last = max(window for window, keys in self.open.items() if keys is found[-1])
        self.counts[last] += 1

    def held(self) -> int:
        return sum(self.counts.values()) + self._n + self._other_n

    def on_watermark(self, watermark: int, emit: Emit[Any]) -> None:
        self._put_away()
        self._fire([window for window in self.open if window[0] - 1 <= watermark], "watermark", emit)
        self.wake = min((end for end, _ in self.open), default=MAX + 1) - 1

    def on_end(self, emit: Emit[Any]) -> None:
        self._put_away()
        self._fire(list(self.open), "end", emit)

    def _fire(self, windows: list[tuple[int, int]], closed_by: Any, emit: Emit[Any]) -> None:
        for end, start in sorted(windows):
            keys = self.open.pop((end, start))
            for key in in_order(keys):
                pane: Any = Pane(key, start, end, 0, keys[key].result_in(start, end), closed_by)
                emit(pane if self._into is None else self._into(pane), ts=end - 1, sequence=0, key=key)
            emit.absorbed(self.counts.pop((end, start)))

    def snapshot(self) -> dict[str, Any]:
        self._settle()
        rows = [
            [end, start, self.counts[end, start], [[key, kept.snapshot()] for key, kept in keys.items()]]
            for (end, start), keys in self.open.items()
        ]
        return {"open": rows, "wake": self.wake}

    def restore(self, saved: dict[str, Any]) -> None:
        self._n = self._other_n = 0
        self.open, self.counts = {}, {}
        for end, start, n, rows in saved["open"]:
            self.counts[end, start] = n
            keys = self.open[end, start] = {}
            for key, state in rows:
                keys[key] = self._new()
                keys[key].restore(state)
        self.wake = saved["wake"]
        self._put_away()
