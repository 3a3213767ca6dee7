"""Clocks: the system's, and one that moves only when set."""

from __future__ import annotations

import time


class MonotonicClock:
    """Wall time that never goes back: read once, then carried on by the monotonic clock."""

    __slots__ = ("_base",)

    def __init__(self) -> None:
        self._base = time.time_ns() - time.monotonic_ns()

    def now(self) -> int:
        return self._base + time.monotonic_ns()

    def advance_to(self, when: int) -> None:
        """Count on from `when` if it is later: the clock may have been set back since an earlier run."""
        self._base += max(0, when - self.now())


class VirtualClock:
    """Time that stands still until it is advanced.

    Args:
        start: First instant, ns since the epoch.
    """

    __slots__ = ("_now",)

    def __init__(self, start: int = 0) -> None:
        self._now = start

    def now(self) -> int:
        return self._now

    def advance_to(self, when: int) -> None:
        """Move on to `when`; never back."""
        if when > self._now:
            self._now = when
