"""Tumbling windows: adjacent, without gaps."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, cast
from zoneinfo import ZoneInfo

from rxdag.contract import Assigner, Duration, positive_ns, signed_ns, zone_of
from rxdag.errors import GraphError, shown
from rxdag.windows._calendar import Calendar, CalendarUnit

_CALENDAR: Final = re.compile(r"1(d|w|mo|q|y)")
_SECOND: Final = 1_000_000_000


@dataclass(frozen=True)
class _Tumbling(Assigner):
    size_ns: int
    offset_ns: int

    @property
    def overlaps(self) -> bool:
        return False

    @property
    def evenly(self) -> tuple[int, int, int]:
        return self.size_ns, self.size_ns, self.offset_ns

    def assign(self, ts: int) -> tuple[tuple[int, int], ...]:
        # Floor division, so that times before the epoch fall into the right window too.
        start = ts - (ts - self.offset_ns) % self.size_ns
        return ((start, start + self.size_ns),)


def tumbling(size: Duration, *, offset: Duration = "0s", tz: str | ZoneInfo | None = None) -> Assigner:
    """Return adjacent windows [start, start + size).

    Starts are aligned to the epoch plus an offset. With a time zone, windows are days, weeks, months, quarters or years of
    its calendar, from one local midnight to another: a day has 23 or 25 hours when clocks change. Weeks begin on Monday.
    Without a zone, "1w" and longer ones use UTC. In polars, `every="1d"` with a zone is the same; Flink has no such windows.

    Args:
        size: Length of a window, more than 0; or "1d", "1w", "1mo", "1q", "1y".
        offset: Shift of the windows, later, or earlier as "-1s"; less than `size`. With a time zone, it is in local
            time: "18h" for days that begin at 18:00; whole seconds, less than a day.
        tz: Time zone of calendar windows: an IANA name such as "America/New_York", or a ZoneInfo.

    Raises:
        GraphError: If `size` is 0, `offset` is not less than `size`, or the zone is unknown.

    Example:
        >>> windows.tumbling("10s").assign(12 * 10**9)
        ((10000000000, 20000000000),)
        >>> [((start, end),)] = [windows.tumbling("1d", tz="America/New_York").assign(1772950000 * 10**9)]
        >>> (end - start) // 10**9 // 3600
        23
    """
    calendar = _CALENDAR.fullmatch(size) if isinstance(size, str) else None
    if calendar is not None and (tz is not None or calendar[1] != "d"):
        return _calendar(calendar, offset, "UTC" if tz is None else tz)
    if tz is not None:
        raise GraphError(f'tumbling: with tz= size must be "1d", "1w", "1mo", "1q" or "1y", got {shown(size)}')
    size_ns = positive_ns(size, "tumbling: size")
    return _Tumbling(size_ns, offset_ns(offset, size_ns, f"tumbling: offset must be less than size {shown(size)}"))


def _calendar(size: re.Match[str], offset: Duration, tz: str | ZoneInfo) -> Calendar:
    zone = getattr(zone_of(tz, "tumbling: tz"), "key", None)
    if zone is None:
        raise GraphError(
            f'tumbling: tz must be the IANA name of a time zone, such as "America/New_York", got {shown(tz)}'
        )
    day = 86_400 * _SECOND
    ns = offset_ns(offset, day, "tumbling: offset must be less than a day")
    if ns % _SECOND:
        raise GraphError(f"tumbling: offset must be whole seconds with tz=, got {shown(offset)}")
    return Calendar(cast("CalendarUnit", size[1]), zone, ns // _SECOND)


def offset_ns(offset: Duration, most: int, must: str) -> int:
    """Return the offset of windows in ns, positive or negative.

    Raises:
        GraphError: If it is not less than `most`; `must` words the rule.
    """
    ns = signed_ns(offset, must.partition(" must")[0])
    if abs(ns) >= most:
        raise GraphError(f"{must}, got {shown(offset)}")
    return ns
