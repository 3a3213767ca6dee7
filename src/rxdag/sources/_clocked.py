"""Sources that the clock drives."""

from __future__ import annotations

from dataclasses import dataclass

from rxdag.contract import (
    END,
    Chunk,
    Duration,
    Read,
    Reader,
    Shape,
    Source,
    SourceContext,
    format_ns,
    positive_ns,
    whole_or_none,
)


class _ClockReader(Reader):
    """Delivers the instants that have passed since it was opened."""

    def __init__(self, every_ns: int, count: int | None, context: SourceContext) -> None:
        self._every_ns = every_ns
        self._count = count
        self._context = context
        self._began = context.clock.now()
        self._given = 0

    def read(self, max_items: int) -> Read:
        if self._given == self._count:
            return END
        passed = (self._context.clock.now() - self._began) // self._every_ns
        if self._count is not None:
            passed = min(passed, self._count)
        items = list(range(self._given, min(passed, self._given + max_items)))
        if items:
            self._given += len(items)
            return Chunk(items)
        self._context.wake_at(self._began + (self._given + 1) * self._every_ns)
        return None


@dataclass(frozen=True)
class _Clocked(Source[int]):
    name: str
    every_ns: int
    count: int | None
    shape = Shape(int)
    no_position = "it counts instants of the clock, which do not come again"

    def __repr__(self) -> str:
        return f"{self.name}({format_ns(self.every_ns)})"

    @property
    def label(self) -> str:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # one class, several sources
        return self.name

    def open(self, context: SourceContext) -> Reader:
        return _ClockReader(self.every_ns, self.count, context)


def interval(every: Duration, /, *, count: int | None = None) -> Source[int]:
    """Count 0, 1, 2 ... at regular instants, starting `every` after the start.

    If there is no room at an instant, its number is emitted as soon as there is; none is lost.

    Args:
        every: Time between two instants, more than 0.
        count: Number of items, 1 or more; by default it continues until the run is drained.

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> testing.run_virtual(out := rxdag.from_source(sources.interval("1s", count=3)).to(sinks.collect()))[out]
        [0, 1, 2]
    """
    return _Clocked("interval", positive_ns(every, "interval: every"), whole_or_none(count, "interval: count"))


def timer(after: Duration, /) -> Source[int]:
    """Emit 0 once, some time after the start, and end.

    Args:
        after: Time after the start, more than 0.

    Raises:
        GraphError: If `after` is 0.

    Example:
        >>> testing.run_virtual(out := rxdag.from_source(sources.timer("1s")).to(sinks.collect()))[out]
        [0]
    """
    return _Clocked("timer", positive_ns(after, "timer: after"), 1)
