"""Calls of coroutines: one for each item."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Any, TypeVar, overload

from rxdag.contract import (
    END,
    MAX,
    RECEIVES,
    BadProgram,
    Chunk,
    Duration,
    Emit,
    EndsProcess,
    Inner,
    InnerKernel,
    Operator,
    Read,
    Reader,
    Shape,
    Source,
    SourceContext,
    contained,
    flag,
    format_ns,
    positive_ns,
    whole,
)
from rxdag.errors import shown
from rxdag.operators._arguments import awaited_function, resource_or_none
from rxdag.operators.asynchronous._inner import CONCURRENCY

A = TypeVar("A")
B = TypeVar("B")
R = TypeVar("R")


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


class _MapAsyncKernel(InnerKernel):
    """A call for each item; in order a result waits for those before it."""

    state = ("inner", "lingers")
    passes = True
    ends_alone = True

    def __init__(self, spec: _MapAsync[Any, Any]) -> None:
        super().__init__()
        self._fn = spec.fn
        self._is_ordered = spec.ordered
        self._timeout_ns = spec.timeout_ns
        self._most = spec.concurrency
        self.concurrency = spec.concurrency
        self.resource = spec.resource

    def want(self, now: int) -> int | None:
        return self._most - len(self.inner)

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, emit: Emit[Any]) -> None:
        self.inner.append(Inner(item, ts, sequence, key))

    def source_of(self, inner: Inner) -> Source[Any]:
        args = (inner.item,) if self.resource is None else (self.opened, inner.item)
        return Call(self._fn, args, self._timeout_ns, "map_async")

    def on_inner(self, inner: Inner, item: Any, emit: Emit[Any]) -> None:
        inner.results.append(item)
        inner.is_done = True

    def ready(self) -> Inner | None:
        if self._is_ordered:
            return self.inner.pop(0) if self.inner and self.inner[0].is_settled else None
        found = next((inner for inner in self.inner if inner.is_settled), None)
        if found is not None:
            self.inner.remove(found)
        return found

    def give(self, inner: Inner, emit: Emit[Any]) -> None:
        emit(inner.results[0], ts=inner.ts, sequence=inner.sequence, key=inner.key)

    def low(self) -> int:
        return min((inner.ts for inner in self.inner), default=MAX)

    def snapshot(self) -> dict[str, Any]:
        rows = [[inner.item, inner.ts, inner.sequence, inner.key, list(inner.results)] for inner in self.inner]
        return {"inner": rows, "lingers": self.lingers}

    def restore(self, saved: dict[str, Any]) -> None:
        self.inner = []
        for *row, results in saved["inner"]:
            inner = Inner(*row)
            inner.results, inner.is_done = list(results), bool(results)
            self.inner.append(inner)
        self.lingers = saved["lingers"]


@dataclass(frozen=True)
class _MapAsync(Operator[A, B]):
    fn: Callable[..., Any]
    concurrency: int
    ordered: bool
    timeout_ns: int | None
    resource: Callable[[], AbstractAsyncContextManager[Any]] | None
    label = "map_async"
    adjustable = ("concurrency", "timeout")

    def shape(self, shape: Shape) -> Shape:
        return replace(
            shape, item_type=None, timed=shape.timed and self.ordered, ordered=shape.ordered and self.ordered
        )

    def kernel(self) -> _MapAsyncKernel:
        return _MapAsyncKernel(self)


@overload
def map_async(
    fn: Callable[[A], Awaitable[B]],
    /,
    *,
    concurrency: int = ...,
    ordered: bool = ...,
    timeout: Duration | None = ...,
) -> Operator[A, B]: ...
@overload
def map_async(
    fn: Callable[[R, A], Awaitable[B]],
    /,
    *,
    resource: Callable[[], AbstractAsyncContextManager[R]],
    concurrency: int = ...,
    ordered: bool = ...,
    timeout: Duration | None = ...,
) -> Operator[A, B]: ...
def map_async(
    fn: Any,
    /,
    *,
    resource: Any = None,
    concurrency: int = CONCURRENCY,
    ordered: bool = True,
    timeout: Duration | None = None,
) -> Any:
    """Await a coroutine for each item, several at a time, and emit the results.

    Emits: the result of each call, in the order of the items, with their event time and key; with `ordered=False`, as
        calls finish, without event time.
    Drops: nothing.
    Holds: up to `concurrency` items, in progress or waiting for earlier ones; after that no more are read. After a
        restart, calls that were under way are made again.
    Ends: when the source has ended, after the last call; a drain waits for calls under way. Fails: if `fn` raises or
        takes longer than `timeout` (TimeoutError), subject to the node's `on_error`; if ordered, after the results
        before it.
    Clock: processing time for `timeout`.

    Args:
        fn: A coroutine function of the item; with `resource`, of the opened resource and the item.
        resource: Makes an async context manager, such as a connection pool: entered once per run, and exited however it
            ends.
        concurrency: Maximum number of concurrent calls, 1 or more.
        ordered: False to emit results as they finish.
        timeout: Longest time that a call may take, after which it is cancelled; by default unlimited.

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> import asyncio
        >>> async def double(x):
        ...     await asyncio.sleep(1 / (x + 1))
        ...     return x * 2
        >>> feed(ops.map_async(double), [1, 2, 3])
        [2, 4, 6]
    """
    most = whole(concurrency, "map_async: concurrency", least=1)
    wait = None if timeout is None else positive_ns(timeout, "map_async: timeout")
    resource_or_none(resource, "map_async: resource")
    awaited_function(fn, "map_async: fn", *(() if resource is None else ("the opened resource",)), "the item")
    return _MapAsync[Any, Any](fn, most, flag(ordered, "map_async: ordered"), wait, resource)
