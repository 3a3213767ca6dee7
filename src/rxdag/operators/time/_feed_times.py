"""Watermarks of several feeds in one stream, of quiet ones, and of a market that the clock closes."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any, Final

from mypy_extensions import i64

from rxdag.contract import IDLE, MAX, MIN, BadItem, Emit, Kernel, format_ns
from rxdag.engine import KernelNode
from rxdag.operators._sequence import sequence_number
from rxdag.operators.time._stamping import StampingKernel
from rxdag.operators.time._time_reader import TimeReader

_TICK_NS: Final = 10_000_000
"""Least time between two watermarks from the clock, with `advance="clock"`."""


class _FeedTimeNode(KernelNode):
    """Calls the parts of its kernel, and passes the item on between them."""

    def bind(self) -> None:
        super().bind()
        kernel = self.kernel
        assert isinstance(kernel, FeedTimeKernel)
        self.feeds: FeedTimeKernel = kernel

    def push(self, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        self.came += 1
        if self.is_ended:
            self.unread += 1
            return
        feeds = self.feeds
        now = self.run.clock.now() if feeds.asks_clock else 0
        try:
            at = feeds.time_of(item, now)
            sequence = feeds.sequence_of(item)
            wakes = feeds.enter(feeds.feed_of(item), at, now)
        except BaseException as error:
            self.bury(item, error, 1)
            return
        if feeds.finds_unit:
            feeds.take_unit(self.emit)
        if wakes:
            self.give_mark(feeds.given)
        main = self.main
        assert main is not None
        self.passed += 1
        self.give(main, item, at, sequence, key)
        # After the item, since a watermark follows the item that raises it.
        mark = feeds.raised(now)
        if mark > MIN:
            self.give_mark(mark)
        due = feeds.timer
        if due is not None and (self.timer is None or due < self.timer.when):
            self.look()


class FeedTimeKernel(StampingKernel):
    """Keeps a watermark for each feed; the output has the minimum over the active and aligned feeds.

    The place of a feed is its largest time. With `advance="clock"` it is that time minus the time of the clock then, so
    that it does not change while nothing comes.

    Args:
        time_of: Event time of an item.
        reader: Reads it.
        sequence_of: Tie-break; None for none.
        lag: Distance of a feed's watermark behind its largest time, ns.
        feed_of: Feed of an item; None for a single feed.
        idle_after: Silence after which a feed is idle, ns; None for never.
        max_future: Furthest that a time may be ahead of the clock, ns; None for any.
        by_clock: True to advance watermarks with the clock.
    """

    node = _FeedTimeNode
    state = ("places", "seen", "idle", "unaligned", "given", "is_idle", "timer", "unit")
    derived = ("found", "_least", "_order", "_has_moved")
    makes_time = True

    def __init__(
        self,
        time_of: Callable[[Any], Any],
        reader: TimeReader,
        sequence_of: Callable[[Any], Any] | None,
        lag: int,
        feed_of: Callable[[Any], Any] | None,
        idle_after: int | None,
        max_future: int | None,
        *,
        by_clock: bool,
    ) -> None:
        super().__init__(reader)
        self._time_of = time_of
        self._sequence_of = sequence_of
        self._lag = lag
        self._feed_of = feed_of
        self._idle_after = idle_after
        self._max_future = max_future
        self._by_clock = by_clock
        self.asks_clock = by_clock or idle_after is not None or max_future is not None
        self.places: dict[Any, int] = {}
        self.seen: dict[Any, int] = {}
        self.idle: set[Any] = set()
        self.unaligned: set[Any] = set()
        self.given = MIN
        self.is_idle = False
        self._least: list[tuple[int, int, Any]] = []
        """Heap of (place, order, feed) of the feeds that count; an outdated place is too low, never too high."""
        self._order = 0
        self._has_moved = True
        """True if the feed that is first in the heap has moved, or another feed may now be first."""

    def on_start(self, now: int, emit: Emit[Any]) -> None:
        if self._idle_after is not None:
            self.timer = now + self._idle_after

    def on_item(self, item: Any, now: int, emit: Emit[Any]) -> None:
        ts = self.time_of(item, now)
        sequence = self.sequence_of(item)
        wakes = self.enter(self.feed_of(item), ts, now)
        self.take_unit(emit)
        if wakes:
            emit.watermark(self.given)
        emit(item, ts=ts, sequence=sequence)
        mark = self.raised(now)
        if mark > MIN:
            emit.watermark(mark)

    def time_of(self, item: Any, now: int) -> int:
        """Return the time of an item, ns; raise BadItem if it is too far ahead of the clock."""
        value = self._time_of(item)
        ts = self.read(value) if self.finds_unit else self.reader.ns(value)
        if self._max_future is not None and ts > now + self._max_future:
            raise BadItem(
                f"event_time: a time must be no more than {format_ns(self._max_future)} ahead of the clock, "
                f"got {ts} ns at {now} ns; is unit= right?"
            )
        return ts

    def sequence_of(self, item: Any) -> int:
        """Return the tie-breaker of an item."""
        return 0 if self._sequence_of is None else sequence_number(self._sequence_of(item), "event_time: sequence")

    def feed_of(self, item: Any) -> Any:
        """Return the feed of an item."""
        return None if self._feed_of is None else self._feed_of(item)

    def enter(self, feed: Any, ts: int, now: int) -> bool:
        """Take in the time of an item; return True if it ends the idleness of the stream."""
        place = ts - now if self._by_clock else ts
        known = self.places.get(feed)
        wakes = self._idle_after is not None and self._wake(feed, now)
        if known is None:
            self.places[feed] = place
            self._count(feed)
        elif place > known:
            self.places[feed] = place
            if not self._has_moved and known == self._least[0][0]:
                self._has_moved = True
        if self.unaligned and feed in self.unaligned and self._mark_of(place, now) >= self.given:
            self.unaligned.discard(feed)
            self._count(feed)
        return wakes

    def _wake(self, feed: Any, now: int) -> bool:
        """Mark a feed as active; return True if the stream was idle."""
        self.seen[feed] = now
        was_idle, self.is_idle = self.is_idle, False
        if self.timer is None:
            self._set_timer(now)
        if feed in self.idle:
            self.idle.discard(feed)
            self.unaligned.add(feed)
        return was_idle

    def _count(self, feed: Any) -> None:
        self._has_moved = True
        self._order += 1
        heapq.heappush(self._least, (self.places[feed], self._order, feed))

    def _mark_of(self, place: int, now: int) -> int:
        return place + (now if self._by_clock else 0) - self._lag - 1

    def _least_place(self) -> int | None:
        """Return the minimum over the feeds that count."""
        least = self._least
        while least:
            place, order, feed = least[0]
            if feed in self.idle or feed in self.unaligned:
                heapq.heappop(least)
            # Places in the heap are corrected only here, so an item costs no heap step unless its feed is the slowest.
            elif place < self.places[feed]:
                heapq.heapreplace(least, (self.places[feed], order, feed))
            else:
                return place
        return None

    def raised(self, now: int) -> int:
        """Return the watermark after an item, if the item has raised it, else MIN."""
        if not self._has_moved:
            return MIN
        place = self._least_place()
        if place is None:
            return MIN
        self._has_moved = self._by_clock  # the clock moves all feeds
        mark = self._rise(self._mark_of(place, now))
        if self._by_clock:
            self._set_timer(now)
        return mark

    def _rise(self, mark: int) -> int:
        """Raise the watermark to this one; return MIN if it is there already."""
        if mark <= self.given or mark <= MIN:
            return MIN
        self.given = mark
        return mark

    def on_timer(self, now: int, emit: Emit[Any]) -> None:
        if self._idle_after is not None:
            self._fall_idle(now, self._idle_after, emit)
        mark = self.raised(now)
        if mark > MIN:
            emit.watermark(mark)
        self._set_timer(now)

    def _fall_idle(self, now: int, after: int, emit: Emit[Any]) -> None:
        """Exclude feeds without recent items; if none is left, advance to the largest time and become idle."""
        quiet = [feed for feed, when in self.seen.items() if when + after <= now]
        for feed in quiet:
            del self.seen[feed]
            self.idle.add(feed)
            self._has_moved = True
            self.unaligned.discard(feed)
        if not self.seen and not self.is_idle:
            if self.places:
                # All feeds are idle, so none holds back the watermark, which rises to the largest.
                mark = self._rise(self._mark_of(max(self.places.values()), now))
                if mark > MIN:
                    emit.watermark(mark)
            self.is_idle = True
            emit.watermark(IDLE)

    def _set_timer(self, now: int) -> None:
        due: list[int] = []
        if self._idle_after is not None and self.seen:
            due.append(min(self.seen.values()) + self._idle_after)
        place = self._least_place() if self._by_clock else None
        if place is not None:
            # One below a multiple of the tick, which fires windows that end at the multiple.
            following = ((self.given + 1) // _TICK_NS + 1) * _TICK_NS - 1
            if following < MAX:
                due.append(following + self._lag + 1 - place)
        self.timer = min(due, default=None)

    def in_columns(self) -> Kernel | str:
        return "it keeps a watermark for each feed, or asks for the clock"

    def snapshot(self) -> dict[str, Any]:
        saved = super().snapshot()
        for name in ("places", "seen"):
            saved[name] = [list(pair) for pair in saved[name].items()]
        return {**saved, "idle": list(self.idle), "unaligned": list(self.unaligned)}

    def restore(self, saved: dict[str, Any]) -> None:
        by_feed = {name: dict(saved[name]) for name in ("places", "seen")}
        super().restore({**saved, **by_feed, **{name: set(saved[name]) for name in ("idle", "unaligned")}})
        self._least = []
        self._has_moved = True
        for feed in self.places:
            if feed not in self.idle and feed not in self.unaligned:
                self._count(feed)
