"""Windows of the sessions of a market, and within them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from rxdag.contract import Assigner, format_ns

if TYPE_CHECKING:
    from rxdag.market._session import Session

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = 1_000_000_000


def local_date(ts: int, zone: str) -> date:
    """Return the calendar date of an instant by the clocks of a zone."""
    return (_EPOCH + timedelta(seconds=ts // _SECOND)).astimezone(ZoneInfo(zone)).date()


class SessionWindows(Assigner):
    """Windows that begin at an open, or at the end of a break, and are cut at the next close or break.

    Their `repr` identifies them in checkpoints. It leaves out the dates, so that a calendar can be renewed.

    Args:
        session: The hours of trading.
        size_ns: Length of a window, ns; None for one window for each session.
    """

    __slots__ = ("session", "size_ns")

    def __init__(self, session: Session, size_ns: int | None) -> None:
        self.session = session
        self.size_ns = size_ns

    def __repr__(self) -> str:
        session = self.session
        size = "sessions" if self.size_ns is None else f"{format_ns(self.size_ns)} of sessions"
        breaks = f" without {', '.join('-'.join(each) for each in session.breaks)}" if session.breaks else ""
        return f"{size} {session.open}-{session.close} {session.zone}{breaks}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SessionWindows) and (self.session, self.size_ns) == (other.session, other.size_ns)

    def __hash__(self) -> int:
        return hash((self.session, self.size_ns))

    @property
    def overlaps(self) -> bool:
        return False

    def _stretches(self, day: date) -> tuple[tuple[int, int], ...]:
        """Return the stretches of a trade date that windows do not cross."""
        if self.size_ns is not None:
            return self.session.hours(day)
        bounds = self.session.bounds(day)
        return () if bounds is None else (bounds,)

    def assign(self, ts: int) -> tuple[tuple[int, int], ...]:
        day = self.session.trade_date(ts)
        for start, end in () if day is None else self._stretches(day):
            if start <= ts < end:
                size = self.size_ns or end - start
                first = ts - (ts - start) % size
                return ((first, min(first + size, end)),)
        return ()

    def following(self, ts: int) -> tuple[int, int] | None:
        """Return the first window that starts at or after an instant; None if no more hours are known."""
        for day in self.session.days(local_date(ts, self.session.zone)):
            for start, end in self._stretches(day):
                size = self.size_ns or end - start
                first = start + max(0, -((start - ts) // size)) * size
                if first < end:
                    return first, min(first + size, end)
        return None

    def may_fit(self, longer: Assigner) -> bool:
        """Return False if windows do not lie within longer ones, True if they do or if only the run can tell."""
        if not isinstance(longer, SessionWindows) or longer.session != self.session or longer.size_ns is None:
            return True
        return self.size_ns is not None and longer.size_ns % self.size_ns == 0
