"""Timeout: a failure after too long a silence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from rxdag.contract import Duration, Emit, Kernel, Operator, Shape, format_ns, positive_ns

A = TypeVar("A")


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


@dataclass(frozen=True, repr=False)
class _Timeout(Operator[A, A], Generic[A]):
    wait_ns: int
    label = "timeout"
    adjustable = ("silence",)

    def __repr__(self) -> str:
        return f"timeout({format_ns(self.wait_ns)})"

    def shape(self, shape: Shape) -> Shape:
        return shape

    def kernel(self) -> _TimeoutKernel:
        return _TimeoutKernel(self.wait_ns)


def timeout(silence: Duration, /) -> Operator[A, A]:
    """Fail if no item arrives for too long, whatever its key.

    Emits: every item.
    Drops: nothing.
    Holds: one timer.
    Ends: when the source ends. Fails: with a TimeoutError, `silence` after the last item or the start of the run.
    Clock: processing time.

    Args:
        silence: Longest time without an item, more than 0.

    Raises:
        GraphError: If `silence` is 0.

    Example:
        >>> play(ops.timeout("3s"), "ab------|")
        'ab--#'
    """
    return _Timeout(positive_ns(silence, "timeout: silence"))
