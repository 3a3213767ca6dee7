"""Writes: durations of the writes of a sink."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Final

BOUNDS_NS: Final = tuple(round(base * 10**power) for power in range(5, 10) for base in (1, 2.5, 5))  # 100 us to 5 s
"""Upper ends of the classes of the histogram, ns; one more is above the last."""


@dataclass(slots=True)
class Writes:
    """The writes of a sink, by how long they took.

    Attributes:
        counts: Writes that ended well, by class: those up to each of `BOUNDS_NS`, and those above.
        total_ns: What they took together.
        failed: Writes that raised, those that were tried again included.
    """

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_NS) + 1))
    total_ns: int = 0
    failed: int = 0

    def add(self, took_ns: int) -> None:
        """Count a write that ended well."""
        self.counts[bisect_left(BOUNDS_NS, took_ns)] += 1
        self.total_ns += took_ns

    def copy(self) -> Writes:
        """Return the writes so far."""
        return Writes(list(self.counts), self.total_ns, self.failed)

    @property
    def n(self) -> int:
        """Writes that ended well."""
        return sum(self.counts)
