"""Conflate by instant over columns: runs wait as they are, and are put in order when the watermark has passed them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rxdag.columns import Columns
from rxdag.contract import MAX, ColumnsEmit, Emit, Kernel
from rxdag.expressions import FieldReader
from rxdag.operators.keyed._key_by_kernel import blamed_key
from rxdag.operators.rate._runs import Runs, emit_late, in_whole, ranked, split_late


class InstantColumnsKernel(Kernel):
    """Items by (ts, key), until the watermark passes them.

    Args:
        key_of: Reader of the key within which items replace each other; None for the key of the stream.
        keep: "last" or "all".
    """

    state = ("rows",)
    derived = ("runs", "wake")

    def __init__(self, key_of: FieldReader | None, keep: str) -> None:
        self._key_of = key_of
        self._keep = keep
        self.runs = Runs()
        self.wake = MAX

    def on_item(self, item: Any, emit: Emit[Any]) -> None:
        raise TypeError("conflate: must get columns here")

    def blame(self, item: Any, error: Exception) -> Exception:
        return blamed_key("conflate", self._key_of, item, error)

    def on_columns(self, columns: Columns, emit: ColumnsEmit) -> None:
        if columns.ts is None:
            raise TypeError("conflate: must have event times to work on columns")
        live, at = split_late(columns, self.watermark)
        if self._key_of is not None:
            with in_whole(at):
                live.coded(self._key_of)  # any error is raised before the state changes
        emit_late(columns, at, emit)
        self.runs.add(live)
        self.wake = self.runs.wake

    def on_watermark(self, watermark: int, emit: Any) -> None:
        ready = self.runs.take_up_to(watermark)
        self.wake = self.runs.wake
        if ready is not None:
            given = ready.take(self._order(ready))
            emit.dropped(ready.n - given.n, "conflated")
            emit(given)

    def _order(self, columns: Columns) -> NDArray[np.intp]:
        """Return the positions of the outputs by time, first arrival of the key in that instant, then arrival."""
        ts: Any = columns.ts
        key = columns.key if self._key_of is None else columns.coded(self._key_of)
        group: Any = np.zeros(columns.n, np.int64) if key is None else key.codes
        by_last = self._keep == "last" and columns.sequence is not None
        order = np.lexsort((ranked(columns.sequence), group, ts) if by_last else (group, ts))
        ts_in, group_in = ts[order], group[order]
        is_new = np.concatenate(([True], (ts_in[1:] != ts_in[:-1]) | (group_in[1:] != group_in[:-1])))
        starts = is_new.nonzero()[0]
        # `order` holds positions, so the least of a group is its first arrival.
        came_first = np.minimum.reduceat(order, starts)
        if self._keep == "last":
            last: NDArray[np.intp] = order[np.append(starts[1:], columns.n) - 1]
            picked: NDArray[np.intp] = last[np.lexsort((came_first, ts[last]))]
            return picked
        run = np.cumsum(is_new) - 1
        return order[np.lexsort((order, came_first[run], ts_in))]

    def on_end(self, emit: Any) -> None:
        self.on_watermark(MAX, emit)

    def held(self) -> int:
        return self.runs.n

    def snapshot(self) -> dict[str, Any]:
        return {"rows": self.runs.rows()}

    def restore(self, saved: dict[str, Any]) -> None:
        self.runs.load(saved["rows"])
        self.wake = self.runs.wake
