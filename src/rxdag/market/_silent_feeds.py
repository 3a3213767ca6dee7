"""Alerts of feeds that are silent while their market trades."""

from __future__ import annotations

from typing import Any, Generic, Literal, TypeVar

import msgspec

from rxdag import operators as ops
from rxdag.contract import Duration, KeyedProcess, ProcessContext, WindowOp, positive_ns
from rxdag.errors import GraphError, shown
from rxdag.market._session import Session, checked_session
from rxdag.market._session_windows import local_date

K = TypeVar("K")
K_co = TypeVar("K_co", covariant=True)

_NAME = "silent_feeds"


class Silence(msgspec.Struct, Generic[K_co], frozen=True):
    """A feed that is silent while its market trades, or that has come back.

    Attributes:
        key: Key of the feed.
        since: Time of its last item, ns since the epoch.
        until: Time of the item that ended the silence, ns since the epoch; None while it lasts.
    """

    key: K_co
    since: int
    until: int | None


class _Silent(KeyedProcess[K, Any, Silence[K], list[Any]]):
    """The state of a feed: time of its last item, whether it is silent, and whether its timer is set."""

    def __init__(self, session: Session, after_ns: int, *, by_clock: bool) -> None:
        self._session = session
        self._after = after_ns
        self._by_clock = by_clock

    def initial(self) -> list[Any]:
        return [None, False, False]

    def on_item(self, ctx: ProcessContext[K, Silence[K]], state: list[Any], item: Any, /) -> list[Any]:
        last, is_silent, is_set = state
        at = ctx.now if self._by_clock else ctx.ts
        if is_silent:
            ctx.emit(Silence(ctx.key, last, at), ts=ctx.ts)
        if not is_set:
            is_set = self._wait(ctx, at)
        return [at if last is None else max(at, last), False, is_set]

    def on_timer(self, ctx: ProcessContext[K, Silence[K]], state: list[Any], name: str, /) -> list[Any]:
        last, _, _ = state
        due = self._due(last)
        if due is not None and due > ctx.ts:  # items have come since it was set
            return [last, False, self._wait(ctx, last)]
        ctx.emit(Silence(ctx.key, last, None))
        return [last, True, False]

    def _wait(self, ctx: ProcessContext[K, Silence[K]], last: int) -> bool:
        due = self._due(last)
        if due is not None:
            ctx.set_timer(due)
        return due is not None

    def _due(self, last: int) -> int | None:
        """Return when a feed is silent for too long; the wait begins again at each open. None if no hours are known."""
        for day in self._session.days(local_date(last, self._session.zone)):
            for start, end in self._session.hours(day):
                due = max(start, last) + self._after
                if due < end:
                    return due
        return None


def silent_feeds(
    session: Session, /, *, after: Duration, clock: Literal["event", "processing"] = "processing"
) -> WindowOp[K, Any, Silence[K]]:
    """Report feeds that are silent while their market trades.

    A feed is a key of the stream, from its first item on. Nights, holidays and breaks do not count: the wait begins
    again at each open and at the end of each break.

    Emits: a `market.Silence` once a feed has been silent for `after`, and another one, with `until`, with its next item.
    Drops: nothing; every item is counted as `absorbed`.
    Holds: one time and one timer for each feed.
    Ends: when the source ends. With event time, the feeds that are not silent then are reported once more. Fails: for an item before the first
        trade date that is known, subject to the node's `on_error`.
    Clock: that of `clock`.

    Args:
        session: Hours of trading of all feeds.
        after: Longest silence that is normal, more than 0, and less than the shortest session.
        clock: "processing" for alerts of a live feed; "event" to find the silences of a recorded one, as its watermark
            passes them.

    Raises:
        GraphError: If an argument is invalid, or the stream has no key.

    Example:
        >>> minutes = market.Session("UTC", "00:00", "00:10")  # 1970-01-01 is a Thursday
        >>> ticks = rxdag.from_source(sources.iterable([(0, "A"), (100, "A"), (400, "A"), (86_420, "A")]))
        >>> keyed = ticks.pipe(ops.event_time(lambda t: t[0], unit="s")).pipe(ops.key_by(lambda t: t[1]))
        >>> silences = keyed.pipe(market.silent_feeds(minutes, after="4m", clock="event")).collect()
        >>> [(each.since // 10**9, each.until and each.until // 10**9) for each in silences]
        [(100, None), (100, 400), (86420, None)]
    """
    checked_session(session, _NAME)
    if clock not in ("event", "processing"):
        raise GraphError(f'{_NAME}: clock must be "event" or "processing", got {shown(clock)}')
    by_clock = clock == "processing"
    made: WindowOp[K, Any, Silence[K]] = ops.process(
        _Silent[K](session, positive_ns(after, f"{_NAME}: after"), by_clock=by_clock), clock=clock
    )
    return made
