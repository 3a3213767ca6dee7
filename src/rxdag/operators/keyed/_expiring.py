"""State by key that is forgotten at a time of its own."""

from __future__ import annotations

import heapq
from typing import Any, Final

from rxdag.contract import MAX
from rxdag.operators._compact import compact
from rxdag.operators._heaps import LEAST, swept

ABSENT: Final = object()
"""Stands for a missing value."""

_MOST_REMOVED: Final = 1000
"""Number of removals after which the table is compacted."""


class Kept:
    """The state of one key.

    Attributes:
        value: The value.
        until: First time at which the value has expired; MAX for never.
        number: Position of the key in order of arrival.
    """

    __slots__ = ("number", "until", "value")

    def __init__(self, value: Any, until: int, number: int) -> None:
        self.value = value
        self.until = until
        self.number = number


class Expiring:
    """Values by key, each of which expires at a time of its own.

    A heap finds expired keys. It has one entry per key; if the expiry of a key is put off, the entry stays and is
    corrected when it reaches the top. An item therefore costs a dict lookup, and a key one heap operation for each ttl
    that it lasts.
    """

    __slots__ = ("_due", "_number", "_removed", "_sweep_at", "values")

    def __init__(self) -> None:
        self.values: dict[Any, Kept] = {}
        """Values by key, in order of arrival of the keys."""
        self._due: list[tuple[int, int, Any]] = []
        self._number = 0
        self._removed = 0
        self._sweep_at = LEAST

    def __len__(self) -> int:
        return len(self.values)

    def find(self, key: Any, at: int, watermark: int) -> Kept | None:
        """Return the value of a key at a time; None if unknown or expired.

        Args:
            key: The key.
            at: Time of the request.
            watermark: Values that expire at or before `watermark + 1` are gone too, so that the result does not depend
                on when `take_out` was last called; MIN if watermarks do not count.
        """
        kept = self.values.get(key)
        if kept is None or at >= kept.until or watermark >= kept.until - 1:
            return None
        return kept

    def keep(self, key: Any, value: Any, until: int) -> None:
        """Set the value of a key; its expiry only moves forward."""
        kept = self.values.get(key)
        if kept is None:
            self._number += 1
            self.values[key] = Kept(value, until, self._number)
            if until < MAX:
                self._enter(until, self._number, key)
            return
        kept.value = value
        if until > kept.until:
            kept.until = until

    def _enter(self, until: int, number: int, key: Any) -> None:
        heapq.heappush(self._due, (until, number, key))
        if len(self._due) > self._sweep_at:
            self._sweep_at = swept(self._due, self._is_live)

    def _is_live(self, entry: tuple[int, int, Any]) -> bool:
        kept = self.values.get(entry[2])
        return kept is not None and kept.number == entry[1]

    def drop(self, key: Any) -> Kept | None:
        """Forget a key; returns its value, expired or not."""
        kept = self.values.pop(key, None)
        if kept is not None:
            self._gave_back(1)
        return kept

    @property
    def due(self) -> int:
        """No key is over before this time; MAX if none ever is. It may be earlier than the first that is."""
        return self._due[0][0] if self._due else MAX

    def take_out(self, time: int) -> list[tuple[Any, Kept]]:
        """Forget expired keys; returns them by expiry, then in order of arrival.

        Args:
            time: Values that expire at or before it are removed: the time of the clock, or watermark + 1.
        """
        due, values = self._due, self.values
        out: list[tuple[Any, Kept]] = []
        while due and due[0][0] <= time:
            until, number, key = due[0]
            kept = values.get(key)
            # An entry may outlive its key: the number shows whether the key was dropped and added again.
            if kept is None or kept.number != number or kept.until == MAX:
                heapq.heappop(due)
            elif kept.until > until:
                # The key was used meanwhile: its one entry moves, however often that was.
                heapq.heapreplace(due, (kept.until, number, key))
            else:
                heapq.heappop(due)
                del values[key]
                out.append((key, kept))
        self._gave_back(len(out))
        return out

    def take_all(self) -> list[tuple[Any, Kept]]:
        """Forget all keys; returns them in order of arrival."""
        out = list(self.values.items())
        self.load([])
        return out

    def _gave_back(self, n: int) -> None:
        """Shrink the table once most of it is empty."""
        self._removed += n
        if self._removed > _MOST_REMOVED and self._removed > 3 * len(self.values):
            compact(self.values, self._removed)
            self._removed = 0

    def rows(self) -> list[list[Any]]:
        """Return the state as plain data, in order of arrival: [key, value, until]."""
        return [[key, kept.value, kept.until] for key, kept in self.values.items()]

    def load(self, rows: list[list[Any]]) -> None:
        """Restore the result of `rows`."""
        self.values, self._due, self._number, self._removed, self._sweep_at = {}, [], 0, 0, LEAST
        for key, value, until in rows:
            self.keep(key, value, until)
