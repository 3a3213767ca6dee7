"""How things are measured: CPU time, in pairs, in one process; nothing but Python, so that peers measure alike."""

from __future__ import annotations

import contextlib
import gc
import re
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Figure:
    """CPU time of something over that of the plain loop.

    Attributes:
        name: Workload and variant.
        ratios: One for each pair; none if the answer was wrong.
        ns_per_item: CPU time, median.
        rss_mb: By how much the process grew at its largest, MB, during the first call.
        is_correct: True if every answer was that of the loop.
    """

    name: str
    ratios: tuple[float, ...]
    ns_per_item: float
    rss_mb: float
    is_correct: bool

    @property
    def median(self) -> float:
        return statistics.median(self.ratios)

    @property
    def items_per_s(self) -> float:
        return 1e9 / self.ns_per_item


def same(answer: Any) -> Any:
    """Return what came."""
    return answer


def cpu(fn: Callable[[], Any]) -> tuple[float, Any]:
    """Return the CPU seconds of a call, those of all threads, and what it returned."""
    began = time.process_time()
    answer = fn()
    return time.process_time() - began, answer


def pairs(
    name: str,
    loop: Callable[[], Any],
    other: Callable[[], Any],
    items: int,
    count: int,
    *,
    answer: Callable[[Any], Any] = same,
    expected: Callable[[Any], Any] = same,
) -> Figure:
    """Run the loop and the other alternately, after one call of each that is not counted (imports, caches).

    Args:
        name: Of the figure.
        loop: What it is measured against.
        other: What is measured.
        items: How many items each works on.
        count: Number of pairs.
        answer: Makes what the other returned comparable; not timed.
        expected: The same for what the loop returned.
    """
    gc.collect()
    gc.freeze()  # the input is no garbage, and no work for whoever makes some
    try:
        right = expected(loop())
        grown, first = rss_growth_mb(other)
        is_correct = bool(answer(first) == right)
        del first
        ratios: list[float] = []
        times: list[float] = []
        for _ in range(count if is_correct else 0):
            gc.collect()
            base, _ = cpu(loop)
            gc.collect()
            took, given = cpu(other)
            is_correct = is_correct and bool(answer(given) == right)
            del given
            ratios.append(took / base)
            times.append(took)
    finally:
        gc.unfreeze()
    if not is_correct:
        return Figure(name, (), 0.0, grown, False)
    return Figure(name, tuple(ratios), statistics.median(times) / items * 1e9, grown, True)


def rss_growth_mb(fn: Callable[[], Any]) -> tuple[float, Any]:
    """Return by how many MB the process grew at its largest during a call, and what the call returned."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # the kernel's peak counts anew from here on
    before = _peak_rss_mb()
    answer = fn()
    return max(0.0, _peak_rss_mb() - before), answer


def _peak_rss_mb() -> float:
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:  # no Linux: the largest so far, which can hide a growth
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0.0
