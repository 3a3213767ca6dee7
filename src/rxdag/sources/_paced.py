"""Recorded items at their own pace."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from rxdag.contract import (
    END,
    UNITS,
    Chunk,
    Read,
    Reader,
    ReaderAround,
    Source,
    SourceAround,
    SourceContext,
    SourceContextAround,
    positive,
)
from rxdag.errors import GraphError, SourceError, shown
from rxdag.expressions import Field, check_field, getter
from rxdag.sources._iterable import check_length

T = TypeVar("T")


class _Counting(SourceContextAround):
    """The context of the source inside: counts malformed items, and ignores those that another run has reported."""

    def __init__(self, context: SourceContext) -> None:
        super().__init__(context)
        self.n = 0
        self.known = 0

    def bad(self, item: object, error: Exception) -> None:
        self.n += 1
        if self.n > self.known:
            super().bad(item, error)


class _PacedReader(ReaderAround):
    """Holds items back until it is their time.

    Its position is a position of the source inside, and the numbers of items emitted and of malformed ones reported
    after it.
    """

    def __init__(self, source: Source[Any], context: SourceContext, ts: Callable[[Any], Any], scale: float) -> None:
        self._context = _Counting(context)
        super().__init__(source.open(self._context))
        self._ts = ts
        self._scale = scale
        self._items: list[Any] = []
        self._at = 0
        self._inner: Any = None
        self._n = 0
        self._skips = 0
        """Number of items to leave out, since another run has emitted them."""
        self._is_over = False
        self._first: tuple[float, int] | None = None

    def read(self, max_items: int) -> Read:
        if self._at == len(self._items) and not self._refill(max_items):
            return END if self._is_over else None
        now = self._context.clock.now()
        ready: list[Any] = []
        while self._at < len(self._items) and len(ready) < max_items:
            item = self._items[self._at]
            due = self._due(item, now)
            if due > now:
                if not ready:
                    self._context.wake_at(due)
                    return None
                break
            ready.append(item)
            self._at += 1
        self._n += len(ready)
        return Chunk(ready)

    def _refill(self, max_items: int) -> bool:
        while self._at == len(self._items):
            self._settle()
            read = self.reader.read(max_items)
            if read is END:
                check_length(self._n - self._skips, self._n, "paced")
                self._is_over = True
            if read is END or read is None or not len(read):
                return False
            items: list[Any] = list(read.rows().items)
            self._items, self._at = items, min(self._skips, len(items))
            self._skips -= self._at
        return True

    def _settle(self) -> None:
        """Count from the position of the source inside, if all of its items are out."""
        if self._at < len(self._items) or self._skips:
            return
        context = self._context
        self._inner = self.reader.position()
        self._n = 0
        context.n, context.known = 0, max(0, context.known - context.n)

    def position(self) -> dict[str, Any] | None:
        self._settle()
        bad = max(self._context.n, self._context.known)
        return None if self._inner is None else {"inner": self._inner, "items": self._n, "bad": bad}

    def confirm(self, position: dict[str, Any]) -> None:
        self.reader.confirm(position["inner"])

    def seek(self, position: dict[str, Any]) -> None:
        self.reader.seek(position["inner"])
        self._inner = position["inner"]
        self._n = self._skips = position["items"]
        self._context.known = position["bad"]

    def _due(self, item: Any, now: int) -> int:
        ts = self._ts(item)
        if isinstance(ts, bool) or not isinstance(ts, int | float) or not math.isfinite(ts):
            raise SourceError(f"paced: ts must be a number, got {shown(ts)} of {shown(item)}")
        if self._first is None:
            self._first = (ts, now)
        first, began = self._first
        return began + round((ts - first) * self._scale)

    def rest(self, max_items: int) -> Chunk | None:
        return None

    def drain(self, *, flush: bool) -> bool:
        return False  # a drain must not wait for the pace of the remaining items

    def held(self) -> int:
        return len(self._items) - self._at + self.reader.held()

    def backlog(self) -> None:
        """Return None: which items are due is known only when they are read."""

    def without_room(self) -> bool:
        return self._is_over and self._at == len(self._items)


@dataclass(frozen=True)
class _Paced(SourceAround[T]):
    source: Source[T]
    ts: Any
    scale: float = field(repr=False)
    knows_backlog = False  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]  # of those inside it is said
    is_stored = False  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]  # they come in time
    gives_columns = False  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]  # of the one inside it is said

    def open(self, context: SourceContext) -> Reader:
        return _PacedReader(self.source, context, getter(self.ts, self.source.shape.item_type), self.scale)


def paced(
    source: Source[T], ts: Field[T, float], /, *, unit: Literal["ns", "us", "ms", "s"] = "ns", speed: float = 1.0
) -> Source[T]:
    """Emit the items of a source at their recorded pace, or a multiple of it.

    The first item is emitted at once, each other as long after it as its time says. An item whose time is earlier is
    emitted at once.

    Args:
        source: Source of the items.
        ts: Time of an item, such as its time of receipt, in `unit`.
        unit: Unit of `ts`.
        speed: 1 for the recorded pace, 20 for twenty times that.

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> ticks = sources.paced(sources.iterable([0, 30, 90]), lambda ts: ts, unit="s", speed=60)
        >>> stamped = rxdag.from_source(ticks).pipe(ops.timestamp())
        >>> result = testing.run_virtual(stamped.to(sinks.collect(), name="out"))
        >>> [(each.value, each.ts / 1e9) for each in result["out"]]
        [(0, 0.0), (30, 0.5), (90, 1.5)]
    """
    if not isinstance(source, Source):
        raise GraphError(f"paced: takes a source, got {shown(source)}")
    check_field(ts, source.shape.item_type, "paced: ts")
    if unit not in ("ns", "us", "ms", "s"):
        raise GraphError(f'paced: unit must be "ns", "us", "ms" or "s", got {shown(unit)}')
    speed = positive(speed, "paced: speed")
    return _Paced(source, ts, UNITS[unit] / speed)
