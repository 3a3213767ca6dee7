"""Event time: when things happened, and what is not expected any more."""

from __future__ import annotations

from collections.abc import Callable
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
    RowFailed,
    Shape,
    duration_ns,
)
from rxdag.errors import GraphError
from rxdag.expressions import Field, bound, check_field, getter, why_opaque

if TYPE_CHECKING:
    import numpy as np

    from rxdag.columns import Columns

A = TypeVar("A")

_EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_MICROSECOND: Final = timedelta(microseconds=1)


class _EventTimeKernel(Kernel):
    state = ("max_ts", "next_mark")
    makes_time = True

    def __init__(
        self, time_of: Callable[[Any], Any], scale: int, sequence_of: Callable[[Any], int] | None, lag: int
    ) -> None:
        self._time_of = time_of
        self._scale = scale
        self._sequence_of = sequence_of
        self._lag = lag
        self.max_ts = MIN
        self.next_mark = MIN
        self.mark_grid = 1
        """Watermarks between two multiples of it, less 1, make no difference to anybody; 0: nobody asks."""

    def on_item(self, item: Any, emit: Emit[Any]) -> None:
        ts = self._time_of(item)
        if ts.__class__ is int:
            if self._scale != 1:
                ts *= self._scale
        else:
            ts = _to_ns(ts, self._scale)
        sequence = 0 if self._sequence_of is None else self._sequence_of(item)
        if ts > self.max_ts:
            if ts >= MAX:
                raise _out_of_range(ts)
            self.max_ts = ts
            mark = ts - self._lag - 1
            if mark >= self.next_mark:
                self._raise(mark, emit)
        elif ts <= MIN:
            raise _out_of_range(ts)
        emit(item, ts=ts, sequence=sequence)

    def in_columns(self) -> Kernel | str:
        return why_opaque(self._time_of, *(() if self._sequence_of is None else (self._sequence_of,))) or self

    def on_columns(self, columns: Columns, emit: ColumnsEmit) -> None:
        from rxdag.columns import times_of  # it loads numpy

        ts = times_of(columns.values(self._time_of), self._scale, self._checked_ns)
        sequence = None if self._sequence_of is None else columns.ordinals(self._sequence_of)
        timed = columns.timed(ts, sequence)
        while True:
            due = self._due(timed)
            head = timed if due is None else timed[:due]
            if head.n and head.ts is not None:
                self.max_ts = max(self.max_ts, int(head.ts.max()))
                emit(head)
            if due is None or timed.ts is None:
                return
            self.max_ts = int(timed.ts[due])
            self._raise(self.max_ts - self._lag - 1, emit)
            timed = timed[due:]

    def brings_watermark(self, columns: Columns) -> bool:
        from rxdag.columns import times_of  # it loads numpy

        try:
            ts = times_of(columns.values(self._time_of), self._scale, self._checked_ns)
        except RowFailed:
            return True
        return self._due(columns.timed(ts, None)) is not None

    def _checked_ns(self, value: Any) -> int:
        ts = value * self._scale if value.__class__ is int else _to_ns(value, self._scale)
        if not MIN < ts < MAX:
            raise _out_of_range(ts)
        return int(ts)

    def _due(self, columns: Columns) -> int | None:
        """Position of the first item that brings a watermark."""
        ts = columns.ts
        least = max(self.next_mark + self._lag + 1, self.max_ts + 1)
        if ts is None or not len(ts) or int(ts.max()) < least:
            return None
        return int((ts >= least).argmax())

    def _raise(self, mark: int, emit: Emit[Any] | ColumnsEmit) -> None:
        grid = self.mark_grid
        if grid == 0:
            self.next_mark = MAX
            return
        if mark <= MIN:
            return
        self.next_mark = ((mark + 1) // grid + 1) * grid - 1
        emit.watermark(mark)


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
    label = "event_time"

    def check(self, shape: Shape, where: str) -> None:
        check_field(self.ts, shape.item_type, f"{where}: ts")
        if self.sequence is not None:
            check_field(self.sequence, shape.item_type, f"{where}: sequence")

    def bound(self, shape: Shape) -> Self:
        return replace(self, ts=bound(self.ts, shape.item_type), sequence=bound(self.sequence, shape.item_type))

    def shape(self, shape: Shape) -> Shape:
        return replace(shape, timed=True, sequenced=self.sequence is not None)

    def kernel(self) -> _EventTimeKernel:
        sequence = None if self.sequence is None else getter(self.sequence)
        return _EventTimeKernel(getter(self.ts), UNITS[self.unit], sequence, self.out_of_order_ns)


def event_time(
    ts: Field[A, int | datetime | np.datetime64],
    /,
    *,
    unit: Literal["ns", "us", "ms", "s"] = "ns",
    sequence: Field[A, int] | None = None,
    out_of_order: Duration = "0s",
) -> Operator[A, A]:
    """Say when each item happened; the stream then has event time and watermarks.

    The watermark follows the largest time seen, `out_of_order` behind it: an item that is later than that is late for
    windows that are closed. Watermarks that come in end here.

    Emits: every item, with its time and sequence.
    Drops: nothing; a time that is NaT or outside 1677 to 2262 goes to port "dead".
    Holds: two numbers.
    Ends: when the source ends. Fails: when a function raises or returns no time, by the node's `on_error`.
    Clock: event time; it makes it.

    Args:
        ts: Time of an item: a field's name, `col.<name>` or a function. An int in `unit`, a datetime with a time
            zone, or a numpy datetime64.
        unit: Of int times.
        sequence: Tie-break among equal times, an int; arrival decides where it is equal too.
        out_of_order: How far behind the largest time an item may be and still be on time.

    Raises:
        GraphError: If an argument is not as above, or a name is no field of the items.

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
    return _EventTime(ts, unit, sequence, duration_ns(out_of_order, "event_time: out_of_order"))
