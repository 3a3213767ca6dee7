"""Sliding windows: of one length, a step apart, so that they overlap or leave gaps."""

from __future__ import annotations

from dataclasses import dataclass

from rxdag.contract import Assigner, Duration, positive_ns
from rxdag.errors import shown
from rxdag.windows._tumbling import offset_ns


@dataclass(frozen=True)
class _Sliding(Assigner):
    size_ns: int
    slide_ns: int
    offset_ns: int

    @property
    def overlaps(self) -> bool:
        return self.slide_ns < self.size_ns

    @property
    def evenly(self) -> tuple[int, int, int]:
        return self.size_ns, self.slide_ns, self.offset_ns

    def assign(self, ts: int) -> tuple[tuple[int, int], ...]:
        start = ts - (ts - self.offset_ns) % self.slide_ns
        starts: list[int] = []
        while start > ts - self.size_ns:
            starts.append(start)
            start -= self.slide_ns
        return tuple((s, s + self.size_ns) for s in reversed(starts))


def sliding(size: Duration, slide: Duration, *, offset: Duration = "0s") -> Assigner:
    """Return windows [start, start + size), one every `slide`.

    Starts are aligned to the epoch plus an offset. An item is in size / slide windows. The aggregates of this library
    add it once, to the stretch of time between two window borders, and a pane merges its stretches. Other aggregates
    add it once per window: collect, fold, reduce, and your own unless they declare that they `commutes`. If `slide` is
    more than `size`, there are gaps between the windows; an item in a gap is counted as unassigned.

    Args:
        size: Length of a window, more than 0.
        slide: Time from one start to the next, more than 0.
        offset: Shift of the windows, later or earlier; less than `slide`.

    Raises:
        GraphError: If a duration is invalid.

    Example:
        >>> windows.sliding("10ns", "5ns").assign(12)
        ((5, 15), (10, 20))
    """
    slide_ns = positive_ns(slide, "sliding: slide")
    return _Sliding(
        positive_ns(size, "sliding: size"),
        slide_ns,
        offset_ns(offset, slide_ns, f"sliding: offset must be less than slide {shown(slide)}"),
    )
