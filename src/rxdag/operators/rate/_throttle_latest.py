"""Throttle latest: the first item at once and then the newest of each interval, of the stream or of each key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from rxdag.contract import MIN, Duration, Emit, Operator, positive_ns
from rxdag.operators.keyed._by_key import KeyedKernel, ttl_ns
from rxdag.operators.rate._waits import WaitingKernel, Waits

A = TypeVar("A")


class _ThrottleLatestKernel(WaitingKernel):
    """A key is known until an interval ends in which nothing came. The end waits for the items that wait."""

    state = ("keys", "waits", "lingers")

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, now: int, emit: Emit[Any]) -> None:
        at = now if self.by_clock else ts
        kept = self.found(key, at)
        if kept is not None and (kept.value or self.waits.find(key, now, MIN) is not None):
            self.replace(item, ts, sequence, key, now, emit)
            return
        if kept is None:
            self.begin(key, [], at, emit)
        else:
            self.keep(key, [], at)
        self._open(key, now)
        emit(item)

    def on_timer(self, now: int, emit: Emit[Any]) -> None:
        for key, _ in self.waits.take_out(now):
            kept = self.keys.values[key]
            if kept.value:
                self.hand_out(key, kept, emit)
                self._open(key, now)
            else:
                self.keys.drop(key)
        KeyedKernel.on_timer(self, now, emit)
        self.lingers = self.lingers and self.held() > 0
        self.set_alarm()

    def _open(self, key: Any, now: int) -> None:
        self.waits.keep(key, None, now + self.wait_ns)
        self.set_alarm()

    def on_end(self, emit: Emit[Any]) -> None:
        self.lingers = self.held() > 0

    def snapshot(self) -> dict[str, Any]:
        return {**super().snapshot(), "lingers": self.lingers}

    def restore(self, saved: dict[str, Any]) -> None:
        self.lingers = saved["lingers"]
        super().restore(saved)


@dataclass(frozen=True, repr=False)
class _ThrottleLatest(Waits[A]):
    label = "throttle_latest"
    adjustable = ("interval", "ttl")

    def kernel(self) -> _ThrottleLatestKernel:
        return _ThrottleLatestKernel(self.wait_ns, self.lasting)


def throttle_latest(
    interval: Duration,
    /,
    *,
    ttl: Duration | None = None,
    clock: Literal["event", "processing"] | None = None,
) -> Operator[A, A]:
    """Pass at most one item per interval, and always the newest; per key if keyed.

    The interval starts at the item that passed, not on a fixed grid. An item that arrives after a quiet interval passes
    at once. Of the items that arrive within an interval, the newest is emitted when it ends, and starts the next one.

    Emits: an item that arrives `interval` or more after the last emission; at the end of an interval, the newest item
        that arrived in it. Event time and key are kept.
    Drops: every other item, counted as dropped, reason "replaced".
    Holds: one item, or one per key whose interval has not ended. With `ttl`, a key is forgotten after a silence of
        `ttl`, and its next item passes.
    Ends: when the source ends; if an item waits, at the end of its interval. Fails: if the source fails; waiting items
        are discarded.
    Clock: processing time. `ttl` uses event time if the stream has it; `clock` overrides this.

    Args:
        interval: Minimum time between two items that pass, more than 0.
        ttl: How long to keep a key after its last item, more than 0: an item that still waits is emitted then. By
            default, until an interval ends in which nothing arrived.
        clock: Clock for `ttl`: "event" or "processing".

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> play(ops.throttle_latest("3s"), "abc----d-|")
        'a--c---d-|'
    """
    return _ThrottleLatest(
        positive_ns(interval, "throttle_latest: interval"),
        ttl_ns=ttl_ns(ttl, clock, "throttle_latest"),
        chosen_clock=clock,
    )
