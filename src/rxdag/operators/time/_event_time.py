"""Event time: the time of items, and watermarks."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from datetime import date, datetime, tzinfo
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from rxdag.contract import (
    Duration,
    Operator,
    Shape,
    duration_ns,
    positive_ns,
    zone_of,
)
from rxdag.errors import GraphError, shown
from rxdag.expressions import Field, FieldReader, bound, called, check_field, field_name, getter
from rxdag.operators._arguments import field_or_none
from rxdag.operators._declared import check_sequence, check_text, check_time
from rxdag.operators.time._event_time_kernel import EventTimeKernel, StampKernel
from rxdag.operators.time._feed_times import FeedTimeKernel
from rxdag.operators.time._instants import bounds_ns
from rxdag.operators.time._text_forms import TextForm, day_of, form_of
from rxdag.operators.time._time_reader import TimeReader

if TYPE_CHECKING:
    import numpy as np


A = TypeVar("A")


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
    zone: tzinfo | None = None
    not_before_ns: int | None = None
    not_after_ns: int | None = None
    form: TextForm | str | None = None
    day: date | None = None
    label = "event_time"
    adjustable = ("out_of_order", "idle_timeout", "max_future")
    apart = ("not_before", "not_after")

    def check(self, shape: Shape, where: str) -> None:
        if self.form is None:
            check_time(self.ts, shape.item_type, f"{where}: ts", self.unit)
        else:
            check_text(self.ts, shape.item_type, f"{where}: ts")
        if self.sequence is not None:
            check_sequence(self.sequence, shape.item_type, f"{where}: sequence")
        if self.by is not None:
            check_field(self.by, shape.item_type, f"{where}: by")
        if self.watermarks == "source" and not shape.timed:
            raise GraphError(
                f'{where}: watermarks="source" needs a source that makes watermarks, and this stream has none; '
                f"leave it out, and pass out_of_order="
            )

    def bound(self, shape: Shape) -> Self:
        ts, sequence, by = (bound(field, shape.item_type) for field in (self.ts, self.sequence, self.by))
        return replace(self, ts=ts, sequence=sequence, by=by)

    def shape(self, shape: Shape) -> Shape:
        is_one_feed = self.by is None and self.advance == "data" and self.watermarks == "own"
        ordered = is_one_feed and self.out_of_order_ns == 0
        name = _name_of(bound(self.ts, shape.item_type))
        reader = self._reader()
        times = () if name is None or not reader.scale else ((name, reader.scale),)
        moves_alone = self.idle_ns is not None or self.advance == "clock"
        return replace(shape, timed=True, ordered=ordered, times=times, moves_alone=moves_alone)

    def _reader(self) -> TimeReader:
        return TimeReader(
            self.unit, self.zone, self.form, self.day, self.not_before_ns, self.not_after_ns, _name_of(self.ts)
        )

    def kernel(self) -> EventTimeKernel | StampKernel | FeedTimeKernel:
        sequence = None if self.sequence is None else getter(self.sequence)
        reader = self._reader()
        if self.watermarks == "source":
            return StampKernel(getter(self.ts), reader, sequence)
        by_clock = self.advance == "clock"
        if self.by is None and self.idle_ns is None and self.max_future_ns is None and not by_clock:
            return EventTimeKernel(getter(self.ts), reader, sequence, self.out_of_order_ns)
        return FeedTimeKernel(
            called(self.ts),
            reader,
            None if self.sequence is None else called(self.sequence),
            self.out_of_order_ns,
            None if self.by is None else called(self.by),
            self.idle_ns,
            self.max_future_ns,
            by_clock=by_clock,
        )


def _name_of(ts: object) -> str | None:
    """Return the field that has the time; None if a function or an expression makes it."""
    return field_name(ts.expr if isinstance(ts, FieldReader) else ts)


def event_time(
    ts: Field[A, float | Decimal | str | datetime | np.datetime64],
    /,
    *,
    unit: Literal["ns", "us", "ms", "s", "auto"] = "ns",
    sequence: Field[A, int] | None = None,
    out_of_order: Duration = "0s",
    by: Field[A, Hashable] | None = None,
    idle_timeout: Duration | None = None,
    max_future: Duration | None = None,
    advance: Literal["data", "clock"] = "data",
    watermarks: Literal["own", "source"] = "own",
    tz: str | tzinfo | None = None,
    not_before: str | datetime | None = None,
    not_after: str | datetime | None = None,
    format: str | None = None,  # noqa: A002  # as strptime calls it
    date: str | date | None = None,
) -> Operator[A, A]:
    """Assign an event time to each item; the stream then has watermarks.

    The watermark stays `out_of_order` behind the largest time seen; an item further behind is late for windows that
    have closed. Incoming watermarks stop here. With `by`, each feed has its own watermark and the minimum counts, so a
    feed that lags by more than `out_of_order` is not late.

    Emits: every item, with its time and sequence.
    Drops: nothing. A time that is NaT or NaN, outside 1677 to 2262, past `max_future` or nonexistent in `tz`, and a
        sequence that is not a whole number, go to port "dead".
    Holds: two numbers, and the last unit with "auto"; with `by` or `idle_timeout`, up to three for each feed ever seen.
    Ends: when the source ends. Fails: if a function raises or does not return a time, or a time is before `not_before`
        or after `not_after`, subject to the node's `on_error`.
    Clock: event time, which it creates. `idle_timeout`, `max_future` and `advance="clock"` use processing time.

    Args:
        ts: Time of an item: a field name, `col.<name>` or a function. A number in `unit`, also as a text of digits; a
            text in ISO 8601; a datetime; or a numpy datetime64 in UTC. A datetime or an ISO text without a time zone
            fails the node, unless `tz` is given. A float stands for the decimal number with the fewest digits that
            reads back as it. Digits below the nanosecond are discarded, so that no time moves past a boundary.
        unit: Unit of numbers. In "ns" they must be whole. "auto" finds it for each by its magnitude, which is right from
            March 1973 on: below 1e11 seconds, below 1e14 milliseconds, below 1e17 microseconds, else nanoseconds. A
            change of the unit within the stream is logged, as `unit.changed`.
        sequence: Tie-breaker for equal times, a whole number. Items with equal time and sequence keep their order of
            arrival.
        out_of_order: How far an item may be behind the largest time and still be on time.
        by: Feed of an item: a venue, a connection, a partition. A feed counts from its first item on.
        idle_timeout: Silence after which a feed no longer holds back the watermark; if all feeds are silent, the whole
            stream is idle. A feed that resumes counts again once it has caught up. By default, silent feeds are waited
            for.
        max_future: Furthest that a time may be ahead of the clock; by default unlimited.
        advance: "clock" to advance the watermark with the clock while nothing arrives, so that a quiet market closes
            its last bar. Results then depend on when items arrive.
        watermarks: "source" to keep the watermarks of the stream; `out_of_order` to `advance` do not apply then.
        tz: Time zone of datetimes and texts without one: an IANA name such as "America/New_York", or a tzinfo. If a
            local time occurs twice, when clocks are set back, the first instant is used; one that does not exist, when
            they are set forward, goes to port "dead". Times with a zone keep it.
        not_before: First time that is taken, such as "2020-01-01T00:00Z" or a datetime; without a zone, in `tz`. An
            earlier time fails the item, which catches a wrong `unit`.
        not_after: Last time that is taken, likewise.
        format: Format of times as texts, as for Python's strptime; %f takes any number of digits. "HHMMSSnnnnnnnnn" is
            that of the NYSE, as a text or an int.
        date: Date of times that have none, such as "2024-05-06" or a date. Numbers then count from midnight by the
            clocks of `tz`, from 0 to less than a day.

    Raises:
        GraphError: If an argument is invalid, a name is not a field of the items, the field of `sequence` is known not
            to hold whole numbers, or there are no watermarks to keep.

    Example:
        >>> late = []
        >>> timed = ops.event_time(lambda x: x, unit="s", out_of_order="2s")
        >>> feed(timed, [1, 5, 3])
        [1, 5, 3]
    """
    if unit not in ("ns", "us", "ms", "s", "auto"):
        raise GraphError(f'event_time: unit must be "ns", "us", "ms", "s" or "auto", got {shown(unit)}')
    check_field(ts, None, "event_time: ts")
    if sequence is not None:
        check_field(sequence, None, "event_time: sequence")
    if advance not in ("data", "clock"):
        raise GraphError(f'event_time: advance must be "data" or "clock", got {shown(advance)}')
    if watermarks not in ("own", "source"):
        raise GraphError(f'event_time: watermarks must be "own" or "source", got {shown(watermarks)}')
    lag = duration_ns(out_of_order, "event_time: out_of_order")
    if watermarks == "source" and (lag, by, idle_timeout, max_future, advance) != (0, None, None, None, "data"):
        raise GraphError(
            'event_time: with watermarks="source" the source makes the watermarks; '
            "leave out out_of_order, by, idle_timeout, max_future and advance"
        )
    zone = zone_of(tz, "event_time: tz")
    least, most = bounds_ns(not_before, not_after, zone)
    day = day_of(date, unit, zone)
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
        zone,
        least,
        most,
        form_of(format, unit, day, zone),
        day,
    )
