"""Throttle: at most a number of items of each key per interval."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, Self, TypeVar

from rxdag.contract import MIN, Duration, Emit, Kernel, Operator, Shape, positive_ns, whole
from rxdag.errors import GraphError, shown
from rxdag.expressions import Field, bound, called, check_field
from rxdag.operators._arguments import field_or_none
from rxdag.operators._first_read import first_read
from rxdag.operators._least_time import LeastTime
from rxdag.operators.keyed._by_key import ByKey, KeyedKernel, Lasting, ttl_ns
from rxdag.operators.keyed._expiring import Expiring
from rxdag.operators.keyed._key_by_kernel import blamed_key
from rxdag.operators.rate._delay import DelayKernel

A = TypeVar("A")


class _Bucket:
    """A token bucket as the generic cell rate algorithm (ITU-T I.371): one number for each."""

    def __init__(self, every: int, burst: int) -> None:
        self._every = every
        self._slack = every * (burst - 1)

    def opens(self, full_at: int) -> int:
        """Return when the next item may pass, for a bucket that is full again at a time."""
        return full_at - self._slack

    def after(self, full_at: int, now: int) -> int:
        """Return when the bucket is full again, after an item has passed."""
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
        self.enter(leaves, item, ts, sequence, key)

    def snapshot(self) -> dict[str, Any]:
        return {**super().snapshot(), "full_at": self.full_at}

    def restore(self, saved: dict[str, Any]) -> None:
        super().restore(saved)
        self.full_at = saved["full_at"]


class _KeyedDropKernel(KeyedKernel):
    """Throttles each key by its bucket. Without a ttl, a full bucket is forgotten: it equals a new one."""

    def __init__(self, bucket: _Bucket, key_of: Callable[[Any], Any] | None, lasting: Lasting) -> None:
        super().__init__(lasting if lasting.ttl is not None else Lasting(by_clock=True))
        self._bucket = bucket
        self._key_of = first_read(key_of, "throttle: key", self, "_key_of")
        self._has_ttl = lasting.ttl is not None

    def blame(self, item: Any, error: Exception) -> Exception:
        return blamed_key("throttle", self._key_of, item, error)

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, now: int, emit: Emit[Any]) -> None:
        group = key if self._key_of is None else self._key_of(item)
        if not self._has_ttl:
            self.keys.take_out(now)
        at = now if self.by_clock else ts
        kept = self.found(group, at)
        full_at: int = MIN if kept is None else kept.value
        passes = now >= self._bucket.opens(full_at)
        if passes:
            full_at = self._bucket.after(full_at, now)
        if not self._has_ttl:
            if passes:
                self.keys.keep(group, full_at, full_at)
        elif kept is None:
            self.begin(group, full_at, at, emit)
        else:
            self.keep(group, full_at, at)
        if passes:
            emit(item)
            return None
        return emit.dropped(item, "throttled")


class _KeyedShapeKernel(Kernel):
    """Items by when they leave, of equal times in order of arrival; and when the bucket of each key is full again."""

    state = ("queue", "timer", "lingers", "full_at")
    derived = ("_times", "_n")
    may_park = True

    def __init__(self, bucket: _Bucket, key_of: Callable[[Any], Any] | None, max_items: int) -> None:
        self._bucket = bucket
        self._key_of = first_read(key_of, "throttle: key", self, "_key_of")
        self._max_items = max_items
        self._full_at = Expiring()
        self.queue: list[tuple[int, int, list[Any]]] = []
        self._times = LeastTime()
        self._n = 0

    def want(self, now: int) -> int | None:
        return self._max_items - len(self.queue)

    def blame(self, item: Any, error: Exception) -> Exception:
        return blamed_key("throttle", self._key_of, item, error)

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, now: int, emit: Emit[Any]) -> None:
        group = key if self._key_of is None else self._key_of(item)
        self._full_at.take_out(now)
        kept = self._full_at.find(group, now, MIN)
        full_at: int = MIN if kept is None else kept.value
        opens = self._bucket.opens(full_at)
        leaves = opens if opens > now else now
        full_at = self._bucket.after(full_at, leaves)
        self._full_at.keep(group, full_at, full_at)
        # Waiting items that are due come first.
        if leaves == now and (not self.queue or self.queue[0][0] > now):
            emit(item)
            return
        self._n += 1
        heapq.heappush(self.queue, (leaves, self._n, [item, ts, sequence, key]))
        self._times.add(ts)
        self.timer = self.queue[0][0]

    def on_timer(self, now: int, emit: Emit[Any]) -> None:
        while self.queue and self.queue[0][0] <= now:
            item, ts, sequence, key = heapq.heappop(self.queue)[2]
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
        return {
            "queue": [[leaves, n, list(row)] for leaves, n, row in self.queue],
            "full_at": [[group, at] for group, at, _ in self._full_at.rows()],
            "timer": self.timer,
            "lingers": self.lingers,
        }

    def restore(self, saved: dict[str, Any]) -> None:
        self.queue = [(leaves, n, list(row)) for leaves, n, row in saved["queue"]]
        self._n = max((n for _, n, _ in self.queue), default=0)
        self._times.clear()
        for _, _, row in self.queue:
            self._times.add(row[1])
        self._full_at.load([[group, at, at] for group, at in saved["full_at"]])
        self.timer, self.lingers = saved["timer"], saved["lingers"]


@dataclass(frozen=True)
class _Throttle(ByKey[A, A], Generic[A]):
    every_ns: int
    burst: int
    mode: Literal["drop", "shape"]
    max_items: int
    key: Field[A, Any] | None
    label = "throttle"
    adjustable = ("rate", "per", "burst", "ttl")

    def check(self, shape: Shape, where: str) -> None:
        super().check(shape, where)
        if self.key is not None:
            check_field(self.key, shape.item_type, f"{where}: key")

    def bound(self, shape: Shape) -> Self:
        return replace(super().bound(shape), key=bound(self.key, shape.item_type))

    def shape(self, shape: Shape) -> Shape:
        return replace(shape, ordered=shape.ordered and self.mode == "drop")

    def kernel(self) -> _ThrottleDropKernel | _ThrottleShapeKernel | _KeyedDropKernel | _KeyedShapeKernel:
        bucket = _Bucket(self.every_ns, self.burst)
        if self.by_key or self.key is not None or self.ttl_ns is not None:
            key_of = None if self.key is None else called(self.key)
            if self.mode == "drop":
                return _KeyedDropKernel(bucket, key_of, self.lasting)
            return _KeyedShapeKernel(bucket, key_of, self.max_items)
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
    ttl: Duration | None = None,
    clock: Literal["event", "processing"] | None = None,
) -> Operator[A, A]:
    """Limit the rate of items with a token bucket; on a keyed stream, per key.

    With `key`, each key has its own bucket too. A bucket holds up to `burst` tokens and starts full. `rate` tokens are
    added in each `per`, evenly spaced, and each item takes one.

    Emits: with mode "drop", each item that finds a token; with "shape", every item once it has a token. Event time and
        key are kept.
    Drops: with "drop", every other item, counted as dropped, reason "throttled"; with "shape", nothing.
    Holds: one number, or one for each key whose bucket is not full. With `ttl`, a key is forgotten after a silence of
        `ttl`, and its bucket is full again. With "shape", up to `max_items` items; once full, it reads no more.
    Ends: when the source ends; with "shape", after the last waiting item. Fails: if the source fails.
    Clock: processing time. `ttl` uses event time if the stream has it; `clock` overrides this.

    Args:
        rate: Number of items per `per`, 1 or more.
        per: A duration, more than 0; the time per item, `per` / `rate`, must be a whole number of nanoseconds.
        burst: Number of items that may pass at once, 1 or more.
        mode: "drop" or "shape".
        max_items: Maximum number of waiting items over all keys, 1 or more.
        key: Key of a bucket: a function of the item, a field name or an expression; by default the key of the stream.
        ttl: How long to keep a key after its last item, more than 0; by default until its bucket is full. Not with
            "shape".
        clock: Clock for `ttl`: "event" or "processing".

    Raises:
        GraphError: If an argument is invalid.

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
        raise GraphError(f"throttle: rate must be at most one item per ns, got {rate} in {shown(per)}")
    if ttl is not None and mode == "shape":
        raise GraphError(
            'throttle: ttl= goes with mode="drop", got "shape", where a bucket lasts until its last item has left'
        )
    return _Throttle(
        every,
        burst,
        mode,
        max_items,
        field_or_none(key, "throttle: key"),
        ttl_ns=ttl_ns(ttl, clock, "throttle"),
        chosen_clock=clock,
    )
