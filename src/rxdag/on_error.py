"""What a node does with an item that its user code fails on: `pipe(op, on_error="skip")`, or `on_error.skip`."""

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
"""Send it as a `DeadLetter` to the node's port "dead"; counted also where nobody listens."""


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
    """Try an item again, with growing waits; what comes behind it waits too, so that order is kept.

    An item that is wrong in itself (`BadItem`) is not tried again.

    Args:
        attempts: How often it is tried in all, the first time included, 1 or more.
        base: Wait before the second try; "0s" for none.
        factor: By how much each wait is longer than the one before, 1 or more.
        cap: Longest wait.
        jitter: Share of the wait by which it varies at random, both ways, 0 to 1.
        on: Errors that are worth another try, as the user's code raises them.
        then: What becomes of an item that failed every time: "raise", "skip" or "dead".

    Raises:
        GraphError: If an argument is not as above.

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
