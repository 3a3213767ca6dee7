"""Time is int64 nanoseconds since the epoch, UTC; a watermark is one of them, or one of the two ends."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, Protocol

# All of them fit into 64 bits. Two marks stand above every watermark, so that the minimum over several inputs is right
# for them too.
IDLE: Final = -(1 << 63)  # idle: other inputs do not wait for this stream until its next item or watermark
MIN: Final = IDLE + 1
ENDED: Final = (1 << 63) - 1  # the stream ended by itself: watermark MAX, then the end
FLUSHED: Final = ENDED - 1  # the stream stops here, and open state is emitted before its time
MAX: Final = FLUSHED - 1


class Clock(Protocol):
    """The clock of sources, sinks and kernels in processing time."""

    def now(self) -> int:
        """Return the time in ns since the epoch, UTC; it never goes back within a run."""
        ...


def iso_utc(ns: int) -> str:
    """Return an instant in ISO 8601 UTC, with 0, 3, 6 or 9 digits after the second.

    Example:
        >>> market.iso_utc(1_700_000_000_250_000_000)
        '2023-11-14T22:13:20.250Z'
    """
    seconds, rest = divmod(ns, 1_000_000_000)
    text = datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S")
    digits = f"{rest:09d}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return f"{text}.{digits}Z" if digits else f"{text}Z"
