"""Time is int64 nanoseconds since the epoch, UTC; a watermark is one of them, or one of the two ends."""

from __future__ import annotations

from typing import Final, Protocol

MIN: Final = -(1 << 63)
MAX: Final = (1 << 63) - 1
# Two marks stand above every watermark, so that the minimum over several inputs is right for them too.
FLUSHED: Final = MAX + 1  # the stream stops here and open state is to be given out, though its time has not come
IDLE: Final = MIN - 1  # nothing will come for a while: the stream holds nobody up until an item or a watermark comes
ENDED: Final = MAX + 2  # the stream ended by itself: watermark MAX, then the end


class Clock(Protocol):
    """What time it is, for sources, sinks and kernels in processing time."""

    def now(self) -> int:
        """Nanoseconds since the epoch, UTC; never goes back within a run."""
        ...
