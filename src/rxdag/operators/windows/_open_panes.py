"""Open panes, by their start."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any, Final

from rxdag.contract import MAX, MIN, Accumulator, snapshots_of, take_up


class OpenPane:
    """An open pane: its span, its accumulator, and the number of its outputs."""

    fields: Final = (
        "key", "start", "end", "accumulator", "n", "last", "is_due", "is_gone", "is_set", "when", "fresh", "early_at",
        "most_ts",
    )  # fmt: skip

    def __init__(self, key: Any, start: int, end: int, accumulator: Accumulator[Any, Any]) -> None:
        self.key: Any = key
        self.start = start
        self.end = end
        self.accumulator: Accumulator[Any, Any] = accumulator
        self.n = 0
        """Number of items that it holds; an item in several panes is held by the one that ends last."""
        self.last = -1
        """Last emitted revision; -1 for none."""
        self.is_due = True
        """True if it has yet to be emitted at its end, or has items that no emitted revision contains."""
        self.is_gone = False
        self.is_set = False
        """True if it has a place in the heap, at `when`."""
        self.when = 0
        self.fresh = 0
        """Number of items since it was last emitted."""
        self.early_at = MAX
        """Watermark at which it is emitted early; MAX for none."""
        self.most_ts = MIN
        """Largest event time in it."""

    def saved(self) -> list[Any]:
        """Return it as plain data."""
        own = [self.key, self.start, self.end, self.n, self.last, self.is_due, self.fresh, self.early_at, self.most_ts]
        return [*own, *snapshots_of([self.accumulator])]

    @staticmethod
    def restored(saved: list[Any], accumulator: Accumulator[Any, Any]) -> OpenPane:
        """Return a pane from the result of `saved`, with a new accumulator."""
        key, start, end, n, last, is_due, fresh, early_at, most_ts, state = saved
        take_up(accumulator, state)
        part = OpenPane(key, start, end, accumulator)
        part.n, part.last, part.is_due = n, last, is_due
        part.fresh, part.early_at, part.most_ts = fresh, early_at, most_ts
        return part

    @property
    def closes_at(self) -> int:
        """The watermark at which it is emitted; the last one if its end is not representable."""
        return min(self.end - 1, MAX)

    def is_at(self, when: int) -> bool:
        """Return True if that is its place in the heap."""
        return self.is_set and not self.is_gone and self.when == when

    def take_in(self, start: int, end: int, ts: int) -> None:
        """Count an item, and widen the span by its window."""
        self.n += 1
        self.fresh += 1
        self.most_ts = max(self.most_ts, ts)
        self.start = min(self.start, start)
        self.end = max(self.end, end)

    def take_over(self, other: OpenPane) -> None:
        """Count the items of another session, which becomes a part of this one."""
        self.n += other.n
        self.last = max(self.last, other.last)
        self.fresh += other.fresh
        self.most_ts = max(self.most_ts, other.most_ts)
        self.early_at = min(self.early_at, other.early_at)
        self.end = max(self.end, other.end)  # not the start: this session is the earlier one
        other.is_gone = True


def start_of(part: OpenPane) -> int:
    return part.start


def found_in(parts: list[OpenPane], start: int, end: int) -> list[OpenPane]:
    """Return the open pane of a window in a list, searched among those of its key; empty if there is none."""
    for i in range(bisect_left(parts, start, key=start_of), len(parts)):
        part = parts[i]
        if part.start != start:
            break
        if part.end == end:
            return [part]
    return []


def in_time(ts: int) -> int:
    """Return a time, at most the last representable one."""
    return min(ts, MAX)
