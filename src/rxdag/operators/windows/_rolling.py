"""Rolling windows: for each item, an aggregate of it and of those just before it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, Self, TypeVar, overload

from rxdag.contract import (
    MAX,
    MIN,
    Accumulator,
    Aggregate,
    Duration,
    Emit,
    Kernel,
    Operator,
    Shape,
    check_function,
    positive_ns,
)
from rxdag.errors import GraphError, shown
from rxdag.operators._arguments import whole
from rxdag.operators.keyed._by_key import ByKey, KeyedKernel, Lasting, ttl_ns
from rxdag.operators.keyed._expiring import Expiring
from rxdag.operators.windows._panes import blamed, checked_aggregate

A = TypeVar("A")
B = TypeVar("B")
R = TypeVar("R")
Closed = Literal["right", "left", "both", "none"]
Clock = Literal["event", "processing"]

_CLOSED: Final = ("right", "left", "both", "none")

_Row = tuple[int, int, Any]
"""Event time, sequence, item."""


class _Rows:
    """The items of one window, the oldest first, and what they add up to."""

    __slots__ = ("accumulator", "rows")

    def __init__(self, accumulator: Accumulator[Any, Any]) -> None:
        self.rows: deque[_Row] = deque()
        self.accumulator = accumulator

    def add(self, row: _Row) -> None:
        """Take in one more."""
        ts, sequence, item = row
        self.accumulator.add_at(item, ts, sequence)
        self.rows.append(row)

    def let_go(self, n: int, make: Callable[[], Accumulator[Any, Any]]) -> None:
        """Take out the oldest."""
        is_exact = True
        for _ in range(n):
            _, _, item = self.rows.popleft()
            is_exact = is_exact and self.accumulator.remove(item)
        if not is_exact:
            self.accumulator = make()
            self._add_anew()

    def _add_anew(self) -> None:
        for ts, sequence, item in self.rows:
            self.accumulator.add_at(item, ts, sequence)

    def give_back(self, row: _Row, gone: _Row | None, make: Callable[[], Accumulator[Any, Any]]) -> None:
        """Be as before one row came in, and another went."""
        if self.rows and self.rows[-1] is row:
            self.rows.pop()
        if gone is not None and (not self.rows or self.rows[0] is not gone):
            self.rows.appendleft(gone)
        self.accumulator = make()
        self._add_anew()


def _restored(aggregate: Aggregate[Any, Any], rows: list[list[Any]]) -> _Rows:
    """Return a window of those items."""
    window = _Rows(aggregate.accumulator())
    for ts, sequence, item in rows:
        window.add((ts, sequence, item))
    return window


def _made(into: Callable[[Any, Any], Any] | None, item: Any, window: _Rows, start: int, end: int) -> Any:
    """Return what comes out for an item."""
    value = window.accumulator.result_in(start, end) if window.rows else None
    return value if into is None else into(item, value)


class _RollingItemsKernel(KeyedKernel):
    """The last items of each key."""

    def __init__(
        self, size: int, aggregate: Aggregate[Any, Any], into: Callable[[Any, Any], Any] | None, lasting: Lasting
    ) -> None:
        super().__init__(lasting)
        self._size = size
        self._aggregate = aggregate
        self._new = aggregate.factory()
        self._into = into

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, now: int, emit: Emit[Any]) -> None:
        make = self._new
        make().add_at(item, ts, sequence)  # raises, if it does, before anything has changed
        at = now if self.by_clock else ts
        kept = self.found(key, at)
        window: _Rows = _Rows(make()) if kept is None else kept.value
        row, gone = (ts, sequence, item), window.rows[0] if len(window.rows) == self._size else None
        try:
            if gone is not None:
                window.let_go(1, make)
            window.add(row)
            made = _made(self._into, item, window, window.rows[0][0], ts)
        except BaseException:
            window.give_back(row, gone, make)
            raise
        if kept is None:
            self.begin(key, window, at, emit)
        else:
            self.keep(key, window, at)
        emit(made)

    def blame(self, item: Any, error: Exception) -> Exception:
        return blamed(self._aggregate, item, error)

    def in_columns(self) -> Kernel | str:
        if self.ttl is not None:
            return "a ttl is judged item by item"
        if self._into is not None:
            return "opaque callable into"
        arrays = self._aggregate.in_columns()
        if isinstance(arrays, str):
            return arrays
        from rxdag.operators.windows._rolling_columns import RollingItemsColumnsKernel  # it loads numpy

        return RollingItemsColumnsKernel(self._size, self._aggregate, arrays)

    def pack(self, value: Any) -> Any:
        return [list(row) for row in value.rows]

    def unpack(self, saved: Any) -> Any:
        return _restored(self._aggregate, saved)


class _RollingTimeKernel(Kernel):
    """Items by event time until the watermark passes them; behind it the windows that later ones still need."""

    state = ("waiting", "past")
    derived = ("windows", "wake", "_n")

    def __init__(
        self, period: int, closed: Closed, aggregate: Aggregate[Any, Any], into: Callable[[Any, Any], Any] | None
    ) -> None:
        self._aggregate = aggregate
        self._new = aggregate.factory()
        self._into = into
        self._period = period
        self._has_start = closed in ("left", "both")
        self._has_end = closed in ("right", "both")
        self.waiting: dict[int, list[tuple[int, Any, Any]]] = {}
        """By event time: sequence, key, item, in order of arrival."""
        self._n = 0
        self._windows = Expiring()

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, emit: Emit[Any]) -> None:
        if ts <= self.watermark:
            return emit.late(item)
        self._new().add_at(item, ts, sequence)  # raises, if it does, before anything has changed
        rows = self.waiting.get(ts)
        if rows is None:
            rows = self.waiting[ts] = []
            if ts < self.wake:
                self.wake = ts
        rows.append((sequence, key, item))
        self._n += 1
        return None

    def blame(self, item: Any, error: Exception) -> Exception:
        return blamed(self._aggregate, item, error)

    def in_columns(self) -> Kernel | str:
        arrays = self._aggregate.in_columns()
        if isinstance(arrays, str):
            return arrays
        from rxdag.operators.windows._rolling_columns import RollingTimeColumnsKernel  # it loads numpy

        start, end = self._has_start, self._has_end
        return RollingTimeColumnsKernel(self._period, self._aggregate, arrays, self._into, has_start=start, has_end=end)

    def on_watermark(self, watermark: int, emit: Emit[Any]) -> None:
        for ts in sorted(ts for ts in self.waiting if ts <= watermark):
            self._give_out(ts, sorted(self.waiting[ts], key=lambda row: row[0]), emit)
        self._windows.take_out(watermark + 1)
        self.wake = min(min(self.waiting, default=MAX), self._windows.due - 1)

    def _give_out(self, ts: int, rows: list[tuple[int, Any, Any]], emit: Emit[Any]) -> None:
        """Give out one result for each item of an instant; items of one instant are in each other's windows, or none is."""
        start = ts - self._period + (0 if self._has_start else 1)
        windows: dict[Any, _Rows] = {}
        for sequence, key, item in rows:
            window = windows.get(key)
            if window is None:
                window = windows[key] = self._from(key, ts, start)
            if self._has_end:
                window.add((ts, sequence, item))
        made = [_made(self._into, item, windows[key], start, ts) for _, key, item in rows]
        for sequence, key, item in rows if not self._has_end else ():
            windows[key].add((ts, sequence, item))
        del self.waiting[ts]
        self._n -= len(rows)
        for out, (sequence, key, _) in zip(made, rows, strict=True):
            emit(out, ts=ts, sequence=sequence, key=key)

    def _from(self, key: Any, ts: int, start: int) -> _Rows:
        """The window of a key, without what lies before its start."""
        kept = self._windows.find(key, ts, MIN)
        window: _Rows = _Rows(self._new()) if kept is None else kept.value
        n = 0
        for row in window.rows:
            if row[0] >= start:
                break
            n += 1
        if n:
            window.let_go(n, self._new)
        self._windows.keep(key, window, self._until(ts))
        return window

    def _until(self, ts: int) -> int:
        """First time at which nothing needs an item any more: one at the very start of a window may count."""
        return min(ts + self._period + 1, MAX)

    def on_end(self, emit: Emit[Any]) -> None:
        self.on_watermark(MAX, emit)

    def held(self) -> int:
        return self._n

    def snapshot(self) -> dict[str, Any]:
        """Return rows [item, ts, sequence, key]: those that wait in order of arrival, past ones of each key in that of time."""
        waiting = [[item, ts, sequence, key] for ts, rows in self.waiting.items() for sequence, key, item in rows]
        return {
            "waiting": waiting,
            "past": [
                [item, ts, sequence, key]
                for key, window, _ in self._windows.rows()
                for ts, sequence, item in window.rows
            ],
        }

    def restore(self, saved: dict[str, Any]) -> None:
        self.waiting = {}
        for item, ts, sequence, key in saved["waiting"]:
            self.waiting.setdefault(ts, []).append((sequence, key, item))
        self._n = len(saved["waiting"])
        by_key: dict[Any, list[list[Any]]] = {}
        for item, ts, sequence, key in saved["past"]:
            by_key.setdefault(key, []).append([ts, sequence, item])
        aggregate = self._aggregate
        self._windows.load(
            [[key, _restored(aggregate, rows), self._until(rows[-1][0])] for key, rows in by_key.items()]
        )
        self.wake = min(min(self.waiting, default=MAX), self._windows.due - 1)


