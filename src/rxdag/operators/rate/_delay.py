"""Delay: each item a while later."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from rxdag.contract import Duration, Emit, Kernel, Operator, Shape, positive_ns, whole
from rxdag.operators._least_time import LeastTime

A = TypeVar("A")


class DelayKernel(Kernel):
    """Items by when they leave, in order of arrival: [leaves, item, ts, sequence, key]."""

    state: ClassVar[tuple[str, ...]] = ("queue", "timer", "lingers")
    derived = ("_times",)
    may_park = True

    def __init__(self, wait: int, max_items: int) -> None:
        self._wait = wait
        self._max_items = max_items
        self.queue: deque[list[Any]] = deque()
        self._times = LeastTime()

    def want(self, now: int) -> int | None:
        return self._max_items - len(self.queue)

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, now: int, emit: Emit[Any]) -> None:
        self.enter(now + self._wait, item, ts, sequence, key)

    def enter(self, leaves: int, item: Any, ts: int, sequence: int, key: Any) -> None:
        """Append an item to the waiting ones."""
        self.queue.append([leaves, item, ts, sequence, key])
        self._times.add(ts)
        self.timer = self.queue[0][0]

    def on_timer(self, now: int, emit: Emit[Any]) -> None:
        while self.queue and self.queue[0][0] <= now:
            _, item, ts, sequence, key = self.queue.popleft()
            self._times.remove(ts)
            emit(item, ts=ts, sequence=sequence, key=key)
        self.timer = self.queue[0][0] if self.queue else None
        if not self.queue:
            self.lingers = False

    def on_end(self, emit: Emit[Any]) -> None:
        self.lingers = len(self.queue) > 0

    def held(self) -> int:
        return len(self.queue)

    def low(self) -> int:
        return self._times.least

    def snapshot(self) -> dict[str, Any]:
        return {"queue": [list(row) for row in self.queue], "timer": self.timer, "lingers": self.lingers}

    def restore(self, saved: dict[str, Any]) -> None:
        self.queue = deque(list(row) for row in saved["queue"])
        self._times.clear()
        for row in self.queue:
            self._times.add(row[2])
        self.timer, self.lingers = saved["timer"], saved["lingers"]


@dataclass(frozen=True)
class _Delay(Operator[A, A], Generic[A]):
    wait_ns: int
    max_items: int
    label = "delay"
    adjustable = ("by",)

    def shape(self, shape: Shape) -> Shape:
        return shape

    def kernel(self) -> DelayKernel:
        return DelayKernel(self.wait_ns, self.max_items)


def delay(by: Duration, /, *, max_items: int = 1024) -> Operator[A, A]:
    """Delay each item by a fixed time, whatever its key.

    Emits: every item, `by` later, with its original event time and key.
    Drops: nothing.
    Holds: up to `max_items` items; once full, it reads no more.
    Ends: once the source has ended and the last waiting item is emitted. Fails: at once if the source fails; waiting
        items are discarded.
    Clock: processing time.

    Args:
        by: Length of the delay, more than 0.
        max_items: Maximum number of waiting items, 1 or more.

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> play(ops.delay("2s"), "ab--|")
        '--ab|'
    """
    return _Delay(positive_ns(by, "delay: by"), whole(max_items, "delay: max_items", least=1))
