"""Batches for databases and services."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar, cast

from rxdag import on_error as policies
from rxdag.contract import (
    CONTEXT,
    NOT_TAKEN_BACK,
    Batching,
    Chunk,
    Duration,
    OnError,
    OnErrorName,
    Sink,
    SinkContext,
    WriteFailed,
    Writer,
    check_function,
    checked_on_error,
    positive_ns,
    whole,
)
from rxdag.errors import GraphError
from rxdag.sinks._batch_target import BatchTarget, OpenTarget, WriteBatch, check_target, made_target
from rxdag.sinks._epoch_batches import EpochBatched, EpochTarget, check_epoch_target, keeps_epochs

T = TypeVar("T")


class _BatchWriter(Writer):
    def __init__(self, timeout_s: float | None) -> None:
        self._timeout_s = timeout_s
        self._write: WriteBatch[Any] | None = None
        self._n = 0

    def opened(self, write: WriteBatch[Any]) -> None:
        """Take the object that writes the batches."""
        self._write = write

    async def write(self, chunk: Chunk) -> None:
        if self._write is None:
            raise TypeError("batched: must be opened before it is written to")
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._write(chunk.items)
        except WriteFailed as failed:
            self._n += failed.index
            raise
        self._n += len(chunk.items)

    def close(self, *, ok: bool) -> int:
        return self._n


@dataclass(frozen=True)
class _Batched(Sink[T, int]):
    how: Batching
    timeout_s: float | None = field(repr=False)
    policy: OnError = field(repr=False)
    label = "batched"
    why_repeats = NOT_TAKEN_BACK
    where = "async"

    @property
    def batching(self) -> Batching | None:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # frozen
        return self.how

    @property
    def on_error(self) -> OnError:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # frozen
        return self.policy

    def open(self, context: SinkContext) -> Writer:
        return _BatchWriter(self.timeout_s)


def batched(
    target: BatchTarget[T]
    | EpochTarget[T]
    | Callable[[], AbstractAsyncContextManager[WriteBatch[T]] | BatchTarget[T] | EpochTarget[T]],
    /,
    *,
    max_items: int = 1000,
    max_wait: Duration | None = "1s",
    timeout: Duration | None = "30s",
    on_error: OnError | OnErrorName | None = None,
) -> Sink[T, int]:
    """Write batches to a database or service; `result[sink]` counts the written items.

    The target is an object with `write(batch)`, where the batch is a list. If it is a context manager, it is entered
    once per run, and exited however the run ends, with the run's error if it failed. Otherwise its `open()` and
    `close()` are called, if it has them. Coroutine functions are awaited on the run's event loop. Plain functions are
    called on one thread of the sink's own; such a call cannot be interrupted, so the next one waits for it.

    The next batch is collected while one is written; further items wait. A batch that fails is retried as a whole, then
    in halves, until the failing item is found: that item is subject to `on_error`, and the others are written. If the
    connection is down (ConnectionError, or no answer within `timeout`), no single item is at fault, and the whole batch
    is subject to `on_error`. An item may be written twice, if a batch failed after it had taken effect, so let the
    target ignore duplicates. A drain writes the collected items.

    A target with a method `last_epoch` is an `EpochTarget`, and delivery is exactly once: in a run with checkpoints, the
    items since the last checkpoint are saved in the next one. Once it is durable, they are written as one batch with its
    epoch. `max_items`, `max_wait` and `timeout` do not apply. A batch that fails is retried by the `on_error` given here;
    then the run fails. Without checkpoints, the items wait in memory until the end of the run.

    Args:
        target: The object; or a function that makes it for each run. What a context manager returns on entry is written
            to: an object with `write(batch)`, or an async function of the batch.
        max_items: Number of items in a full batch.
        max_wait: Time after its first item at which an incomplete batch is written; None to wait until it is full.
        timeout: Longest time for one write; None for no limit.
        on_error: By default `on_error.retry(3, base="200ms", jitter=0.2)`, after which the run fails. The `on_error` of
            `.to(...)` takes precedence.

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> class Table:
        ...     def open(self):
        ...         self.rows = []
        ...
        ...     def write(self, batch):
        ...         self.rows.append(batch)
        >>> table = Table()
        >>> saved = rxdag.from_source(sources.range(5)).to(sinks.batched(table, max_items=2))
        >>> rxdag.run(saved)[saved], table.rows
        (5, [[0, 1], [2, 3], [4]])
    """
    max_items = whole(max_items, "batched: max_items", least=1)
    policy = checked_on_error(
        policies.retry(3, base="200ms", jitter=0.2) if on_error is None else on_error, "batched: on_error"
    )
    wait_ns = None if max_wait is None else positive_ns(max_wait, "batched: max_wait")
    timeout_s = None if timeout is None else positive_ns(timeout, "batched: timeout") / 1e9
    if keeps_epochs(target):
        check_epoch_target(target, "batched: target")
        return EpochBatched(target, policy)
    if callable(target):
        try:
            check_function(target, "batched: target", instead=CONTEXT)
        except GraphError as error:
            raise GraphError(
                f"{error}; a function of a batch goes into an object, as its method write(batch)"
            ) from None
        resource: Callable[[], OpenTarget] = partial(made_target, cast("Callable[[], Any]", target))  # it is callable
    else:
        check_target(target, "batched: target")
        resource = partial(OpenTarget, target)
    return _Batched(Batching(resource, max_items, wait_ns), timeout_s, policy)
