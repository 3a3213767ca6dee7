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

    def kernel(self) -> _AuditKernel:
        return _AuditKernel(self.wait_ns, self.lasting)


def audit(
    wait: Duration,
    /,
    *,
    ttl: Duration | None = None,
    clock: Literal["event", "processing"] | None = None,
) -> Operator[A, A]:
    """When an item comes, wait, and pass the newest that has come by then; on a keyed stream for each key.

    Emits: the newest item `wait` after the first since the last one that came out, or when the source ends; with its event
        time and key.
    Drops: every other, counted as dropped, reason "replaced".
    Holds: one item, or one for each key, until it comes out; with `ttl` no longer than that.
    Ends: when the source ends. Fails: when the source fails; what waits is discarded.
    Clock: processing time. With `ttl` event time if the stream has it, else processing time; `clock` chooses.

    Args:
        wait: How long, more than 0.
        ttl: How long a key lasts after its last item, more than 0: its item comes out then, if it still waits. By default
            it waits for `wait`.
        clock: Of `ttl`: "event" or "processing".

    Raises:
        GraphError: If an argument is not as above.

    Example:
        >>> play(ops.audit("2s"), "abcd--|")
        '--c--d|'
    """
    return _Audit(positive_ns(wait, "audit: wait"), ttl_ns=ttl_ns(ttl, clock, "audit"), chosen_clock=clock)
