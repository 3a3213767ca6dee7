"""Tumbling windows: one behind the other, without gaps."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

from rxdag.contract import Assigner, Duration, duration_ns, positive_ns
from rxdag.errors import GraphError


@dataclass(frozen=True)
class _Tumbling(Assigner):
    size_ns: int
    offset_ns: int

    @property
    def grid(self) -> int:
        return gcd(self.size_ns, self.offset_ns)

    @property
    def tumbles(self) -> tuple[int, int]:
        return self.size_ns, self.offset_ns

    def assign(self, ts: int) -> tuple[tuple[int, int], ...]:
        # Floor division, so times before the epoch fall into the right window too.
        start = ts - (ts - self.offset_ns) % self.size_ns
        return ((start, start + self.size_ns),)


def tumbling(size: Duration, *, offset: Duration = "0s") -> Assigner:
    """Windows [start, start + size), one behind the other, aligned to the epoch plus an offset.

    Args:
        size: Length of a window, more than 0.
        offset: By how much windows start later, less than `size`.

    Raises:
        GraphError: If `size` is 0, or `offset` is not less than `size`.

    Example:
        >>> windows.tumbling("10s").assign(12 * 10**9)
        ((10000000000, 20000000000),)
    """
    size_ns = positive_ns(size, "tumbling: size")
    offset_ns = duration_ns(offset, "tumbling: offset")
    if offset_ns >= size_ns:
        raise GraphError(f"tumbling: offset must be less than size {size!r}, got {offset!r}")
    return _Tumbling(size_ns, offset_ns)
