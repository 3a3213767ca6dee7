"""Throttle first: the first item of each interval, of the stream or of each key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from rxdag.contract import MIN, Duration, Emit, Kernel, Operator, positive_ns
from rxdag.operators.keyed._by_key import KeyedKernel, Lasting, ttl_ns
from rxdag.operators.rate._waits import Waits

A = TypeVar("A")


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


class _KeyedThrottleFirstKernel(KeyedKernel):
    """Passes the first item of each interval of a key. Without a ttl, a key is forgotten with its interval."""

    def __init__(self, wait: int, lasting: Lasting) -> None:
        super().__init__(lasting if lasting.ttl is not None else Lasting(wait, by_clock=True))
        self._wait = wait
        self._has_ttl = lasting.ttl is not None

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, now: int, emit: Emit[Any]) -> None:
        at = now if self.by_clock else ts
        kept = self.found(key, at)
        if kept is not None and now < kept.value:
            if self._has_ttl:
                self.keep(key, kept.value, at)
            return emit.dropped(item, "throttled")
        if kept is None:
            self.begin(key, now + self._wait, at, emit)
        else:
            self.keep(key, now + self._wait, at)
        emit(item)
        return None


@dataclass(frozen=True, repr=False)
class _ThrottleFirst(Waits[A]):
    label = "throttle_first"
    adjustable = ("interval", "ttl")
    keeps_order = True

    def kernel(self) -> _ThrottleFirstKernel | _KeyedThrottleFirstKernel:
        if self.by_key or self.ttl_ns is not None:
            return _KeyedThrottleFirstKernel(self.wait_ns, self.lasting)
        return _ThrottleFirstKernel(self.wait_ns)


def throttle_first(
    interval: Duration,
    /,
    *,
    ttl: Duration | None = None,
    clock: Literal["event", "processing"] | None = None,
) -> Operator[A, A]:
    """Pass the first item of each interval and drop the rest; per key if keyed.

    The interval starts at the item that passed, not on a fixed grid.

    Emits: an item that arrives `interval` or more after the last one that passed; on a keyed stream, the last of its
        key.
    Drops: every other item, counted as dropped, reason "throttled".
    Holds: one number, or one for each key that passed an item in the last `interval`. With `ttl`, a key is forgotten
        after a silence of `ttl`, and its next item passes.
    Ends: when the source ends; nothing is flushed. Fails: if the source fails.
    Clock: processing time. `ttl` uses event time if the stream has it; `clock` overrides this.

    Args:
        interval: Minimum time between two items that pass, more than 0.
        ttl: How long to keep a key after its last item, more than 0; by default until its interval is over.
        clock: Clock for `ttl`: "event" or "processing".

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> play(ops.throttle_first("3s"), "ab-c|")
        'a--c|'
    """
    return _ThrottleFirst(
        positive_ns(interval, "throttle_first: interval"),
        ttl_ns=ttl_ns(ttl, clock, "throttle_first"),
        chosen_clock=clock,
    )
