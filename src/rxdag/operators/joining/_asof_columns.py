"""As-of joins over columns: left items wait in runs, and are matched in bulk with the sorted right ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rxdag.columns import SCALAR, Column, Columns, in_order, joined, object_array, taken_or_null
from rxdag.contract import FLUSHED, MAX, ColumnsEmit, Emit, FanInKernel
from rxdag.operators.joining._added_fields import AddedFields
from rxdag.operators.rate._runs import Runs, columns_of, emit_late, in_time, saved_rows, split_late, times

_SWEEP_FROM: Final = 4096
_LAST: Final = (1 << 63) - 1
"""Latest event time."""
_NEVER: Final = np.uint64((1 << 64) - 1)
"""Distance greater than any between two times."""


class _Sorted:
    """Right items by (key, event time, sequence, arrival).

    Args:
        columns: The items, in order of arrival.
    """

    def __init__(self, columns: Columns) -> None:
        by_time = in_time(columns)
        key = columns.key
        codes = np.full(columns.n, -1) if key is None else key.codes.astype(np.int64)
        self.columns = columns
        self.order = by_time[in_order(codes[by_time])]
        self.places = times(columns)[self.order]
        self._keys = codes[self.order]
        self._codes = {} if key is None else {name: code for code, name in enumerate(key.names)}

    def stretches(self, lefts: Columns) -> list[tuple[NDArray[np.intp], int, int]]:
        """Return the rows of each key among left items, and the range of its right items."""
        key = lefts.key
        if key is None:
            return [(np.arange(lefts.n), 0, len(self.order))]
        # A null has the code -1 on both sides, and is last here; names missing on the right get -2.
        known = np.array([*(self._codes.get(name, -2) for name in key.names), -1])
        codes = known[key.codes]
        order = in_order(codes)
        starts = np.concatenate(([0], np.flatnonzero(np.diff(codes[order])) + 1))
        keys = codes[order[starts]]
        low, high = np.searchsorted(self._keys, keys, "left"), np.searchsorted(self._keys, keys, "right")
        return list(zip(np.split(order, starts[1:]), low.tolist(), high.tolist(), strict=True))


class AsofColumnsKernel(FanInKernel):
    """Holds left items by event time, and right items in order of arrival, sorted on demand.

    Args:
        backward: True to match the last right item before a left one.
        forward: True to match the first right item after it.
        tolerance: Greatest distance of a match, ns; None for any.
        exact: True to match right items of exactly the same time.
        into: Function of the left and the right item.
    """

    state = ("lefts", "rights")
    derived = ("settling", "wake", "_n_rights", "_sweep_at", "_sorted", "_certain", "_n_certain", "is_paused")
    pauses = True
    gives_columns = False

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
        """Left items that the watermark has passed and that have not been emitted, in order."""
        self._certain: Iterator[tuple[tuple[Any, ...], Any]] | None = None
        """Rows and right items still to be emitted after a pause, in order; None if there are none."""
        self._n_certain = 0
        self.rights: list[Columns] = []
        self._n_rights = 0
        self._sweep_at = _SWEEP_FROM
        self._sorted: _Sorted | None = None
        """The sorted right items; None once another one has come."""

    def on_item(self, item: Any, emit: Emit[Any]) -> None:
        raise TypeError("join_asof: must get columns here")

    def on_columns_from(self, input: int, columns: Columns, emit: ColumnsEmit) -> None:
        live, at = split_late(columns, self.watermark)
        emit_late(columns, at, emit)
        if input:
            if live.n:
                self.rights.append(live.marked(None))
                self._n_rights += live.n
                self._sorted = None
        else:
            self.lefts.add(live)
        self._arm()

    def _arm(self) -> None:
        self.wake = self.watermark if self.settling is not None else self.lefts.wake

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
        """Emit the left items whose match is final, up to the first that is not."""
        certain = self._certain
        if certain is None:
            some, found = self._final(lefts, watermark)
            rows = zip(some.rows(), *some.beside_rows(), strict=True)
            certain, self._n_certain = zip(rows, self._rights_at(found), strict=True), some.n
        self._certain = None
        given = 0
        try:
            for (left, ts, sequence, key), right in certain:
                made = (left, right) if self._into is None else self._into(left, right)
                given += 1
                emit(made, ts=ts, sequence=sequence, key=key)
                if given < self._n_certain and emit.must_give_back():
                    self.is_paused = True
                    self._certain = certain
                    break
        finally:
            # Also if `into` raises: emitted items are no longer held, but the failing item still is.
            self._n_certain -= given
            self.settling = lefts[given:] if given < lefts.n else None

    def _final(self, lefts: Columns, watermark: int) -> tuple[Columns, NDArray[np.intp]]:
        """Return the left items whose match is final, up to the first that is not, and the index of each match."""
        found, reach = self._matches(lefts)
        n = lefts.n
        if self._forward and watermark != MAX:
            # _LAST means no limit: only the end makes such a match final.
            open_ones = np.flatnonzero((reach > watermark) | (reach == _LAST))
            n = int(open_ones[0]) if len(open_ones) else n
        return lefts[:n], found[:n]

    def _rights_at(self, found: NDArray[np.intp]) -> list[Any]:
        """Return the right item of each index, None for -1; no other items are made."""
        is_found = found >= 0
        if not is_found.any():
            return [None] * len(found)
        matched, which = np.unique(found[is_found], return_inverse=True)
        items = [*self.rights[0].take(matched).rows(), None]
        places = np.full(len(found), -1)
        places[is_found] = which
        return [items[place] for place in places.tolist()]

    def _matches(self, lefts: Columns) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        """Return the index of the right item of each left one, -1 for none, and until when a better one may come."""
        ts = times(lefts)
        none = np.full(lefts.n, -1, np.intp)
        tolerance = None if self._tolerance is None else np.full(lefts.n, self._tolerance, np.uint64)
        far = np.full(lefts.n, _LAST) if tolerance is None else _behind(ts, tolerance)
        if not self.rights:
            return none, far
        rights = self._sorted
        if rights is None:
            rights = self._sorted = _Sorted(joined(self.rights))
            self.rights = [rights.columns]
        order, places = rights.order, rights.places
        before, after = none.copy(), none.copy()
        for rows, low, high in rights.stretches(lefts):
            of_key = places[low:high]
            if self._backward:
                at = np.searchsorted(of_key, ts[rows], "right" if self._exact else "left") - 1
                before[rows] = np.where(at >= 0, at + low, -1)
            if self._forward:
                at = np.searchsorted(of_key, ts[rows], "left" if self._exact else "right")
                after[rows] = np.where(at < high - low, at + low, -1)
        # The distance of two times may not fit into an int64, but always fits into a uint64.
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
        if not self.is_paused:
            self._let_go(emit)

    def _sweep(self, watermark: int, emit: Any) -> None:
        """Purge the right items that no left item can match any more."""
        rights = joined(self.rights)
        needed = min(watermark, self.low(), _LAST)
        ts = times(rights)
        keep = ts >= needed
        if self._backward:
            keys = np.zeros(rights.n, np.int64) if rights.key is None else rights.key.codes
            old = np.flatnonzero(~keep)
            old = old[in_time(rights.take(old))] if len(old) else old
            by_key = old[in_order(keys[old])]
            is_last = np.append(keys[by_key][1:] != keys[by_key][:-1], True) if len(by_key) else np.zeros(0, np.bool_)
            keep[by_key[is_last]] = True  # the last earlier one is kept for later left items
            if self._tolerance is not None:
                keep &= ts >= max(needed - self._tolerance, -(1 << 63))
        kept = rights.where(keep)
        emit.absorbed(rights.n - kept.n)
        self.rights = [kept] if kept.n else []
        self._n_rights = kept.n
        self._sorted = None
        self._sweep_at = max(_SWEEP_FROM, 2 * kept.n)

    def _let_go(self, emit: Any) -> None:
        emit.absorbed(self._n_rights)
        self._n_rights = 0
        self.rights = []
        self._sorted = None

    def _n_lefts(self) -> int:
        return self.lefts.n + (0 if self.settling is None else self.settling.n)

    def held(self) -> int:
        return self._n_lefts() + self._n_rights

    def snapshot(self) -> dict[str, Any]:
        return {
            "lefts": saved_rows(self.settling) + self.lefts.rows(),
            "rights": [row for run in self.rights for row in saved_rows(run)],
        }

    def restore(self, saved: dict[str, Any]) -> None:
        self.lefts.load(saved["lefts"])
        self.settling = self._certain = None
        rights = columns_of(saved["rights"])
        self.rights = [] if rights is None else [rights]
        self._sorted = None
        self._n_rights = sum(run.n for run in self.rights)
        self._arm()


class AsofFieldsKernel(AsofColumnsKernel):
    """Emits columns: those of the left items, and some of the right ones.

    Args:
        tolerance: As in `AsofColumnsKernel`, as are the others.
        added: The fields of the right items.
    """

    gives_columns = True

    def __init__(
        self, tolerance: int | None, added: AddedFields, *, backward: bool, forward: bool, exact: bool
    ) -> None:
        super().__init__(tolerance, added, backward=backward, forward=forward, exact=exact)
        self._added = added

    def _settle(self, lefts: Columns, watermark: int, emit: ColumnsEmit) -> None:
        some, found = self._final(lefts, watermark)
        columns = self._beside(some, found) if some.n else None
        if columns is None:
            return self._settle_rows(lefts, some, found, emit)
        self.settling = lefts[some.n :] if some.n < lefts.n else None
        emit(columns)
        return None

    def _settle_rows(self, lefts: Columns, some: Columns, found: NDArray[np.intp], emit: ColumnsEmit) -> None:
        """Emit records that are made one by one, up to the first that fails."""
        made: list[Any] = []
        try:
            for left, right in zip(some.rows(), self._rights_at(found), strict=True):
                made.append(self._added(left, right))
        finally:
            n = len(made)
            self.settling = lefts[n:] if n < lefts.n else None
            if made:
                emit.rows(made, some[:n])

    def _beside(self, lefts: Columns, found: NDArray[np.intp]) -> Columns | None:
        """Return the records; None if they must be made one by one, since items have no columns of these fields."""
        rights = self.rights[0] if self.rights else None
        fields = self._added.fields
        if lefts.names == SCALAR or (rights is not None and any(field not in rights.names for _, field in fields)):
            return None
        new: dict[str, Column] = {}
        for name, field in fields:
            new[name] = object_array([None] * lefts.n) if rights is None else taken_or_null(rights[field], found)
        return lefts.joined_with(new, self._added.into)


def _behind(ts: NDArray[np.int64], by: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return times moved later by an amount, at most to the largest time."""
    return np.where(by < (_LAST - ts).view(np.uint64), ts + by.view(np.int64), _LAST)
