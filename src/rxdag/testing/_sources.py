"""Sources for tests: timelines, and items in chosen chunks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

from rxdag.contract import END, Chunk, Duration, Read, Reader, Shape, Source, SourceContext, duration_ns, format_ns
from rxdag.errors import GraphError

if TYPE_CHECKING:
    from rxdag.columns import Columns

T = TypeVar("T")


class _TimelineReader(Reader):
    def __init__(
        self, items: Sequence[tuple[int, Any]], end: int | None, error: Exception | None, context: SourceContext
    ) -> None:
        self._items = list(items)
        self._end = end
        self._error = error
        self._context = context
        self._began = context.clock.now()
        self._at = 0

    def position(self) -> tuple[int, int]:
        """Return the number of items read, and the time since it was opened, ns."""
        return self._at, self._context.clock.now() - self._began

    def seek(self, position: tuple[int, int]) -> None:
        self._at, passed = position
        self._began -= passed

    def read(self, max_items: int) -> Read:
        now = self._context.clock.now() - self._began
        ready: list[Any] = []
        while self._at < len(self._items) and len(ready) < max_items and self._items[self._at][0] <= now:
            ready.append(self._items[self._at][1])
            self._at += 1
        if ready:
            return Chunk(ready)
        due = self._items[self._at][0] if self._at < len(self._items) else self._end
        if due is not None and due > now:
            self._context.wake_at(self._began + due)
            return None
        if due is None:
            return None
        if self._error is not None:
            raise self._error
        return END


@dataclass(frozen=True)
class Timeline(Source[T]):
    """A source with items at given times of the run; created by `timeline`."""

    items: tuple[tuple[int, T], ...] = field(repr=False)
    end_ns: int | None
    error: Exception | None = None
    label = "timeline"
    shape = Shape()
    no_position = None

    def open(self, context: SourceContext) -> Reader:
        return _TimelineReader(self.items, self.end_ns, self.error, context)


def timeline(*items: tuple[Duration, T], end: Duration | None = None) -> Source[T]:
    """Create a source with items at given times from the start of the run.

    Args:
        items: Pairs (time, item); times must not decrease.
        end: Time at which the source ends; by default with the last item.

    Raises:
        GraphError: If times decrease.

    Example:
        >>> prices = rxdag.from_source(testing.timeline(("0s", 10.0), ("1s", 11.0), ("5s", 12.0)))
        >>> out = prices.pipe(ops.debounce("2s")).to(sinks.collect(), name="out")
        >>> testing.run_virtual(out)["out"]
        [11.0, 12.0]
    """
    timed = tuple((duration_ns(when, "timeline: time"), item) for when, item in items)
    for (earlier, _), (later, _) in pairwise(timed):
        if later < earlier:
            raise GraphError(f"timeline: times must not decrease, got {format_ns(later)} after {format_ns(earlier)}")
    last = timed[-1][0] if timed else 0
    return Timeline(timed, last if end is None else max(last, duration_ns(end, "timeline: end")))


class _ChunkedReader(Reader):
    def __init__(self, chunks: Iterable[Sequence[Any]], error: Exception | None, *, of: Any, in_columns: bool) -> None:
        self._chunks = [list(chunk) for chunk in chunks]
        self._error = error
        self._of = of
        self._in_columns = in_columns
        self._at = 0

    def position(self) -> int:
        return self._at

    def seek(self, position: int) -> None:
        while self._at < position:
            self._take(position - self._at)

    def _take(self, max_items: int) -> list[Any]:
        """Take items of the next chunk."""
        head = self._chunks[0][:max_items]
        self._chunks[0] = self._chunks[0][max_items:]
        if not self._chunks[0]:
            del self._chunks[0]
        self._at += len(head)
        return head

    def read(self, max_items: int) -> Read:
        if not self._chunks:
            if self._error is not None:
                raise self._error
            return END
        head = self._take(max_items)
        return Chunk(columns_of(head, self._of) if self._in_columns else head)


def columns_of(items: list[Any], of: Any) -> Columns:
    """Return items as columns; items of several types as one column of objects."""
    from rxdag.columns import Columns  # it loads numpy

    try:
        return Columns.from_items(items, of)
    except ValueError:
        return Columns.of_objects(items)


@dataclass(frozen=True)
class Chunked(Source[T]):
    """A source that delivers given chunks as there is room, then ends or fails.

    Args:
        chunks: The items.
        error: Error after the last chunk, if any.
        of: Type of the items, so that fields can be checked by name.
        gives_columns: True to deliver the items as columns.
        is_stored: True to declare that the items already exist, as those of a list do.
    """

    chunks: tuple[tuple[T, ...], ...] = field(repr=False)
    error: Exception | None = None
    of: Any = None
    gives_columns: bool = False
    is_stored: bool = False
    label = "chunked"
    no_position = None

    @property
    def shape(self) -> Shape:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # of the type
        return Shape(self.of)

    def open(self, context: SourceContext) -> Reader:
        return _ChunkedReader(self.chunks, self.error, of=self.of, in_columns=self.gives_columns)
