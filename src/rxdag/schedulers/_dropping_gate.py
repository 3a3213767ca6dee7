"""Gates that never make a producer wait: what does not fit is dropped, by one of several rules, or is an error."""

from __future__ import annotations

from rxdag.contract import Chunk, Overflow, Read
from rxdag.errors import BufferOverflow
from rxdag.schedulers._gate import Gate


class DroppingGate(Gate):
    """A bounded buffer that takes every item, and drops some; watermarks are never dropped.

    Args:
        name: Name of the edge it stands on.
        high: Most items that rest in it; 0 lets one in if its reader waits for it.
        overflow: What happens to an item that finds it full.
        delay_error: With Overflow.ERROR, whether what rests goes out before the error.
    """

    def __init__(self, name: str, high: int, overflow: Overflow, *, delay_error: bool = True) -> None:
        super().__init__(name, high)
        self.overflow = overflow
        self._delay_error = delay_error
        self._is_wanted = False
        self._make_room = {
            Overflow.DROP_OLDEST: self._drop_oldest,
            Overflow.DROP_NEWEST: self._drop_newest,
            Overflow.DROP_TAIL: self._drop_tail,
            Overflow.DROP_BUFFER: self._drop_buffer,
            Overflow.ERROR: self._overflow,
        }[overflow]

    def room(self) -> int | None:
        return 0 if self.is_shut and not self.is_abandoned else None

    def _let_in(self, chunk: Chunk) -> None:
        if self.n + len(chunk) > self._most():
            self._make_room(chunk)
        else:
            self._keep(chunk)
        self.high_water = max(self.high_water, self.n)

    def _most(self) -> int:
        return self.high or int(self._is_wanted)

    def take(self, max_items: int) -> Read:
        read = super().take(max_items)
        self._is_wanted = read is None
        return read

    def _keep(self, chunk: Chunk) -> None:
        if chunk.items or chunk.marks:
            self._put(self._chunks, chunk)
            self.n += len(chunk)
            self._is_wanted = False

    def _fill(self, chunk: Chunk) -> Chunk:
        """Take in as much as fits; returns the rest."""
        head, rest = chunk.split(self._most() - self.n)
        self._keep(head)
        return rest

    def _drop(self, chunk: Chunk) -> Chunk:
        """Drop the items of a chunk; returns what watermarks it had."""
        self.dropped += len(chunk)
        self._tell("dropped", chunk)
        return Chunk([], marks=tuple((0, mark) for _, mark in chunk.marks))

    def _drop_oldest(self, chunk: Chunk) -> None:
        over = self.n + len(chunk) - self.high
        marks = Chunk([])
        while over and self._chunks:
            first = self._chunks.popleft()
            head, rest = first.split(min(over, len(first)))
            over -= len(head)
            self.n -= len(head)
            marks = marks.join(self._drop(head))
            if rest.items:
                self._chunks.appendleft(rest)
            else:
                marks = marks.join(rest)
        if over:
            head, chunk = chunk.split(over)
            marks = marks.join(self._drop(head))
        if marks.marks and self._chunks:
            self._chunks.appendleft(marks.join(self._chunks.popleft()))
            marks = Chunk([])
        self._keep(marks.join(chunk) if marks.marks else chunk)

    def _drop_newest(self, chunk: Chunk) -> None:
        self._keep(self._drop(self._fill(chunk)))

    def _drop_tail(self, chunk: Chunk) -> None:
        rest = self._fill(chunk)
        before, last = rest.split(len(rest) - 1)
        marks = Chunk([])
        newest = self._chunks.pop()
        while not newest.items:  # a chunk of marks alone
            marks = newest.join(marks)
            newest = self._chunks.pop()
        kept, tail = newest.split(len(newest) - 1)
        self.n -= 1
        if kept.items or kept.marks:
            self._chunks.append(kept)
        self._keep(self._drop(tail).join(marks).join(self._drop(before)).join(last))

    def _drop_buffer(self, chunk: Chunk) -> None:
        rest = self._fill(chunk)
        gone, kept = rest.split(len(rest) - 1 - (len(rest) - 1) % self.high)
        marks = Chunk([])
        while self._chunks:
            marks = marks.join(self._drop(self._chunks.popleft()))
        self.n = 0
        self._keep(marks.join(self._drop(gone)).join(kept))

    def _overflow(self, chunk: Chunk) -> None:
        rest = self._fill(chunk)
        self.dropped += 1
        self.discarded += len(rest) - 1
        self._tell("dropped", rest.split(1)[0])
        if not self._delay_error:
            self.discarded += self.n
            self.n = 0
            self._chunks.clear()
        self._ended = True
        self.failure = self._error = BufferOverflow(
            f"gate {self.name}: must hold no more than {self.high:,} items, and one more came; take a larger max_items, "
            f'or another overflow, as "block" where the source can wait or "drop_oldest"'
        )
