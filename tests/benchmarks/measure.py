"""How things are measured: CPU time, in pairs, in one process."""

from __future__ import annotations

import gc
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """CPU time of something over that of the plain loop.

    Attributes:
        name: Workload and variant.
        ratios: One for each pair.
        ns_per_item: Median, CPU time.
        is_correct: True if the answer was that of the loop.
    """

    name: str
    ratios: tuple[float, ...]
    ns_per_item: float
    is_correct: bool

    @property
    def median(self) -> float:
        return statistics.median(self.ratios)


def cpu(fn: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of a call, and what it returned."""
    began = time.process_time()
    answer = fn()
    return time.process_time() - began, answer


def pairs(name: str, loop: Callable[[], Any], other: Callable[[], Any], items: int, count: int) -> Figure:
    """Run loop and other alternately, after one call of each that is not counted (imports, caches)."""
    expected = loop()
    is_correct = other() == expected
    gc.collect()
    gc.freeze()
    ratios: list[float] = []
    times: list[float] = []
    for _ in range(count):
        base, _ = cpu(loop)
        took, answer = cpu(other)
        is_correct = is_correct and answer == expected
        ratios.append(took / base)
        times.append(took)
    gc.unfreeze()
    return Figure(name, tuple(ratios), statistics.median(times) / items * 1e9, is_correct)


def peak_rss_mb() -> float:
    """Largest resident set so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
