"""Operators whose items become streams: all at once, one after the other, or only the newest."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypeVar

from rxdag import sources
from rxdag.contract import MAX, BadProgram, Emit, Inner, InnerKernel, Operator, Shape, Source, whole
from rxdag.errors import shown
from rxdag.operators._arguments import stream_function

A = TypeVar("A")
B = TypeVar("B")

InnerOf: TypeAlias = Iterable[B] | AsyncIterable[B] | Source[B]
CONCURRENCY: Final = 16


def source_of(stream: Any, where: str) -> Source[Any]:
    """Return the source of a stream returned by a function.

    Raises:
        BadProgram: If it is neither a source nor iterable.
    """
    if isinstance(stream, Source):
        return stream  # pyright: ignore[reportUnknownVariableType]  # of what items, nobody knows
    if isinstance(stream, AsyncIterable):
        given: AsyncIterable[Any] = stream  # pyright: ignore[reportUnknownVariableType]  # of what items, nobody knows
        return sources.async_iterable(given)
    if isinstance(stream, Iterable):
        items: Iterable[Any] = stream  # pyright: ignore[reportUnknownVariableType]  # of what items, nobody knows
        return sources.iterable(items)
    hint = "; a coroutine goes into ops.map_async" if hasattr(stream, "__await__") else ""
    raise BadProgram(f"{where} must return an iterable, an async iterable or a source, got {shown(stream)}{hint}")


class _FlatKernel(InnerKernel):
    """Passes on the items of the streams; `latest` closes the previous one."""

    state = ("inner", "lingers")

    def __init__(self, name: str, fn: Callable[[Any], Any], concurrency: int | None) -> None:
        super().__init__()
        self._name = name
        self._fn = fn
        self.concurrency = concurrency

    def want(self, now: int) -> int | None:
        # One at a time: an open stream is read before the next item, whatever the chunk sizes.
        return 1 if self.concurrency is None or len(self.inner) < self.concurrency else 0

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, emit: Emit[Any]) -> None:
        replaced: list[Inner] = []
        if self.concurrency is None:
            replaced, self.inner = self.inner, []
        self.inner.append(Inner(item, ts, sequence, key))
        for inner in replaced:
            if inner.given:
                emit.absorbed(1)
            else:
                emit.dropped(inner.item, "replaced")

    def source_of(self, inner: Inner) -> Source[Any]:
        return source_of(self._fn(inner.item), f"{self._name}: fn")

    def on_inner(self, inner: Inner, item: Any, emit: Emit[Any]) -> None:
        emit(item, ts=inner.ts, sequence=inner.sequence, key=inner.key)

    def on_inner_end(self, inner: Inner, emit: Emit[Any]) -> None:
        self.inner.remove(inner)
        emit.absorbed(1)

    def low(self) -> int:
        return min((inner.ts for inner in self.inner), default=MAX)

    def snapshot(self) -> dict[str, Any]:
        rows = [[inner.item, inner.ts, inner.sequence, inner.key, inner.given] for inner in self.inner]
        return {"inner": rows, "lingers": self.lingers}

    def restore(self, saved: dict[str, Any]) -> None:
        self.inner = []
        for *row, given in saved["inner"]:
            inner = Inner(*row)
            # The reopened stream begins with the items that were emitted before the restart.
            inner.given = inner.skip = given
            self.inner.append(inner)
        self.lingers = saved["lingers"]


@dataclass(frozen=True)
class _Flat(Operator[A, B]):
    name: str
    fn: Callable[[A], Any]
    concurrency: int | None

    @property
    def label(self) -> str:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # one class, several operators
        return self.name

    def shape(self, shape: Shape) -> Shape:
        return Shape(None, shape.timed, keyed=shape.keyed, key_names=shape.key_names)

    def kernel(self) -> _FlatKernel:
        return _FlatKernel(self.name, self.fn, self.concurrency)


def flat_map(fn: Callable[[A], InnerOf[B]], /, *, concurrency: int = CONCURRENCY) -> Operator[A, B]:
    """Turn each item into a stream, and emit the items of all streams as they arrive.

    RxPY's `flat_map` opens any number of streams and stores items that arrive too fast. Here at most `concurrency`
    streams are open, and they are read only as downstream has room. For collections that are already in memory use
    `explode`, which needs no event loop.

    Emits: each item of each stream, with the event time and key of the item that the stream was made from; the
        watermark waits for open streams.
    Drops: nothing; items that became streams are counted as `absorbed`.
    Holds: up to `concurrency` items, with their open streams. After a restart, a stream is opened again, and as many
        items as it had already emitted are skipped.
    Ends: when the source and all streams have ended; a drain stops the streams. Fails: if `fn` or a stream raises,
        subject to the node's `on_error`; a stream that has already emitted an item is not retried.
    Clock: none.

    Args:
        fn: A function of the item that returns an iterable, an async iterable or a source; blocking sources are not
            allowed. As in `sources.iterable`, a text, bytes or a dict is refused: a path that was meant to be read would
            become a stream of characters. So is None. `explode` takes all four as a `for` loop does.
        concurrency: Maximum number of open streams, 1 or more.

    Raises:
        GraphError: If `fn` is not callable, or `concurrency` is less than 1.

    Example:
        >>> feed(ops.flat_map(lambda x: [x] * x), [1, 2, 3])
        [1, 2, 2, 3, 3, 3]
    """
    return _Flat("flat_map", stream_function(fn, "flat_map: fn"), whole(concurrency, "flat_map: concurrency", least=1))


def concat_map(fn: Callable[[A], InnerOf[B]], /) -> Operator[A, B]:
    """Turn each item into a stream, and read the streams one after the other.

    For example, to read files by name: `ops.concat_map(lambda path: sources.csv(path, Trade))`.

    Emits: each item of each stream, in order, with the event time and key of the item that the stream was made from.
    Drops: nothing; items that became streams are counted as `absorbed`.
    Holds: one item, with its open stream; no more are read until the stream has ended. After a restart, the stream is
        opened again, and as many items as it had already emitted are skipped.
    Ends: when the source and the last stream have ended; a drain stops the stream. Fails: if `fn` or a stream raises,
        subject to the node's `on_error`; a stream that has already emitted an item is not retried.
    Clock: none.

    Args:
        fn: A function of the item that returns an iterable, an async iterable or a source; blocking sources are not
            allowed. A text, bytes, a dict and None are refused; see `flat_map`.

    Raises:
        GraphError: If `fn` is not callable.

    Example:
        >>> feed(ops.concat_map(range), [1, 2, 3])
        [0, 0, 1, 0, 1, 2]
    """
    return _Flat("concat_map", stream_function(fn, "concat_map: fn"), 1)


def switch_map(fn: Callable[[A], InnerOf[B]], /) -> Operator[A, B]:
    """Turn each item into a stream, and switch to the newest stream.

    Emits: each item of the newest stream, with the event time and key of the item that the stream was made from.
    Drops: an item whose stream was replaced before it emitted anything, and items that a replaced stream had taken in and
        not emitted, reason "replaced"; others are counted as `absorbed`.
    Holds: one item, with its open stream. After a restart, the stream is opened again, and as many items as it had
        already emitted are skipped.
    Ends: when the source and the last stream have ended; a drain stops the stream. Fails: if `fn` or a stream raises,
        subject to the node's `on_error`; a stream that has already emitted an item is not retried.
    Clock: none.

    Args:
        fn: A function of the item that returns an iterable, an async iterable or a source; blocking sources are not
            allowed. A text, bytes, a dict and None are refused; see `flat_map`.

    Raises:
        GraphError: If `fn` is not callable.

    Example:
        >>> twice = lambda x: sources.interval("2s", count=2)
        >>> play(ops.switch_map(twice), "a----b-|")
        '--0-1--0-(1|)'
    """
    return _Flat("switch_map", stream_function(fn, "switch_map: fn"), None)
