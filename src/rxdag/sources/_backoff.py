"""Back-off: when a lost connection is tried again."""

from __future__ import annotations

from dataclasses import dataclass

from rxdag.contract import Duration, Waits, checked_backoff, duration_ns, whole_or_none


@dataclass(frozen=True)
class Backoff:
    """Growing waits between connections, and how many of them.

    Attributes:
        base: Wait before the next connection, after one that was of use.
        factor: By how much each wait is longer than the one before, 1 or more.
        cap: Longest wait.
        jitter: Share of the wait by which it varies at random, both ways, 0 to 1: many clients must not come back at once.
        attempts: Connections in a row that were of no use, before it is given up; None for any number.
        reset_after: How long a connection that brought an item must have been open to count as of use.

    Raises:
        GraphError: If one is not as above.
    """

    base: Duration = "100ms"
    factor: float = 2.0
    cap: Duration = "30s"
    jitter: float = 0.1
    attempts: int | None = None
    reset_after: Duration = "0s"

    def __post_init__(self) -> None:
        self.waits()
        self.reset_after_ns()
        whole_or_none(self.attempts, "Backoff: attempts")

    def waits(self) -> Waits:
        """The waits alone."""
        return checked_backoff("Backoff", self.base, self.factor, self.cap, self.jitter)

    def reset_after_ns(self) -> int:
        """`reset_after`, ns."""
        return duration_ns(self.reset_after, "Backoff: reset_after")
