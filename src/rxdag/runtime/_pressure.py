"""Pressure: the fill level of gates, and the write times of sinks."""

from __future__ import annotations

from collections.abc import Callable

from rxdag.runtime._result import RunStats


class Pressure:
    """Measures a run: the fill of its fullest gate, or the latency of its slowest sink, whichever is more.

    Args:
        read: Returns the books of the run; None while none is running.
        limit_ns: Write time that counts as a pressure of 1, ns; None to ignore writes.
    """

    def __init__(self, read: Callable[[], RunStats | None], limit_ns: int | None) -> None:
        self._read = read
        self._limit_ns = limit_ns
        self._before: dict[str, tuple[int, int]] = {}

    def __call__(self) -> float:
        """Return the pressure from 0; 1 or more is full."""
        stats = self._read()
        if stats is None:
            self._before.clear()
            return 0.0
        fill = max((gate.depth / gate.capacity for gate in stats.gates.values() if gate.capacity), default=0.0)
        return fill if self._limit_ns is None else max(fill, self._slowest_ns(stats) / self._limit_ns)

    def _slowest_ns(self, stats: RunStats) -> float:
        """Return the largest mean write time over the sinks since the last measurement."""
        slowest = 0.0
        for name, writes in stats.writes.items():
            n, total = writes.n, writes.total_ns
            n_before, total_before = self._before.get(name, (0, 0))
            self._before[name] = n, total
            if n > n_before:
                slowest = max(slowest, (total - total_before) / (n - n_before))
        return slowest
