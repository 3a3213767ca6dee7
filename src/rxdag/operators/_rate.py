"""Operators of the clock: how often, how late, how many at once."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal, TypeVar

from rxdag.contract import MIN, Duration, Emit, Kernel, Operator, Shape, Unkeyed, format_ns, positive_ns
from rxdag.errors import GraphError

A = TypeVar("A")


class _Kept(Kernel):
    """Keeps the newest item, with its time and key, until it is its turn."""

    state = ("kept", "timer", "lingers")

    def __init__(self, wait: int) -> None:
        self._wait = wait
        self.kept: list[Any] = []

    def keep(self, item: Any, ts: int, sequence: int, key: Any, emit: Emit[Any]) -> None:
        """Have an item wait, in place of the one that did."""
        if self.kept:
            emit.dropped(self.kept[0], "replaced")
        self.kept = [item, ts, sequence, key]

    def give_out(self, emit: Emit[Any]) -> None:
        """Send out what waits."""
        if self.kept:
            item, ts, sequence, key = self.kept
            self.kept = []
            emit(item, ts=ts, sequence=sequence, key=key)

    def held(self) -> int:
        return 1 if self.kept else 0


class _DebounceKernel(_Kept):
    def on_item(self, item: Any, ts: int, sequence: int, key: Any, now: int, emit: Emit[Any]) -> None:
        self.keep(item, ts, sequence, key, emit)
        self.timer = now + self._wait

    def on_timer(self, now: int, emit: Emit[Any]) -> None:
        self.timer = None
        self.give_out(emit)

    def on_end(self, emit: Emit[Any]) -> None:
        self.timer = None
        self.give_out(emit)


class _AuditKernel(_Kept):
    def on_item(self, item: Any, ts: int, sequence: int, key: Any, now: int, emit: Emit[Any]) -> None:
        self.keep(item, ts, sequence, key, emit)
        if self.timer is None:
            self.timer = now + self._wait

    def on_timer(self, now: int, emit: Emit[Any]) -> None:
        self.timer = None
        self.give_out(emit)

    def on_end(self, emit: Emit[Any]) -> None:
        self.timer = None
        self.give_out(emit)


class _SampleKernel(_Kept):
    """The end waits for the next instant if there is something to give out then."""

    def on_start(self, now: int, emit: Emit[Any]) -> None:
        self.timer = now + self._wait

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, emit: Emit[Any]) -> None:
        self.keep(item, ts, sequence, key, emit)

    def on_timer(self, now: int, emit: Emit[Any]) -> None:
        self.timer = None if self.lingers else now + self._wait
        self.lingers = False
        self.give_out(emit)

    def on_end(self, emit: Emit[Any]) -> None:
        self.lingers = len(self.kept) > 0
        if not self.lingers:
            self.timer = None


class _ThrottleFirstKernel(Kernel):
    state = ("opens",)

    def __init__(self, wait: int) -> None:
        self._wait = wait
        self.opens = MIN

    def on_item(self, item: Any, now: int, emit: Emit[Any]) -> None:
        if now < self.opens:
            return emit.dropped(item, "throttled")
        self.opens = now + self._wait
        emit(item)
        return None


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


class _TimeoutKernel(Kernel):
    state = ("timer",)

    def __init__(self, wait: int) -> None:
        self._wait = wait

    def on_start(self, now: int, emit: Emit[Any]) -> None:
        self.timer = now + self._wait

    def on_item(self, item: Any, now: int, emit: Emit[Any]) -> None:
        self.timer = now + self._wait
        emit(item)

    def on_timer(self, now: int, emit: Emit[Any]) -> None:
        self.timer = None
        raise TimeoutError(f"timeout: an item must come within {format_ns(self._wait)} of the one before, got none")

    def on_end(self, emit: Emit[Any]) -> None:
        self.timer = None


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


class _BatchKernel(Kernel):
    state = ("items", "timer", "ts", "sequence")
    passes = False

    def __init__(self, max_items: int | None, wait: int | None, *, emit_empty: bool) -> None:
        self._max_items = max_items
        self._wait = wait
        self._emit_empty = emit_empty
        self.items: list[Any] = []
        self.ts, self.sequence = MIN + 1, 0

    def on_start(self, now: int, emit: Emit[Any]) -> None:
        if self._emit_empty and self._wait is not None:
            self.timer = now + self._wait

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, now: int, emit: Emit[Any]) -> None:
        if not self.items and self._wait is not None and not self._emit_empty:
            self.timer = now + self._wait
        self.items.append(item)
        if (ts, sequence) >= (self.ts, self.sequence):
            self.ts, self.sequence = ts, sequence
        if len(self.items) == self._max_items:
            self._give_out(now, emit)

    def _give_out(self, now: int, emit: Emit[Any]) -> None:
        items, self.items = self.items, []
        self.timer = now + self._wait if self._wait is not None and self._emit_empty else None
        emit.absorbed(len(items))
        emit(items, ts=self.ts, sequence=self.sequence, key=None)

    def on_timer(self, now: int, emit: Emit[Any]) -> None:
        self._give_out(now, emit)

    def on_end(self, emit: Emit[Any]) -> None:
        if self.items or (self._emit_empty and self._wait is not None):
            self._give_out(0, emit)
        self.timer = None

    def held(self) -> int:
        return len(self.items)

    def snapshot(self) -> dict[str, Any]:
        return {**super().snapshot(), "items": list(self.items)}


@dataclass(frozen=True)
class _Waits(Operator[A, A], Generic[A]):
    wait_ns: int

    def shape(self, shape: Shape) -> Shape:
        return shape


@dataclass(frozen=True)
class _Debounce(_Waits[A]):
    label = "debounce"

    def kernel(self) -> _DebounceKernel:
        return _DebounceKernel(self.wait_ns)


@dataclass(frozen=True)
class _Audit(_Waits[A]):
    label = "audit"

    def kernel(self) -> _AuditKernel:
        return _AuditKernel(self.wait_ns)


@dataclass(frozen=True)
class _Sample(_Waits[A]):
    label = "sample"

    def kernel(self) -> _SampleKernel:
        return _SampleKernel(self.wait_ns)


@dataclass(frozen=True)
class _ThrottleFirst(_Waits[A]):
    label = "throttle_first"

    def kernel(self) -> _ThrottleFirstKernel:
        return _ThrottleFirstKernel(self.wait_ns)


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


@dataclass(frozen=True)
class _Timeout(_Waits[A]):
    label = "timeout"

    def kernel(self) -> _TimeoutKernel:
        return _TimeoutKernel(self.wait_ns)


@dataclass(frozen=True)
class _Delay(_Waits[A]):
    max_items: int = 1024
    label = "delay"

    def kernel(self) -> _DelayKernel:
        return _DelayKernel(self.wait_ns, self.max_items)


@dataclass(frozen=True)
class _Batch(Unkeyed[A, "list[A]"], Generic[A]):
    max_items: int | None
    wait_ns: int | None
    emit_empty: bool
    label = "batch"

    def kernel(self) -> _BatchKernel:
        return _BatchKernel(self.max_items, self.wait_ns, emit_empty=self.emit_empty)


def debounce(quiet: Duration, /) -> Operator[A, A]:
    """Pass an item once no other has come for a while.

    Emits: the last item of each burst, `quiet` after it, or when the source ends; with its event time and key.
    Drops: every other, counted as dropped, reason "replaced".
    Holds: one item.
    Ends: when the source ends. Fails: when the source fails; what waits is discarded.
    Clock: processing time.

    Args:
        quiet: How long nothing must come, more than 0.

    Raises:
        GraphError: If `quiet` is 0.

    Example:
        >>> play(ops.debounce("2s"), "ab---c|")
        '---b--(c|)'
    """
    return _Debounce(positive_ns(quiet, "debounce: quiet"))


def audit(wait: Duration, /) -> Operator[A, A]:
    """When an item comes, wait, and pass the newest that has come by then.

    Emits: the newest item `wait` after the first since the last one that came out, or when the source ends; with its event
        time and key.
    Drops: every other, counted as dropped, reason "replaced".
    Holds: one item.
    Ends: when the source ends. Fails: when the source fails; what waits is discarded.
    Clock: processing time.

    Args:
        wait: How long, more than 0.

    Raises:
        GraphError: If `wait` is 0.

    Example:
        >>> play(ops.audit("2s"), "abcd--|")
        '--c--d|'
    """
    return _Audit(positive_ns(wait, "audit: wait"))


def sample(every: Duration, /) -> Operator[A, A]:
    """Pass the newest item at regular instants, if one has come since the last.

    Emits: it, at each multiple of `every` from the start of the run; with its event time and key. What comes at such an
        instant is in it.
    Drops: every other, counted as dropped, reason "replaced".
    Holds: one item.
    Ends: when the source ends; with an item that waits, at the instant it comes out. Fails: when the source fails; what
        waits is discarded.
    Clock: processing time.

    Args:
        every: From one instant to the next, more than 0.

    Raises:
        GraphError: If `every` is 0.

    Example:
        >>> play(ops.sample("3s"), "abcde---|")
        '---d--e-|'
    """
    return _Sample(positive_ns(every, "sample: every"))


def throttle_first(interval: Duration, /) -> Operator[A, A]:
    """Pass the first item of each interval and drop the rest.

    The interval starts at the item that passed, not on a fixed grid.

    Emits: an item that comes `interval` or more after the last one that passed.
    Drops: every other item, counted as dropped, reason "throttled".
    Holds: one number.
    Ends: when the source ends; nothing is flushed. Fails: when the source fails.
    Clock: processing time.

    Args:
        interval: Least time between two items that pass, more than 0.

    Raises:
        GraphError: If `interval` is 0.

    Example:
        >>> play(ops.throttle_first("3s"), "ab-c|")
        'a--c|'
    """
    return _ThrottleFirst(positive_ns(interval, "throttle_first: interval"))


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
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise GraphError(f"throttle: {name} must be 1 or more, got {value!r}")
    if mode not in ("drop", "shape"):
        raise GraphError(f'throttle: mode must be "drop" or "shape", got {mode!r}')
    every = positive_ns(per, "throttle: per") // rate
    if not every:
        raise GraphError(f"throttle: an item must have 1 ns or more, got {rate} in {per!r}")
    return _Throttle(every, burst, mode, max_items)


def timeout(silence: Duration, /) -> Operator[A, A]:
    """Fail if no item comes for too long.

    Emits: every item.
    Drops: nothing.
    Holds: one timer.
    Ends: when the source ends. Fails: with a TimeoutError, `silence` after the last item or the start of the run.
    Clock: processing time.

    Args:
        silence: How long nothing may come, more than 0.

    Raises:
        GraphError: If `silence` is 0.

    Example:
        >>> play(ops.timeout("3s"), "ab------|")
        'ab--#'
    """
    return _Timeout(positive_ns(silence, "timeout: silence"))


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
    if isinstance(max_items, bool) or not isinstance(max_items, int) or max_items < 1:
        raise GraphError(f"delay: max_items must be 1 or more, got {max_items!r}")
    return _Delay(positive_ns(by, "delay: by"), max_items)


def batch(
    max_items: int | None = None, /, *, max_wait: Duration | None = None, emit_empty: bool = False
) -> Unkeyed[A, list[A]]:
    """Put items together in lists.

    Emits: a list once it has `max_items` items, or `max_wait` after its first; the rest when the source ends. Its event time
        is the largest of its items.
    Drops: nothing; every item is counted as `absorbed`.
    Holds: the items of one list.
    Ends: when the source ends, after the last list. Fails: when the source fails; what waits is discarded.
    Clock: processing time, with `max_wait`.

    Args:
        max_items: Most items of a list, 1 or more.
        max_wait: Longest time from the first item of a list to its coming out, more than 0. Needed without `max_items`.
        emit_empty: True to give out empty lists too; `max_wait` then begins when the list before came out.

    Raises:
        GraphError: If neither bound is given, or one is not as above.

    Example:
        >>> feed(ops.batch(2), [1, 2, 3])
        [[1, 2], [3]]
    """
    if max_items is None and max_wait is None:
        raise GraphError("batch: must be bounded by max_items or max_wait=, got neither; say ops.batch(100)")
    if max_items is not None and (isinstance(max_items, bool) or not isinstance(max_items, int) or max_items < 1):
        raise GraphError(f"batch: max_items must be 1 or more, got {max_items!r}")
    wait = None if max_wait is None else positive_ns(max_wait, "batch: max_wait")
    return _Batch(max_items, wait, emit_empty)
