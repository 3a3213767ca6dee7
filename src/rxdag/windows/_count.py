"""Count windows: a fixed number of items of a key."""

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
    """Return windows of the last `size` items of a key, one every `slide` items.

    A pane is emitted with the item that completes it, and spans the time from its first item to its last, inclusive. If
    `slide` is less than `size`, the first windows have fewer items, as in Flink. Incomplete windows at the end are not
    emitted.

    Args:
        size: Number of items in a window, 1 or more.
        slide: Number of items between two panes, 1 to `size`; by default `size`.

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> timed = (
        ...     rxdag.from_source(sources.range(5)).pipe(ops.event_time(lambda x: x)).pipe(ops.key_by(lambda x: "all"))
        ... )
        >>> [pane.value for pane in timed.pipe(ops.window(windows.count(2), agg.collect())).collect()]
        [[0, 1], [2, 3]]
    """
    size = whole(size, "count: size", least=1)
    return _Count(size, size if slide is None else whole(slide, "count: slide", least=1, most=size))
