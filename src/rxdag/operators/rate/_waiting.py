"""Operators that wait for a while, or for silence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from rxdag.contract import MAX, MIN, Duration, Emit, Kernel, Operator, Shape, format_ns, positive_ns

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

    def low(self) -> int:
        return self.kept[1] if self.kept else MAX


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


@dataclass(frozen=True)
class _Waits(Operator[A, A], Generic[A]):
    """An operator whose one parameter is a duration."""

    name: str
    wait_ns: int
    make: Callable[[int], _DebounceKernel | _AuditKernel | _SampleKernel | _ThrottleFirstKernel | _TimeoutKernel]

    def __repr__(self) -> str:
        return f"{self.name}({format_ns(self.wait_ns)})"

    @property
    def label(self) -> str:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # one class, several operators
        return self.name

    def shape(self, shape: Shape) -> Shape:
        return shape

    def kernel(self) -> _DebounceKernel | _AuditKernel | _SampleKernel | _ThrottleFirstKernel | _TimeoutKernel:
        return self.make(self.wait_ns)


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
    return _Waits("debounce", positive_ns(quiet, "debounce: quiet"), _DebounceKernel)


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
    return _Waits("audit", positive_ns(wait, "audit: wait"), _AuditKernel)


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
    return _Waits("sample", positive_ns(every, "sample: every"), _SampleKernel)


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
    return _Waits("throttle_first", positive_ns(interval, "throttle_first: interval"), _ThrottleFirstKernel)


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
    return _Waits("timeout", positive_ns(silence, "timeout: silence"), _TimeoutKernel)
