"""Arbitrate: one stream in sequence from several copies of it, each of which may have gaps."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, Self, TypeVar

from rxdag.contract import MAX, Duration, Emit, Kernel, Operator, Shape, duration_ns, whole
from rxdag.errors import GraphError, shown
from rxdag.expressions import Field, bound, called, check_field
from rxdag.operators._arguments import field_of
from rxdag.operators._declared import check_sequence
from rxdag.operators._first_read import first_read
from rxdag.operators._heaps import LEAST, swept
from rxdag.operators._least_time import LeastTime
from rxdag.operators._sequence import sequence_number
from rxdag.operators.keyed._key_by_kernel import blamed_key
from rxdag.operators.keyed._keyed import one_reader

A = TypeVar("A")

_MOST_GAPS: Final = 64


@dataclass(frozen=True, slots=True)
class Gap:
    """Missing items that `arbitrate` gave up waiting for.

    Attributes:
        key: The key of the sequence.
        first: First missing number.
        last: Last missing number, inclusive.

    Example:
        >>> numbers = rxdag.from_source(sources.iterable([1, 2, 5]))
        >>> numbers.pipe(ops.arbitrate(sequence=lambda n: n)).side("gaps", of=ops.Gap).collect()
        [Gap(key=None, first=3, last=4)]
    """

    key: Any
    first: int
    last: int


class _Feed:
    """One sequence: its next number, the items that wait for it, and the numbers given up."""

    __slots__ = ("began", "gaps", "next", "numbers", "pending")

    def __init__(self, began: int) -> None:
        self.began = began
        self.next = began
        self.pending: dict[int, list[Any]] = {}
        """Waiting items, [due, item, ts, sequence, key], by number."""
        self.numbers: list[int] = []
        """Heap of the numbers of `pending`."""
        self.gaps: list[list[int]] = []
        """The most recent gaps, [first, last]."""

    def lacks(self, n: int) -> bool:
        """Return True if a number below the next one is missing."""
        return n < self.began or any(first <= n <= last for first, last in self.gaps)


class _ArbitrateKernel(Kernel):
    """Feeds by key; a heap has waiting items by the end of their wait, in order of arrival."""

    state = ("feeds", "due", "wake", "timer")
    derived = ("_arrived", "_n", "_sweep_at", "_times")
    fires_before = True

    def __init__(
        self,
        key_of: Callable[[Any], Any] | None,
        sequence_of: Callable[[Any], Any],
        wait: int,
        max_pending: int,
        *,
        by_clock: bool,
    ) -> None:
        self._key_of = first_read(key_of, "arbitrate: key", self, "_key_of")
        self._sequence_of = sequence_of
        self._wait = wait
        self._max_pending = max_pending
        self._by_clock = by_clock
        self.feeds: dict[Any, _Feed] = {}
        self._due: list[tuple[int, int, Any, int]] = []
        self._times = LeastTime()
        self._arrived = 0
        self._n = 0
        self._sweep_at = LEAST

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, now: int, emit: Emit[Any]) -> None:
        group = key if self._key_of is None else self._key_of(item)
        n = sequence_number(self._sequence_of(item), "arbitrate: sequence")
        feed = self.feeds.get(group)
        if feed is None:
            feed = self.feeds[group] = _Feed(n)
        if n < feed.next:
            return emit.late(item) if feed.lacks(n) else emit.dropped(item, "repeated")
        if n in feed.pending:
            return emit.dropped(item, "repeated")
        if n == feed.next:
            feed.next += 1
            emit(item)
            self._release(feed, emit)
        else:
            due = min((now if self._by_clock else ts) + self._wait, MAX)
            feed.pending[n] = [due, item, ts, sequence, key]
            heapq.heappush(feed.numbers, n)
            self._times.add(ts)
            self._n += 1
            self._arrived += 1
            heapq.heappush(self._due, (due, self._arrived, group, n))
            if len(feed.pending) > self._max_pending:
                self._give_up(group, feed, emit)
            # The item may be so late that its wait is over already.
            if not self._by_clock:
                self._pass_over(self.watermark, emit)
        self._set_alarm()
        return None

    def blame(self, item: Any, error: Exception) -> Exception:
        return blamed_key("arbitrate", self._key_of, item, error)

    def _release(self, feed: _Feed, emit: Emit[Any]) -> None:
        """Emit the waiting items up to the next missing number."""
        while feed.numbers and feed.numbers[0] == feed.next:
            heapq.heappop(feed.numbers)
            _, item, ts, sequence, key = feed.pending.pop(feed.next)
            self._times.remove(ts)
            feed.next += 1
            self._n -= 1
            emit(item, ts=ts, sequence=sequence, key=key)

    def _give_up(self, group: Any, feed: _Feed, emit: Emit[Any]) -> None:
        """Stop waiting for the numbers missing before the first waiting item."""
        behind = feed.numbers[0]
        _, _, ts, sequence, key = feed.pending[behind]
        gap = [feed.next, behind - 1]
        feed.gaps = [*feed.gaps[-_MOST_GAPS + 1 :], gap]
        feed.next = behind
        emit.made(Gap(group, *gap), ts=ts, sequence=sequence, key=key, port="gaps")
        self._release(feed, emit)

    def _pass_over(self, until: int, emit: Emit[Any]) -> None:
        """Skip all missing numbers whose wait ended by a time."""
        while self._due and self._due[0][0] <= until:
            due, _, group, n = heapq.heappop(self._due)
            feed = self.feeds[group]
            # Each turn gives up one gap below the item, until the item itself leaves; it may have left before.
            while n in feed.pending and feed.pending[n][0] == due:
                self._give_up(group, feed, emit)

    def _set_alarm(self) -> None:
        while self._due and self._due[0][3] not in self.feeds[self._due[0][2]].pending:
            heapq.heappop(self._due)
        if len(self._due) > self._sweep_at:
            self._sweep_at = swept(self._due, lambda row: row[3] in self.feeds[row[2]].pending)
        due = self._due[0][0] if self._due else None
        if self._by_clock:
            self.timer = due
        else:
            self.wake = MAX if due is None else due

    def on_watermark(self, watermark: int, emit: Emit[Any]) -> None:
        if not self._by_clock:
            self._pass_over(watermark, emit)
            self._set_alarm()

    def on_timer(self, now: int, emit: Emit[Any]) -> None:
        self._pass_over(now, emit)
        self._set_alarm()

    def on_end(self, emit: Emit[Any]) -> None:
        self._pass_over(MAX, emit)
        self.timer = None

    def held(self) -> int:
        return self._n

    def low(self) -> int:
        return self._times.least

    def snapshot(self) -> dict[str, Any]:
        rows = [
            [group, feed.began, feed.next, [list(gap) for gap in feed.gaps], [[n, *r] for n, r in feed.pending.items()]]
            for group, feed in self.feeds.items()
        ]
        return {"feeds": rows, "due": [list(row) for row in self._due], "timer": self.timer, "wake": self.wake}

    def restore(self, saved: dict[str, Any]) -> None:
        self.feeds = {}
        self._times.clear()
        self._n = 0
        for group, began, following, gaps, pending in saved["feeds"]:
            feed = self.feeds[group] = _Feed(began)
            feed.next, feed.gaps = following, gaps
            feed.pending = {n: row for n, *row in pending}
            # A sorted list is a heap.
            feed.numbers = sorted(feed.pending)
            self._n += len(pending)
            for row in feed.pending.values():
                self._times.add(row[2])
        self._due = [(due, arrived, group, n) for due, arrived, group, n in saved["due"]]
        self._arrived = max((row[1] for row in self._due), default=0)
        self.timer, self.wake = saved["timer"], saved["wake"]


@dataclass(frozen=True)
class _Arbitrate(Operator[A, A]):
    key: tuple[Field[A, Any], ...]
    sequence: Field[A, int]
    wait_ns: int
    max_pending: int
    chosen_clock: Literal["event", "processing"] | None
    by_clock: bool = True
    label = "arbitrate"
    keeps_order = False

    @property
    def ports(self) -> tuple[str, ...]:
        return ("out", "gaps", "late", "dead")

    def check(self, shape: Shape, where: str) -> None:
        for field in self.key:
            check_field(field, shape.item_type, f"{where}: key")
        check_sequence(self.sequence, shape.item_type, f"{where}: sequence")
        if self.chosen_clock == "event" and not shape.timed:
            raise GraphError(
                f'{where}: clock="event" needs event time, and the stream has none; put ops.event_time(...) before it'
            )

    def bound(self, shape: Shape) -> Self:
        return replace(
            self,
            key=(one_reader(self.key, shape.item_type),) if self.key else (),
            sequence=bound(self.sequence, shape.item_type),
            by_clock=(self.chosen_clock or ("event" if shape.timed else "processing")) == "processing",
        )

    def shape(self, shape: Shape) -> Shape:
        return shape

    def port_shape(self, port: str, shape: Shape) -> Shape:
        if port == "gaps":
            return replace(shape, item_type=Gap, ordered=False)
        return super().port_shape(port, shape)

    def kernel(self) -> _ArbitrateKernel:
        key_of = one_reader(self.key, None) if self.key else None
        return _ArbitrateKernel(key_of, called(self.sequence), self.wait_ns, self.max_pending, by_clock=self.by_clock)


def arbitrate(
    *key: Field[A, Any],
    sequence: Field[A, int],
    wait: Duration = "1s",
    max_pending: int = 1024,
    clock: Literal["event", "processing"] | None = None,
) -> Operator[A, A]:
    """Combine redundant feeds of the same numbered items into one gapless sequence.

    Put it behind `rxdag.merge` of the feeds. Each key has its own sequence, which begins with the first number seen. Of
    several copies of an item, the first to arrive passes. An item that is ahead of the sequence waits for the missing
    ones. They are given up once it has waited for `wait`, or once more than `max_pending` items of its key wait. A feed
    that restarts its numbers needs a new key.

    Emits: each number of a key once, in sequence, with its event time and key. On port "gaps", a `Gap` for numbers that
        were given up, before the next item.
    Drops: copies, reason "repeated". An item that arrives after it was given up, or that precedes the first number,
        goes to port "late"; one whose sequence is not a whole number goes to port "dead".
    Holds: up to `max_pending` items per key; for each key a number and its last 64 gaps.
    Ends: when the source ends, after emitting all waiting items. Fails: if a function raises, subject to the node's
        `on_error`.
    Clock: event time if the stream has it, else processing time; `clock` overrides this.

    Args:
        key: Key of a sequence: field names, expressions or functions; by default the key of the stream.
        sequence: A whole number that increases by 1 for each item of a key: a field name, an expression or a function.
        wait: How long an item waits for missing ones before it, 0 or more.
        max_pending: Maximum number of waiting items per key, 1 or more.
        clock: "event" or "processing".

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> feed(ops.arbitrate(sequence=lambda n: n), [4, 4, 6, 5, 6, 7])
        [4, 5, 6, 7]
    """
    if clock not in (None, "event", "processing"):
        raise GraphError(f'arbitrate: clock must be "event" or "processing", got {shown(clock)}')
    return _Arbitrate(
        tuple(field_of(field, "arbitrate: key") for field in key),
        field_of(sequence, "arbitrate: sequence"),
        duration_ns(wait, "arbitrate: wait"),
        whole(max_pending, "arbitrate: max_pending", least=1),
        clock,
    )
