"""Calls of coroutines: one for each item."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any, Self, TypeVar, overload

from rxdag.contract import MAX, Duration, Emit, Inner, Operator, Shape, flag, folder_of_worker, positive_ns, whole
from rxdag.operators._arguments import Durable, awaited_function, durable_with, folder_or_none, resource_or_none
from rxdag.operators.asynchronous._call_kernel import CallKernel
from rxdag.operators.asynchronous._inner import CONCURRENCY

A = TypeVar("A")
B = TypeVar("B")
R = TypeVar("R")


class _MapAsyncKernel(CallKernel):
    """A call for each item; in order a result waits for those before it."""

    state = ("inner", "lingers", "answers")
    label = "map_async"

    def __init__(self, spec: _MapAsync[Any, Any]) -> None:
        super().__init__(spec)
        self._is_ordered = spec.ordered

    def calls(self) -> list[Inner]:
        return [inner for inner in self.inner if not inner.is_settled]

    def room(self) -> int:
        return self._most - len(self.inner)

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, emit: Emit[Any]) -> None:
        inner = Inner(item, ts, sequence, key)
        if self.answers is not None:
            inner.number = self.begin_item(self.answers)
        self.inner.append(inner)

    def settle(self, call: Inner, value: Any) -> None:
        self._next_to_leave(call)
        call.results.append(value)
        call.is_done = True

    def settle_failed(self, call: Inner, error: BaseException, attempts: int) -> None:
        self._next_to_leave(call)
        call.error = (error, attempts)

    def _next_to_leave(self, call: Inner) -> None:
        """Without order, put a call behind those that were answered before it, which may wait for the disk."""
        if not self._is_ordered:
            self.inner.remove(call)
            self.inner.insert(sum(inner.is_settled for inner in self.inner), call)

    def take_settled(self) -> Inner | None:
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
        rows = [
            [inner.item, inner.ts, inner.sequence, inner.key, list(inner.results), self.saved_failure(inner)]
            for inner in self.inner
        ]
        numbers = [inner.number for inner in self.inner]
        answers = None if self.answers is None else self.answers.snapshot(numbers)
        return {"inner": rows, "lingers": self.lingers, "answers": answers}

    def restore(self, saved: dict[str, Any]) -> None:
        self.inner = []
        for *row, results, failure in saved["inner"]:
            inner = Inner(*row)
            inner.results, inner.is_done = list(results), bool(results)
            self.restore_failure(inner, failure)
            self.inner.append(inner)
        self.lingers = saved["lingers"]
        self.restore_answers(saved, self.inner)


@dataclass(frozen=True)
class _MapAsync(Operator[A, B]):
    fn: Callable[..., Any]
    concurrency: int
    ordered: bool
    timeout_ns: int | None
    resource: Callable[[], AbstractAsyncContextManager[Any]] | None
    record: str | None
    durable: Durable
    label = "map_async"
    adjustable = ("concurrency", "durable", "timeout")
    apart = ("record",)
    divides = False

    def shape(self, shape: Shape) -> Shape:
        return replace(
            shape, item_type=None, timed=shape.timed and self.ordered, ordered=shape.ordered and self.ordered
        )

    def shard(self, worker: int, workers: int) -> Self:
        return self if self.record is None else replace(self, record=folder_of_worker(self.record, worker))

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
    record: str | PathLike[str] | None = ...,
    durable: Durable = ...,
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
    record: str | PathLike[str] | None = ...,
    durable: Durable = ...,
) -> Operator[A, B]: ...
def map_async(
    fn: Any,
    /,
    *,
    resource: Any = None,
    concurrency: int = CONCURRENCY,
    ordered: bool = True,
    timeout: Duration | None = None,
    record: str | PathLike[str] | None = None,
    durable: Durable = "written",
) -> Any:
    """Await a coroutine for each item, several at a time, and emit the results.

    Emits: the result of each call, in the order of the items, with their event time and key; with `ordered=False`, as
        calls finish, without event time.
    Drops: nothing.
    Holds: up to `concurrency` items, in progress or waiting for earlier ones; after that no more are read. After a
        restart, calls that were under way are made again, except those whose answers are recorded.
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
        record: Folder of a journal, best that of the recorded sources. Each answer and each final failure is written to
            it before it leaves the node. Where a source is a `journal_reader` without `follow`, they are taken from
            there, in the recorded order, and `fn` is not called. By default nothing is recorded.
        durable: When a recorded answer may leave the node. "written" is once the operating system has its record, which
            survives the end of the process. "synced" is once its record is on the disk, where it survives a power failure;
            each item is delayed by up to 10 ms.

    Raises:
        GraphError: If an argument is invalid.
        SourceError: In the run, if the journal cannot be written, is damaged, or lacks an answer in a replay.
        StateError: In the run, if an answer cannot be saved.

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
    folder = folder_or_none(record, "map_async: record")
    synced = durable_with(durable, record, "map_async: durable")
    awaited_function(fn, "map_async: fn", *(() if resource is None else ("the opened resource",)), "the item")
    return _MapAsync[Any, Any](fn, most, flag(ordered, "map_async: ordered"), wait, resource, folder, synced)
