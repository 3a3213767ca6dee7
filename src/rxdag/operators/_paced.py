"""Operators that let items through later, or only so many of them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal, TypeVar

from rxdag.contract import MIN, Duration, Emit, Kernel, Operator, Shape, positive_ns
from rxdag.errors import GraphError
from rxdag.operators._arguments import whole

A = TypeVar("A")


class _DelayKernel(Kernel):
    state: ClassVar[tuple[str, ...]] = ("queue", "timer", "lingers")
    may_park = True

    def __init__(self, wait: int, max_items: int) -> None:
        self._wait = wait
        self._max_items = max_items
        self.queue: deque[list[Any]] = deque()

    def want(self, now: int) -> int | None:
        return self._max_items - len(self.queue)

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, now: int, emit: Emit[Any]) -> None:
        self.queue.append([now + self._wait, item, ts, sequence, key])
        self.timer = self.queue[0][0]

    def on_timer(self, now: int, emit: Emit[Any]) -> None:
        while self.queue and self.queue[0][0] <= now:
            _, item, ts, sequence, key = self.queue.popleft()
            emit(item, ts=ts, sequence=sequence, key=key)
        self.timer = self.queue[0][0] if self.queue else None
        if not self.queue:
            self.lingers = False

    def on_end(self, emit: Emit[Any]) -> None:
        self.lingers = len(self.queue) > 0

    def held(self) -> int:
        return len(self.queue)

    def snapshot(self) -> dict[str, Any]:
        return {"queue": [list(row) for row in self.queue], "timer": self.timer, "lingers": self.lingers}

    def restore(self, saved: dict[str, Any]) -> None:
        self.queue = deque(list(row) for row in saved["queue"])
        self.timer, self.lingers = saved["timer"], saved["lingers"]


class _Bucket:
    """A token bucket as the generic cell rate algorithm (ITU-T I.371): one number for each."""

    def __init__(self, every: int, burst: int) -> None:
        self._every = every
        self._slack = every * (burst - 1)

    def opens(self, full_at: int) -> int:
        """When the next item may pass, of a bucket that is full again at that time."""
        return full_at - self._slack

    def after(self, full_at: int, now: int) -> int:
        """When it is full again, once an item has passed."""
        return (full_at if full_at > now else now) + self._every


class _ThrottleDropKernel(Kernel):
    state = ("full_at",)

    def __init__(self, bucket: _Bucket) -> None:
        self._bucket = bucket
        self.full_at = MIN

    def on_item(self, item: Any, now: int, emit: Emit[Any]) -> None:
        if now < self._bucket.opens(self.full_at):
            return emit.dropped(item, "throttled")
        self.full_at = self._bucket.after(self.full_at, now)
        emit(item)
        return None


class _ThrottleShapeKernel(_DelayKernel):
    """Delays each item until its token is there."""

    state = ("queue", "timer", "lingers", "full_at")

    def __init__(self, bucket: _Bucket, max_items: int) -> None:
        super().__init__(0, max_items)
        self._bucket = bucket
        self.full_at = MIN

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, now: int, emit: Emit[Any]) -> None:
        opens = self._bucket.opens(self.full_at)
        leaves = opens if opens > now else now
        self.full_at = self._bucket.after(self.full_at, leaves)
        if leaves == now and not self.queue:
            emit(item)
            return
        self.queue.append([leaves, item, ts, sequence, key])
        self.timer = self.queue[0][0]

    def snapshot(self) -> dict[str, Any]:
        return {**super().snapshot(), "full_at": self.full_at}

    def restore(self, saved: dict[str, Any]) -> None:
        super().restore(saved)
        self.full_at = saved["full_at"]


@dataclass(frozen=True)
class _Delay(Operator[A, A], Generic[A]):
    wait_ns: int
    max_items: int
    label = "delay"

    def shape(self, shape: Shape) -> Shape:
        return shape

    def kernel(self) -> _DelayKernel:
        return _DelayKernel(self.wait_ns, self.max_items)


@dataclass(frozen=True)
class _Throttle(Operator[A, A], Generic[A]):
    every_ns: int
    burst: int
    mode: Literal["drop", "shape"]
    max_items: int
    label = "throttle"

    def shape(self, shape: Shape) -> Shape:
        return shape

    def kernel(self) -> _ThrottleDropKernel | _ThrottleShapeKernel:
        bucket = _Bucket(self.every_ns, self.burst)
        return _ThrottleDropKernel(bucket) if self.mode == "drop" else _ThrottleShapeKernel(bucket, self.max_items)


def delay(by: Duration, /, *, max_items: int = 1024) -> Operator[A, A]:
    """Pass each item a while after it came.

    Emits: every item, `by` later; with its event time and key, which do not change.
    Drops: nothing.
    Holds: up to `max_items` items; no more are taken while they wait.
    Ends: with the last item that waits, once the source has ended. Fails: at once when the source fails; what waits is
        discarded.
    Clock: processing time.

    Args:
        by: How long, more than 0.
        max_items: Most items that wait, 1 or more.

    Raises:
        GraphError: If an argument is not as above.

    Example:
        >>> play(ops.delay("2s"), "ab--|")
        '--ab|'
    """
    return _Delay(positive_ns(by, "delay: by"), whole(max_items, "delay: max_items", least=1))


def throttle(
    rate: int,
    /,
    *,
    per: Duration = "1s",
    burst: int = 1,
    mode: Literal["drop", "shape"] = "drop",
    max_items: int = 1024,
) -> Operator[A, A]:
    """Let through no more than so many items in a time, with a token bucket.

    The bucket has room for `burst` tokens and begins full; `rate` of them come in `per`, evenly; an item takes one.

    Emits: with mode "drop" an item that finds a token; with "shape" every item, once its token is there; with its event
        time and key.
    Drops: with "drop" every other item, counted as dropped, reason "throttled"; with "shape" nothing.
    Holds: one number; with "shape" up to `max_items` items, and no more are taken while they wait.
    Ends: when the source ends; with "shape" behind the last item that waits. Fails: when the source fails.
    Clock: processing time.

    Args:
        rate: How many items in `per`, 1 or more.
        per: A duration, more than 0; a whole number of nanoseconds for each item.
        burst: How many may pass at once, 1 or more.
        mode: "drop" or "shape".
        max_items: Most items that wait, 1 or more.

    Raises:
        GraphError: If an argument is not as above.

    Example:
        >>> play(ops.throttle(1, per="2s"), "abcd|")
        'a-c-|'
    """
    for name, value in (("rate", rate), ("burst", burst), ("max_items", max_items)):
        whole(value, f"throttle: {name}", least=1)
    if mode not in ("drop", "shape"):
        raise GraphError(f'throttle: mode must be "drop" or "shape", got {mode!r}')
    every = positive_ns(per, "throttle: per") // rate
    if not every:
        raise GraphError(f"throttle: an item must have 1 ns or more, got {rate} in {per!r}")
    return _Throttle(every, burst, mode, max_items)
