"""The timers of a domain: calls that are due at a time, first come first served at one instant."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from typing import Final, TypeAlias

from rxdag.contract import Clock

_FEW: Final = 1024
"""Timers that need no sweep."""
LAST: Final = 1 << 30
"""Rank of a timer that belongs to no node."""


class Timer:
    """A call that is due at a time; `cancel` forgets it."""

    __slots__ = ("fn", "is_background", "when")

    def __init__(self, when: int, fn: Callable[[], None], is_background: bool) -> None:
        self.when = when
        self.fn: Callable[[], None] | None = fn
        self.is_background = is_background

    def cancel(self) -> None:
        self.fn = None


_Entry: TypeAlias = tuple[int, int, int, Timer]
"""Due time, rank of the node, number, and the timer itself."""


class Timers:
    """The timers of one domain. All methods are called under the lock of its scheduler.

    Args:
        clock: Clock of the domain.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[_Entry] = []
        self._patient: list[_Entry] = []
        """Timers for which no pump breaks off its turn."""
        self._order = itertools.count()
        self._sweep_at = _FEW
        """Number of timers at which cancelled ones are swept."""
        self._is_sweeping = False
        self._set_meanwhile: list[tuple[list[_Entry], _Entry]] = []

    def add(self, timer: Timer, rank: int, *, is_patient: bool) -> None:
        """Add a timer of a node of that rank."""
        timers = self._patient if is_patient else self._heap
        entry = (timer.when, rank, next(self._order), timer)
        if self._is_sweeping:  # a signal's handler, in the middle of a sweep
            self._set_meanwhile.append((timers, entry))
        else:
            heapq.heappush(timers, entry)
            if len(timers) > self._sweep_at:
                self._sweep()

    def __len__(self) -> int:
        return len(self._heap) + len(self._patient)

    def first(self) -> int | None:
        """Return when the first timer is due for which pumps break off their turn."""
        return self._heap[0][0] if self._heap else None

    def put_first(self, choose: Callable[[int], int]) -> None:
        """Put one of the timers of the next instant before the others; `choose` is given how many there are."""
        heap = self._heap
        when, equals = heap[0][0], list[_Entry]()
        while heap and heap[0][0] == when:
            equals.append(heapq.heappop(heap))
        equals = [each for each in equals if each[3].fn is not None]
        chosen = choose(len(equals)) if equals else 0
        for index, (_, rank, order, timer) in enumerate(equals):
            heapq.heappush(heap, (when, -1 if index == chosen else max(rank, 0), order, timer))

    def due(self, *, fires: bool = True) -> tuple[Callable[[], None] | None, int | None]:
        """Return the call of a timer that is due, or how long the first one that is set has to wait, ns.

        Args:
            fires: False to leave a timer that is due where it is.
        """
        wait: int | None = None
        for timers in (self._heap, self._patient):
            fn, due = self._due_of(timers, fires=fires)
            if fn is not None:
                return fn, 0
            if due is not None and (wait is None or due < wait):
                wait = due
        return None, wait

    def next_alive(self) -> int | None:
        """Return when the next timer that keeps the run alive is due, or a background timer before it."""
        live = [when for when, _, _, timer in self._all() if timer.fn is not None and not timer.is_background]
        if not live:
            return None
        first = min(live)
        return min(when for when, _, _, timer in self._all() if timer.fn is not None and when <= first)

    def keep_alive(self) -> bool:
        """Return True if a timer that keeps the run alive is set."""
        return any(timer.fn is not None and not timer.is_background for *_, timer in self._all())

    def _all(self) -> list[_Entry]:
        return [*self._heap, *self._patient]

    def _due_of(self, timers: list[_Entry], *, fires: bool) -> tuple[Callable[[], None] | None, int | None]:
        while timers and timers[0][3].fn is None:
            first = heapq.heappop(timers)
            if first[3].fn is not None:  # set by a signal's handler in this moment
                heapq.heappush(timers, first)
        if not timers:
            return None, None
        wait = timers[0][0] - self._clock.now()
        return (heapq.heappop(timers)[3].fn if fires and wait <= 0 else None), wait

    def _sweep(self) -> None:
        """Take out timers that were cancelled: one that is due before them would keep them for as long."""
        self._is_sweeping = True
        for timers in (self._heap, self._patient):
            timers[:] = [entry for entry in timers if entry[3].fn is not None]
            heapq.heapify(timers)
        self._sweep_at = max(_FEW, 2 * max(len(self._heap), len(self._patient)))
        self._is_sweeping = False
        while self._set_meanwhile:
            heap, entry = self._set_meanwhile.pop()
            heapq.heappush(heap, entry)
