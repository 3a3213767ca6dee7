"""As-of joins over columns: left items wait in runs, and are looked up among the sorted right ones all at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rxdag.columns import Coded, Columns, concatenate, joined
from rxdag.contract import FLUSHED, MAX, Emit, Kernel
from rxdag.operators._runs import Runs, columns_of, in_time, rows_of, saved_rows, split_late, times

_SWEEP_FROM: Final = 4096
_LAST: Final = (1 << 63) - 1
"""The last instant that there is."""
_NEVER: Final = np.uint64((1 << 64) - 1)
"""Further away than any time."""


class AsofColumnsKernel(Kernel):
    """Left items by event time; right items in order of arrival, and sorted when they are looked at.

    Args:
        backward: Whether the last right item before a left one counts.
        forward: Whether the first one behind it does.
        tolerance: Furthest that it may be, ns; None for any.
        exact: Whether one of the very same time counts.
        into: What becomes of both.
    """

    grid = 1
    reads_before = True
    gives_columns = False
    takes_inputs = True

    def __init__(
        self,
        tolerance: int | None,
        into: Callable[[Any, Any], Any] | None,
        *,
        backward: bool,
        forward: bool,
        exact: bool,
    ) -> None:
        self._backward = backward
        self._forward = forward
        self._tolerance = tolerance
        self._exact = exact
        self._into = into
        self.lefts = Runs()
        self.settling: Columns | None = None
        """Left items that the watermark has passed, in order, the first of which is not certain yet."""
        self.rights: list[Columns] = []
        self._n_rights = 0
        self._sweep_at = _SWEEP_FROM

    def on_item(self, item: Any, emit: Emit[Any]) -> None:
        raise TypeError("join_asof: must get columns here")

    def on_columns_from(self, input: int, columns: Columns, emit: Any) -> None:
        """Take in a run of one of the two inputs."""
        counts = [m for i, m in enumerate(self.inputs.of) if i != input and not self.inputs.is_idle(i)]
        others = [mark for mark in counts if self.watermark <= mark < FLUSHED]
        if columns.before is not None and others:
            columns = columns.marked(np.minimum(columns.before, min(others)))
        live, at = split_late(columns, self.watermark)
        if at is not None:
            is_late = np.ones(columns.n, np.bool_)
            is_late[at] = False
            for item, ts, sequence, key in rows_of(columns.where(is_late)):
                emit.item, emit.ts, emit.sequence, emit.key = item, ts, sequence, key
                emit.late(item)
        if input:
            if live.n:
                self.rights.append(live.marked(None))
                self._n_rights += live.n
        else:
            self.lefts.add(live)
        self._arm()

    def _arm(self) -> None:
        self.wake = self.watermark if self.settling is not None else self.lefts.wake

    # ---- output

    def on_watermark(self, watermark: int, emit: Any) -> None:
        ready = self.lefts.take_up_to(watermark)
        if ready is not None:
            ready = ready.take(in_time(ready))
            self.settling = ready if self.settling is None else joined([self.settling, ready])
        if self.settling is not None:
            self._settle(self.settling, watermark, emit)
        if self._n_rights > self._sweep_at:
            self._sweep(watermark, emit)
        self._arm()

    def _settle(self, lefts: Columns, watermark: int, emit: Any) -> None:
        """Give out the left items whose match is certain, up to the first that is not."""
        found, reach = self._matches(lefts)
        n = lefts.n
        if self._forward and watermark != MAX:
            open_ones = np.flatnonzero((reach > watermark) | (reach == _LAST))
            n = int(open_ones[0]) if len(open_ones) else n
        done = lefts[:n]
        items = self.rights[0].rows() if self.rights else []
        for (left, ts, sequence, key), at in zip(rows_of(done), found[:n].tolist(), strict=True):
            right = items[at] if at >= 0 else None
            emit((left, right) if self._into is None else self._into(left, right), ts=ts, sequence=sequence, key=key)
        self.settling = lefts[n:] if n < lefts.n else None

    def _matches(self, lefts: Columns) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        """The place of the right item of each left one, -1 for none; and up to when another one may come."""
        ts = times(lefts)
        none = np.full(lefts.n, -1, np.intp)
        tolerance = None if self._tolerance is None else np.full(lefts.n, self._tolerance, np.uint64)
        far = np.full(lefts.n, _LAST) if tolerance is None else _behind(ts, tolerance)
        if not self.rights:
            return none, far
        rights = joined(self.rights) if len(self.rights) > 1 else self.rights[0]
        self.rights = [rights]
        left_key, right_key = _keys(lefts, rights)
        by_time = in_time(rights)
        order = by_time[np.argsort(right_key[by_time], kind="stable")]
        keys, places = right_key[order], times(rights)[order]
        first = np.searchsorted(keys, left_key, "left")
        last = np.searchsorted(keys, left_key, "right")
        before, after = none.copy(), none.copy()
        for key in np.unique(left_key).tolist():  # of each key the right items are one stretch
            rows = np.flatnonzero(left_key == key)
            low, high = int(first[rows[0]]), int(last[rows[0]])
            of_key = places[low:high]
            if self._backward:
                at = np.searchsorted(of_key, ts[rows], "right" if self._exact else "left") - 1
                before[rows] = np.where(at >= 0, at + low, -1)
            if self._forward:
                at = np.searchsorted(of_key, ts[rows], "left" if self._exact else "right")
                after[rows] = np.where(at < high - low, at + low, -1)
        # What lies between two times may not fit into an int64, but it does into a uint64.
        back = np.where(before >= 0, (ts - places[before]).view(np.uint64), _NEVER)
        ahead = np.where(after >= 0, (places[after] - ts).view(np.uint64), _NEVER)
        if tolerance is not None:
            back = np.where(back <= tolerance, back, _NEVER)
            ahead = np.where(ahead <= tolerance, ahead, _NEVER)
        reach = np.minimum(far, np.minimum(_behind(ts, back), _behind(ts, ahead)))
        chosen = np.where((back < _NEVER) & (back <= ahead), before, np.where(ahead < _NEVER, after, -1))
        return np.where(chosen >= 0, order[chosen], -1), reach

    def low(self) -> int:
        waits = MAX if self.settling is None else int(times(self.settling)[0])
        return min(waits, self.lefts.wake)

    def on_input_end(self, input: int, emit: Any) -> None:
        if input == 0 and not self._n_lefts():
            self._let_go(emit)

    def is_finished(self) -> bool:
        return self.inputs.of[0] >= FLUSHED and not self._n_lefts()

    def on_end(self, emit: Any) -> None:
        self.on_watermark(MAX, emit)
        self._let_go(emit)

    # ---- what is kept

    def _sweep(self, watermark: int, emit: Any) -> None:
        """Let go of the right items that no left one can be joined with any more."""
        rights = joined(self.rights)
        needed = min(watermark, self.low(), _LAST)
        ts = times(rights)
        keep = ts >= needed
        if self._backward:
            keys = np.zeros(rights.n, np.int64) if rights.key is None else rights.key.codes
            old = np.flatnonzero(~keep)
            old = old[in_time(rights.take(old))] if len(old) else old
            by_key = old[np.argsort(keys[old], kind="stable")]
            is_last = np.append(keys[by_key][1:] != keys[by_key][:-1], True) if len(by_key) else np.zeros(0, np.bool_)
            keep[by_key[is_last]] = True  # the last one before is kept for those that are still to come
            if self._tolerance is not None:
                keep &= ts >= max(needed - self._tolerance, -(1 << 63))
        kept = rights.where(keep)
        emit.absorbed(rights.n - kept.n)
        self.rights = [kept] if kept.n else []
        self._n_rights = kept.n
        self._sweep_at = max(_SWEEP_FROM, 2 * kept.n)

    def _let_go(self, emit: Any) -> None:
        emit.absorbed(self._n_rights)
        self._n_rights = 0
        self.rights = []

    def _n_lefts(self) -> int:
        return self.lefts.n + (0 if self.settling is None else self.settling.n)

    def held(self) -> int:
        return self._n_lefts() + self._n_rights

    def snapshot(self) -> dict[str, Any]:
        return {
            "lefts": self.lefts.rows(),
            "settling": saved_rows(self.settling),
            "rights": [row for run in self.rights for row in saved_rows(run)],
        }

    def restore(self, saved: dict[str, Any]) -> None:
        self.lefts.load(saved["lefts"])
        self.settling = columns_of(saved["settling"])
        rights = columns_of(saved["rights"])
        self.rights = [] if rights is None else [rights]
        self._n_rights = sum(run.n for run in self.rights)
        self._arm()


def _behind(ts: NDArray[np.int64], by: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Times so much later; at most the last there is."""
    return np.where(by < (_LAST - ts).view(np.uint64), ts + by.view(np.int64), _LAST)


def _keys(lefts: Columns, rights: Columns) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A number for the key of each item, the same on both sides."""
    if lefts.key is None or rights.key is None:
        return np.zeros(lefts.n, np.int64), np.zeros(rights.n, np.int64)
    both = concatenate([lefts.key, rights.key])
    if not isinstance(both, Coded):
        raise TypeError("join_asof: must have coded keys to work on columns")
    codes = both.codes.astype(np.int64)
    return codes[: lefts.n], codes[lefts.n :]
