"""Circuit breakers: what keeps failing is left alone for a while, then tried once."""

from __future__ import annotations

from typing import Literal, TypeAlias

from rxdag.contract import Clock, Duration, positive_ns, whole
from rxdag.errors import RxDagError
from rxdag.schedulers import MonotonicClock

BreakerState: TypeAlias = Literal["closed", "open", "half_open"]


class CircuitOpen(RxDagError):
    """What is asked for has failed too often, and is left alone for now."""


class CircuitBreaker:
    """Counts failures in a row; from `threshold` on it is open, and nothing may be tried.

    After `timeout` it is half open: `trials` calls may be tried, and no others until those have ended. When all of them
    have succeeded it is closed; the first that fails opens it again.

    Args:
        threshold: Failures in a row that open it.
        timeout: How long it stays open.
        trials: Calls that are tried while it is half open, all of which must succeed.
        clock: What time it is; the world's by default.

    Raises:
        GraphError: If an argument is not as above.
    """

    def __init__(
        self, threshold: int = 5, timeout: Duration = "60s", *, trials: int = 1, clock: Clock | None = None
    ) -> None:
        self.threshold = whole(threshold, "CircuitBreaker: threshold", least=1)
        self.trials = whole(trials, "CircuitBreaker: trials", least=1)
        self._timeout_ns = positive_ns(timeout, "CircuitBreaker: timeout")
        self._clock = clock or MonotonicClock()
        self._failures = 0
        self._open_until: int | None = None
        self._under_trial = 0
        self._passed = 0

    @property
    def state(self) -> BreakerState:
        """Where it is: closed, open, or half_open once the time is over."""
        if self._open_until is None:
            return "closed"
        return "open" if self._clock.now() < self._open_until else "half_open"

    def opens_in(self) -> int:
        """How long until something may be tried, ns; 0 for now."""
        return 0 if self._open_until is None else max(0, self._open_until - self._clock.now())

    def may_try(self) -> bool:
        """True if a call would be let through now."""
        state = self.state
        return state == "closed" or (state == "half_open" and self._under_trial + self._passed < self.trials)

    def enter(self, what: str = "call") -> None:
        """Let a call through: `succeeded` or `failed` must be called when it has ended.

        Raises:
            CircuitOpen: If it is open, or half open and as many as may be are under trial.
        """
        if not self.may_try():
            wait = self.opens_in() / 1e9
            when = f"it is tried again in {wait:.3g} s" if wait else "a trial is under way"
            raise CircuitOpen(f"{what}: failed {self.threshold} times in a row, so it is left alone; {when}")
        if self.state == "half_open":
            self._under_trial += 1

    def succeeded(self) -> None:
        """A call has succeeded."""
        self._failures = 0
        if self._open_until is not None and self._under_trial:
            self._under_trial -= 1
            self._passed += 1
            if self._passed >= self.trials:
                self.reset()

    def failed(self) -> None:
        """A call has failed."""
        self._failures += 1
        was_trial = self._under_trial > 0
        if was_trial or (self._open_until is None and self._failures >= self.threshold):
            self._open_until = self._clock.now() + self._timeout_ns
            self._failures = self._under_trial = self._passed = 0

    def reset(self) -> None:
        """Close it, whatever was."""
        self._open_until = None
        self._failures = self._under_trial = self._passed = 0

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
        """A call has ended without telling anything, as one that was cancelled."""
        if self._under_trial:
            self._under_trial -= 1
