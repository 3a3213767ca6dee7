"""The limit on the silence of a peer."""

from __future__ import annotations

import asyncio


class Silence:
    """Ends a wait for a peer that is silent for too long; most items cost it no timer.

    Args:
        limit: The timeout around the wait.
        longest_s: Longest silence, s.
    """

    def __init__(self, limit: asyncio.Timeout, longest_s: float) -> None:
        self._limit = limit
        self._longest_s = longest_s
        self._loop = asyncio.get_running_loop()
        self._since: float | None = None
        """Time at which the wait for the peer began, by the clock of the loop; None while the consumer is awaited."""
        self._timer = self._loop.call_later(longest_s, self._look)

    def begin(self) -> None:
        """Begin to wait for the peer."""
        self._since = self._loop.time()

    def end(self) -> bool:
        """End the wait; return False if it had been too long, and the iterator has swallowed the cancel."""
        self._since = None
        if self._limit.expired():
            return False
        if self._limit.when() is not None:  # the timer was due while the item arrived
            self._limit.reschedule(None)
        return True

    def _look(self) -> None:
        now = self._loop.time()
        due = (now if self._since is None else self._since) + self._longest_s
        if due <= now:
            self._limit.reschedule(now)
        else:
            self._timer = self._loop.call_at(due, self._look)

    def close(self) -> None:
        """Stop the timer."""
        self._timer.cancel()
