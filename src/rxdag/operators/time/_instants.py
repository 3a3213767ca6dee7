"""Instants: ISO 8601 texts with nanoseconds, and datetimes, as nanoseconds since the epoch."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, tzinfo
from typing import Final

from rxdag.contract import MAX, MIN, aware
from rxdag.errors import GraphError, shown

EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
MICROSECOND: Final = timedelta(microseconds=1)
_FINE: Final = re.compile(r".*[0-9][.,][0-9]{6}([0-9]+)(Z|[+-][0-9:]+)?", re.ASCII)
"""A text with more than six digits after the second."""
_LONGEST_PLAIN: Final = len("20240506T120000.123456")
"""Length up to which a text has no more than six."""


def iso(text: str) -> tuple[datetime, int]:
    """Return an ISO 8601 text as a datetime and the nanoseconds below its microsecond; further digits are discarded.

    Raises:
        ValueError: If it is no such text.
    """
    fine = _FINE.fullmatch(text) if len(text) > _LONGEST_PLAIN else None
    return datetime.fromisoformat(text), 0 if fine is None else int(fine[1][:3].ljust(3, "0"))


def bounds_ns(
    not_before: str | datetime | None, not_after: str | datetime | None, zone: tzinfo | None
) -> tuple[int | None, int | None]:
    """Return the first and the last time that is taken, ns; None for no bound.

    Raises:
        GraphError: If one is not an instant, or the last is before the first.
    """
    least = _bound_ns(not_before, zone, "event_time: not_before")
    most = _bound_ns(not_after, zone, "event_time: not_after")
    if least is not None and most is not None and least > most:
        raise GraphError(
            f"event_time: not_after must be at or after not_before, got {shown(not_after)}, "
            f"which is before {shown(not_before)}"
        )
    return least, most


def _bound_ns(value: str | datetime | None, zone: tzinfo | None, where: str) -> int | None:
    if value is None:
        return None
    when, fine = value, 0
    if isinstance(when, str):
        try:
            when, fine = iso(when)
        except ValueError:
            raise GraphError(_refused(value, where)) from None
    if not isinstance(when, datetime):
        raise GraphError(_refused(value, where))
    if when.tzinfo is None:
        if zone is None:
            raise GraphError(
                f'{where} must have a time zone, got {shown(value)}; write "2020-01-01T00:00Z", or pass tz='
            )
        try:
            when = aware(when, zone)
        except ValueError as error:
            raise GraphError(f"{where}: {error}") from None
    ns = (when - EPOCH) // MICROSECOND * 1_000 + fine
    if not MIN < ns < MAX:
        raise GraphError(f"{where} must be within 1677 to 2262, got {shown(value)}")
    return ns


def _refused(value: object, where: str) -> str:
    return f'{where} must be a text such as "2020-01-01T00:00Z", a datetime or None, got {shown(value)}'
