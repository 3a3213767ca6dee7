"""Receipts: when sources received the items in gates and sinks, and how long it took until readers saw them.

A receipt is the time at which a chunk was read, by the domain's `ticks`. It belongs to a turn of a pump, not to an item,
and is taken at most once every 10 ms, so that it costs fast graphs nothing; -1 means that no time was taken.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from mypy_extensions import i64

from rxdag.engine._writes import Writes

DELIVERY_BOUNDS_NS: Final = tuple(round(base * 10**power) for power in range(5, 12) for base in (1, 2.5, 5))
"""Upper bounds of the buckets for deliveries, ns: 100 us to 500 s."""
GRAIN_NS: Final = 10_000_000
"""Least time between two receipts of a source, ns."""


class GateReceipts:
    """The receipts of the items in a gate.

    Items have places: the number of items that came in before them. The domain that fills the gate calls `begin` and
    `note`, and the one that empties it calls `of`.

    Args:
        max_items: Size of the gate.
    """

    def __init__(self, max_items: int) -> None:
        self._turns: deque[tuple[int, int, int]] = deque(maxlen=max(1, max_items))
        """Turns with a receipt: place of the first item, place after the last one, and the receipt."""
        self.are_there = False
        """False if it holds none; if the last one is overlooked, a sample is lost."""
        self._first: i64 = 0
        self._current: i64 = -1
        """Place of the first item and receipt of the current turn; -1 between turns."""

    def begin(self, place: i64, receipt: i64) -> None:
        """Begin a turn: items from this place on were received then."""
        self._first = place
        self._current = receipt
        self.are_there = True

    def note(self, place: i64) -> None:
        """End the turn: the items that come from this place on belong to another one."""
        if place > self._first:
            self._turns.append((int(self._first), int(place), int(self._current)))
        self._current = -1

    def of(self, place: i64, end: i64) -> i64:
        """Return the receipt of the oldest item from a place to another one that has a receipt, else -1."""
        turns = self._turns
        while turns:
            first, last, receipt = turns[0]
            if last > place:
                return receipt if first < end else -1
            turns.popleft()
        current = self._current
        if current < 0:
            self.are_there = False
        return current


class Receipts:
    """The receipt times of the writes of one sink.

    Each write has one receipt, that of its first item. Writes that are not visible yet are kept by receipt time,
    rounded down to 10 ms, so that memory is bounded by time, not by items.
    """

    def __init__(self) -> None:
        self.took = Writes(bounds=DELIVERY_BOUNDS_NS)
        self._written: dict[int, int] = {}
        """Number of writes since the last `save`, by receipt time."""
        self._saved: dict[int, int] = {}
        """Number of writes that a `save` covers and that are not published."""

    def written(self, receipt: int) -> None:
        """Note a write that readers see once it is saved and published."""
        grain = receipt // GRAIN_NS * GRAIN_NS
        self._written[grain] = self._written.get(grain, 0) + 1

    def save(self) -> None:
        """Note that the sink has saved what it has written."""
        for grain, n in self._written.items():
            self._saved[grain] = self._saved.get(grain, 0) + n
        self._written = {}

    def take_saved(self) -> dict[int, int]:
        """Return the saved writes, by receipt time; they are being published."""
        saved, self._saved = self._saved, {}
        return saved

    def published(self, saved: dict[int, int], now: int) -> None:
        """Count writes that readers see from now on."""
        for grain, n in saved.items():
            self.took.add(now - grain, n)
