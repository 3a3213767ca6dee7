"""Audit: the newest item, a while after the first, of the stream or of each key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from rxdag.contract import Duration, Emit, Operator, positive_ns
from rxdag.operators.keyed._by_key import ttl_ns
from rxdag.operators.rate._waits import WaitingKernel, Waits

A = TypeVar("A")


class _AuditKernel(WaitingKernel):
    """The first item of a key that waits sets the time."""

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, now: int, emit: Emit[Any]) -> None:
        if not self.replace(item, ts, sequence, key, now, emit):
            self.waits.keep(key, None, now + self.wait_ns)
            self.set_alarm()


@dataclass(frozen=True, repr=False)
class _Audit(Waits[A]):
    label = "audit"
    adjustable = ("wait", "ttl")

    def kernel(self) -> _AuditKernel:
        return _AuditKernel(self.wait_ns, self.lasting)


def audit(
    wait: Duration,
    /,
    *,
    ttl: Duration | None = None,
    clock: Literal["event", "processing"] | None = None,
) -> Operator[A, A]:
    """Wait after an item, then pass the newest one; on a keyed stream, per key.

    Emits: `wait` after the first item since the last emission, or when the source ends, the newest item, with its event
        time and key.
    Drops: every other item, counted as dropped, reason "replaced".
    Holds: one item, or one per key, until it is emitted; with `ttl`, no longer than that.
    Ends: when the source ends. Fails: if the source fails; waiting items are discarded.
    Clock: processing time. `ttl` uses event time if the stream has it; `clock` overrides this.

    Args:
        wait: How long to wait, more than 0.
        ttl: How long to keep a key after its last item, more than 0: an item that still waits is emitted then. By
            default, it waits for `wait`.
        clock: Clock for `ttl`: "event" or "processing".

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> play(ops.audit("2s"), "abcd--|")
        '--c--d|'
    """
    return _Audit(positive_ns(wait, "audit: wait"), ttl_ns=ttl_ns(ttl, clock, "audit"), chosen_clock=clock)
