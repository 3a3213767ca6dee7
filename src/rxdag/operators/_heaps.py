"""Heaps with stale entries: a timer that each item puts off leaves one entry each time."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any, Final, TypeVar

T = TypeVar("T", bound=tuple[Any, ...])

LEAST: Final = 1024
"""Number of entries up to which no sweep is needed."""


def swept(heap: list[T], is_live: Callable[[T], bool]) -> int:
    """Remove outdated entries; returns the size at which the next sweep is worthwhile."""
    heap[:] = [entry for entry in heap if is_live(entry)]
    heapq.heapify(heap)
    return max(LEAST, 2 * len(heap))
