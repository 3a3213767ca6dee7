"""Times without a zone: refused, unless `tz=` gives one."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

from rxdag.errors import GraphError, shown


def zone_of(tz: str | tzinfo | None, where: str) -> tzinfo | None:
    """Return the time zone of an argument `tz`.

    Args:
        tz: The IANA name of a zone, or a tzinfo; None for none.
        where: Operator and argument, for the message: "csv: tz".

    Raises:
        GraphError: If the zone is unknown.
    """
    if isinstance(tz, str):
        from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # most graphs need none

        try:
            return ZoneInfo(tz)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise GraphError(
                f'{where} must be the IANA name of a time zone, such as "America/New_York", got {shown(tz)}; '
                f"if the system has no time zone data, run pip install tzdata"
            ) from None
    if tz is not None and not isinstance(tz, tzinfo):
        raise GraphError(
            f'{where} must be the IANA name of a time zone, such as "UTC", a tzinfo or None, got {shown(tz)}'
        )
    if hasattr(tz, "localize"):
        # Offsets of pytz zones are wrong unless each time is passed to their `localize`.
        raise GraphError(f"{where} must not be a pytz zone, got {shown(tz)}; use its name, or zoneinfo.ZoneInfo")
    return tz


def aware(value: datetime, zone: tzinfo) -> datetime:
    """Return a naive time in the zone.

    If the local time occurs twice, when clocks are set back, the first instant is used, unless the value has `fold=1`.

    Raises:
        ValueError: If the local time does not exist, when clocks are set forward.
    """
    made = value.replace(tzinfo=zone)
    try:
        back = made.astimezone(UTC).astimezone(zone)
    except OverflowError:  # within a day of the year 1 or 10000, where no clocks change
        return made
    if back.replace(tzinfo=None) != value:
        raise ValueError(f"there is no {value.isoformat()} in {zone}: clocks skip that time")
    return made
