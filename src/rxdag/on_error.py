"""Policies for items on which user code fails: `pipe(op, on_error="skip")`, or `on_error.skip`.

Public.
"""

from __future__ import annotations

from rxdag.contract import (
    DEAD,
    RAISE,
    SKIP,
    Duration,
    OnError,
    OnErrorName,
    checked_backoff,
    checked_errors,
    checked_on_error,
    whole,
)
from rxdag.errors import GraphError, shown

__all__ = ["OnError", "OnErrorName", "dead", "raise_", "retry", "skip"]

raise_: OnError = RAISE
"""End the run with a `NodeError` that names the node and shows the item. The default."""
skip: OnError = SKIP
"""Drop the item, counted as dropped, reason "skipped"."""
dead: OnError = DEAD
"""Send the item as a `DeadLetter` to the node's port "dead"; it is counted even if the port is not read."""


def retry(
    attempts: int,
    /,
    *,
    base: Duration = "100ms",
    factor: float = 2.0,
    cap: Duration = "30s",
    jitter: float = 0.0,
    on: tuple[type[Exception], ...] = (Exception,),
    then: OnError | OnErrorName = RAISE,
) -> OnError:
    """Retry an item, with growing delays.

    Later items wait too, so that order is kept. An item that is itself invalid (`BadItem`) is not retried.

    Args:
        attempts: Maximum number of attempts, including the first, 1 or more.
        base: Delay before the second attempt; "0s" for none.
        factor: Growth of the delay from one attempt to the next, 1 or more.
        cap: Longest delay.
        jitter: Share of the delay by which it varies at random, both ways, 0 to 1.
        on: Exceptions to retry, as raised by user code.
        then: What to do with an item that failed every time: "raise", "skip" or "dead".

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> policy = on_error.retry(3, base="1s", then="dead")
        >>> policy.attempts
        3
    """
    attempts = whole(attempts, "retry: attempts", least=1)
    last = checked_on_error(then, "retry: then")
    if last.kind == "retry":
        raise GraphError(f"retry: then must be raise, skip or dead, got {shown(then)}")
    backoff = checked_backoff("retry", base, factor, cap, jitter)
    return OnError("retry", attempts, backoff, checked_errors("retry", on), last)
