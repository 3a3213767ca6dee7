"""Dedupe over columns: the first times in one table, probed for a whole run at once."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rxdag.columns import Columns, IntTable, KeyPacker
from rxdag.contract import MAX, ColumnsEmit, Emit, Kernel
from rxdag.expressions import Reader

_IDLE_NAMES: Final = 4096
"""Texts of keys that nobody holds any more are let go of once there are so many, and as many as there are keys."""


class DedupeColumnsKernel(Kernel):
    """First times by key; those of a span of time are forgotten together, as the kernel of rows does.

    Args:
        key_of: Reader of the key.
        within: Span, ns.
    """

    state = ("first", "since")
    cache = ("wake", "_first", "_packer")

    def __init__(self, key_of: Reader, within: int) -> None:
        self._key_of = key_of
        self._within = within
        self.grid = within
        self.wake = MAX
        self._packer = KeyPacker(key_of)
        self._first = IntTable()

    def on_item(self, item: Any, ts: int, emit: Emit[Any]) -> None:
        raise TypeError("dedupe: must get columns here")

    def on_columns(self, columns: Columns, emit: ColumnsEmit) -> None:
        ts = columns.ts
        if ts is None:
            raise TypeError("dedupe: must have event times to work on columns")
        keys, within, first = self._packer.pack(columns), self._within, self._first
        place = first.find(keys)
        known = np.flatnonzero(place >= 0)
        is_near = ts[known] - first.at(place[known]) < within
        keep = np.ones(columns.n, np.bool_)
        keep[known[is_near]] = False
        fresh = np.flatnonzero(place < 0)
        is_old = ts[fresh] < self._least()
        if is_old.any():
            old, fresh = fresh[is_old], fresh[~is_old]
        else:
            old = fresh[:0]
        again = fresh[first.insert(keys[fresh], ts[fresh])]
        if len(old):
            keep[self._behind(old, fresh, keys)] = False
        self._settle(np.sort(np.concatenate((again, known[~is_near]))), keys, ts, keep)
        passed = columns.where(keep)
        if len(fresh):
            self.wake = min(self.wake, self._forgotten_at(int(ts[fresh].min())))
        emit.dropped(columns.n - passed.n, "repeated")
        emit(passed)

    def _least(self) -> int:
        """The first instant whose keys are not forgotten yet."""
        return max(((self.watermark + 1) // self._within - 1) * self._within, -(1 << 63))

    @staticmethod
    def _behind(old: NDArray[np.intp], fresh: NDArray[np.intp], keys: NDArray[np.int64]) -> list[int]:
        """Of items too late to be remembered, those that come behind one of the same run whose key is."""
        came: dict[int, int] = {}
        for row, key in zip(fresh.tolist(), keys[fresh].tolist(), strict=True):
            came.setdefault(key, row)
        pairs = zip(old.tolist(), keys[old].tolist(), strict=True)
        return [row for row, key in pairs if came.get(key, row) < row]

    def _settle(
        self, rows: NDArray[np.intp], keys: NDArray[np.int64], ts: NDArray[np.int64], keep: NDArray[np.bool_]
    ) -> None:
        """Decide, one after the other, on what depends on an earlier item of the same run, or comes after its span."""
        first = self._first
        places = first.find(keys[rows]).tolist()
        for row, place, when in zip(rows.tolist(), places, ts[rows].tolist(), strict=True):
            if when - first.one(place) < self._within:
                keep[row] = False
            else:
                first.put(place, when)

    def _forgotten_at(self, ts: int) -> int:
        """The watermark at which a key of that first time is forgotten."""
        return (ts // self._within + 2) * self._within - 1

    def on_watermark(self, watermark: int, emit: Emit[Any]) -> None:
        keys, values = self._first.items()
        live = values >= self._least()
        keys, values = keys[live], values[live]
        if self._packer.known > _IDLE_NAMES + len(keys):
            keys = self._packer.renumber(keys)
        self._first.replace(keys, values)
        self.wake = self._forgotten_at(int(values.min())) if len(values) else MAX

    def snapshot(self) -> dict[str, Any]:
        packed, times = self._first.items()
        live = np.flatnonzero(times >= self._least())
        pairs = zip(self._packer.keys(packed[live]), times[live].tolist(), strict=True)
        return {"first": [list(pair) for pair in pairs], "since": self._least()}

    def restore(self, saved: dict[str, Any]) -> None:
        self._packer = KeyPacker(self._key_of)
        self._first = IntTable()
        if not saved["first"]:
            return
        keys, times = zip(*saved["first"], strict=True)
        self._first.insert(np.array([*map(self._packer.code, keys)], np.int64), np.array(times, np.int64))
        self.wake = self._forgotten_at(min(times))
