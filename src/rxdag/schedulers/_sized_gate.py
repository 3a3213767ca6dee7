"""Gates that are bound in bytes too: each item has a size, and goes in if that fits."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from rxdag.contract import END, Chunk, Overflow, Read, joined
from rxdag.errors import BufferOverflow, RxDagError, shown
from rxdag.schedulers._gate import Gate


class SizedGate(Gate):
    """A bounded buffer, by any policy, that counts bytes beside items. It takes items one by one.

    An item that is larger than all there is room for goes in alone, so it holds at most `max_bytes` and that one item.

    Args:
        name: Name of the edge it stands on.
        high: Most items that rest in it.
        max_bytes: Most bytes that rest in it.
        size_of: Size of an item, bytes.
        overflow: What happens to an item that does not fit.
        delay_error: With Overflow.ERROR, whether what rests goes out before the error.
    """

    def __init__(
        self,
        name: str,
        high: int,
        max_bytes: int,
        size_of: Callable[[Any], int],
        overflow: Overflow,
        *,
        delay_error: bool = True,
    ) -> None:
        super().__init__(name, high)
        self.max_bytes = max_bytes
        self.overflow = overflow
        self.n_bytes = 0
        self.high_water_bytes = 0
        self._size_of = size_of
        self._delay_error = delay_error
        self._largest = 1
        self._entries: deque[tuple[Chunk, int]] = deque()

    def room(self) -> int | None:
        if self.overflow is not Overflow.BLOCK:
            return 0 if self.is_shut and not self.is_abandoned else None
        room = super().room()
        if not room:
            return room
        left = self.max_bytes - self.n_bytes
        return 0 if left <= 0 else max(1, min(room, left // self._largest))

    def needs_no_room(self) -> bool:
        with self._lock:
            return not self._entries[0][0].items if self._entries else self._ended

    def _let_in(self, chunk: Chunk) -> None:
        for each in chunk.singles():
            self._enter(each)
        self.high_water = max(self.high_water, self.n)
        self.high_water_bytes = max(self.high_water_bytes, self.n_bytes)
        self.spill_high_water = max(self.spill_high_water, self.spilled)

    def _enter(self, one: Chunk) -> None:
        if self._ended:
            self.discarded += len(one)
            self._tell("ignored", one)
            return
        try:
            size = self._size_of(one.items[0]) if one.items else 0
            self._largest = max(self._largest, size)
        except Exception as error:  # what has no size can neither go in nor be dropped by a rule
            self.discarded += len(one)
            self._ended = True
            self.failure = self._error = RxDagError(
                f"gate {self.name}: size_of must give the size of each item as a number, raised {shown(error)} on {shown(one.items[0], most=200)}"
            )
            self._error.__cause__ = error
            return
        if self.overflow is Overflow.BLOCK:
            if self._spill or not self._fits(one, size):
                self._spill.append(one)
                self.spilled += len(one)
            else:
                self._keep(one, size)
            return
        if not self._fits(one, size) and not self._make_room(one, size):
            return
        self._keep(one, size)

    def _fits(self, one: Chunk, size: int) -> bool:
        return not one.items or not self.n or (self.n < self.high and self.n_bytes + size <= self.max_bytes)

    def _keep(self, one: Chunk, size: int) -> None:
        entries = self._entries
        if not one.items and entries and not entries[-1][0].items:
            entries[-1] = (entries[-1][0].join(one), 0)
        else:
            entries.append((one, size))
        self.n += len(one)
        self.n_bytes += size

    def _make_room(self, one: Chunk, size: int) -> bool:
        """Drop what the policy gives up; False if that is the item itself."""
        policy = self.overflow
        if policy is Overflow.DROP_NEWEST or policy is Overflow.ERROR:
            self.dropped += 1
            self._tell("dropped", one)
            if policy is Overflow.ERROR:
                self._overflow()
            return False
        if policy is Overflow.DROP_BUFFER:
            self._drop(lambda: self.n > 0, newest=False)
        else:
            self._drop(lambda: not self._fits(one, size), newest=policy is Overflow.DROP_TAIL)
        return True

    def _drop(self, more: Callable[[], bool], *, newest: bool) -> None:
        """Drop items from one end while that is needed; watermarks stay."""
        marks: list[tuple[Chunk, int]] = []
        while more():
            one, size = self._entries.pop() if newest else self._entries.popleft()
            if not one.items:
                marks.append((one, size))
                continue
            self.n -= 1
            self.n_bytes -= size
            self.dropped += 1
            self._tell("dropped", one)
        if newest:
            self._entries.extend(reversed(marks))
        else:
            self._entries.extendleft(reversed(marks))

    def _overflow(self) -> None:
        if not self._delay_error:
            self.discarded += self.n
            self.n = self.n_bytes = 0
            self._entries.clear()
        self._ended = True
        self.failure = self._error = BufferOverflow(
            f"gate {self.name}: must hold no more than {self.high:,} items and {self.max_bytes:,} bytes, and one more came; "
            f'take larger bounds, or another overflow, as "block" where the source can wait or "drop_oldest"'
        )

    def take(self, max_items: int) -> Read:
        with self._lock:
            if not self._entries:
                if not self._ended:
                    return None
                if self._error is not None:
                    raise self._error
                return END
            out: list[Chunk] = []
            n = 0
            while self._entries and n + len(self._entries[0][0]) <= max_items:
                one, size = self._entries.popleft()
                out.append(one)
                n += len(one)
                self.n_bytes -= size
            self.n -= n
            was_over = self.is_over
            self._refill()
            is_low = (self.n <= self.low and 2 * self.n_bytes <= self.max_bytes) or was_over or not self.n
            parked = self._unpark() if is_low and not self._spill else []
        for waiter in parked:
            waiter.wake()
        return joined(out)

    def _refill(self) -> None:
        while self._spill:
            one = self._spill[0]
            size = self._size_of(one.items[0]) if one.items else 0
            if not self._fits(one, size):
                break
            self._spill.popleft()
            self.spilled -= len(one)
            self._keep(one, size)
        self.high_water = max(self.high_water, self.n)
        self.high_water_bytes = max(self.high_water_bytes, self.n_bytes)

    def abandon(self) -> None:
        with self._lock:
            self._entries.clear()
            self.n_bytes = 0
        super().abandon()
