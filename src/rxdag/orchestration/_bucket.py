"""A token bucket: the wait for a number of tokens, computed from given times."""

from __future__ import annotations

from rxdag.errors import GraphError, shown


class TokenBucket:
    """A token bucket, which starts full and gains `rate` tokens per second.

    Args:
        capacity: Maximum number of tokens, and so the largest burst.
        rate: Tokens per second, more than 0.
        now: Current time, ns.

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> bucket = rxdag.orchestration.TokenBucket(capacity=2, rate=1, now=0)
        >>> [bucket.take(1, now=0) for _ in range(3)]
        [0, 0, 1000000000]
    """

    def __init__(self, capacity: float, rate: float, now: int) -> None:
        if not capacity > 0:
            raise GraphError(f"TokenBucket: capacity must be more than 0, got {shown(capacity)}")
        if not rate > 0:
            raise GraphError(f"TokenBucket: rate must be more than 0 tokens a second, got {shown(rate)}")
        self.capacity = capacity
        self.rate = rate
        self.scale = 1.0
        self._tokens = float(capacity)
        self._at = now

    def _gain(self, now: int) -> None:
        gained = max(0, now - self._at) * self.rate * self.scale / 1e9
        self._tokens = min(self.capacity, self._tokens + gained)
        self._at = max(self._at, now)

    def set_scale(self, scale: float, now: int) -> None:
        """Set the refill rate to `rate * scale`, 0 for none; the tokens already there are kept."""
        self._gain(now)
        self.scale = scale

    def tokens(self, now: int) -> float:
        """Return the number of tokens."""
        self._gain(now)
        return self._tokens

    def take(self, n: float, now: int) -> int | None:
        """Take `n` tokens, and return the time to wait.

        It is 0 if they were taken; otherwise the time until they are available, ns, or None if the bucket is paused.
        """
        self._gain(now)
        if self.scale <= 0:
            return None
        # Times are whole ns, so the sum of gains may lack the last fraction of a token.
        if self._tokens + 1e-9 * n >= n:
            self._tokens = max(0.0, self._tokens - n)
            return 0
        return max(1, round((n - self._tokens) / (self.rate * self.scale) * 1e9))
