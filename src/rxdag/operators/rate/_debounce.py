"""Debounce: an item after a silence of its stream or key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from rxdag.contract import Duration, Emit, Operator, positive_ns
from rxdag.operators.keyed._by_key import ttl_ns
from rxdag.operators.rate._waits import WaitingKernel, Waits

A = TypeVar("A")


class _DebounceKernel(WaitingKernel):
    """Each item puts off the time of its key."""

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, now: int, emit: Emit[Any]) -> None:
        self.replace(item, ts, sequence, key, now, emit)
        self.waits.keep(key, None, now + self.wait_ns)
        self.set_alarm()


@dataclass(frozen=True, repr=False)
class _Debounce(Waits[A]):
    label = "debounce"
    adjustable = ("quiet", "ttl")

    def kernel(self) -> _DebounceKernel:
        return _DebounceKernel(self.wait_ns, self.lasting)


def debounce(
    quiet: Duration,
    /,
    *,
    ttl: Duration | None = None,
    clock: Literal["event", "processing"] | None = None,
) -> Operator[A, A]:
    """Pass an item after a period without others; on a keyed stream, per key.

    Emits: the last item of each burst, `quiet` after it, or when the source ends; with its event time and key.
    Drops: every other item, counted as dropped, reason "replaced".
    Holds: one item, or one per key, until it is emitted; with `ttl`, no longer than that.
    Ends: when the source ends. Fails: if the source fails; waiting items are discarded.
    Clock: processing time. `ttl` uses event time if the stream has it; `clock` overrides this.

    Args:
        quiet: Length of the period without items, more than 0.
        ttl: How long to keep a key after its last item, more than 0: an item that still waits is emitted then. By
            default, it waits for `quiet`.
        clock: Clock for `ttl`: "event" or "processing".

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> play(ops.debounce("2s"), "ab---c|")
        '---b--(c|)'
    """
    return _Debounce(positive_ns(quiet, "debounce: quiet"), ttl_ns=ttl_ns(ttl, clock, "debounce"), chosen_clock=clock)
