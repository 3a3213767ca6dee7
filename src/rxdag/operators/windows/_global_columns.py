"""The global window over columns: one place in the arrays of the aggregate for each key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rxdag.columns import Coded, Columns, Groups, distinct, first_rows, values_of
from rxdag.contract import (
    MAX,
    MIN,
    Aggregate,
    ColumnsAggregate,
    ColumnsEmit,
    Emit,
    Kernel,
    Pane,
    migrated,
    with_versions,
)
from rxdag.operators._order import in_order
from rxdag.operators.windows._live import add_live, results_of
from rxdag.operators.windows._panes import blamed
from rxdag.operators.windows._places import Places

_LAST: Final = MAX - 1
"""Watermark at which the panes are complete."""


class GlobalColumnsKernel(Kernel):
    """Holds one pane per key, which is emitted at the end of time, or of the stream.

    Args:
        aggregate: The definition, for messages.
        arrays: The same over columns.
        into: Function of the pane, whose result is emitted instead.
    """

    state = ("parts",)
    derived = ("wake", "is_paused", "_arrays", "_places", "_left", "_values")
    gives_columns = False
    passes = False
    pauses = True

    def __init__(
        self, aggregate: Aggregate[Any, Any], arrays: ColumnsAggregate, into: Callable[[Any], Any] | None
    ) -> None:
        self._aggregate = aggregate
        self._arrays = arrays
        self._into = into
        self._places = Places(arrays)
        self.parts: dict[Any, list[int]] = {}
        """For each key: its place, number of items, and largest event time."""
        self._left: list[Any] = []
        """Keys whose panes are still to be emitted, the next one last."""
        self._values: list[Any] = []
        """Results of the next of these keys, in the same order."""

    def on_item(self, item: Any, ts: int, key: Any, emit: Emit[Any]) -> None:
        raise TypeError("window: must get columns here")

    def blame(self, item: Any, error: Exception) -> Exception:
        return blamed(self._aggregate, item, error)

    def on_columns(self, columns: Columns, emit: ColumnsEmit) -> None:
        if columns.ts is None:
            raise TypeError("window: must have event times to work on columns")
        before = np.asarray(self.watermark if columns.before is None else columns.before)
        add_live(self._aggregate, self._arrays, columns, np.broadcast_to(before < _LAST, columns.n), self, emit)

    def add(self, columns: Columns, ts: NDArray[np.int64], values: Any) -> None:
        key = columns.key or Coded(np.zeros(columns.n, np.int64), [None])
        found, group = distinct(key.codes + 1, len(key.names) + 1)  # a null is 0
        most = np.full(len(found), MIN)
        np.maximum.at(most, group, ts)
        rows = first_rows(group, len(found))
        keys = values_of(key[rows])
        self._open([keys[i] for i in np.argsort(rows).tolist()])
        places = [self.parts[each][0] for each in keys]
        self._arrays.add(values, Groups(np.array(places, np.intp), group, ts, columns.sequence))
        counts = np.bincount(group, minlength=len(found)).tolist()
        for each, n, latest in zip(keys, counts, most.tolist(), strict=True):
            part = self.parts[each]
            part[1] += n
            part[2] = max(part[2], latest)

    def pane_of(self, ts: int, key: Any) -> tuple[Any, int | None]:
        return key, self.parts[key][0] if key in self.parts else None

    def fill(self, pane: Any, state: list[Any], n: int, latest: int) -> None:
        self._open([pane])
        part = self.parts[pane]
        part[1] += n
        part[2] = max(part[2], latest)
        self._arrays.restore(part[0], state)

    def _open(self, keys: list[Any]) -> None:
        """Open panes for new keys."""
        for key in keys:
            if key not in self.parts:
                self.parts[key] = [self._places.take(), 0, MIN]
        self.wake = _LAST if self.parts else MAX

    def held(self) -> int:
        return sum(n for _, n, _ in self.parts.values())

    def on_watermark(self, watermark: int, emit: Emit[Any]) -> None:
        if watermark >= self.wake:
            self._fire("watermark", emit)

    def on_end(self, emit: Emit[Any]) -> None:
        self._fire("end", emit)

    def _fire(self, closed_by: Any, emit: Emit[Any]) -> None:
        """Emit the panes; it may pause."""
        if not self._left:
            self._left = in_order(self.parts)[::-1]
        left = self._left
        while left and not self.is_paused:
            if not self._values:
                self._values = results_of(self._arrays, [self.parts[key][0] for key in reversed(left)])[::-1]
            key = left.pop()
            pane: Any = Pane(key, MIN, MAX, 0, self._values.pop(), closed_by)
            made = pane if self._into is None else self._into(pane)
            place, n, most_ts = self.parts.pop(key)
            emit(made, ts=most_ts, sequence=0, key=key)
            emit.absorbed(n)
            self._places.give_back([place])
            self.is_paused = len(left) > 0 and emit.must_pause()
        self.wake = _LAST if self.parts else MAX

    def snapshot(self) -> dict[str, Any]:
        states = self._arrays.snapshot(np.array([place for place, _, _ in self.parts.values()], np.intp))
        states = with_versions(type(self._aggregate.accumulator()), states)
        rows = [
            [key, MIN, MAX, n, -1, True, n, MAX, most_ts, state]
            for (key, (_, n, most_ts)), state in zip(self.parts.items(), states, strict=True)
        ]
        return {"parts": rows}

    def restore(self, saved: dict[str, Any]) -> None:
        self.parts, self._left, self._values = {}, [], []
        blank = self._aggregate.accumulator()
        for key, _, _, n, *_, most_ts, state in saved["parts"]:
            self._open([key])
            place = self.parts[key][0]
            self.parts[key] = [place, n, most_ts]
            self._arrays.restore(place, migrated(blank, state))
