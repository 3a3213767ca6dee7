"""Circuit breakers: calls that keep failing stop for a while, then one is tried."""

from __future__ import annotations

from typing import Literal, TypeAlias

from rxdag.contract import Clock, Duration, positive_ns, whole
from rxdag.engine.drivers import MonotonicClock
from rxdag.errors import RxDagError
from rxdag.logs import EventLog

BreakerState: TypeAlias = Literal["closed", "open", "half_open"]


class CircuitOpen(RxDagError):
    """Raised if calls have failed too often, and none are allowed for now."""


class CircuitBreaker:
    """A circuit breaker, which opens after `threshold` failures in a row.

    While open, it allows no calls. After `timeout` it is half open: it allows `trials` calls, and no others until those
    have ended. If all of them succeed, it closes; the first failure opens it again.

    Args:
        threshold: Failures in a row that open it.
        timeout: How long it stays open.
        trials: Number of trial calls while it is half open, all of which must succeed.
        clock: The clock to use; by default the system clock.
        name: Name in the logs.

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> breaker = rxdag.orchestration.CircuitBreaker(threshold=2, timeout="60s", name="quotes")
        >>> for _ in range(2):
        ...     breaker.enter()
        ...     breaker.failed()
        >>> breaker.state
        'open'
    """

    def __init__(
        self,
        threshold: int = 5,
        timeout: Duration = "60s",
        *,
        trials: int = 1,
        clock: Clock | None = None,
        name: str = "call",
    ) -> None:
        self.threshold = whole(threshold, "CircuitBreaker: threshold", least=1)
        self.trials = whole(trials, "CircuitBreaker: trials", least=1)
        self._timeout_ns = positive_ns(timeout, "CircuitBreaker: timeout")
        self._clock = clock or MonotonicClock()
        self._name = name
        self._log = EventLog(self._clock)
        self._failures = 0
        self._open_until: int | None = None
        self._under_trial = 0
        self._passed = 0

    @property
    def state(self) -> BreakerState:
        """Return the state: closed, open, or half_open once the timeout is over."""
        if self._open_until is None:
            return "closed"
        return "open" if self._clock.now() < self._open_until else "half_open"

    def opens_in(self) -> int:
        """Return the time until a call is allowed, ns; 0 for now."""
        return 0 if self._open_until is None else max(0, self._open_until - self._clock.now())

    def may_try(self) -> bool:
        """Return True if a call would be allowed now."""
        state = self.state
        return state == "closed" or (state == "half_open" and self._under_trial + self._passed < self.trials)

    def enter(self, what: str = "call") -> None:
        """Start a call; call `succeeded` or `failed` when it has ended.

        Raises:
            CircuitOpen: If it is open, or half open with all trial calls under way.
        """
        if not self.may_try():
            wait = self.opens_in() / 1e9
            when = f"the next trial is in {wait:.3g} s" if wait else "a trial is under way"
            raise CircuitOpen(f"{what}: failed {self.threshold} times in a row, so no call is made; {when}")
        if self.state == "half_open":
            self._under_trial += 1

    def succeeded(self) -> None:
        """Record that a call has succeeded."""
        self._failures = 0
        if self._open_until is not None and self._under_trial:
            self._under_trial -= 1
            self._passed += 1
            if self._passed >= self.trials:
                self.reset()

    def failed(self) -> None:
        """Record that a call has failed."""
        self._failures += 1
        was_trial = self._under_trial > 0
        if was_trial or (self._open_until is None and self._failures >= self.threshold):
            self._open_until = self._clock.now() + self._timeout_ns
            self._failures = self._under_trial = self._passed = 0
            self._log.tell("breaker.opened", breaker=self._name, timeout_s=self._timeout_ns / 1e9)

    def reset(self) -> None:
        """Close it, from any state."""
        was_closed = self._open_until is None
        self._open_until = None
        self._failures = self._under_trial = self._passed = 0
        if not was_closed:
            self._log.tell("breaker.closed", breaker=self._name)

    def __enter__(self) -> None:
        self.enter()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None:
            self.succeeded()
        elif isinstance(error, Exception):
            self.failed()
        else:
            self.withdrawn()

    def withdrawn(self) -> None:
        """Record that a call has ended without an outcome, for example by a cancel."""
        if self._under_trial:
            self._under_trial -= 1
