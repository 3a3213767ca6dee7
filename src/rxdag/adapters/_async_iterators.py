"""Async iterators that can be left while they are waited for."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterable, AsyncIterator, Awaitable
from typing import Any


class Leaving:
    """An async iterator that ends as soon as `leave` is called, even during a wait; used on one event loop.

    Args:
        items: The async iterable, or an awaitable of it; closed by `aclose`.
    """

    def __init__(self, items: AsyncIterable[Any] | Awaitable[AsyncIterable[Any]]) -> None:
        self._made = items
        self._items: AsyncIterator[Any] | None = None
        self._limit: asyncio.Timeout | None = None
        self.is_left = False

    def leave(self) -> None:
        """Stop taking items."""
        self.is_left = True
        if self._limit is not None:
            # asyncio.timeout interrupts the wait, and can tell that apart from an outside cancel of the task.
            self._limit.reschedule(asyncio.get_running_loop().time())

    def __aiter__(self) -> Leaving:
        return self

    async def __anext__(self) -> Any:
        if self.is_left:
            raise StopAsyncIteration
        if self._items is None:
            made = self._made
            self._items = aiter(await made if inspect.isawaitable(made) else made)
        limit = asyncio.timeout(None)
        try:
            async with limit:
                self._limit = limit
                try:
                    return await anext(self._items)
                finally:
                    self._limit = None
        except TimeoutError:
            if not limit.expired():
                raise
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        """Close the underlying iterator."""
        aclose = getattr(self._items, "aclose", None)
        if aclose is not None:
            await aclose()


async def awaited(thing: Any) -> Any:
    """Await a thing if it is awaitable, and return it."""
    return await thing if inspect.isawaitable(thing) else thing


async def called(thing: Any, *names: str) -> None:
    """Call the first of these methods that it has, and await it if it can be."""
    for name in names:
        method = getattr(thing, name, None)
        if method is not None:
            await awaited(method())
            return


class Never(Exception):
    """Never raised: a placeholder for an exception that this Python does not have yet."""
