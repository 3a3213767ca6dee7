"""Forms of times as texts that a user names: those of strptime, and HHMMSSnnnnnnnnn."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, tzinfo
from typing import Any, Final

from rxdag.errors import GraphError, shown

PACKED: Final = "HHMMSSnnnnnnnnn"
_SAMPLE: Final = datetime(2001, 3, 4, 13, 5, 6, 789_000, tzinfo=UTC)
_NO_DATE: Final = date(1900, 1, 1)
"""Date that strptime gives to a time without one."""
_TOKEN: Final = re.compile(r"%(.)|(\s+)|([^%\s]+)", re.DOTALL)
_DIRECTIVES: Final = {
    "Y": "[0-9]{4}",
    "y": "[0-9]{2}",
    "m": "(?:1[0-2]|0?[1-9])",
    "d": "(?:3[01]|[12][0-9]|0?[1-9])",
    "H": "(?:2[0-3]|[01][0-9]|[0-9])",
    "I": "(?:1[0-2]|0?[1-9])",
    "M": "(?:[0-5][0-9]|[0-9])",
    "S": "(?:6[01]|[0-5][0-9]|[0-9])",
    "f": "(?P<f>[0-9]+)",
    "%": "%",
}
"""Patterns of directives, as in strptime but with any number of digits for %f; others match any text."""


class TextForm:
    """Reads texts by a format of strptime, in which %f has any number of digits.

    Args:
        given: The format.
    """

    def __init__(self, given: str) -> None:
        self.format = given
        tokens = [match.groups() for match in _TOKEN.finditer(given)]
        parts = [
            _DIRECTIVES.get(name, ".+?") if name else r"\s+" if space else re.escape(rest)
            for name, space, rest in tokens
        ]
        self._fine = re.compile("".join(parts)) if any(name == "f" for name, _, _ in tokens) else None

    def read(self, text: str) -> tuple[datetime, int]:
        """Return a datetime, and the nanoseconds below its microsecond; further digits are discarded.

        Raises:
            ValueError: If the text does not have the format.
        """
        found = None if self._fine is None else self._fine.fullmatch(text)
        if found is None or len(found["f"]) <= 6:
            return datetime.strptime(text, self.format), 0  # noqa: DTZ007  # the reader adds the zone
        start, end = found.span("f")
        when = datetime.strptime(f"{text[: start + 6]}{text[end:]}", self.format)  # noqa: DTZ007  # as above
        return when, int(found["f"][6:9].ljust(3, "0"))


def unpacked(value: Any) -> int:
    """Return HHMMSSnnnnnnnnn, a text of 15 digits or an int, in ns since midnight.

    Raises:
        ValueError: If it is no time of a day.
    """
    is_text = isinstance(value, str)
    if isinstance(value, bool) or not (
        re.fullmatch("[0-9]{15}", value) if is_text else hasattr(value, "__index__") and value >= 0
    ):
        raise ValueError(value)
    hours, rest = divmod(int(value), 10**13)
    minutes, rest = divmod(rest, 10**11)
    if hours > 23 or minutes > 59 or rest >= 60 * 10**9:
        raise ValueError(value)
    return (hours * 60 + minutes) * 60 * 10**9 + rest


def form_of(given: str | None, unit: str, day: date | None, zone: tzinfo | None) -> TextForm | str | None:
    """Return a form of times as texts: `PACKED`, one of strptime, or None for none.

    Raises:
        GraphError: If it is no format, or does not go with the unit, the date and the zone.
    """
    if given is None:
        return None
    if unit != "ns":
        raise GraphError(f"event_time: unit must be left out with format=, got {shown(unit)}")
    if given == PACKED:
        if day is None:
            raise GraphError(f'event_time: format "{PACKED}" has no date; pass date= and tz=')
        return PACKED
    try:
        parsed = datetime.strptime(_SAMPLE.strftime(given), given)  # noqa: DTZ007  # as above
    except (TypeError, ValueError, re.error):
        raise GraphError(
            f'event_time: format must be one of strptime, such as "%Y%m%d %H%M%S.%f", or "{PACKED}", got {shown(given)}'
        ) from None
    if day is None and parsed.date() != _SAMPLE.date():
        raise GraphError(f"event_time: format must have year, month and day, got {shown(given)}; or pass date= and tz=")
    if day is not None and (parsed.date() != _NO_DATE or parsed.time() == time.min):
        raise GraphError(f"event_time: format with date= must have a time and no date, got {shown(given)}")
    if parsed.tzinfo is None and zone is None:
        raise GraphError(f"event_time: format must have the time zone, %z, got {shown(given)}; or pass tz=")
    return TextForm(given)


def day_of(value: str | date | None, unit: str, zone: tzinfo | None) -> date | None:
    """Return a date; None for none.

    Raises:
        GraphError: If it is not a date within 1678 to 2261, or does not go with the unit and the zone.
    """
    if value is None:
        return None
    day: object = value
    if isinstance(value, str):
        try:
            day = date.fromisoformat(value)
        except ValueError:
            day = None
    if not isinstance(day, date) or isinstance(day, datetime) or not 1678 <= day.year <= 2261:
        raise GraphError(
            f'event_time: date must be a date within 1678 to 2261, such as "2024-05-06", or None, got {shown(value)}'
        )
    if zone is None:
        raise GraphError("event_time: tz must be the zone of the times with date=, got None; pass tz=")
    if unit == "auto":
        raise GraphError('event_time: unit must be that of the numbers since midnight with date=, got "auto"')
    return day
