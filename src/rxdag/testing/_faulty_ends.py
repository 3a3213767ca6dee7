"""Sources that are lost and sinks that are slow or fail, around those of a dag."""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import dataclass, field
from typing import Any

from rxdag.contract import (
    Batching,
    Chunk,
    OnError,
    Read,
    Reader,
    ReaderAround,
    Shape,
    Sink,
    SinkContext,
    Source,
    SourceAround,
    SourceContext,
    WriteFailed,
    Writer,
)
from rxdag.errors import GraphError, shown
from rxdag.testing.faults import InjectedFault


class _LostReader(ReaderAround):
    def __init__(self, reader: Reader, after: int) -> None:
        super().__init__(reader)
        self._left = after

    def read(self, max_items: int) -> Read:
        if not self._left:
            raise InjectedFault("the source is lost")
        read = super().read(min(max_items, self._left))
        if isinstance(read, Chunk):
            self._left -= len(read)
        return read


@dataclass(frozen=True)
class LostSource(SourceAround[Any]):
    """A source that fails after a number of items."""

    source: Source[Any]
    after: int

    def open(self, context: SourceContext) -> Reader:
        return _LostReader(self.source.open(context), self.after)


class _ServedWriter(Writer):
    """Takes its time for each item."""

    def __init__(self, writer: Writer, sink: SlowSink) -> None:
        self._writer = writer
        self._sink = sink
        self._n = 0

    async def write(self, chunk: Chunk) -> None:
        sink = self._sink
        for index, one in enumerate(_ones(chunk)):
            self._n += 1
            await asyncio.sleep((sink.service_ns + sink.extra_ns.get(self._n, 0)) / 1e9)
            if self._n == sink.raises_on:
                raise WriteFailed(index, InjectedFault(f"item {self._n} of a sink"))
            try:
                pending = self._writer.write(one)
                if pending is not None:
                    await pending
            except WriteFailed as failed:
                raise WriteFailed(index, failed.cause) from failed

    def close(self, *, ok: bool) -> Any:
        return self._close(ok)

    async def _close(self, ok: bool) -> Any:
        result = self._writer.close(ok=ok)
        return await result if inspect.isawaitable(result) else result


def _ones(chunk: Chunk) -> list[Chunk]:
    """Return the items of a chunk, each as a chunk."""
    return [each for each in chunk.singles() if each.items]


@dataclass(frozen=True)
class SlowSink(Sink[Any, Any]):
    """A sink that takes a time for each item, and may fail on one."""

    sink: Sink[Any, Any]
    service_ns: int = 0
    extra_ns: dict[int, int] = field(default_factory=lambda: dict[int, int]())
    raises_on: int = 0
    where = "async"

    def __post_init__(self) -> None:
        if self.sink.paces or self.sink.batching is not None:
            raise GraphError(
                f"service and faults: take no sink that paces itself or is written in batches, got {shown(self.sink)}"
            )

    @property
    def label(self) -> str:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # of the sink
        return self.sink.label

    @property
    def on_error(self) -> OnError:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # of the sink
        return self.sink.on_error

    @property
    def batching(self) -> Batching | None:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # checked
        return None

    def check(self, shape: Shape, where: str) -> None:
        self.sink.check(shape, where)

    def open(self, context: SinkContext) -> Writer:
        return _ServedWriter(self.sink.open(context), self)
