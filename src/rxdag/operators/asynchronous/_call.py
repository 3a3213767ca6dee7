"""A call of a coroutine as a stream of one item."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from rxdag.contract import (
    END,
    RECEIVES,
    BadProgram,
    Chunk,
    EndsProcess,
    Read,
    Reader,
    Source,
    SourceContext,
    contained,
    format_ns,
)
from rxdag.errors import shown


class _CallReader(Reader):
    """A running call: it delivers its result, and ends."""

    def __init__(self, work: Awaitable[Any], context: SourceContext) -> None:
        self._task = asyncio.ensure_future(contained(work))
        self._task.add_done_callback(lambda _: context.wake())
        self._is_read = False

    def read(self, max_items: int) -> Read:
        if not self._task.done():
            return None
        if self._is_read:
            return END
        self._is_read = True
        if self._task.cancelled():
            raise RuntimeError("a call must return or raise, got one that was cancelled from outside")
        try:
            return Chunk([self._task.result()])
        except EndsProcess as carried:
            raise carried.error from None

    async def aclose(self) -> None:
        was_done = self._task.done()
        self._task.cancel()
        await asyncio.wait((self._task,))
        error = None if self._task.cancelled() else self._task.exception()
        if error is not None and not was_done:  # of its cleanup
            raise error


@dataclass(frozen=True)
class Call(Source[Any]):
    fn: Callable[..., Any]
    args: tuple[Any, ...]
    timeout_ns: int | None
    operator: str
    label = "call"
    where = "async"
    no_position = RECEIVES

    def open(self, context: SourceContext) -> Reader:
        work = self.fn(*self.args)
        if not inspect.isawaitable(work):
            raise BadProgram(
                f"{self.operator}: fn must return an awaitable, got {shown(work)}; a plain function goes into ops.map"
            )
        within = work if self.timeout_ns is None else _within(work, self.timeout_ns, self.operator)
        return _CallReader(within, context)


async def _within(work: Awaitable[Any], timeout_ns: int, operator: str) -> Any:
    timeout = asyncio.timeout(timeout_ns / 1e9)
    try:
        async with timeout:
            return await work
    except TimeoutError as error:
        if not timeout.expired():
            raise
        raise TimeoutError(f"{operator}: a call must return within {format_ns(timeout_ns)}, got no result") from error
