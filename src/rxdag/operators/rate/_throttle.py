"""Throttle: so many items in a time and no more, of each key."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, Self, TypeVar

from rxdag.contract import MAX, MIN, Duration, Emit, Kernel, Operator, Shape, positive_ns
from rxdag.errors import GraphError, shown
from rxdag.expressions import Field, bound, check_field, getter
from rxdag.operators._arguments import field_or_none, whole
from rxdag.operators.keyed._keyed import blamed_key
from rxdag.operators.rate._paced import DelayKernel

A = TypeVar("A")


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


class _ThrottleShapeKernel(DelayKernel):
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


class _Buckets:
    """A bucket for each key that is not full: a full one is as good as none."""

    def __init__(self, bucket: _Bucket, key_of: Callable[[Any], Any] | None) -> None:
        self.bucket = bucket
        self.key_of = key_of
        self.full_at: dict[Any, int] = {}
        self._sweep_at = 1024

    def group(self, item: Any, key: Any) -> Any:
        """Which bucket an item takes from."""
        return key if self.key_of is None else self.key_of(item)

    def take(self, group: Any, now: int, leaves: int) -> None:
        """Take a token at a time that is now or later."""
        self.full_at[group] = self.bucket.after(self.full_at.get(group, MIN), leaves)
        if len(self.full_at) >= self._sweep_at:
            self.full_at = {group: at for group, at in self.full_at.items() if at > now}
            self._sweep_at = max(1024, 2 * len(self.full_at))


class _KeyedDropKernel(Kernel):
    state = ("full_at",)

    def __init__(self, buckets: _Buckets) -> None:
        self._buckets = buckets

    def blame(self, item: Any, error: Exception) -> Exception:
        return blamed_key("throttle", self._buckets.key_of, item, error)

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, now: int, emit: Emit[Any]) -> None:
        buckets = self._buckets
        group = buckets.group(item, key)
        if now < buckets.bucket.opens(buckets.full_at.get(group, MIN)):
            return emit.dropped(item, "throttled")
        buckets.take(group, now, now)
        emit(item)
        return None

    def snapshot(self) -> dict[str, Any]:
        return {"full_at": [[group, at] for group, at in self._buckets.full_at.items()]}

    def restore(self, saved: dict[str, Any]) -> None:
        self._buckets.full_at = {group: at for group, at in saved["full_at"]}  # noqa: C416  # the rows are lists


class _KeyedShapeKernel(Kernel):
    """Items by when they leave; of equal times in order of arrival."""

    state = ("queue", "timer", "lingers", "full_at")
    may_park = True

    def __init__(self, buckets: _Buckets, max_items: int) -> None:
        self._buckets = buckets
        self._max_items = max_items
        self.queue: list[tuple[int, int, list[Any]]] = []
        self._n = 0

    def want(self, now: int) -> int | None:
        return self._max_items - len(self.queue)

    def blame(self, item: Any, error: Exception) -> Exception:
        return blamed_key("throttle", self._buckets.key_of, item, error)

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, now: int, emit: Emit[Any]) -> None:
        buckets = self._buckets
        group = buckets.group(item, key)
        leaves = max(buckets.bucket.opens(buckets.full_at.get(group, MIN)), now)
        buckets.take(group, now, leaves)
        if leaves == now and (not self.queue or self.queue[0][0] > now):
            emit(item)
            return
        self._n += 1
        heapq.heappush(self.queue, (leaves, self._n, [item, ts, sequence, key]))
        self.timer = self.queue[0][0]

    def on_timer(self, now: int, emit: Emit[Any]) -> None:
        while self.queue and self.queue[0][0] <= now:
            item, ts, sequence, key = heapq.heappop(self.queue)[2]
            emit(item, ts=ts, sequence=sequence, key=key)
        self.timer = self.queue[0][0] if self.queue else None
        if not self.queue:
            self.lingers = False

    def on_end(self, emit: Emit[Any]) -> None:
        self.lingers = len(self.queue) > 0

    def held(self) -> int:
        return len(self.queue)

    def low(self) -> int:
        return min((row[1] for _, _, row in self.queue), default=MAX)

    def snapshot(self) -> dict[str, Any]:
        return {
            "queue": [[leaves, n, list(row)] for leaves, n, row in self.queue],
            "full_at": [[group, at] for group, at in self._buckets.full_at.items()],
            "timer": self.timer,
            "lingers": self.lingers,
        }

    def restore(self, saved: dict[str, Any]) -> None:
        self.queue = [(leaves, n, list(row)) for leaves, n, row in saved["queue"]]
        self._n = max((n for _, n, _ in self.queue), default=0)
        self._buckets.full_at = {group: at for group, at in saved["full_at"]}  # noqa: C416  # the rows are lists
        self.timer, self.lingers = saved["timer"], saved["lingers"]


@dataclass(frozen=True)
class _Throttle(Operator[A, A], Generic[A]):
    every_ns: int
    burst: int
    mode: Literal["drop", "shape"]
    max_items: int
    key: Field[A, Any] | None
    by_key: bool = False
    label = "throttle"

    def check(self, shape: Shape, where: str) -> None:
        if self.key is not None:
            check_field(self.key, shape.item_type, f"{where}: key")

    def bound(self, shape: Shape) -> Self:
        return replace(self, key=bound(self.key, shape.item_type), by_key=shape.keyed or self.key is not None)

    def shape(self, shape: Shape) -> Shape:
        return shape

    def kernel(self) -> _ThrottleDropKernel | _ThrottleShapeKernel | _KeyedDropKernel | _KeyedShapeKernel:
        bucket = _Bucket(self.every_ns, self.burst)
        if self.by_key:
            buckets = _Buckets(bucket, None if self.key is None else getter(self.key))
            return _KeyedDropKernel(buckets) if self.mode == "drop" else _KeyedShapeKernel(buckets, self.max_items)
        return _ThrottleDropKernel(bucket) if self.mode == "drop" else _ThrottleShapeKernel(bucket, self.max_items)


def throttle(
    rate: int,
    /,
    *,
    per: Duration = "1s",
    burst: int = 1,
    mode: Literal["drop", "shape"] = "drop",
    max_items: int = 1024,
    key: Field[A, Any] | None = None,
) -> Operator[A, A]:
    """Let through no more than so many items in a time, with a token bucket.

    On a keyed stream, or with `key`, each key has a bucket of its own.

    The bucket has room for `burst` tokens and begins full; `rate` of them come in `per`, evenly; an item takes one.

    Emits: with mode "drop" an item that finds a token; with "shape" every item, once its token is there; with its event
        time and key.
    Drops: with "drop" every other item, counted as dropped, reason "throttled"; with "shape" nothing.
    Holds: one number, for each key whose bucket is not full; with "shape" up to `max_items` items, and no more are taken while they wait.
    Ends: when the source ends; with "shape" behind the last item that waits. Fails: when the source fails.
    Clock: processing time.

    Args:
        rate: How many items in `per`, 1 or more.
        per: A duration, more than 0; a whole number of nanoseconds for each item.
        burst: How many may pass at once, 1 or more.
        mode: "drop" or "shape".
        max_items: Most items that wait, of all keys together, 1 or more.
        key: What a bucket is for: a function of the item, a field's name or an expression; by default the key of the stream.

    Raises:
        GraphError: If an argument is not as above.

    Example:
        >>> play(ops.throttle(1, per="2s"), "abcd|")
        'a-c-|'
    """
    for name, value in (("rate", rate), ("burst", burst), ("max_items", max_items)):
        whole(value, f"throttle: {name}", least=1)
    if mode not in ("drop", "shape"):
        raise GraphError(f'throttle: mode must be "drop" or "shape", got {shown(mode)}')
    every = positive_ns(per, "throttle: per") // rate
    if not every:
        raise GraphError(f"throttle: an item must have 1 ns or more, got {rate} in {shown(per)}")
    return _Throttle(every, burst, mode, max_items, field_or_none(key, "throttle: key"))
