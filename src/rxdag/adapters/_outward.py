"""Streams for other libraries: a writer for a sink object, a tick source."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from rxdag.adapters._async_iterators import Leaving, awaited, called
from rxdag.contract import Duration, OnError, OnErrorName, Sink, check_arguments
from rxdag.errors import GraphError, shown
from rxdag.graph import Stream, checked_stream
from rxdag.sinks import batched


def writer(
    sink: Any,
    /,
    *,
    max_items: int = 500,
    max_wait: Duration | None = "1s",
    timeout: Duration | None = "30s",
    on_error: OnError | OnErrorName | None = None,
) -> Sink[Any, int]:
    """Write batches with an object that has `async write(batch)`.

    It may also have `async close()`, which is called however the run ends.

    Args:
        sink: The object; or a function that creates one for each run.
        max_items: Number of items in a full batch.
        max_wait: Time after its first item at which an incomplete batch is written; None to wait until it is full.
        timeout: Longest time for one write.
        on_error: See `sinks.batched`.

    Raises:
        GraphError: If the object has no `write`.

    Example:
        >>> class Table:
        ...     rows = []
        ...
        ...     async def write(self, batch):
        ...         self.rows.extend(batch)
        >>> _ = rxdag.run(rxdag.wrap([1, 2, 3]).to(rxdag.adapters.writer(Table(), max_items=2)))
        >>> Table.rows
        [1, 2, 3]
    """
    if not hasattr(sink, "write") and not callable(sink):
        raise GraphError(
            f"writer: takes an object with async write(batch), or a function that makes one, got {shown(sink)}"
        )
    if not hasattr(sink, "write"):
        check_arguments(sink, "writer: sink")

    @asynccontextmanager
    async def opened() -> AsyncGenerator[Any]:
        made: Any = sink if hasattr(sink, "write") else await awaited(sink())
        try:
            yield made.write
        finally:
            await called(made, "close")

    return batched(opened, max_items=max_items, max_wait=max_wait, timeout=timeout, on_error=on_error)


@dataclass(frozen=True)
class SourceStatus:
    """Status of a tick source.

    Attributes:
        connected: True while it is read.
        detail: The same in words.
    """

    connected: bool
    detail: str


class TickSource:
    """A stream as the source of a linear pipeline; created by `tick_source`.

    It has `stream()`, `status()`, `start()` and `close()`.
    """

    def __init__(self, stream: Stream[Any]) -> None:
        self._stream = stream
        self._items: Leaving | None = None
        self._is_closed = False

    async def start(self) -> None:
        """Do nothing: no start-up is needed."""

    async def stream(self) -> AsyncIterator[Any]:
        """Run the graph of the stream, and yield its items on demand."""
        if self._is_closed:
            raise GraphError("tick_source: must not be read after close()")
        self._items = items = Leaving(self._stream)
        try:
            async for item in items:
                yield item
        finally:
            self._items = None
            await items.aclose()

    async def status(self) -> SourceStatus:
        """Return whether it is being read."""
        detail = "closed" if self._is_closed else "running" if self._items is not None else "not started"
        return SourceStatus(self._items is not None, detail)

    async def close(self) -> None:
        """Stop, and cancel the run."""
        self._is_closed = True
        if self._items is not None:
            self._items.leave()


def tick_source(stream: Stream[Any], /) -> TickSource:
    """Return a stream as an object that linear pipelines accept as a source.

    It has `stream()`, `status()`, `start()` and `close()`.

    Raises:
        GraphError: If `stream` is not a stream.

    Example:
        >>> source = rxdag.adapters.tick_source(rxdag.wrap([50_000.0, 50_001.5]))
        >>> async def main():
        ...     return [price async for price in source.stream()]
        >>> asyncio.run(main())
        [50000.0, 50001.5]
    """
    return TickSource(checked_stream(stream, "tick_source"))
