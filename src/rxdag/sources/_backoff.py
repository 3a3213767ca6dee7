"""Back-off: when a lost connection is tried again."""

from __future__ import annotations

from dataclasses import dataclass

from rxdag.contract import Delays, Duration, checked_backoff, duration_ns, whole_or_none


@dataclass(frozen=True)
class Backoff:
    """Growing delays between connection attempts, and their maximum number.

    Attributes:
        base: Delay before the first retry after a useful connection.
        factor: Growth of the delay from one retry to the next, 1 or more.
        cap: Longest delay.
        jitter: Share of the delay by which it varies at random, both ways, 0 to 1, so that many clients do not
            reconnect at once.
        attempts: Useless connections in a row after which the source gives up; None for no limit.
        reset_after: How long a connection that delivered an item must have been open to count as useful.

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> backoff = sources.Backoff(base="1s", cap="1m", attempts=10, reset_after="30s")
        >>> feed = sources.websocket("wss://stream.example.com/trades", reconnect=backoff)
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

    def waits(self) -> Delays:
        """Return the delays alone."""
        return checked_backoff("Backoff", self.base, self.factor, self.cap, self.jitter)

    def reset_after_ns(self) -> int:
        """Return `reset_after` in ns."""
        return duration_ns(self.reset_after, "Backoff: reset_after")
