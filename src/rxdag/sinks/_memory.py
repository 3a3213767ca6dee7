"""Sinks that stay in the process: lists and functions."""

from __future__ import annotations

import inspect
from asyncio import CancelledError, isfuture
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from rxdag.contract import (
    NOT_TAKEN_BACK,
    BadProgram,
    Chunk,
    Shape,
    Sink,
    SinkContext,
    WriteFailed,
    Writer,
    check_awaited,
    check_function,
)
from rxdag.errors import GraphError, shown
from rxdag.sinks._items import Items

T = TypeVar("T")


class _Counted(Writer):
    """A writer whose result is the number of items it took."""

    def __init__(self) -> None:
        self.n = 0

    def close(self, *, ok: bool) -> int:
        return self.n


class _CollectWriter(Writer):
    def __init__(self, shape: Shape) -> None:
        self._items = Items[Any]((), shape)

    def write(self, chunk: Chunk) -> None:
        self._items += chunk.items

    def save(self) -> list[Any]:
        return list(self._items)

    def restore(self, saved: list[Any]) -> None:
        self._items += saved

    def close(self, *, ok: bool) -> list[Any]:
        return self._items


@dataclass(frozen=True)
class _Collect(Sink[T, "list[T]"]):
    label = "collect"
    delivery = "exactly once"
    visible = "at the end"

    def open(self, context: SinkContext) -> Writer:
        return _CollectWriter(context.shape)


def collect() -> Sink[T, list[T]]:
    """Collect all items; `result[sink]` is the list, which notebooks show as a table.

    Each checkpoint of a run holds all items collected so far.

    Example:
        >>> kept = rxdag.from_source(sources.range(3)).to(sinks.collect())
        >>> rxdag.run(kept)[kept]
        [0, 1, 2]
    """
    return _Collect()


class _CallWriter(_Counted):
    def __init__(self, fn: Callable[[Any], object]) -> None:
        super().__init__()
        self._fn = fn

    def write(self, chunk: Chunk) -> None:
        fn = self._fn
        index = 0
        try:
            for index, item in enumerate(chunk.items):  # noqa: B007  # the handler needs it
                made = fn(item)
                if made is not None and inspect.isawaitable(made) and not isfuture(made):  # a task runs by itself
                    if inspect.iscoroutine(made):
                        made.close()
                    raise BadProgram(f"call: fn must not return an awaitable, got {shown(made)}; use sinks.acall")
                if made is not None and (inspect.isgenerator(made) or inspect.isasyncgen(made)):
                    raise BadProgram(
                        f"call: fn must not return a generator, whose body would never run, got {shown(made)}; "
                        f"put ops.explode or ops.flat_map before the sink"
                    )
        except BaseException as error:
            self.n += index
            raise WriteFailed(index, error) from error
        self.n += len(chunk.items)


@dataclass(frozen=True)
class _Call(Sink[T, int]):
    fn: Callable[[T], object]
    label = "call"
    why_repeats = NOT_TAKEN_BACK
    one_by_one = True

    def open(self, context: SinkContext) -> Writer:
        return _CallWriter(self.fn)


def call(fn: Callable[[T], object], /) -> Sink[T, int]:
    """Call a function with each item.

    `result[sink]` is the number of calls that returned.

    Args:
        fn: The function, called on the thread of the graph. For a coroutine function use `sinks.acall`.

    Raises:
        GraphError: If `fn` cannot be called with one item, or is a coroutine function.

    Example:
        >>> seen = []
        >>> kept = rxdag.from_source(sources.range(3)).to(sinks.call(seen.append))
        >>> rxdag.run(kept)[kept], seen
        (3, [0, 1, 2])
    """
    if not callable(fn):
        raise GraphError(f"call: fn must be a function, got {shown(fn)}")
    check_function(fn, "call: fn", "the item", instead="use sinks.acall")
    return _Call(fn)


class _AcallWriter(_Counted):
    def __init__(self, fn: Callable[[Any], Awaitable[object]]) -> None:
        super().__init__()
        self._fn = fn

    async def write(self, chunk: Chunk) -> None:
        for index, item in enumerate(chunk.items):
            try:
                work = self._fn(item)
                if not inspect.isawaitable(work):
                    raise BadProgram(
                        f"acall: fn must return an awaitable, got {shown(work)}; a plain function goes into sinks.call"
                    )
                await work
            except (CancelledError, KeyboardInterrupt, SystemExit):  # asyncio handles these
                raise
            except BaseException as error:
                raise WriteFailed(index, error) from error
            self.n += 1


@dataclass(frozen=True)
class _Acall(Sink[T, int]):
    fn: Callable[[T], Awaitable[object]]
    label = "acall"
    why_repeats = NOT_TAKEN_BACK
    where = "async"

    def open(self, context: SinkContext) -> Writer:
        return _AcallWriter(self.fn)


def acall(fn: Callable[[T], Awaitable[object]], /) -> Sink[T, int]:
    """Await a coroutine function with each item, one after the other.

    `result[sink]` is the number of calls that returned. Faster items wait in the gate before the sink, up to 1,024, and
    then in the source.

    Args:
        fn: The function, awaited on the run's event loop: a coroutine function, or a function that returns an
            awaitable.

    Raises:
        GraphError: If `fn` certainly does not return an awaitable, as a builtin, or cannot take one item.

    Example:
        >>> async def save(item): ...
        >>> saved = rxdag.from_source(sources.range(3)).to(sinks.acall(save))
        >>> rxdag.run(saved)[saved]
        3
    """
    if not callable(fn):
        raise GraphError(f"acall: fn must be a coroutine function, got {shown(fn)}")
    check_awaited(fn, "acall: fn", "the item", instead="sinks.call")
    return _Acall(fn)


class _NullWriter(_Counted):
    def write(self, chunk: Chunk) -> None:
        self.n += len(chunk.items)

    def save(self) -> int:
        return self.n

    def restore(self, saved: int) -> None:
        self.n = saved


@dataclass(frozen=True)
class _Null(Sink[object, int]):
    label = "null"
    takes_columns = True
    delivery = "exactly once"
    visible = "at the end"

    def open(self, context: SinkContext) -> Writer:
        return _NullWriter()


def null() -> Sink[object, int]:
    """Count the items and discard them; `result[sink]` is the count.

    Example:
        >>> counted = rxdag.from_source(sources.range(3)).to(sinks.null())
        >>> rxdag.run(counted)[counted]
        3
    """
    return _Null()
