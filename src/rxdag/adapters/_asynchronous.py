"""Async iterables behind awaitable objects."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any, Final

from rxdag.adapters._async_iterators import Leaving, Never, called
from rxdag.errors import GraphError, shown


def asynchronous(thing: Any) -> Callable[[], AsyncIterable[Any]] | None:
    """Return a function that makes the async iterable of an object; None if it has none."""
    given: Any = thing
    if isinstance(thing, AsyncIterable):
        return partial(_of_iterable, given, _Once())
    if inspect.isawaitable(thing):
        return partial(_of_awaitable, thing, _Once())
    if isinstance(thing, asyncio.Queue):
        return partial(_of_queue, given)
    if hasattr(thing, "stream") and callable(thing.stream):
        return partial(_of_stream, thing)
    if inspect.iscoroutinefunction(getattr(thing, "get", None)) and hasattr(thing, "close"):
        return partial(_of_channel, thing)
    return None


class _Once:
    """A resource that only one run can read."""

    def __init__(self) -> None:
        self._is_used = False

    def use(self, thing: object) -> None:
        if self._is_used:
            raise GraphError(
                f"wrap: {shown(thing)} can be read by one run only, got a second; pass a function that makes one"
            )
        self._is_used = True


def _of_iterable(items: AsyncIterable[Any], once: _Once) -> AsyncIterable[Any]:
    if isinstance(items, AsyncIterator):
        once.use(items)
    return items


async def _of_awaitable(thing: Awaitable[Any], once: _Once) -> AsyncIterator[Any]:
    if not isinstance(thing, asyncio.Future):
        once.use(thing)
    result = await thing
    inner = asynchronous(result)
    if inner is None:
        yield result
        return
    items = Leaving(inner())
    try:
        async for item in items:
            yield item
    finally:
        await items.aclose()


async def _of_queue(items: asyncio.Queue[Any]) -> AsyncIterator[Any]:
    shut_down: type[Exception] = getattr(asyncio, "QueueShutDown", Never)
    while True:
        try:
            item = await items.get()
        except shut_down:
            return
        items.task_done()
        yield item


_CLOSED: Final = ("ChannelClosed", "ChannelClosedError", "EndOfChannel", "EndOfStream")
"""Errors by which channels signal their end; others, such as a closed connection, are failures."""


async def _of_channel(channel: Any) -> AsyncIterator[Any]:
    """Yield the items of a channel until its `get` fails because it is closed."""
    while True:
        try:
            item = await channel.get()
        except Exception as error:
            closed: Any = getattr(channel, "closed", False)
            if type(error).__name__ in _CLOSED or (closed() if callable(closed) else closed):
                return
            raise
        yield item


async def _of_stream(thing: Any) -> AsyncIterator[Any]:
    await called(thing, "start")
    items = Leaving(thing.stream())
    try:
        async for item in items:
            yield item
    finally:
        await items.aclose()
        await called(thing, "close", "stop")
