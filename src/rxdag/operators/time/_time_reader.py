"""Reads the event times of items as nanoseconds since the epoch."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, Final

from rxdag.contract import MAX, MIN, UNITS, BadItem, aware, iso_utc
from rxdag.errors import shown
from rxdag.operators.time._instants import EPOCH, MICROSECOND, iso
from rxdag.operators.time._numbers import BY_SIZE, number_of, out_of_range, scaled, unit_of
from rxdag.operators.time._text_forms import TextForm, unpacked

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_NAT: Final = -(1 << 63)
"""numpy's NaT as an int."""


class TimeReader:
    """Reads times; it keeps nothing from one to the next.

    Args:
        unit: Unit of numbers; "auto" for the one that the magnitude of each tells.
        zone: Time zone of times without one.
        form: Form of all times as texts; None to take digits and ISO 8601.
        day: Date of times without one; numbers then count from its midnight in `zone`.
        least: First time that is taken, ns.
        most: Last time that is taken, ns.
        name: Field of the times, for messages; None if they come from a function.
    """

    def __init__(
        self,
        unit: str,
        zone: tzinfo | None = None,
        form: TextForm | str | None = None,
        day: date | None = None,
        least: int | None = None,
        most: int | None = None,
        name: str | None = None,
    ) -> None:
        self.finds_unit = unit == "auto"
        self.unit = unit
        self.scale: int = UNITS[unit] if unit != "auto" and form is None and day is None else 0
        """Nanoseconds per unit; 0 if a whole number is not simply multiplied."""
        self.zone = zone
        self.form = form
        self.day = day
        self.least: int = MIN + 1 if least is None else least
        self.most: int = MAX - 1 if most is None else most
        self._name = name

    def ns(self, value: Any) -> int:
        """Return a time as ns since the epoch.

        Raises:
            BadItem: If it is not an instant within 1677 to 2262.
            TypeError: If it is of a type that is not taken.
            ValueError: If it is before the first time that is taken, or after the last.
        """
        ts = value * self.scale if value.__class__ is int and self.scale else self._read(value)
        if not self.least <= ts <= self.most:
            raise self._outside(value, ts)
        return int(ts)

    def unit_of(self, value: Any) -> str:
        """Return the unit of a number by its magnitude; empty for other values."""
        number = number_of(value)
        return "" if number is None else unit_of(number)

    def units(self, column: Any) -> list[str]:
        """Return the units of the numbers of a column by their magnitude, equal neighbours once."""
        from rxdag.operators.time._time_columns import units_of  # it loads numpy

        return units_of(self, column)

    def times(self, column: Any) -> NDArray[np.int64]:
        """Return the times of a column, as `ns` has them.

        Raises:
            RowFailed: If one is refused.
        """
        from rxdag.operators.time._time_columns import times_of  # it loads numpy

        return times_of(self, column)

    def exact(self, unit: str) -> tuple[int, int, int]:
        """Return the least and the largest int whose time is itself times a scale, and that scale.

        Args:
            unit: Unit of the last number, if it is found by magnitude; empty for none.
        """
        if self.scale:
            return -(-self.least // self.scale), self.most // self.scale, self.scale
        for i, (name, end) in enumerate(BY_SIZE):
            if name == unit:
                scale = UNITS[name]
                begin = BY_SIZE[i - 1][1] if i else 1
                return max(begin, -(-self.least // scale)), min(end - 1, self.most // scale), scale
        return 1, 0, 1

    def _read(self, value: Any) -> int:
        if self.form is not None:
            return self._in_form(value, self.form)
        if isinstance(value, datetime):
            when = self._aware(value, value) if value.tzinfo is None else value
            return (when - EPOCH) // MICROSECOND * 1_000
        number = number_of(value)
        if number is not None:
            ns = scaled(number, unit_of(number) if self.finds_unit else self.unit)
            return ns if self.day is None else self._on_day(self.day, ns, value)
        if isinstance(value, str):
            return self._of_text(value)
        if type(value).__name__ == "datetime64":
            return self._of_numpy(value)
        raise TypeError(
            f"event_time: a time must be a number, a text, a datetime with a time zone or a numpy datetime64, "
            f"got {shown(value)}"
        )

    def _of_text(self, text: str) -> int:
        try:
            when, fine = iso(text if self.day is None else f"{self.day.isoformat()}T{text}")
        except ValueError:
            raise ValueError(
                f'event_time: a text must be digits or ISO 8601, such as "2024-05-06T12:00Z", got {shown(text)}'
            ) from None
        return self._instant(when, fine, text)

    def _in_form(self, value: Any, form: TextForm | str) -> int:
        try:
            if isinstance(form, str):
                assert self.day is not None
                return self._on_day(self.day, unpacked(value), value)
            if isinstance(value, str):
                when, fine = form.read(value)
                when = when if self.day is None else datetime.combine(self.day, when.timetz())
                return self._instant(when, fine, value)
        except BadItem:
            raise
        except (ValueError, TypeError):
            pass
        name = form if isinstance(form, str) else form.format
        raise ValueError(f"event_time: a time must be a text of the format {name}, got {shown(value)}") from None

    def _on_day(self, day: date, ns: int, value: object) -> int:
        """Return a time of the day, ns since midnight by the clocks of the zone, as an instant."""
        if not 0 <= ns < UNITS["d"]:
            raise ValueError(
                f"event_time: with date= a number must be within a day, got {shown(value)}; is unit= right?"
            )
        when = datetime.combine(day, time.min) + timedelta(microseconds=ns // 1_000)
        return self._instant(when, ns % 1_000, value)

    def _instant(self, when: datetime, fine: int, value: object) -> int:
        instant = self._aware(when, value) if when.tzinfo is None else when
        return (instant - EPOCH) // MICROSECOND * 1_000 + fine

    def _of_numpy(self, value: Any) -> int:
        if self.zone is not None:
            raise TypeError(
                f"event_time: with tz= a time must be a datetime, a text or a number, got {shown(value)}, which is UTC; "
                f"leave out tz="
            )
        from rxdag.columns import exact_ns  # it loads numpy

        ns = exact_ns(value)
        if ns is None:
            raise out_of_range(value)
        if int(ns) == _NAT:
            raise BadItem("event_time: a time must not be NaT")
        return int(ns)

    def _aware(self, when: datetime, value: object) -> datetime:
        if self.zone is None:
            kind, fix = ("text", "") if isinstance(value, str) else ("datetime", "use .replace(tzinfo=...), or ")
            raise TypeError(
                f"event_time: a {kind} must have a time zone, got the naive {shown(value)}; {fix}pass tz= for such times"
            )
        try:
            return aware(when, self.zone)
        except ValueError as error:
            raise BadItem(f"event_time: {error}") from None

    def _outside(self, value: Any, ts: int) -> Exception:
        """Return the error for a time that is not taken."""
        if not MIN < ts < MAX:
            return out_of_range(f"{ts} ns; is unit= right?")
        time = "a time" if self._name is None else f'field "{self._name}"'
        is_early = ts < self.least
        bound = f"at or after {iso_utc(self.least)}" if is_early else f"at or before {iso_utc(self.most)}"
        number = number_of(value)
        units = [] if number is None else [unit for unit, _ in BY_SIZE if self._takes(number, unit)]
        fix = f'pass unit="{units[0]}", or ' if units else "correct the source, or "
        other = "an earlier not_before" if is_early else "a later not_after"
        got = shown(number if isinstance(number, int) else float(value) if isinstance(value, float) else value)
        return ValueError(f"event_time: {time} must be {bound}, got {got}, which is {iso_utc(ts)}; {fix}pass {other}")

    def _takes(self, number: int | str, unit: str) -> bool:
        """Return True if a number would be taken in this unit."""
        if unit == "ns" and not isinstance(number, int):
            return False
        return self.least <= scaled(number, unit) <= self.most
