"""Sources of iterables and ranges."""

from __future__ import annotations

import builtins
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, TypeVar

from rxdag.contract import (
    END,
    NEEDS_REPLAY,
    Chunk,
    Read,
    Reader,
    Shape,
    Source,
    SourceContext,
    Where,
    check_iterable,
    flag,
    item_type,
)
from rxdag.errors import GraphError, SourceError, shown

T = TypeVar("T")

_BURST: Final = 16
"""Number of items between two checks whether the run wants the thread back."""


class IteratorReader(Reader):
    """Reads an iterator until the run wants the thread; one item at a time if it may block, so that none waits for the next."""

    def __init__(self, items: Iterator[Any], context: SourceContext, *, blocking: bool = False) -> None:
        self._items = items
        self._context = context
        self._blocking = blocking
        self._error: Exception | None = None

    def read(self, max_items: int) -> Read:
        if self._error is not None:
            raise self._error
        if self._blocking:
            for item in self._items:
                return Chunk([item])
            return END
        items: list[Any] = []
        # Bursts start small, since the time per item is not known yet.
        burst = 1
        try:
            while (n := len(items)) < max_items:
                items.extend(islice(self._items, min(burst, max_items - n)))
                if len(items) < min(n + burst, max_items) or self._context.wants_thread():
                    break
                burst = min(2 * burst, _BURST)
        except Exception as error:
            if not items:
                raise
            self._error = error  # items before the error are delivered first
        return Chunk(items) if items else END

    def close(self) -> None:
        close = getattr(self._items, "close", None)
        if close is not None:
            close()


class _CountedReader(IteratorReader):
    """Reads items that come again in another run; its position is their number."""

    def __init__(self, items: Iterable[Any], context: SourceContext, *, blocking: bool) -> None:
        super().__init__(iter(items), context, blocking=blocking)
        self._source = items
        self._n = 0

    def read(self, max_items: int) -> Read:
        read = super().read(max_items)
        if isinstance(read, Chunk):
            self._n += len(read.items)
        return read

    def position(self) -> int:
        return self._n

    def seek(self, position: int) -> None:
        items = self._source
        if isinstance(items, Sequence) and not isinstance(items, deque):  # a deque is slow in the middle
            check_length(len(items), position, "iterable")
            self._items = map(items.__getitem__, builtins.range(position, len(items)))
        else:
            check_length(sum(1 for _ in islice(self._items, position)), position, "iterable")
        self._n = position


def check_length(n: int, position: int, where: str) -> None:
    """Raise SourceError if there are fewer items than have been read."""
    if n < position:
        raise SourceError(
            f"{where}: must have {position:,} items or more, as when the checkpoint was taken, got {n:,}; put them back, "
            "or start without the checkpoint"
        )


class _ListReader(Reader):
    """Reads a list, a tuple or a range, a slice at a time."""

    def __init__(self, items: Sequence[Any]) -> None:
        self._items = items
        self._at = 0

    def read(self, max_items: int) -> Read:
        taken = self._items[self._at : self._at + max_items]
        self._at += len(taken)
        if not taken:
            return END
        return Chunk(taken if taken.__class__ is list else list(taken))

    def position(self) -> int:
        return self._at

    def seek(self, position: int) -> None:
        check_length(len(self._items), position, "iterable")
        self._at = position

    def backlog(self) -> int:
        return max(0, len(self._items) - self._at)

    def progress(self) -> float:
        return min(1.0, self._at / max(1, len(self._items)))

    def without_room(self) -> bool:
        return self._at >= len(self._items)


class Once:
    """A resource that only one run can read."""

    def __init__(self) -> None:
        self._is_used = False

    def use(self, what: str, instead: str) -> None:
        """Raise SourceError at the second use."""
        if self._is_used:
            raise SourceError(f"{what} can be read by one run only, got a second; pass {instead}")
        self._is_used = True


@dataclass(frozen=True)
class _Iterable(Source[T]):
    items: Iterable[T] = field(repr=False)
    shape: Shape = field(default=Shape(), repr=False)
    where: Where = field(default="inline", repr=False)
    once: Once = field(default_factory=lambda: Once(), repr=False, compare=False)
    replay: bool = field(default=False, repr=False)
    label = "iterable"

    @property
    def knows_backlog(self) -> bool:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # some do
        return isinstance(self.items, list | tuple | builtins.range) and self.where == "inline"

    @property
    def is_stored(self) -> bool:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # some are
        return self.where == "inline" and not isinstance(self.items, Iterator)

    @property
    def no_position(self) -> str | None:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # some have none
        return None if self.replay or isinstance(self.items, Sequence) else NEEDS_REPLAY

    def open(self, context: SourceContext) -> Reader:
        blocking = self.where == "blocking"
        if isinstance(self.items, Iterator):
            self.once.use("iterable: a generator", "a list, or make a graph for each run")
        if isinstance(self.items, Sequence) and self.knows_backlog:
            return _ListReader(self.items)
        if self.no_position is None:
            return _CountedReader(self.items, context, blocking=blocking)
        return IteratorReader(iter(self.items), context, blocking=blocking)


def iterable(
    items: Iterable[T], /, *, of: type[T] | None = None, blocking: bool = False, replay: bool = False
) -> Source[T]:
    """Read an iterable.

    A list can be read by any number of runs, a generator by one only. A generator is closed at the end of the run. Texts,
    bytes, mappings and frames are refused, since their items are hardly ever what is meant.

    Args:
        items: The iterable.
        of: Type of the items, so that fields can be checked by name.
        blocking: True if `next` may block on the outside world; the iterable then gets its own thread.
        replay: True to promise that an iterable gives the same items, in the same order, each time your program is
            started. A generator then has a position, the number of items read; to continue there, it is run again up to
            that item. Sequences such as lists need no promise.

    Raises:
        GraphError: If `items` cannot be iterated, or is a str, bytes, a mapping or a frame.

    Example:
        >>> rxdag.from_source(sources.iterable(["a", "b", "c"])).collect()
        ['a', 'b', 'c']
    """
    check_iterable(items, "iterable: items")
    if not isinstance(items, Iterable):
        hint = "; an async iterable goes into sources.async_iterable" if hasattr(items, "__aiter__") else ""
        raise GraphError(f"iterable: items must be iterable, got {shown(items)}{hint}")
    shape = Shape(item_type(of, "iterable: of"))
    where: Where = "blocking" if flag(blocking, "iterable: blocking") else "inline"
    return _Iterable(items, shape, where, replay=flag(replay, "iterable: replay"))


def range(*bounds: int) -> Source[int]:
    """Count, as the builtin `range` does: `range(stop)`, `range(start, stop[, step])`.

    Raises:
        GraphError: If the bounds are invalid.

    Example:
        >>> rxdag.from_source(sources.range(2, 5)).collect()
        [2, 3, 4]
    """
    try:
        if any(isinstance(bound, bool) for bound in bounds):
            raise TypeError("True and False are no numbers here")
        return _Iterable(builtins.range(*bounds), Shape(int))
    except (TypeError, ValueError) as error:
        raise GraphError(f"range: takes (stop), (start, stop) or (start, stop, step), got {shown(bounds)}") from error
