"""Operators whose work is done by coroutines: one call for each item, or one for each key."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Any, Generic, Self, TypeVar, overload

from rxdag.contract import (
    END,
    MAX,
    Chunk,
    Duration,
    Emit,
    Inner,
    InnerKernel,
    Operator,
    Read,
    Reader,
    Shape,
    Source,
    SourceContext,
    format_ns,
    positive_ns,
)
from rxdag.expressions import Expr, Field, bound, check_field, getter
from rxdag.operators._arguments import field_of, function, whole
from rxdag.operators._inner import CONCURRENCY
from rxdag.operators._keyed import blamed_key

A = TypeVar("A")
B = TypeVar("B")
K = TypeVar("K")
R = TypeVar("R")
V = TypeVar("V")


class _CallReader(Reader):
    """A call that is under way: it gives its result, and ends."""

    def __init__(self, work: Awaitable[Any], context: SourceContext) -> None:
        self._task = asyncio.ensure_future(work)
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
        return Chunk([self._task.result()])

    async def aclose(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@dataclass(frozen=True)
class _Call(Source[Any]):
    fn: Callable[..., Any]
    args: tuple[Any, ...]
    timeout_ns: int | None
    where_from: str
    label = "call"
    where = "async"

    def open(self, context: SourceContext) -> Reader:
        work = self.fn(*self.args)
        if not inspect.isawaitable(work):
            raise TypeError(
                f"{self.where_from} must return an awaitable, got {work!r}; a plain function goes into ops.map"
            )
        return _CallReader(work if self.timeout_ns is None else _within(work, self.timeout_ns), context)


async def _within(work: Awaitable[Any], timeout_ns: int) -> Any:
    timeout = asyncio.timeout(timeout_ns / 1e9)
    try:
        async with timeout:
            return await work
    except TimeoutError as error:
        if not timeout.expired():
            raise
        raise TimeoutError(f"map_async: a call must return within {format_ns(timeout_ns)}, and has not") from error


class _MapAsyncKernel(InnerKernel):
    """A call for each item; in order a result waits for those before it."""

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
        return _Call(self._fn, args, self._timeout_ns, "map_async: fn")

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

    def shape(self, shape: Shape) -> Shape:
        return replace(shape, item_type=None, timed=shape.timed and self.ordered)

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
    """Await a coroutine for each item, several at a time, and give out what they return.

    Emits: the result of each call, in the order of the items, with their event time and key; with `ordered=False` as they
        come, without event time.
    Drops: nothing.
    Holds: up to `concurrency` items, under way or waiting for those before them; no more are taken. After a restart calls
        that were under way are made again.
    Ends: when the source has ended, with the last call; a drain waits for those under way. Fails: when `fn` raises or takes
        longer than `timeout` (TimeoutError), by the node's `on_error`; in order, behind the results before it.
    Clock: processing time for `timeout`.

    Args:
        fn: A coroutine function of the item; with `resource` of what that gave and the item.
        resource: Makes an async context manager, as a pool of connections: entered once per run, left at any end of it.
        concurrency: Most calls at once, 1 or more.
        ordered: False to give out results as they come.
        timeout: Longest that a call may take; by default any time. It is cancelled then.

    Raises:
        GraphError: If an argument is not as above.

    Example:
        >>> import asyncio
        >>> async def double(x):
        ...     await asyncio.sleep(1 / (x + 1))
        ...     return x * 2
        >>> feed(ops.map_async(double), [1, 2, 3])
        [2, 4, 6]
    """
    function(fn, "map_async: fn")
    if resource is not None:
        function(resource, "map_async: resource")
    most = whole(concurrency, "map_async: concurrency", least=1)
    wait = None if timeout is None else positive_ns(timeout, "map_async: timeout")
    return _MapAsync[Any, Any](fn, most, bool(ordered), wait, resource)


class _LookupKernel(InnerKernel):
    """Items wait in order for the value of their key; one call for each key, and a cache of what they gave."""

    passes = True
    ends_alone = True

    def __init__(self, spec: _Lookup[Any, Any], key_of: Callable[[Any], Any]) -> None:
        super().__init__()
        self._fn = spec.fn
        self._key_of = key_of
        self._into = spec.into
        self._most = spec.concurrency
        self._ttl_ns = spec.ttl_ns
        self._max_keys = spec.max_keys
        self.concurrency = spec.concurrency
        self.resource = spec.resource
        self.waiting: list[tuple[Any, Inner]] = []
        """Key that is asked for and item, in order."""
        self.cache: dict[Any, tuple[Any, int]] = {}
        """Value and when it is too old, by key, the one longest unused first."""
        self._now = 0

    def blame(self, item: Any, error: Exception) -> Exception:
        return blamed_key("lookup", self._key_of, item, error)

    def want(self, now: int) -> int | None:
        return self._most - len(self.waiting)

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, now: int, emit: Emit[Any]) -> None:
        asked = self._key_of(item)
        hash(asked)
        found = self.cache.pop(asked, None)
        row = Inner(item, ts, sequence, key)
        self.waiting.append((asked, row))
        self._now = now
        if found is not None and found[1] > now:
            self.cache[asked] = found
            row.results.append(found[0])
        elif all(inner.item != asked for inner in self.inner):
            self.inner.append(Inner(asked, ts, sequence, key))

    def source_of(self, inner: Inner) -> Source[Any]:
        args = (inner.item,) if self.resource is None else (self.opened, inner.item)
        return _Call(self._fn, args, None, "lookup: fn")

    def on_inner(self, inner: Inner, item: Any, emit: Emit[Any]) -> None:
        self.inner.remove(inner)
        for asked, row in self.waiting:
            if asked == inner.item and not row.is_settled:
                row.results.append(item)
        self.cache[inner.item] = (item, MAX if self._ttl_ns is None else self._now + self._ttl_ns)
        if len(self.cache) > self._max_keys:
            del self.cache[next(iter(self.cache))]

    def on_inner_failed(self, inner: Inner, error: Exception, attempts: int) -> None:
        self.inner.remove(inner)
        for asked, row in self.waiting:
            if asked == inner.item and not row.is_settled:
                row.error = (error, attempts)

    def ready(self) -> Inner | None:
        return self.waiting.pop(0)[1] if self.waiting and self.waiting[0][1].is_settled else None

    def give(self, inner: Inner, emit: Emit[Any]) -> None:
        value = inner.results[0]
        emit(self._into(inner.item, value), ts=inner.ts, sequence=inner.sequence, key=inner.key)

    def held(self) -> int:
        return len(self.waiting)

    def low(self) -> int:
        return min((row.ts for _, row in self.waiting), default=MAX)

    def snapshot(self) -> dict[str, Any]:
        rows = [[asked, row.item, row.ts, row.sequence, row.key, list(row.results)] for asked, row in self.waiting]
        cache = [[key, value, until] for key, (value, until) in self.cache.items()]
        return {"waiting": rows, "cache": cache, "lingers": self.lingers}

    def restore(self, saved: dict[str, Any]) -> None:
        self.waiting, self.inner = [], []
        for asked, item, ts, sequence, key, results in saved["waiting"]:
            row = Inner(item, ts, sequence, key)
            row.results = list(results)
            self.waiting.append((asked, row))
            if not results and all(inner.item != asked for inner in self.inner):
                self.inner.append(Inner(asked, ts, sequence, key))
        self.cache = {key: (value, until) for key, value, until in saved["cache"]}
        self.lingers = saved["lingers"]


def _pair(item: Any, value: Any) -> tuple[Any, Any]:
    return (item, value)


@dataclass(frozen=True)
class _Lookup(Operator[A, B], Generic[A, B]):
    fn: Callable[..., Any]
    key: Field[A, Any]
    into: Callable[[Any, Any], Any]
    resource: Callable[[], AbstractAsyncContextManager[Any]] | None
    concurrency: int
    ttl_ns: int | None
    max_keys: int
    label = "lookup"

    def check(self, shape: Shape, where: str) -> None:
        check_field(self.key, shape.item_type, f"{where}: key")

    def bound(self, shape: Shape) -> Self:
        return replace(self, key=bound(self.key, shape.item_type))

    def shape(self, shape: Shape) -> Shape:
        return replace(shape, item_type=None)

    def kernel(self) -> _LookupKernel:
        return _LookupKernel(self, getter(self.key))


@overload
def lookup(
    fn: Callable[[K], Awaitable[V]],
    /,
    *,
    key: Callable[[A], K],
    concurrency: int = ...,
    ttl: Duration | None = ...,
    max_keys: int = ...,
) -> Operator[A, tuple[A, V]]: ...
@overload
def lookup(
    fn: Callable[[K], Awaitable[V]],
    /,
    *,
    key: Callable[[A], K],
    into: Callable[[A, V], B],
    concurrency: int = ...,
    ttl: Duration | None = ...,
    max_keys: int = ...,
) -> Operator[A, B]: ...
@overload
def lookup(
    fn: Callable[[R, K], Awaitable[V]],
    /,
    *,
    key: Callable[[A], K],
    resource: Callable[[], AbstractAsyncContextManager[R]],
    concurrency: int = ...,
    ttl: Duration | None = ...,
    max_keys: int = ...,
) -> Operator[A, tuple[A, V]]: ...
@overload
def lookup(
    fn: Callable[[R, K], Awaitable[V]],
    /,
    *,
    key: Callable[[A], K],
    into: Callable[[A, V], B],
    resource: Callable[[], AbstractAsyncContextManager[R]],
    concurrency: int = ...,
    ttl: Duration | None = ...,
    max_keys: int = ...,
) -> Operator[A, B]: ...
@overload
def lookup(
    fn: Callable[..., Awaitable[Any]],
    /,
    *,
    key: str | Expr,
    into: Callable[[Any, Any], B] = ...,
    resource: Callable[[], AbstractAsyncContextManager[Any]] | None = ...,
    concurrency: int = ...,
    ttl: Duration | None = ...,
    max_keys: int = ...,
) -> Operator[Any, Any]: ...
def lookup(
    fn: Any,
    /,
    *,
    key: Any,
    into: Any = _pair,
    resource: Any = None,
    concurrency: int = CONCURRENCY,
    ttl: Duration | None = None,
    max_keys: int = 10_000,
) -> Any:
    """Put to each item what a coroutine knows of its key, and remember it.

    A key is asked for once: items that come while its call is under way wait for that one.

    Emits: `into(item, value)` for each item, in order, with its event time and key.
    Drops: nothing.
    Holds: up to `concurrency` items, and no more are taken; up to `max_keys` values, of which the one longest unused goes.
        After a restart calls that were under way are made again.
    Ends: when the source has ended, with the last call; a drain waits for those under way. Fails: when `key`, `fn` or `into`
        raises, by the node's `on_error`; a failed call fails each item that waits for it, and is not remembered.
    Clock: processing time for `ttl`.

    Args:
        fn: A coroutine function of the key; with `resource` of what that gave and the key.
        key: What to ask for: a function of the item, a field's name or an expression; hashable.
        into: A function of the item and the value; by default the two as a tuple.
        resource: Makes an async context manager, as a pool of connections: entered once per run, left at any end of it.
        concurrency: Most items that wait, and most calls at once, 1 or more.
        ttl: How long a value is good, from the call; by default for ever.
        max_keys: Most values that are remembered, 1 or more.

    Raises:
        GraphError: If an argument is not as above.

    Example:
        >>> async def name_of(id):
        ...     return {1: "one", 2: "two"}[id]
        >>> feed(ops.lookup(name_of, key=lambda x: x, into=lambda x, name: name), [1, 2, 1])
        ['one', 'two', 'one']
    """
    function(fn, "lookup: fn")
    function(into, "lookup: into")
    if resource is not None:
        function(resource, "lookup: resource")
    return _Lookup[Any, Any](
        fn,
        field_of(key, "lookup: key"),
        into,
        resource,
        whole(concurrency, "lookup: concurrency", least=1),
        None if ttl is None else positive_ns(ttl, "lookup: ttl"),
        whole(max_keys, "lookup: max_keys", least=1),
    )
