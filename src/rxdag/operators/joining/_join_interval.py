"""Joins of all pairs within an interval."""

from __future__ import annotations

import heapq
import itertools
from bisect import bisect_left, insort
from collections.abc import Callable
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, TypeVar, overload

from rxdag.contract import MAX, Duration, Emit, FanInKernel, signed_ns
from rxdag.errors import GraphError, shown
from rxdag.graph import KeyedStream, fan_in
from rxdag.operators._arguments import function_or_none
from rxdag.operators.joining._join_time import Row, TimeJoin

A = TypeVar("A")
B = TypeVar("B")
K = TypeVar("K")
R = TypeVar("R")


class _Waiting:
    """The items of one input and key that wait for partners, in order of time: the first of them is the first to leave."""

    __slots__ = ("_first", "_rows")

    def __init__(self) -> None:
        self._rows: list[tuple[int, int, Row]] = []
        """(event time, order of arrival, row), with the rows that have left in front."""
        self._first = 0

    def __len__(self) -> int:
        return len(self._rows) - self._first

    def add(self, order: int, row: Row) -> None:
        insort(self._rows, (row.ts, order, row), lo=self._first)

    def between(self, low: int, high: int) -> list[Row]:
        """Return those of a stretch of time, both ends included, in order of arrival."""
        # A tuple of the time alone sorts before all rows of that time.
        begin = bisect_left(self._rows, (low,), lo=self._first)
        end = bisect_left(self._rows, (high + 1,), lo=begin)
        return [row for _, _, row in sorted(self._rows[begin:end], key=itemgetter(1))]

    def leave(self) -> None:
        """Remove the first item."""
        self._first += 1
        # Removed in bulk, since deleting the first element of a list moves all others.
        if 2 * self._first > len(self._rows):
            del self._rows[: self._first]
            self._first = 0


class _IntervalJoinKernel(FanInKernel):
    """Items of both inputs by key, in order of time; expired ones leave by a heap of (watermark, order, key)."""

    state = ("rows", "wake")
    derived = ("_leave", "_order")
    passes = False

    def __init__(self, lower: int, upper: int, into: Callable[[Any, Any], Any] | None) -> None:
        self._lower = lower
        self._upper = upper
        self._into = into
        self.rows: dict[Any, tuple[_Waiting, _Waiting]] = {}
        self._leave: list[tuple[int, int, Any, Row]] = []
        self._order = itertools.count()

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, input: int, emit: Emit[Any]) -> None:
        if ts <= self.watermark:
            return emit.late(item)
        row = Row(item, ts, input)
        known = self.rows.get(key)
        met: list[Row] = []
        if known is not None and input == 0:
            met = known[1].between(ts + self._lower, ts + self._upper)
        elif known is not None:
            met = known[0].between(ts - self._upper, ts - self._lower)
        made: list[Any] = []
        # All calls of user code come before the state changes.
        for other in met:
            if made and emit.is_over():
                break
            made.append(self._made(row, other))
        self._wait(key, row)
        # There are fewer results than partners if the run was cancelled meanwhile.
        for other, out in zip(met, made, strict=False):
            row.was_paired = other.was_paired = True
            emit(out, ts=max(row.ts, other.ts), sequence=sequence)
        return None

    def _made(self, row: Row, other: Row) -> Any:
        left, right = (row, other) if row.input == 0 else (other, row)
        return (left.item, right.item) if self._into is None else self._into(left.item, right.item)

    def _wait(self, key: Any, row: Row) -> None:
        """Keep an item until no partner can come any more."""
        order = next(self._order)
        sides = self.rows.get(key)
        if sides is None:
            sides = self.rows[key] = (_Waiting(), _Waiting())
        sides[row.input].add(order, row)
        last = row.ts + self._upper if row.input == 0 else row.ts - self._lower
        heapq.heappush(self._leave, (max(last, row.ts), order, key, row))
        self.wake = self._leave[0][0]

    def on_watermark(self, watermark: int, emit: Emit[Any]) -> None:
        while self._leave and self._leave[0][0] <= watermark:
            _, _, key, row = heapq.heappop(self._leave)
            sides = self.rows[key]
            sides[row.input].leave()
            if not any(sides):
                del self.rows[key]
            row.let_go(emit)
        self.wake = self._leave[0][0] if self._leave else MAX

    def on_end(self, emit: Emit[Any]) -> None:
        self.on_watermark(2 * MAX, emit)

    def held(self) -> int:
        return len(self._leave)

    def snapshot(self) -> dict[str, Any]:
        rows = [
            [key, row.item, row.ts, row.input, row.n, row.was_paired]
            for _, _, key, row in sorted(self._leave, key=itemgetter(1))
        ]
        return {"rows": rows, "wake": self.wake}

    def restore(self, saved: dict[str, Any]) -> None:
        self.rows, self._leave = {}, []
        for key, *row in saved["rows"]:
            self._wait(key, Row(*row))
        self.wake = saved["wake"]


@dataclass(frozen=True)
class _IntervalJoin(TimeJoin):
    lower_ns: int
    upper_ns: int
    label = "join_interval"

    def kernel(self) -> _IntervalJoinKernel:
        return _IntervalJoinKernel(self.lower_ns, self.upper_ns, self.into)


@overload
def join_interval(
    left: KeyedStream[K, A], right: KeyedStream[K, B], /, *, lower: Duration, upper: Duration
) -> KeyedStream[K, tuple[A, B]]: ...
@overload
def join_interval(
    left: KeyedStream[K, A],
    right: KeyedStream[K, B],
    /,
    *,
    lower: Duration,
    upper: Duration,
    into: Callable[[A, B], R],
) -> KeyedStream[K, R]: ...
def join_interval(left: Any, right: Any, /, *, lower: Duration, upper: Duration, into: Any = None) -> Any:
    """Join items of the same key whose times differ by a bounded amount.

    Two items match if left + lower <= right <= left + upper.

    Emits: `(left, right)`, or `into(left, right)`, for each pair as soon as both have arrived; with the later event
        time of the two, and their key.
    Drops: an item that the watermark has passed goes to port "late"; an item without a partner is counted as dropped,
        reason "unmatched".
    Holds: each item until, by the watermark, no partner can arrive.
        While a live source of one stream is silent, the items of the other are held without a bound, unless its
        `ops.event_time` has an `idle_timeout`; such a dag is warned of (GraphWarning).
    Ends: when both streams have ended. Fails: if a stream fails; if `into` raises, subject to the node's `on_error`.
    Clock: event time.

    Args:
        left: A stream with event time and keys.
        right: The other stream.
        lower: Smallest distance of the right item, such as "-5s" for one that is up to 5 s older.
        upper: Largest distance; not below `lower`.
        into: A function of both items.

    Raises:
        GraphError: If a stream lacks event time or keys, or an argument is invalid.

    Example:
        >>> orders, fills = (
        ...     rxdag.from_source(sources.iterable(x))
        ...     .pipe(ops.event_time(lambda t: t))
        ...     .pipe(ops.key_by(lambda t: "all"))
        ...     for x in ([10, 20], [12, 29])
        ... )
        >>> rxdag.join_interval(orders, fills, lower="0ns", upper="5ns").collect()
        [(10, 12)]
    """
    low = signed_ns(lower, "join_interval: lower")
    high = signed_ns(upper, "join_interval: upper")
    if low > high:
        raise GraphError(f"join_interval: upper must not be below lower, got {shown(upper)} and {shown(lower)}")
    checked = function_or_none(into, "join_interval: into", "the left item", "the right one")
    return fan_in(_IntervalJoin(checked, low, high), (left, right))
