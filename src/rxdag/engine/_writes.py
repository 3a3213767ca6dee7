"""Writes: durations of the writes of a sink."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Final

BOUNDS_NS: Final = tuple(round(base * 10**power) for power in range(5, 10) for base in (1, 2.5, 5))  # 100 us to 5 s
"""Upper bounds of the histogram's buckets, ns; one more bucket is above the last."""


@dataclass(slots=True)
class Writes:
    """The writes of a sink, by how long they took.

    Attributes:
        counts: Successful writes by bucket: up to each of `bounds`, and above the last.
        total_ns: Their total duration, ns.
        failed: Writes that raised, including those that were tried again.
        bounds: Upper bounds of the buckets, ns.
    """

    counts: list[int] = field(default_factory=lambda: list[int]())
    total_ns: int = 0
    failed: int = 0
    bounds: tuple[int, ...] = field(default=BOUNDS_NS, repr=False)

    def __post_init__(self) -> None:
        if not self.counts:
            self.counts = [0] * (len(self.bounds) + 1)

    def add(self, took_ns: int, n: int = 1) -> None:
        """Count writes that ended well, each after this time."""
        self.counts[bisect_left(self.bounds, took_ns)] += n
        self.total_ns += took_ns * n

    def copy(self) -> Writes:
        """Return the writes so far."""
        return Writes(list(self.counts), self.total_ns, self.failed, self.bounds)

    @property
    def n(self) -> int:
        """Writes that ended well."""
        return sum(self.counts)
