"""The end of a session by the clock: its bars do not wait for the next trade."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from rxdag.contract import MAX, MIN, Duration, Emit, Kernel, Operator, Shape, duration_ns
from rxdag.market._session import Session, checked_session
from rxdag.market._session_windows import local_date

A = TypeVar("A")


class _CloseKernel(Kernel):
    """The next end of hours, of which the clock raises the watermark to each one.

    None of it is saved: after a restart, items that have waited meanwhile must not be late.
    """

    derived = ("end", "until", "timer")

    def __init__(self, session: Session, after: int) -> None:
        self._session = session
        self._after = after
        self.end: int | None = None
        self.until = MIN
        """Items before this time do not start the timer."""

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, now: int, emit: Emit[Any]) -> None:
        if ts >= self.until:
            end = self._end_after(ts)
            self.until = MAX if end is None else end
            # The items of a session that has ended by the clock are a replay, whose time is not that of the clock.
            if end is not None and now < end + self._after:
                self.until = MAX
                self._set(end)
        emit(item)

    def _end_after(self, ts: int) -> int | None:
        """Return the first end of hours after an instant; None if no more hours are known."""
        for day in self._session.days(local_date(ts, self._session.zone)):
            for _, end in self._session.hours(day):
                if ts < end:
                    return end
        return None

    def _set(self, end: int | None) -> None:
        self.end = end
        self.timer = None if end is None else end + self._after

    def on_timer(self, now: int, emit: Emit[Any]) -> None:
        while self.end is not None and self.end + self._after <= now:
            emit.watermark(self.end - 1)
            self._set(self._end_after(self.end))

    def on_end(self, emit: Emit[Any]) -> None:
        self.timer = None


@dataclass(frozen=True)
class _CloseSessions(Operator[A, A], Generic[A]):
    session: Session
    after_ns: int
    label = "close_sessions"
    needs_event_time = True
    keeps_order = False
    apart = ("session", "after")

    def shape(self, shape: Shape) -> Shape:
        return shape

    def kernel(self) -> _CloseKernel:
        return _CloseKernel(self.session, self.after_ns)


def close_sessions(session: Session, /, *, after: Duration = "1s") -> Operator[A, A]:
    """Close the bars of a session by the clock, without waiting for the next trade.

    Put it before the windows, such as `session.windows("1h")`. Without it, the last bars of a day are emitted with the
    first trade of the next one. Its timer starts with the first item that arrives before the end of its hours by the
    clock, so that a replay of past sessions does not depend on the clock. After a restart it starts again.

    Emits: every item. When the clock is `after` past the end of the hours, at a close or a break, the watermark rises
        to that end.
    Drops: nothing. An item of the session that arrives later is late for its windows.
    Holds: one timer.
    Ends: when the source ends. Fails: for an item before the first trade date that is known, subject to the node's
        `on_error`.
    Clock: processing time of the run's scheduler.

    Args:
        session: The hours of trading.
        after: How long after the end of a session its items may still arrive.

    Raises:
        GraphError: If an argument is invalid, or the stream has no event time.

    Example:
        >>> from rxdag import testing
        >>> minute = market.Session("UTC", "00:00", "00:01")  # the run starts at 1970-01-01T00:00Z, a Thursday
        >>> ticks = rxdag.from_source(testing.timeline(("20s", 20), ("50s", 50), end="2m"))
        >>> timed = ticks.pipe(ops.event_time(lambda t: t, unit="s")).pipe(market.close_sessions(minute, after="2s"))
        >>> bars = timed.pipe(ops.window_all(minute.windows(), agg.count())).pipe(ops.timestamp())
        >>> out = bars.to(sinks.collect(), name="out")
        >>> [(bar.ts // 10**9, bar.value.value) for bar in testing.run_virtual(out)["out"]]
        [(62, 2)]
    """
    return _CloseSessions(checked_session(session, "close_sessions"), duration_ns(after, "close_sessions: after"))
