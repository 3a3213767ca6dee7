"""Event time: when things happened, and what is not expected any more."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeVar

from rxdag.contract import (
    MAX,
    MIN,
    UNITS,
    BadItem,
    ColumnsEmit,
    Duration,
    Emit,
    Kernel,
    Operator,
    Shape,
    duration_ns,
    positive_ns,
)
from rxdag.errors import GraphError
from rxdag.expressions import Field, bound, check_field, getter, why_opaque
from rxdag.operators._arguments import field_or_none
from rxdag.operators.time._feed_times import FeedTimeKernel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rxdag.columns import Columns

A = TypeVar("A")

_EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_MICROSECOND: Final = timedelta(microseconds=1)


class _EventTimeKernel(Kernel):
    state = ("max_ts",)
    makes_time = True

    def __init__(
        self, time_of: Callable[[Any], Any], scale: int, sequence_of: Callable[[Any], int] | None, lag: int
    ) -> None:
        self._time_of = time_of
        self._scale = scale
        self._sequence_of = sequence_of
        self._lag = lag
        self.max_ts = MIN

    def on_item(self, item: Any, emit: Emit[Any]) -> None:
        ts = self._time_of(item)
        if ts.__class__ is int:
            if self._scale != 1:
                ts *= self._scale
        else:
            ts = _to_ns(ts, self._scale)
        sequence = 0 if self._sequence_of is None else self._sequence_of(item)
        if not MIN < ts < MAX:
            raise _out_of_range(ts)
        if ts > self.max_ts:
            self.max_ts = ts
            emit(item, ts=ts, sequence=sequence)
            if ts - self._lag - 1 > MIN:
                emit.watermark(ts - self._lag - 1)
        else:
            emit(item, ts=ts, sequence=sequence)

    def in_columns(self) -> Kernel | str:
        return why_opaque(self._time_of, *(() if self._sequence_of is None else (self._sequence_of,))) or self

    def on_columns(self, columns: Columns, emit: ColumnsEmit) -> None:
        from rxdag.columns import times_of  # it loads numpy

        ts = times_of(columns.values(self._time_of), self._scale, self._checked_ns)
        sequence = None if self._sequence_of is None else columns.ordinals(self._sequence_of)
        largest = self._largest_before(ts)
        before, self.max_ts = self.max_ts, max(int(largest[-1]), int(ts[-1]))
        emit(columns.timed(ts, sequence).marked(self._watermarks(largest)))
        if self.max_ts > before and self.max_ts - self._lag - 1 > MIN:
            emit.watermark(self.max_ts - self._lag - 1)

    def _largest_before(self, ts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the largest time before each item."""
        import numpy as np

        largest = np.empty_like(ts)
        largest[0] = self.max_ts
        np.maximum.accumulate(ts[:-1], out=largest[1:])
        return np.maximum(largest, self.max_ts, out=largest)

    def _watermarks(self, largest: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the watermark that holds before each item; MIN while there is none."""
        import numpy as np

        least = MIN + self._lag + 1
        return np.maximum(largest, least) - (self._lag + 1)

    def _checked_ns(self, value: Any) -> int:
        return _checked_ns(value, self._scale)


class _StampKernel(Kernel):
    """Gives items their times; watermarks are those of the stream."""

    def __init__(self, time_of: Callable[[Any], int], sequence_of: Callable[[Any], int] | None) -> None:
        self._time_of = time_of
        self._sequence_of = sequence_of

    def on_item(self, item: Any, emit: Emit[Any]) -> None:
        ts = self._time_of(item)
        emit(item, ts=ts, sequence=0 if self._sequence_of is None else self._sequence_of(item))


def _checked_ns(value: Any, scale: int) -> int:
    ts = value * scale if value.__class__ is int else _to_ns(value, scale)
    if not MIN < ts < MAX:
        raise _out_of_range(ts)
    return int(ts)


def _out_of_range(ts: int) -> BadItem:
    return BadItem(f"event_time: a time must be within 1677 to 2262, got {ts} ns; is unit= right?")


def _to_ns(value: Any, scale: int) -> int:
    """Nanoseconds since the epoch of what a user's function returned, other than a plain int."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise TypeError(
                f"event_time: a datetime must have a time zone, got the naive {value!r}; use .replace(tzinfo=...)"
            )
        return (value - _EPOCH) // _MICROSECOND * 1_000
    kind = type(value).__name__
    if kind == "datetime64":
        ns = value.astype("datetime64[ns]").astype("int64")
        if int(ns) == MIN:
            raise BadItem("event_time: a time must not be NaT")
        return int(ns)
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(
            f"event_time: a time must be an int, a datetime with a time zone or a numpy datetime64, got {value!r}"
        )
    return int(value.__index__()) * scale


