"""What random graphs are made of beside our operators: sources that can be read again, sinks, and operators of users."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rxdag.contract import END, MAX, Chunk, Kernel, Operator, Reader, Shape, Sink, Source, Where, Writer


class Alarm:
    """Calls a function at its n-th knock, whoever knocks."""

    def __init__(self, at: int, act: Callable[[], object]) -> None:
        self._left = at
        self._act = act
        self._lock = threading.Lock()

    def knock(self) -> None:
        with self._lock:
            self._left -= 1
            is_due = self._left == 0
        if is_due:
            self._act()


def nobody() -> None:
    """Hear a knock and do nothing."""


@dataclass(frozen=True)
class Replayed(Source[int]):
    """Items at times from the epoch, ns; those of time 0 are there at once.

    Args:
        rows: Time and item, times not falling.
        error: What it fails with after the last item.
        where: Who reads it.
        knock: Called before each read.
    """

    rows: tuple[tuple[int, int], ...] = field(repr=False)
    error: BaseException | None = None
    where: Where = "inline"
    knock: Callable[[], None] = nobody
    label = "replayed"
    no_position = None
    shape = Shape(int)

    def open(self, context: Any) -> Reader:
        return _ReplayedReader(self, context)


class _ReplayedReader(Reader):
    def __init__(self, source: Replayed, context: Any) -> None:
        self._source = source
        self._context = context
        self._at = 0

    def read(self, max_items: int) -> Any:
        self._source.knock()
        rows, now = self._source.rows, self._context.clock.now()
        first = self._at
        while self._at < len(rows) and self._at - first < max_items and rows[self._at][0] <= now:
            self._at += 1
        if self._at > first:
            return Chunk([item for _, item in rows[first : self._at]])
        if self._at < len(rows):
            self._context.wake_at(rows[self._at][0])
            return None
        if self._source.error is not None:
            raise self._source.error
        return END

    def position(self) -> int:
        return self._at

    def seek(self, position: int) -> None:
        self._at = position


@dataclass(frozen=True)
class Noted(Sink[Any, int]):
    """Notes what it is given in a list of the test's.

    Args:
        items: The list.
        look: Called with each item; what it raises fails the sink.
        where: Who writes it.
        one_by_one: True to be given one item at a time.
    """

    items: list[Any] = field(repr=False)
    look: Callable[[Any], object] = repr
    where: Where = "inline"
    one_by_one: bool = False
    label = "noted"

    def open(self, context: Any) -> Writer:
        return _NotedWriter(self)


class _NotedWriter(Writer):
    def __init__(self, sink: Noted) -> None:
        self._sink = sink

    def write(self, chunk: Chunk) -> Any:
        if self._sink.where == "async":
            return self._write_later(chunk)
        self._write(chunk)
        return None

    async def _write_later(self, chunk: Chunk) -> None:
        self._write(chunk)

    def _write(self, chunk: Chunk) -> None:
        for item in chunk.items:
            self._sink.look(item)
        self._sink.items.extend(chunk.items)

    def close(self, *, ok: bool) -> int:
        return len(self._sink.items)


@dataclass(frozen=True)
class Own(Operator[int, int]):
    """An operator as a user writes it.

    Args:
        make: Makes its kernel.
        is_timed: False if its outputs have no event time.
    """

    make: Callable[[], Kernel]
    label = "own"

    def shape(self, shape: Shape) -> Shape:
        return Shape(int, timed=shape.timed)

    def kernel(self) -> Any:
        return self.make()


class Chatty(Kernel):
    """Gives several outputs for some items, none for others, five at the end; and swallows what `emit` raises."""

    state = ("n", "last")
    passes = False

    def __init__(self, knock: Callable[[], None] = nobody) -> None:
        self.n = 0
        self.last = 0
        self._knock = knock

    def on_item(self, item: int, emit: Any) -> None:
        self._knock()
        self.n += 1
        emit.absorbed(1)
        if item % 11 == 3:
            return
        emit(item)
        if self.n % 3 == 0:
            for more in range(item % 4):
                try:
                    emit(self.last + more)
                except BaseException:
                    self.n += 1000
        self.last = item % 7

    def on_end(self, emit: Any) -> None:
        for i in range(5):
            emit(i)


class Ticking(Kernel):
    """Keeps items, and gives them all out so long after the first of them; the last ones at the end.

    Args:
        wait: How long, ns.
        lingers: True to have the last ones wait for their time too.
        knock: Called by the timer.
    """

    state = ("kept", "timer", "lingers")
    passes = True

    def __init__(self, wait: int, *, lingers: bool, knock: Callable[[], None] = nobody) -> None:
        self._wait = wait
        self._may_linger = lingers
        self._knock = knock
        self.kept: list[list[Any]] = []

    def on_item(self, item: int, ts: int, sequence: int, key: Any, now: int, emit: Any) -> None:
        self.kept.append([item, ts, sequence, key])
        if self.timer is None:
            self.timer = now + self._wait

    def on_timer(self, now: int, emit: Any) -> None:
        self._knock()
        self.timer = None
        self.lingers = False
        self.give_out(emit)

    def give_out(self, emit: Any) -> None:
        while self.kept:
            item, ts, sequence, key = self.kept.pop(0)
            emit(item, ts=ts, sequence=sequence, key=key)

    def on_end(self, emit: Any) -> None:
        if self._may_linger and self.kept:
            self.lingers = True
            return
        self.timer = None
        self.give_out(emit)

    def held(self) -> int:
        return len(self.kept)

    def low(self) -> int:
        return min((row[1] for row in self.kept), default=MAX)


class AtMarks(Kernel):
    """Keeps items until the watermark has passed them, and gives them out by time; late ones at once."""

    state = ("kept", "wake")

    def __init__(self, knock: Callable[[], None] = nobody) -> None:
        self.kept: list[list[Any]] = []
        self._knock = knock

    def on_item(self, item: int, ts: int, sequence: int, key: Any, emit: Any) -> None:
        if ts <= self.watermark:
            emit(item)
            return
        self.kept.append([ts, sequence, item, key])
        self.wake = min(self.wake, ts)

    def on_watermark(self, watermark: int, emit: Any) -> None:
        self._knock()
        due = sorted((row for row in self.kept if row[0] <= watermark), key=lambda row: row[:2])
        self.kept = [row for row in self.kept if row[0] > watermark]
        self.wake = min((row[0] for row in self.kept), default=MAX)
        for ts, sequence, item, key in due:
            emit(item, ts=ts, sequence=sequence, key=key)

    def on_end(self, emit: Any) -> None:
        self.on_watermark(MAX, emit)

    def held(self) -> int:
        return len(self.kept)


class Busy(Kernel):
    """Passes an item, and takes no other for a while.

    Args:
        wait: How long, ns.
    """

    state = ("timer",)
    may_park = True

    def __init__(self, wait: int) -> None:
        self._wait = wait

    def want(self, now: int) -> int:
        return 1 if self.timer is None else 0

    def on_item(self, item: int, now: int, emit: Any) -> None:
        if self.timer is not None:
            raise AssertionError("an item came to a kernel that wants none")
        self.timer = now + self._wait
        emit(item)

    def on_timer(self, now: int, emit: Any) -> None:
        self.timer = None


class Clockwork(Kernel):
    """Passes items, and gives out one of its own each time its timer has run, so many in all.

    Args:
        wait: Between two of them, ns.
        n: How many.
    """

    state = ("timer", "left")
    passes = True

    def __init__(self, wait: int, n: int) -> None:
        self._wait = wait
        self.left = n

    def on_item(self, item: int, now: int, emit: Any) -> None:
        if self.timer is None and self.left:
            self.timer = now + self._wait
        emit(item)

    def on_timer(self, now: int, emit: Any) -> None:
        self.left -= 1
        self.timer = now + self._wait if self.left else None
        emit.made(self.left, ts=0, sequence=0, key=None)

    def on_end(self, emit: Any) -> None:
        self.timer = None


class Burst(Kernel):
    """Gives out the item so many times, whether there is room or not.

    Args:
        n: How many times.
    """

    passes = False

    def __init__(self, n: int) -> None:
        self._n = n

    def on_item(self, item: int, emit: Any) -> None:
        emit.absorbed(1)
        for _ in range(self._n):
            emit(item)
