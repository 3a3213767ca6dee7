"""Count windows: so many items of a key, whenever they come."""

from __future__ import annotations

from dataclasses import dataclass

from rxdag.contract import Assigner, whole


@dataclass(frozen=True)
class _Count(Assigner):
    size: int
    slide: int

    @property
    def counts(self) -> tuple[int, int]:
        return self.size, self.slide

    def assign(self, ts: int) -> tuple[tuple[int, int], ...]:
        return ()


def count(size: int, *, slide: int | None = None) -> Assigner:
    """Windows of the last `size` items of a key, one every `slide` items.

    A pane comes out with the item that completes it, and spans the time of its first item to that of its last, both
    included. The first ones have fewer items if `slide` is less than `size`, as in Flink; what is left at the end is
    not given out.

    Args:
        size: How many items a window has, 1 or more.
        slide: How many items are between two panes, 1 to `size`; `size` by default.

    Raises:
        GraphError: If a number is not as above.

    Example:
        >>> timed = (
        ...     rxdag.from_source(sources.range(5)).pipe(ops.event_time(lambda x: x)).pipe(ops.key_by(lambda x: "all"))
        ... )
        >>> [pane.value for pane in timed.pipe(ops.window(windows.count(2), agg.collect())).collect()]
        [[0, 1], [2, 3]]
    """
    size = whole(size, "count: size", least=1)
    return _Count(size, size if slide is None else whole(slide, "count: slide", least=1, most=size))