@dataclass(frozen=True)
class _EventTime(Operator[A, A]):
    ts: Field[A, Any]
    unit: str
    sequence: Field[A, int] | None
    out_of_order_ns: int
    by: Field[A, Any] | None = None
    idle_ns: int | None = None
    max_future_ns: int | None = None
    advance: str = "data"
    watermarks: str = "own"
    label = "event_time"

    def check(self, shape: Shape, where: str) -> None:
        check_field(self.ts, shape.item_type, f"{where}: ts")
        if self.sequence is not None:
            check_field(self.sequence, shape.item_type, f"{where}: sequence")
        if self.by is not None:
            check_field(self.by, shape.item_type, f"{where}: by")
        if self.watermarks == "source" and not shape.timed:
            raise GraphError(
                f'{where}: watermarks="source" needs a stream that brings watermarks, and this one has none; '
                f"leave it out, and say out_of_order="
            )

    def bound(self, shape: Shape) -> Self:
        ts, sequence, by = (bound(field, shape.item_type) for field in (self.ts, self.sequence, self.by))
        return replace(self, ts=ts, sequence=sequence, by=by)

    def shape(self, shape: Shape) -> Shape:
        return replace(shape, timed=True, sequenced=self.sequence is not None)

    def kernel(self) -> _EventTimeKernel | _StampKernel | FeedTimeKernel:
        sequence = None if self.sequence is None else getter(self.sequence)
        time_of, scale = getter(self.ts), UNITS[self.unit]
        if self.watermarks == "source":
            return _StampKernel(lambda item: _checked_ns(time_of(item), scale), sequence)
        by_clock = self.advance == "clock"
        if self.by is None and self.idle_ns is None and self.max_future_ns is None and not by_clock:
            return _EventTimeKernel(time_of, scale, sequence, self.out_of_order_ns)
        return FeedTimeKernel(
            lambda item: _checked_ns(time_of(item), scale),
            sequence,
            self.out_of_order_ns,
            None if self.by is None else getter(self.by),
            self.idle_ns,
            self.max_future_ns,
            by_clock=by_clock,
        )


def event_time(
    ts: Field[A, int | datetime | np.datetime64],
    /,
    *,
    unit: Literal["ns", "us", "ms", "s"] = "ns",
    sequence: Field[A, int] | None = None,
    out_of_order: Duration = "0s",
    by: Field[A, Hashable] | None = None,
    idle_timeout: Duration | None = None,
    max_future: Duration | None = None,
    advance: Literal["data", "clock"] = "data",
    watermarks: Literal["own", "source"] = "own",
) -> Operator[A, A]:
    """Say when each item happened; the stream then has event time and watermarks.

    The watermark follows the largest time seen, `out_of_order` behind it: an item that is later than that is late for
    windows that are closed. Watermarks that come in end here. With `by` each feed has a watermark of its own, and the
    least of them counts: a feed that lags by more than `out_of_order` is not late.

    Emits: every item, with its time and sequence.
    Drops: nothing; a time that is NaT, outside 1677 to 2262 or past `max_future` goes to port "dead".
    Holds: two numbers; with `by` or `idle_timeout` up to three for each feed that was ever seen.
    Ends: when the source ends. Fails: when a function raises or returns no time, by the node's `on_error`.
    Clock: event time; it makes it. `idle_timeout`, `max_future` and `advance="clock"` look at processing time.

    Args:
        ts: Time of an item: a field's name, `col.<name>` or a function. An int in `unit`, a datetime with a time
            zone, or a numpy datetime64.
        unit: Of int times.
        sequence: Tie-break among equal times, an int; arrival decides where it is equal too.
        out_of_order: How far behind the largest time an item may be and still be on time.
        by: Which feed an item is of: a venue, a connection, a partition. A feed counts from its first item on.
        idle_timeout: A feed that brings nothing for so long holds nobody up; the whole stream does so if all are
            quiet. One that comes back counts again once it has caught up. By default a quiet feed is waited for.
        max_future: Most that a time may be ahead of the clock; by default any.
        advance: "clock" to have the watermark go on with the clock while nothing comes, so that a quiet market closes
            its last bar. Results then depend on when items come.
        watermarks: "source" to keep those that the stream brings; `out_of_order` and what follows do not apply then.

    Raises:
        GraphError: If an argument is not as above, a name is no field of the items, or there are no watermarks to keep.

    Example:
        >>> late = []
        >>> timed = ops.event_time(lambda x: x, unit="s", out_of_order="2s")
        >>> feed(timed, [1, 5, 3])
        [1, 5, 3]
    """
    if unit not in ("ns", "us", "ms", "s"):
        raise GraphError(f'event_time: unit must be "ns", "us", "ms" or "s", got {unit!r}')
    check_field(ts, None, "event_time: ts")
    if sequence is not None:
        check_field(sequence, None, "event_time: sequence")
    if advance not in ("data", "clock"):
        raise GraphError(f'event_time: advance must be "data" or "clock", got {advance!r}')
    if watermarks not in ("own", "source"):
        raise GraphError(f'event_time: watermarks must be "own" or "source", got {watermarks!r}')
    lag = duration_ns(out_of_order, "event_time: out_of_order")
    if watermarks == "source" and (lag, by, idle_timeout, max_future, advance) != (0, None, None, None, "data"):
        raise GraphError(
            'event_time: with watermarks="source" the source makes the watermarks; '
            "leave out out_of_order, by, idle_timeout, max_future and advance"
        )
    return _EventTime(
        ts,
        unit,
        sequence,
        lag,
        field_or_none(by, "event_time: by"),
        None if idle_timeout is None else positive_ns(idle_timeout, "event_time: idle_timeout"),
        None if max_future is None else duration_ns(max_future, "event_time: max_future"),
        advance,
        watermarks,
    )
