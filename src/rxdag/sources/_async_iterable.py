"""Async iterables as sources."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from rxdag.contract import (
    END,
    NEEDS_REPLAY,
    RECEIVES,
    Boundary,
    Chunk,
    Duration,
    Overflow,
    Read,
    Reader,
    Shape,
    Source,
    SourceContext,
    check_arguments,
    flag,
    item_type,
)
from rxdag.errors import GraphError, shown
from rxdag.sources._backoff import Backoff
from rxdag.sources._callback import OverflowName
from rxdag.sources._iterable import Once, check_length
from rxdag.sources._live import Connect, Lifeline, LiveReader, gate, live

T = TypeVar("T")


class _CountedReader(LiveReader):
    """Reads an iterable that gives the same items in another run; its position is their number."""

    _n = 0

    def read(self, max_items: int) -> Read:
        read = super().read(max_items)
        if read is END:
            check_length(self._n - self._skips, self._n, "async_iterable")
        elif read is not None:
            self._n += len(read.items)
        return read

    def rest(self, max_items: int) -> Chunk | None:
        rest = super().rest(max_items)
        if rest is not None:
            self._n += len(rest.items)
        return rest

    def position(self) -> int:
        return self._n

    def seek(self, position: int) -> None:
        self._n = self._skips = position


@dataclass(frozen=True)
class _AsyncIterable(Source[T]):
    connect: Connect
    lifeline: Lifeline = field(default=Lifeline())
    boundary: Boundary | None = field(default=None, repr=False)
    shape: Shape = field(default=Shape(), repr=False)
    no_position: str | None = field(default=NEEDS_REPLAY, repr=False)
    label = "async_iterable"
    where = "async"

    @property
    def side_ports(self) -> tuple[str, ...]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # some have none
        return () if self.lifeline.reconnect is None else ("events",)

    def open(self, context: SourceContext) -> Reader:
        kind = _CountedReader if self.no_position is None else LiveReader
        return kind(self.connect, context, self.lifeline)


def async_iterable(
    factory: Callable[[], AsyncIterable[T] | Awaitable[AsyncIterable[T]]] | AsyncIterable[T],
    /,
    *,
    reconnect: Backoff | None = None,
    silent_after: Duration | None = None,
    on_reconnect: Callable[[int], T] | None = None,
    overflow: Overflow | OverflowName = Overflow.BLOCK,
    max_items: int | None = None,
    of: type[T] | None = None,
    replay: bool = False,
) -> Source[T]:
    """Read an async iterable, asking for no more items than there is room for.

    Its generator is closed (`aclose`) however the run ends. With `reconnect`, the iterable is treated as a live feed:
    if an iterator ends, fails or falls silent, its connection is lost, and a new one is made, until the run is drained.
    Each change is emitted on port "events" as a `ConnectionEvent`.

    Args:
        factory: A function or coroutine function that returns an async iterable for each run, or for each connection.
            An async iterable itself can be read by one run only.
        reconnect: Delays before a lost connection is made again. By default the stream ends when the iterator ends, and
            the run fails when it fails.
        silent_after: Silence after which a connection is lost, also one that is not made in that time; by default
            never. Time in which no item is requested does not count.
        on_reconnect: Function that takes the number of the connection, 2 or more, and returns an item to emit before
            the items of that connection, so that later nodes can reset, in order.
        overflow: Overflow policy if the consumer is slower. By default, the iterator is not read, which is right if its
            sender can wait. With another policy, it is read on, and a gate behind it drops items.
        max_items: Size of that gate; by default 4,096. With "block" there is no such gate.
        of: Type of the items, so that fields can be checked by name.
        replay: True to promise that the iterable gives the same items, in the same order, each time your program is
            started; see `sources.iterable`. Not with `reconnect`.

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> async def letters():
        ...     for letter in "ab":
        ...         yield letter
        >>> rxdag.from_source(sources.async_iterable(letters)).collect()
        ['a', 'b']
        >>> feed = sources.async_iterable(letters, reconnect=sources.Backoff(base="1s"), on_reconnect=lambda n: f"#{n}")
        >>> testing.run_virtual(out := rxdag.from_source(feed).to(sinks.collect()), until="1500ms")[out]
        ['a', 'b', '#2', 'a', 'b']
    """
    lifeline = live("async_iterable", reconnect, silent_after, on_reconnect)
    boundary = gate("async_iterable", max_items, overflow)
    shape = Shape(item_type(of, "async_iterable: of"))
    no_position = None if replay else NEEDS_REPLAY if reconnect is None else RECEIVES
    if flag(replay, "async_iterable: replay") and reconnect is not None:
        raise GraphError(
            "async_iterable: replay must be False with reconnect, got True; what comes over a new connection is not the "
            "same again"
        )
    if isinstance(factory, AsyncIterable):
        given: AsyncIterable[T] = factory  # pyright: ignore[reportUnknownVariableType]  # isinstance forgets the items
        if reconnect is not None:
            raise GraphError("async_iterable: reconnect needs a function that makes an iterable for each connection")
        once = Once()

        def first_time() -> AsyncIterable[T]:
            if isinstance(given, AsyncIterator):
                once.use("async_iterable: an async generator", "the function that makes it")
            return given

        return _AsyncIterable(first_time, lifeline, boundary, shape, no_position)
    if not callable(factory):
        raise GraphError(f"async_iterable: takes a function that returns an async iterable, got {shown(factory)}")
    check_arguments(factory, "async_iterable: factory")
    return _AsyncIterable(factory, lifeline, boundary, shape, no_position)
