"""As-of joins by event time: left items wait until no right item can change their answer."""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Callable
from typing import Any, Final, Literal

from rxdag.contract import FLUSHED, MAX, MIN, Emit, FanInKernel, Kernel
from rxdag.operators.joining._added_fields import AddedFields

Strategy = Literal["backward", "forward", "nearest"]
"""Side of a left item on which its right item is searched."""

_SWEEP_FROM: Final = 1024
_PURGE_FROM: Final = 3
_NOT_YET: Final = object()


class _Rights:
    """The right items of one key, by (event time, sequence, arrival)."""

    __slots__ = ("items", "places", "purge_at")

    def __init__(self) -> None:
        self.purge_at = _PURGE_FROM
        """Number of items at which the next ones are purged."""
        self.places: list[tuple[int, int, int]] = []
        self.items: list[Any] = []

    def add(self, place: tuple[int, int, int], item: Any) -> None:
        """Take in an item at its place."""
        at = len(self.places)
        # Right items mostly arrive in order, and are then appended without a search.
        if at and place < self.places[-1]:
            at = bisect_left(self.places, place)
        self.places.insert(at, place)
        self.items.insert(at, item)

    def forget(self, n: int) -> None:
        """Remove the first `n`; the next purge is when there are twice as many as are left."""
        del self.places[:n], self.items[:n]
        self.purge_at = max(_PURGE_FROM, 2 * len(self.places))


