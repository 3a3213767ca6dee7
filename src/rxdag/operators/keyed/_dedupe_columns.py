"""Dedupe over columns: the first times in a table for each span, probed for a whole run at once."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rxdag.columns import MISSING, Columns, KeyPacker, SpanTables
from rxdag.contract import MAX, ColumnsEmit, Emit, Kernel
from rxdag.expressions import FieldReader
from rxdag.operators.keyed._key_by_kernel import blamed_key

_MOST_CUTS: Final = 2
"""A run is cut where keys are forgotten if that happens at most this many times in it."""
_IDLE_NAMES: Final = 4096
"""Least number of unused key texts that are kept; they are dropped once they exceed it and the number of keys."""


class DedupeColumnsKernel(Kernel):
    """Holds first times by key; those of one time span are forgotten together, as in the row kernel.

    Args:
        key_of: Reader of the key.
        within: Span, ns.
    """

    state = ("first", "since")
    derived = ("wake", "_first", "_packer")

    def __init__(self, key_of: FieldReader, within: int) -> None:
        self._key_of = key_of
        self._within = within
        self.wake = MAX
        self._packer = KeyPacker(key_of)
        self._first = SpanTables(within)

    def on_item(self, item: Any, ts: int, emit: Emit[Any]) -> None:
        raise TypeError("dedupe: must get columns here")

    def blame(self, item: Any, error: Exception) -> Exception:
        return blamed_key("dedupe", self._key_of, item, error)

    def on_columns(self, columns: Columns, emit: ColumnsEmit) -> None:
        ts = columns.ts
        if ts is None:
            raise TypeError("dedupe: must have event times to work on columns")
        if self._packer.known > _IDLE_NAMES + self._first.n:
            held, values = self._first.items()
            self._first.replace(self._packer.renumber(held), values)
        keys = self._packer.pack(columns)
        stretches = self._stretches(columns.before, columns.n)
        kept = [self._kept(keys[start:stop], ts[start:stop], since) for start, stop, since in stretches]
        passed = columns.where(kept[0] if len(kept) == 1 else np.concatenate(kept))
        emit.dropped(columns.n - passed.n, "repeated")
        emit(passed)

    def _stretches(self, before: NDArray[np.int64] | None, n: int) -> list[tuple[int, int, Any]]:
        """Return the bounds of the parts that are processed at once, with the first instant not forgotten there.

        If keys would be forgotten too often within the run, each item is compared with the watermark before it instead.
        """
        if before is None:
            return [(0, n, self._least())]
        least = self._least_at(int(before[0]))
        if self._least_at(int(before[-1])) == least:
            return [(0, n, least)]
        since = self._least_of(before)
        cuts = np.flatnonzero(since[1:] != since[:-1]) + 1
        if len(cuts) > _MOST_CUTS:
            return [(0, n, since)]
        bounds = [0, *cuts.tolist(), n]
        return [(start, stop, int(since[start])) for start, stop in pairwise(bounds)]

    def _kept(self, keys: NDArray[np.int64], ts: NDArray[np.int64], since: Any) -> NDArray[np.bool_]:
        """Take in the keys of some items: which of these pass."""
        if isinstance(since, int):
            self._forget(since)
        first, within = self._first, self._within
        came, found = first.find(keys)
        known, fresh = np.flatnonzero(came != MISSING), np.flatnonzero(came == MISSING)
        came_at = came[known]
        is_known = (ts[known] - came_at < within) & (came_at >= _of(since, known))
        keep = np.ones(len(keys), np.bool_)
        keep[known[is_known]] = False
        # An item before `since` passes, but would be forgotten at once, so it is not remembered.
        is_old = ts[fresh] < _of(since, fresh)
        if is_old.any():
            old, fresh = fresh[is_old], fresh[~is_old]
        else:
            old = fresh[:0]
        # Repeats within the run: insert() keeps the first time of each key, and returns the other rows.
        again = fresh[first.insert(keys[fresh], ts[fresh], None if found is None else found[fresh])]
        after = np.concatenate((again, self._behind(old, fresh, keys)))
        if len(after):
            came[after], _ = first.find(keys[after])
        open_ = np.concatenate((after, known[~is_known]))
        if len(open_):
            # Sorted, since _settle() processes the items of some keys in order of arrival.
            self._settle(np.sort(open_), keys, ts, came, since, keep)
        self._set_wake()
        return keep

    def _least(self) -> int:
        """Return the first instant whose keys are not forgotten yet."""
        return self._least_at(self.watermark)

    def _least_at(self, watermark: int) -> int:
        """Return the first instant whose keys are not forgotten at a watermark."""
        return max(((watermark + 1) // self._within - 1) * self._within, -(1 << 63))

    def _least_of(self, before: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the same for several watermarks."""
        within = self._within
        least = 2 * within - (1 << 63)
        # Raised to `least`, below which int64 would overflow; those items are computed with Python ints.
        since = (np.maximum(before, least) + 1) // within * within - within
        odd = before < least
        if odd.any():
            since[odd] = [self._least_at(watermark) for watermark in before[odd].tolist()]
        return since

    @staticmethod
    def _behind(old: NDArray[np.intp], fresh: NDArray[np.intp], keys: NDArray[np.int64]) -> NDArray[np.intp]:
        """Return the items too late to be remembered that follow a remembered item of their key in the same run."""
        came: dict[int, int] = {}
        if len(old):
            for row, key in zip(fresh.tolist(), keys[fresh].tolist(), strict=True):
                came.setdefault(key, row)
        pairs = zip(old.tolist(), keys[old].tolist(), strict=True)
        return np.array([row for row, key in pairs if came.get(key, row) < row], np.intp)

    def _settle(
        self,
        rows: NDArray[np.intp],
        keys: NDArray[np.int64],
        ts: NDArray[np.int64],
        came: NDArray[np.int64],
        since: Any,
        keep: NDArray[np.bool_],
    ) -> None:
        """Decide on items that depend on an earlier one of the same run, or follow their key's span."""
        within = self._within
        least = np.broadcast_to(_of(since, rows), rows.shape)
        keys, ts, came = keys[rows], ts[rows], came[rows]
        is_near = (ts - came < within) & (came >= least)
        keep[rows[is_near]] = False
        if is_near.all():
            return
        _, which, counts = np.unique(keys, return_inverse=True, return_counts=True)
        is_alone = counts[which] == 1
        moves = is_alone & ~is_near & (ts >= least)
        # The first time of the other keys changes within the run.
        moving = set(keys[~(is_alone | is_near)].tolist())
        several = [each[~is_alone].tolist() for each in (rows, keys, came, ts, least)]
        moved = self._one_by_one(several, moving, keep)
        self._first.put(
            np.concatenate((keys[moves], np.array([*moved], np.int64))),
            np.concatenate((ts[moves], np.array([*moved.values()], np.int64))),
        )

    def _one_by_one(self, columns: list[list[int]], moving: set[int], keep: NDArray[np.bool_]) -> dict[int, int]:
        """Decide on items of some keys in order of arrival; return the new first times of these keys.

        Args:
            columns: Row, key, first time, event time and first instant not forgotten, of each item.
            moving: The keys.
            keep: shape (rows,), which items pass; it is changed.
        """
        moved: dict[int, int] = {}
        for row, key, came_at, at, floor in zip(*columns, strict=True):
            if key in moving:
                before = moved.get(key, came_at)
                keep[row] = not (at - before < self._within and before >= floor)
                if keep[row] and at >= floor:
                    moved[key] = at
        return moved

    def _set_wake(self) -> None:
        """Note the watermark at which the earliest span is forgotten."""
        first = self._first.first
        self.wake = MAX if first is None else (first + 2) * self._within - 1

    def on_watermark(self, watermark: int, emit: Emit[Any]) -> None:
        self._forget(self._least())
        self._set_wake()

    def _forget(self, since: int) -> None:
        """Forget the keys whose first time is before an instant, which begins a span."""
        self._first.forget(since // self._within)

    def snapshot(self) -> dict[str, Any]:
        packed, times = self._first.items()
        live = np.flatnonzero(times >= self._least())
        pairs = zip(self._packer.keys(packed[live]), times[live].tolist(), strict=True)
        return {"first": [list(pair) for pair in pairs], "since": self._least()}

    def restore(self, saved: dict[str, Any]) -> None:
        self._packer = KeyPacker(self._key_of)
        self._first = SpanTables(self._within)
        if not saved["first"]:
            return
        keys, times = zip(*saved["first"], strict=True)
        self._first.insert(np.array([*map(self._packer.code, keys)], np.int64), np.array(times, np.int64))
        self._set_wake()


def _of(since: Any, rows: NDArray[np.intp]) -> Any:
    """Return the first instant not forgotten before some rows: of each, or for all of them."""
    return since if isinstance(since, int) else since[rows]