@dataclass(frozen=True)
class _Rolling(ByKey[A, B]):
    aggregate: Aggregate[Any, Any]
    period_ns: int | None
    size: int
    closed: Closed
    into: Callable[[Any, Any], Any] | None
    label = "rolling"

    @property
    def ports(self) -> tuple[str, ...]:
        return ("out", "dead") if self.period_ns is None else ("out", "late", "dead")

    def check(self, shape: Shape, where: str) -> None:
        super().check(shape, where)
        if self.period_ns is not None and not shape.timed:
            raise GraphError(
                f"{where}: a period needs event time, and the stream has none; put ops.event_time(...) before it, "
                f"or give a number of items"
            )
        self.aggregate.check(shape.item_type, f"{where}: {self.aggregate.name}")

    def bound(self, shape: Shape) -> Self:
        return replace(super().bound(shape), aggregate=self.aggregate.bound(shape))

    def kernel(self) -> _RollingItemsKernel | _RollingTimeKernel:
        if self.period_ns is None:
            return _RollingItemsKernel(self.size, self.aggregate, self.into, self.lasting)
        return _RollingTimeKernel(self.period_ns, self.closed, self.aggregate, self.into)


@overload
def rolling(
    period: int, aggregate: Aggregate[A, R], /, *, ttl: Duration | None = ..., clock: Clock | None = ...
) -> Operator[A, R]: ...
@overload
def rolling(
    period: Duration, aggregate: Aggregate[A, R], /, *, closed: Literal["right", "both"] = ...
) -> Operator[A, R]: ...
@overload
def rolling(
    period: Duration, aggregate: Aggregate[A, R], /, *, closed: Literal["left", "none"]
) -> Operator[A, R | None]: ...
@overload
def rolling(
    period: Duration | int,
    aggregate: Aggregate[object, R],
    /,
    *,
    closed: Literal["right", "both"] = ...,
    into: Callable[[A, R], B],
    ttl: Duration | None = ...,
    clock: Clock | None = ...,
) -> Operator[A, B]: ...
@overload
def rolling(
    period: Duration | int,
    aggregate: Aggregate[A, R],
    /,
    *,
    closed: Literal["right", "both"] = ...,
    into: Callable[[A, R], B],
    ttl: Duration | None = ...,
    clock: Clock | None = ...,
) -> Operator[A, B]: ...
@overload
def rolling(
    period: Duration,
    aggregate: Aggregate[A, R],
    /,
    *,
    closed: Literal["left", "none"],
    into: Callable[[A, R | None], B],
) -> Operator[A, B]: ...
def rolling(
    period: Any,
    aggregate: Any,
    /,
    *,
    closed: Closed = "right",
    into: Any = None,
    ttl: Duration | None = None,
    clock: Literal["event", "processing"] | None = None,
) -> Any:
    """Aggregate, for each item, the items of its key in a period that ends with it, or the last so many.

    With a period, as polars' `rolling`: the window of an item is (ts - period, ts], and items of one instant are all in it;
    pandas leaves out those that come behind. It does not depend on the order of arrival. With a number of items the
    window is the item and those of its key that came before it; the first ones have fewer.

    Emits: a result for each item, or `into(item, result)`; with the item's event time and key. With a period once the
        watermark has passed the item, by event time, sequence, arrival; with a number at once.
    Drops: an item that the aggregate refuses goes to port "dead"; with a period one that is late to port "late".
    Holds: with a period the items above the watermark, and of each key those that a later one may need, until the
        watermark is a period past; with a number so many items of each key, with `ttl` until nothing has come for the
        key for so long.
    Ends: when the source ends. Fails: when the aggregate or `into` raises.
    Clock: event time; with a number of items none. With `ttl` event time if the stream has it, else processing time;
        `clock` chooses.

    Args:
        period: A duration, more than 0; or a number of items, 1 or more.
        aggregate: What to compute. One that takes items out again (`Accumulator.remove`) is fast: `agg.count`, sums and means of
            whole numbers; of the others what is left is added anew when an item leaves.
        closed: Which ends of the window count: "right", "left", "both", "none". With "left" and "none" the item itself is
            not in it, and the result is None where nothing is.
        into: A function of the item and the result; what it returns is emitted instead.
        ttl: How long a key lasts after its last item, more than 0; by default for ever. Goes with a number of items: with a
            period, that says it.
        clock: Of `ttl`: "event" or "processing".

    Raises:
        GraphError: If an argument is not as above, or a period is given and the stream has no event time.

    Example:
        >>> feed(ops.rolling(2, agg.sum(lambda x: x)), [1, 2, 3])
        [1, 3, 5]
        >>> timed = rxdag.from_source(sources.iterable([1, 2, 4])).pipe(ops.event_time(lambda x: x, unit="s"))
        >>> timed.pipe(ops.rolling("2s", agg.collect())).collect()
        [[1], [1, 2], [4]]
    """
    aggregate = checked_aggregate(aggregate, "rolling")
    if closed not in _CLOSED:
        raise GraphError(f'rolling: closed must be "right", "left", "both" or "none", got {shown(closed)}')
    if into is not None and not callable(into):
        raise GraphError(f"rolling: into must be a function of the item and the result, got {shown(into)}")
    if into is not None:
        check_function(into, "rolling: into", "the item", "the result")
    if isinstance(period, int):
        if closed != "right":
            raise GraphError(
                f"rolling: closed goes with a period of time, got {shown(closed)} with {shown(period)} items"
            )
        return _Rolling[Any, Any](
            *(aggregate, None, whole(period, "rolling: period", least=1), closed, into),
            ttl_ns=ttl_ns(ttl, clock, "rolling"),
            chosen_clock=clock,
        )
    if ttl is not None or clock is not None:
        raise GraphError(
            f"rolling: ttl= goes with a number of items, got a period; a key lasts for {shown(period)} then"
        )
    return _Rolling[Any, Any](aggregate, positive_ns(period, "rolling: period"), 0, closed, into)