class AsofKernel(FanInKernel):
    """Left items that wait, in a heap by (ts, sequence, arrival); right items by key.

    Left items leave in order whatever their keys: an item that still waits for a later right item holds up the items
    behind it and the watermark.
    """

    state = ("lefts", "rights")
    derived = ("arrived", "wake", "_n_rights", "_sweep_at", "is_paused")
    pauses = True

    def __init__(
        self, strategy: Strategy, tolerance: int | None, exact: bool, into: Callable[[Any, Any], Any] | None
    ) -> None:
        self._backward = strategy != "forward"
        self._forward = strategy != "backward"
        self._tolerance = tolerance
        self._exact = exact
        self._into = into
        self.lefts: list[tuple[int, int, int, Any, Any]] = []
        self.rights: dict[Any, _Rights] = {}
        self.arrived = 0
        self._n_rights = 0
        self._sweep_at = _SWEEP_FROM

    def in_columns(self) -> Kernel | str:
        from rxdag.operators.joining._asof_columns import AsofColumnsKernel, AsofFieldsKernel  # they load numpy

        into, backward, forward, exact = self._into, self._backward, self._forward, self._exact
        if isinstance(into, AddedFields) and not into.runs_code:
            return AsofFieldsKernel(self._tolerance, into, backward=backward, forward=forward, exact=exact)
        return AsofColumnsKernel(self._tolerance, into, backward=backward, forward=forward, exact=exact)

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, input: int, emit: Emit[Any]) -> None:
        if ts <= self.watermark:
            return emit.late(item)
        self.arrived += 1
        if input:
            self._take_right(item, (ts, sequence, self.arrived), key, emit)
        else:
            heapq.heappush(self.lefts, (ts, sequence, self.arrived, key, item))
            self.wake = min(self.wake, ts)
        return None

    def _take_right(self, item: Any, place: tuple[int, int, int], key: Any, emit: Emit[Any]) -> None:
        rights = self.rights.get(key)
        if rights is None:
            rights = self.rights[key] = _Rights()
        rights.add(place, item)
        self._n_rights += 1
        if len(rights.places) >= rights.purge_at:
            self._purge(rights, emit)
        if self._n_rights > self._sweep_at:
            self._sweep(emit)

    def on_watermark(self, watermark: int, emit: Emit[Any]) -> None:
        while self.lefts and self.lefts[0][0] <= watermark:
            ts, sequence, _, key, item = self.lefts[0]
            found = self._match(ts, key, watermark)
            if found is _NOT_YET:
                self.wake = MIN  # any watermark may make the match final
                return
            made = (item, found) if self._into is None else self._into(item, found)
            # Only now: an item on which `into` fails is still held.
            heapq.heappop(self.lefts)
            emit(made, ts=ts, sequence=sequence, key=key)
            if self.lefts and self.lefts[0][0] <= watermark and emit.must_pause():
                self.is_paused = True
                break
        self.wake = self.lefts[0][0] if self.lefts else MAX

    def _match(self, ts: int, key: Any, watermark: int) -> Any:
        """Return the right item of a left one, or None; `_NOT_YET` if a better match may still come."""
        rights = self.rights.get(key)
        places = [] if rights is None else rights.places
        items = [] if rights is None else rights.items
        before = after = None
        tolerance = self._tolerance
        if self._backward:
            at = (bisect_left(places, (ts + 1, MIN, 0)) if self._exact else bisect_left(places, (ts, MIN, 0))) - 1
            if at >= 0 and (tolerance is None or ts - places[at][0] <= tolerance):
                before = at
        if self._forward:
            at = bisect_left(places, (ts if self._exact else ts + 1, MIN, 0))
            if at < len(places) and (tolerance is None or places[at][0] - ts <= tolerance):
                after = at
            reach = MAX if tolerance is None else ts + tolerance
            if before is not None:
                reach = min(reach, ts + (ts - places[before][0]))  # a more distant item is not a better match
            if after is not None:
                reach = min(reach, places[after][0])
            if watermark < reach and watermark != MAX:
                return _NOT_YET
        if before is None:
            return None if after is None else items[after]
        if after is None or ts - places[before][0] <= places[after][0] - ts:
            return items[before]
        return items[after]

    def low(self) -> int:
        return self.lefts[0][0] if self.lefts else MAX

    def on_input_end(self, input: int, emit: Emit[Any]) -> None:
        if input == 0 and not self.lefts:
            self._let_go(emit)

    def is_finished(self) -> bool:
        return self.inputs.of[0] >= FLUSHED and not self.lefts

    def on_end(self, emit: Emit[Any]) -> None:
        self.on_watermark(MAX, emit)
        if not self.is_paused:
            self._let_go(emit)

    def _needed_from(self) -> int:
        """Return the time from which right items are needed, plus the last one at or before it."""
        return min(self.watermark, self.lefts[0][0] if self.lefts else MAX)

    def _purge(self, rights: _Rights, emit: Emit[Any]) -> None:
        """Purge a key's right items that no left item can match any more."""
        needed = self._needed_from()
        if self._backward:
            # The last one strictly before is kept for left items that exclude exact matches.
            n = max(0, bisect_left(rights.places, (needed, MIN, 0)) - 1)
            if self._tolerance is not None:
                n = max(n, bisect_left(rights.places, (needed - self._tolerance, MIN, 0)))
        else:
            n = bisect_left(rights.places, (needed, MIN, 0))
        rights.forget(n)
        if n:
            self._n_rights -= n
            emit.absorbed(n)

    def _sweep(self, emit: Emit[Any]) -> None:
        """Purge all keys; the next time is when there are twice as many items as are left."""
        for key in list(self.rights):
            self._purge(self.rights[key], emit)
            if not self.rights[key].places:
                del self.rights[key]
        # At twice the remaining number, so that sweeps cost amortized constant time per item.
        self._sweep_at = max(_SWEEP_FROM, 2 * self._n_rights)

    def _let_go(self, emit: Emit[Any]) -> None:
        emit.absorbed(self._n_rights)
        self._n_rights = 0
        self.rights = {}

    def held(self) -> int:
        return len(self.lefts) + self._n_rights

    def snapshot(self) -> dict[str, Any]:
        """Return rows [item, ts, sequence, key], in order of arrival."""
        lefts = [[item, ts, sequence, key] for ts, sequence, _, key, item in sorted(self.lefts, key=lambda row: row[2])]
        rights = [
            (arrived, [item, ts, sequence, key])
            for key, kept in self.rights.items()
            for (ts, sequence, arrived), item in zip(kept.places, kept.items, strict=True)
        ]
        return {"lefts": lefts, "rights": [row for _, row in sorted(rights, key=lambda each: each[0])]}

    def restore(self, saved: dict[str, Any]) -> None:
        rows = enumerate(saved["lefts"], 1)
        self.lefts = [(ts, sequence, n, key, item) for n, (item, ts, sequence, key) in rows]
        heapq.heapify(self.lefts)
        self.rights = {}
        self._n_rights = len(saved["rights"])
        for n, (item, ts, sequence, key) in enumerate(saved["rights"], len(self.lefts) + 1):
            self.rights.setdefault(key, _Rights()).add((ts, sequence, n), item)
        self.arrived = len(self.lefts) + self._n_rights
        self.wake = self.lefts[0][0] if self.lefts else MAX
