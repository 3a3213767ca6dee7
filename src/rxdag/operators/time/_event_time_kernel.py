"""The kernels and the node of event_time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from mypy_extensions import i64

from rxdag.contract import (
    MIN,
    BadItem,
    ColumnsEmit,
    Emit,
    Kernel,
    RowFailed,
)
from rxdag.engine import ITEM, Exit, KernelNode
from rxdag.expressions import called, why_opaque
from rxdag.operators._sequence import sequence_number
from rxdag.operators.time._stamping import StampingKernel
from rxdag.operators.time._time_reader import TimeReader

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rxdag.columns import Columns


_SEQUENCE: Final = "event_time: sequence"


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
        self.reader: TimeReader = kernel.reader
        self.finds_unit = self.reader.finds_unit
        self.bound_ints()
        # 1 ns more, so that an item that is behind by exactly the lag is still on time.
        self.lag: i64 = kernel._lag + 1
        self.way: Exit = Exit("out", False)

    def bound_ints(self) -> None:
        """Set which ints need no more than to be multiplied."""
        least, largest, scale = self.reader.exact(self.stamp.unit)
        self.least: i64 = least
        self.largest: i64 = largest
        self.scale: i64 = scale

    def open(self) -> None:
        super().open()
        if self.main is not None:
            self.way = self.main
        self.bound_ints()

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
                at = self.stamp.read(value) if self.finds_unit else self.reader.ns(value)
            sequence = 0 if self.sequence_of is None else self.sequence_of(item)
            if type(sequence) is not int:
                sequence = sequence_number(sequence, _SEQUENCE)
        except BaseException as error:
            self.bury(item, error, 1)
            return
        if not is_small and self.finds_unit:
            self.stamp.take_unit(self.emit)
            self.bound_ints()
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


class EventTimeKernel(StampingKernel):
    node = _EventTimeNode
    state = ("max_ts", "unit")
    makes_time = True

    def __init__(
        self,
        time_of: Callable[[Any], Any],
        reader: TimeReader,
        sequence_of: Callable[[Any], Any] | None,
        lag: int,
    ) -> None:
        super().__init__(reader)
        self._time_of = time_of
        self._sequence_of = sequence_of
        self._lag = lag
        self.max_ts: i64 = MIN

    def on_item(self, item: Any, emit: Emit[Any]) -> None:
        ts = self.read(self._time_of(item))
        sequence = 0 if self._sequence_of is None else self._sequence_of(item)
        if type(sequence) is not int:
            sequence = sequence_number(sequence, _SEQUENCE)
        self.take_unit(emit)
        emit(item, ts=ts, sequence=sequence)
        if ts > self.max_ts:
            self.max_ts = ts
            if ts - self._lag - 1 > MIN:
                emit.watermark(ts - self._lag - 1)

    def in_columns(self) -> Kernel | str:
        return why_opaque(self._time_of, *(() if self._sequence_of is None else (self._sequence_of,))) or self

    def on_columns(self, columns: Columns, emit: ColumnsEmit) -> None:
        times = columns.values(self._time_of)
        ts = self.reader.times(times)
        sequence = None if self._sequence_of is None else _numbers(columns.ordinals(self._sequence_of))
        self.take_units(times, emit)
        largest = self._largest_before(ts)
        before = self.max_ts
        self.max_ts = max(int(largest[-1]), int(ts[-1]))
        emit(columns.timed(ts, sequence).marked(self._watermarks(largest)))
        if self.max_ts > before and self.max_ts - self._lag - 1 > MIN:
            emit.watermark(self.max_ts - self._lag - 1)

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


class StampKernel(StampingKernel):
    """Sets the times of items; watermarks are those of the stream."""

    state = ("unit",)

    def __init__(
        self, time_of: Callable[[Any], Any], reader: TimeReader, sequence_of: Callable[[Any], Any] | None
    ) -> None:
        super().__init__(reader)
        self._time_of = time_of
        self._sequence_of = sequence_of

    def on_item(self, item: Any, emit: Emit[Any]) -> None:
        ts = self.read(self._time_of(item))
        sequence = 0 if self._sequence_of is None else sequence_number(self._sequence_of(item), _SEQUENCE)
        self.take_unit(emit)
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
