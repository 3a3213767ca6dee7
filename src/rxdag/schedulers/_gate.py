"""Gates: bounded buffers between segments, the only places where data rests."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from rxdag.contract import END, Chunk, Read, Saw

if TYPE_CHECKING:
    from rxdag.schedulers._pump import Pump

_HYSTERESIS_FROM: Final = 64


class Waiter(Protocol):
    """What can wait for room."""

    def wake(self) -> None: ...


class Gate:
    """A bounded buffer between two segments; policy block.

    The producer's pump asks for room before it moves a chunk, so the gate never holds more than `high` items. What
    one input bursts into beyond that room rests with the producer, in `spill`, and is let in before anything new.

    Args:
        name: Name of the edge it stands on.
        high: Most items that rest in it.
    """

    def __init__(self, name: str, high: int) -> None:
        self.name = name
        self.high = high
        self.low = high // 2 if high >= _HYSTERESIS_FROM else high - 1
        self.reader: Pump | None = None
        self.n = 0
        self.high_water = 0
        self.spilled: int = 0
        self.spill_high_water = 0
        self.waits = 0
        self.ticks: Callable[[], int] = time.perf_counter_ns
        self._blocked_ns = 0
        self._blocked_since = 0
        self.discarded = 0
        self.dropped = 0
        self.is_abandoned = False
        self.is_shut = False
        self._chunks: deque[Chunk] = deque()
        self._spill: deque[Chunk] = deque()
        self._parked: list[Waiter] = []
        self._ended = False
        self._error: Exception | None = None
        self._lock = threading.Lock()
        self.saw: Saw | None = None
        self.failure: Exception | None = None
        """What the gate itself has failed with."""
        self.on_overflow: Callable[[], None] | None = None
        """Called once, by a gate that an item too many has ended: nothing more is wanted."""

    def _tell(self, kind: str, chunk: Chunk) -> None:
        if self.saw is not None:
            for item in chunk.rows().items:
                self.saw(kind, item)

    def room(self) -> int | None:
        """How many more items fit; None for any number."""
        if self.is_abandoned:
            return None
        return 0 if self._spill or self.is_shut else self.high - self.n

    @property
    def is_over(self) -> bool:
        """True if an item waits that did not fit."""
        return self.spilled > 0

    def needs_no_room(self) -> bool:
        """True if what goes out next is the end, or watermarks alone."""
        with self._lock:
            return not self._chunks[0].items if self._chunks else self._ended

    def has_items(self) -> bool:
        """True if what goes out next has items."""
        with self._lock:
            return bool(self._chunks and self._chunks[0].items)

    def park(self, waiter: Waiter) -> bool:
        """Have the waiter woken when there is room; False if there is some now."""
        with self._lock:
            room = self.room()
            if room is None or room > 0:
                return False
            if waiter not in self._parked:
                if not self._parked:
                    self._blocked_since = self.ticks()
                self._parked.append(waiter)
                self.waits += 1
                if self.saw is not None:
                    self.saw("blocked")
            return True

    @property
    def blocked_ns(self) -> int:
        """How long a producer has waited for room, the one that waits now included."""
        return self._blocked_ns + (self.ticks() - self._blocked_since if self._parked else 0)

    def has_parked(self, waiter: Waiter) -> bool:
        """True if the waiter will be woken by this gate."""
        return waiter in self._parked

    def set_shut(self, is_shut: bool, /) -> None:
        """Have no room, whatever rests here; or have it again."""
        if is_shut == self.is_shut:
            return
        with self._lock:
            self.is_shut = is_shut
            parked = [] if is_shut else self._unpark()
        for waiter in parked:
            waiter.wake()

    def on_next(self, chunk: Chunk, /) -> None:
        with self._lock:
            if self.is_abandoned or self._ended:
                self.discarded += len(chunk)
                self._tell("ignored", chunk)
                return
            self._let_in(chunk)
            has_overflown = self._ended
        self._wake_reader()
        if has_overflown and self.on_overflow is not None:
            self.on_overflow()

    def _let_in(self, chunk: Chunk) -> None:
        count = len(chunk.items)
        room = self.high - self.n
        if count and count <= room and not self._spill and not self._chunks:
            self._chunks.append(chunk)  # by far the most, and by the shortest way
            self.n += count
            if self.n > self.high_water:
                self.high_water = self.n
            return
        if self._spill:
            self._put(self._spill, chunk)
            self.spilled += len(chunk)
        elif len(chunk) <= room:
            self._put(self._chunks, chunk)
            self.n += len(chunk)
        else:
            head, tail = chunk.split(room)
            if head.items or head.marks:
                self._put(self._chunks, head)
                self.n += len(head)
            self._spill.append(tail)
            self.spilled += len(tail)
        self.high_water = max(self.high_water, self.n)
        self.spill_high_water = max(self.spill_high_water, self.spilled)

    @staticmethod
    def _put(queue: deque[Chunk], chunk: Chunk) -> None:
        """Put it at the end; a chunk without items joins its neighbour, so marks are bounded by items."""
        if queue and not (chunk.items and queue[-1].items):
            queue[-1] = queue[-1].join(chunk)
        else:
            queue.append(chunk)

    def end(self, error: Exception | None, /) -> None:
        """No more comes in; what rests goes out first, then `error`, if any, or the end."""
        with self._lock:
            if self._ended:
                return
            self._ended, self._error = True, error
        self._wake_reader()

    def _wake_reader(self) -> None:
        reader = self.reader
        if reader is not None:
            reader.wake()

    def take(self, max_items: int) -> Read:
        """Take out up to `max_items`; None for nothing now, END for no more. Raises the producer's error at the end."""
        with self._lock:
            if not self._chunks:
                if not self._ended:
                    return None
                if self._error is not None:
                    raise self._error
                return END
            chunk = self._chunks.popleft()
            if len(chunk) > max_items:
                chunk, rest = chunk.split(max_items)
                self._chunks.appendleft(rest)
            else:
                while self._chunks and len(chunk) + len(self._chunks[0]) <= max_items:
                    chunk = chunk.join(self._chunks.popleft())
            self.n -= len(chunk.items)
            if self._spill or self._parked:
                was_over = self.is_over
                self._refill()
                # What went one of several ways may go on as soon as nothing waits, if another way has room.
                is_low = self.n <= self.low or was_over
                parked = self._unpark() if is_low and not self._spill else []
            else:
                parked = []
        for waiter in parked:
            waiter.wake()
        return chunk

    def _refill(self) -> None:
        while self._spill and self.n < self.high:
            chunk = self._spill.popleft()
            if len(chunk) > self.high - self.n:
                chunk, rest = chunk.split(self.high - self.n)
                self._spill.appendleft(rest)
            self._put(self._chunks, chunk)
            self.n += len(chunk)
            self.spilled -= len(chunk)
        self.high_water = max(self.high_water, self.n)

    def _unpark(self) -> list[Waiter]:
        parked, self._parked = self._parked, []
        if parked:
            self._blocked_ns += self.ticks() - self._blocked_since
        if parked and self.saw is not None:
            self.saw("resumed")
        return parked

    def abandon(self) -> None:
        """Nobody reads any more: what rests is discarded, what comes too, and nobody waits."""
        with self._lock:
            self.is_abandoned = True
            self.discarded += self.n + self.spilled
            self.n = self.spilled = 0
            self._chunks.clear()
            self._spill.clear()
            parked = self._unpark()
        for waiter in parked:
            waiter.wake()

    @property
    def held(self) -> int:
        """Items that rest here."""
        return self.n + self.spilled


class DemandGate(Gate):
    """A gate that has room for what its reader asks for, and no more: nothing is read ahead.

    Args:
        name: Name of the edge it stands on.
        high: Most items that rest in it, whatever is asked for.
        demand: How many items the reader takes now; None for any number.
    """

    def __init__(self, name: str, high: int, demand: Callable[[], int | None]) -> None:
        super().__init__(name, high)
        self._demand = demand

    def room(self) -> int | None:
        room = super().room()
        return room if room is None else max(0, min(room, self._asked() - self.n))

    def _asked(self) -> int:
        demand = self._demand()
        return self.high if demand is None else min(demand, self.high)

    @property
    def is_over(self) -> bool:
        return self.n + self.spilled > self._asked()

    def admit(self) -> None:
        """Wake who waits, if more is asked for by now."""
        with self._lock:
            room = self.room()
            parked = self._unpark() if room is None or room > 0 else []
        for waiter in parked:
            waiter.wake()
