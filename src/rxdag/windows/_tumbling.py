"""Tumbling windows: one behind the other, without gaps."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

from rxdag.contract import Assigner, Duration, positive_ns, signed_ns
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
        offset: By how much windows start later, or earlier as "-1s"; less than `size`.

    Raises:
        GraphError: If `size` is 0, or `offset` is not less than `size`.

    Example:
        >>> windows.tumbling("10s").assign(12 * 10**9)
        ((10000000000, 20000000000),)
    """
    size_ns = positive_ns(size, "tumbling: size")
    return _Tumbling(size_ns, offset_ns(offset, size_ns, f"tumbling: offset must be less than size {size!r}"))


def offset_ns(offset: Duration, most: int, must: str) -> int:
    """By how much windows start later, or earlier, in nanoseconds.

    Raises:
        GraphError: If it is as much as `most` or more; `must` says so.
    """
    ns = signed_ns(offset, must.partition(" must")[0])
    if abs(ns) >= most:
        raise GraphError(f"{must}, got {offset!r}")
    return ns
