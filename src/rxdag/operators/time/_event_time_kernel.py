"""The kernels and the node of event_time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, Final

from mypy_extensions import i64

from rxdag.contract import (
    MAX,
    MIN,
    BadItem,
    ColumnsEmit,
    Emit,
    Kernel,
    RowFailed,
    aware,
)
from rxdag.engine import ITEM, Exit, KernelNode
from rxdag.errors import shown
from rxdag.expressions import called, why_opaque
from rxdag.operators._declared import ROUND
from rxdag.operators._sequence import sequence_number

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rxdag.columns import Columns


_EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


_MICROSECOND: Final = timedelta(microseconds=1)
_SEQUENCE: Final = "event_time: sequence"
_NAT: Final = -(1 << 63)
"""numpy's NaT as an int."""


class _EventTimeNode(KernelNode):
    """Sets the time of an item and passes it on; the watermark that it raises follows it."""

    def bind(self) -> None:
        super().bind()
        kernel: Any = self.kernel  # it and this node are one operator
        self.stamp: EventTimeKernel = kernel
        self.time_of: Callable[[Any], Any] = called(kernel._time_of)
        self.sequence_of: Callable[[Any], Any] | None = (
            None if kernel._sequence_of is None else called(kernel._sequence_of)
        )
        self.scale: i64 = kernel._scale
        # Within these bounds, the time in ns fits into an int64.
        self.least: i64 = (MIN + 1) // kernel._scale + 1
        self.largest: i64 = (MAX - 1) // kernel._scale - 1
        self.zone: tzinfo | None = kernel._zone
        # 1 ns more, so that an item that is behind by exactly the lag is still on time.
        self.lag: i64 = kernel._lag + 1
        self.way: Exit = Exit("out", False)

    def open(self) -> None:
        super().open()
        if self.main is not None:
            self.way = self.main

    def push(self, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        self.came += 1
        if self.is_ended:
            self.unread += 1
            return
        at: i64 = 0
        try:
            value = self.time_of(item)
            is_small = False
            if type(value) is int:
                try:
                    at = value
                    is_small = self.least <= at <= self.largest
                except (OverflowError, ValueError):  # too large for a machine int
                    is_small = False
            if is_small:
                at *= self.scale
            else:
                at = checked_ns(value, self.scale, self.zone)
            sequence = 0 if self.sequence_of is None else self.sequence_of(item)
            if type(sequence) is not int:
                sequence = sequence_number(sequence, _SEQUENCE)
        except BaseException as error:
            self.bury(item, error, 1)
            return
        out = self.way.out
        if self.blocked > self.free:
            self.hold((ITEM, self.way, item, at, sequence, key))
        else:
            out.push(item, at, sequence, key)
        # After the item, since a watermark follows the item that raises it.
        if at > self.stamp.max_ts:
            self.stamp.max_ts = at
            mark = at - self.lag
            # `mark < at` is False if the difference has wrapped around as a machine int.
            if MIN < mark < at:
                if self.blocked > self.free:
                    self.give_mark(mark)
                else:
                    self.watermark = mark
                    out.mark(mark)

    def sync(self) -> None:
        gone = self.dead + self.failed + self.unread + self.discarded
        self.passed = self.came - gone - sum(self.dropped.values())
        self.way.n = self.passed


class EventTimeKernel(Kernel):
    node = _EventTimeNode
    state = ("max_ts",)
    makes_time = True

    def __init__(
        self,
        time_of: Callable[[Any], Any],
        scale: int,
        sequence_of: Callable[[Any], Any] | None,
        lag: int,
        zone: tzinfo | None = None,
    ) -> None:
        self._time_of = time_of
        self._scale = scale
        self._zone = zone
        self._sequence_of = sequence_of
        self._lag = lag
        self.max_ts: i64 = MIN

    def on_item(self, item: Any, emit: Emit[Any]) -> None:
        ts = checked_ns(self._time_of(item), self._scale, self._zone)
        sequence = 0 if self._sequence_of is None else self._sequence_of(item)
        if type(sequence) is not int:
            sequence = sequence_number(sequence, _SEQUENCE)
        emit(item, ts=ts, sequence=sequence)
        if ts > self.max_ts:
            self.max_ts = ts
            if ts - self._lag - 1 > MIN:
                emit.watermark(ts - self._lag - 1)

    def in_columns(self) -> Kernel | str:
        return why_opaque(self._time_of, *(() if self._sequence_of is None else (self._sequence_of,))) or self

    def on_columns(self, columns: Columns, emit: ColumnsEmit) -> None:
        ts = self._times(columns.values(self._time_of))
        sequence = None if self._sequence_of is None else _numbers(columns.ordinals(self._sequence_of))
        largest = self._largest_before(ts)
        before = self.max_ts
        self.max_ts = max(int(largest[-1]), int(ts[-1]))
        emit(columns.timed(ts, sequence).marked(self._watermarks(largest)))
        if self.max_ts > before and self.max_ts - self._lag - 1 > MIN:
            emit.watermark(self.max_ts - self._lag - 1)

    def _times(self, column: Any) -> NDArray[np.int64]:
        from rxdag.columns import times_of  # it loads numpy

        scale, zone = self._scale, self._zone
        return times_of(column, scale, lambda value: checked_ns(value, scale, zone), takes_datetime64=zone is None)

    def _largest_before(self, ts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the largest time before each item."""
        import numpy as np

        before = int(self.max_ts)
        largest = np.empty_like(ts)
        # Shifted by one: the watermark before an item counts, not the one it raises.
        largest[0] = before
        np.maximum.accumulate(ts[:-1], out=largest[1:])
        return np.maximum(largest, before, out=largest)

    def _watermarks(self, largest: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the watermark before each item; MIN while there is none."""
        import numpy as np

        least = MIN + self._lag + 1
        # Raised first, so that the difference stays in int64.
        return np.maximum(largest, least) - (self._lag + 1)


class StampKernel(Kernel):
    """Sets the times of items; watermarks are those of the stream."""

    def __init__(self, time_of: Callable[[Any], Any], sequence_of: Callable[[Any], Any] | None) -> None:
        self._time_of = time_of
        self._sequence_of = sequence_of

    def on_item(self, item: Any, emit: Emit[Any]) -> None:
        ts = self._time_of(item)
        sequence = 0 if self._sequence_of is None else sequence_number(self._sequence_of(item), _SEQUENCE)
        emit(item, ts=ts, sequence=sequence)


def _numbers(column: Any) -> Any:
    """Return a column of sequences, if each is a whole number.

    Raises:
        RowFailed: If one is not.
    """
    if column.dtype.kind == "i":
        return column
    numbers = column.copy() if column.dtype.kind == "O" else column.astype(object)
    for index, value in enumerate(column.tolist()):
        if value.__class__ is not int:
            try:
                numbers[index] = sequence_number(value, _SEQUENCE)
            except BadItem as bad:
                raise RowFailed(index, bad) from bad
    return numbers


def checked_ns(value: Any, scale: int, zone: tzinfo | None) -> int:
    ts = value * scale if value.__class__ is int else _to_ns(value, scale, zone)
    if not MIN < ts < MAX:
        raise _out_of_range(f"{ts} ns; is unit= right?")
    return int(ts)


def _out_of_range(got: object) -> BadItem:
    return BadItem(f"event_time: a time must be within 1677 to 2262, got {got}")


def _to_ns(value: Any, scale: int, zone: tzinfo | None) -> int:
    """Convert a time from user code, other than a plain int, to ns since the epoch."""
    if isinstance(value, datetime):
        when = _aware(value, zone) if value.tzinfo is None else value
        return (when - _EPOCH) // _MICROSECOND * 1_000
    kind = type(value).__name__
    if kind == "datetime64":
        if zone is not None:
            raise TypeError(
                f"event_time: with tz= a time must be a datetime or an int, got {shown(value)}, which is UTC; "
                f"leave out tz="
            )
        from rxdag.columns import exact_ns  # it loads numpy

        ns = exact_ns(value)
        if ns is None:
            raise _out_of_range(value)
        if int(ns) == _NAT:
            raise BadItem("event_time: a time must not be NaT")
        return int(ns)
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(
            f"event_time: a time must be an int, a datetime with a time zone or a numpy datetime64, got {shown(value)}"
            f"{ROUND if isinstance(value, float) else ''}"
        )
    return int(value.__index__()) * scale


def _aware(value: datetime, zone: tzinfo | None) -> datetime:
    if zone is None:
        raise TypeError(
            f"event_time: a datetime must have a time zone, got the naive {shown(value)}; use .replace(tzinfo=...), "
            f"or pass tz= for such times"
        )
    try:
        return aware(value, zone)
    except ValueError as error:
        raise BadItem(f"event_time: {error}") from None
