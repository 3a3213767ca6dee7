"""Sample: the newest item at regular instants, of the stream or of each key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from rxdag.contract import Duration, Emit, Operator, positive_ns
from rxdag.operators.keyed._by_key import ttl_ns
from rxdag.operators.rate._waits import WaitingKernel, Waits

A = TypeVar("A")


class _SampleKernel(WaitingKernel):
    """The end waits for the next instant if an item is due then."""

    state = ("keys", "waits", "tick", "lingers")
    tick: int | None = None

    def on_start(self, now: int, emit: Emit[Any]) -> None:
        self.tick = now + self.wait_ns
        self.set_alarm()

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, now: int, emit: Emit[Any]) -> None:
        self.replace(item, ts, sequence, key, now, emit)

    def on_timer(self, now: int, emit: Emit[Any]) -> None:
        if self.tick is not None and self.tick <= now:
            self.tick = None if self.lingers else now + self.wait_ns
            self.lingers = False
            self.end_keys(self.keys.take_all(), emit)
        super().on_timer(now, emit)

    def set_alarm(self) -> None:
        super().set_alarm()
        if self.tick is not None and (self.timer is None or self.tick < self.timer):
            self.timer = self.tick

    def on_end(self, emit: Emit[Any]) -> None:
        self.lingers = len(self.keys) > 0
        if not self.lingers:
            self.tick = None
            self.set_alarm()

    def snapshot(self) -> dict[str, Any]:
        return {**super().snapshot(), "tick": self.tick, "lingers": self.lingers}

    def restore(self, saved: dict[str, Any]) -> None:
        self.tick, self.lingers = saved["tick"], saved["lingers"]
        super().restore(saved)


@dataclass(frozen=True, repr=False)
class _Sample(Waits[A]):
    label = "sample"
    adjustable = ("every", "ttl")

    def kernel(self) -> _SampleKernel:
        return _SampleKernel(self.wait_ns, self.lasting)


def sample(
    every: Duration,
    /,
    *,
    ttl: Duration | None = None,
    clock: Literal["event", "processing"] | None = None,
) -> Operator[A, A]:
    """Pass the newest item at regular instants; on a keyed stream, per key.

    Nothing is emitted at an instant if no item has arrived since the previous one.

    Emits: the newest item at each multiple of `every` from the start of the run, with its event time and key; keys in
        order of arrival. An item that arrives exactly at such an instant is included.
    Drops: every other item, counted as dropped, reason "replaced".
    Holds: one item, or one per key, until it is emitted; with `ttl`, no longer than that.
    Ends: when the source ends; if an item waits, at the instant when it is emitted. Fails: if the source fails; waiting
        items are discarded.
    Clock: processing time. `ttl` uses event time if the stream has it; `clock` overrides this.

    Args:
        every: Time between two instants, more than 0.
        ttl: How long to keep a key after its last item, more than 0: an item that still waits is emitted then. By
            default, it waits for the next instant.
        clock: Clock for `ttl`: "event" or "processing".

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> play(ops.sample("3s"), "abcde---|")
        '---d--e-|'
    """
    return _Sample(positive_ns(every, "sample: every"), ttl_ns=ttl_ns(ttl, clock, "sample"), chosen_clock=clock)
