"""Sources and sinks that wrap others and change one aspect of them."""

from __future__ import annotations

from copy import copy
from typing import Any, Self, TypeVar

from rxdag.contract._chunk import Chunk
from rxdag.contract._journal_stats import JournalStats
from rxdag.contract._on_error import OnError
from rxdag.contract._overflow import Boundary, Overflow
from rxdag.contract._shape import Shape
from rxdag.contract._sink import Batching, Delivery, Sink, Visible, Writer
from rxdag.contract._source import Read, Reader, Source, SourceContext, Where

T_co = TypeVar("T_co", covariant=True)
End = TypeVar("End", bound=Source[Any] | Sink[Any, Any])


class ReaderAround(Reader):
    """A reader that delegates to another."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader

    def read(self, max_items: int) -> Read:
        return self.reader.read(max_items)

    def rest(self, max_items: int) -> Chunk | None:
        return self.reader.rest(max_items)

    def without_room(self) -> bool:
        return self.reader.without_room()

    def held(self) -> int:
        return self.reader.held()

    def backlog(self) -> int | None:
        return self.reader.backlog()

    def journal(self) -> JournalStats | None:
        return self.reader.journal()

    def is_connected(self) -> bool:
        return self.reader.is_connected()

    def progress(self) -> float | None:
        return self.reader.progress()

    def dropped(self) -> int:
        return self.reader.dropped()

    def drain(self, *, flush: bool) -> bool:
        return self.reader.drain(flush=flush)

    def position(self) -> Any:
        return self.reader.position()

    def seek(self, position: Any) -> None:
        self.reader.seek(position)

    def confirm(self, position: Any) -> None:
        self.reader.confirm(position)

    def close(self) -> None:
        self.reader.close()

    async def aclose(self) -> None:
        await self.reader.aclose()


class SourceContextAround:
    """A context that does what another does."""

    def __init__(self, context: SourceContext) -> None:
        self._context = context
        self.name = context.name
        self.dag = context.dag
        self.saves = context.saves
        self.clock = context.clock
        self.boundary = context.boundary
        self.saw = context.saw
        self.random = context.random
        self.wants_columns = context.wants_columns

    def wake(self) -> None:
        self._context.wake()

    def wake_at(self, when: int) -> None:
        self._context.wake_at(when)

    def wants_thread(self) -> bool:
        return self._context.wants_thread()

    def emit(self, port: str, item: object) -> None:
        self._context.emit(port, item)

    def log(self, code: str, **fields: object) -> None:
        self._context.log(code, **fields)

    def drop(self, reason: str, n: int = 1) -> None:
        self._context.drop(reason, n)

    def bad(self, item: object, error: Exception) -> None:
        self._context.bad(item, error)


# pyright: reportIncompatibleVariableOverride=false
# Attributes of a source are plain; here they are read from the inner source.
class SourceAround(Source[T_co]):
    """A source with the attributes of the wrapped one, which subclasses have as `source`."""

    source: Source[Any]

    def shard(self, worker: int, workers: int) -> Source[T_co]:
        inner = self.source.shard(worker, workers)
        return self if inner is self.source else with_parts(self, source=inner)

    @property
    def label(self) -> str:  # type: ignore[override]
        return self.source.label

    @property
    def where(self) -> Where:  # type: ignore[override]
        return self.source.where

    @property
    def shape(self) -> Shape:  # type: ignore[override]
        return self.source.shape

    @property
    def gives_columns(self) -> bool:  # type: ignore[override]
        return self.source.gives_columns

    @property
    def is_stored(self) -> bool:  # type: ignore[override]
        return self.source.is_stored

    @property
    def side_ports(self) -> tuple[str, ...]:  # type: ignore[override]
        return self.source.side_ports

    @property
    def boundary(self) -> Boundary | None:  # type: ignore[override]
        return self.source.boundary

    @property
    def queues(self) -> bool:  # type: ignore[override]
        return self.source.queues

    @property
    def knows_backlog(self) -> bool:  # type: ignore[override]
        return self.source.knows_backlog

    @property
    def no_position(self) -> str | None:  # type: ignore[override]
        return self.source.no_position

    @property
    def may_miss(self) -> str | None:  # type: ignore[override]
        return self.source.may_miss

    @property
    def recorded_at(self) -> int | None:  # type: ignore[override]
        return self.source.recorded_at

    @property
    def replays(self) -> bool:  # type: ignore[override]
        return self.source.replays

    @property
    def can_wait(self) -> bool:  # type: ignore[override]
        return self.source.can_wait

    @property
    def max_items(self) -> int:
        """The setting of its queue, if it has one."""
        return getattr(self.source, "max_items", 0)

    @property
    def overflow(self) -> Overflow:
        """The setting of its queue, if it has one."""
        return getattr(self.source, "overflow", Overflow.BLOCK)

    def followed(self) -> Source[T_co]:
        inner = self.source.followed()
        return self if inner is self.source else with_parts(self, source=inner)


def with_parts(end: End, /, **parts: object) -> End:
    """Return a copy of a source or a sink with other parts, and the identity of the original."""
    copied = copy(end)
    for name, part in parts.items():
        object.__setattr__(copied, name, part)
    return copied


class WriterAround(Writer):
    """A writer that delegates to another."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer

    def write(self, chunk: Chunk) -> Any:
        return self.writer.write(chunk)

    def want(self) -> int | None:
        return self.writer.want()

    def prepare(self) -> None:
        self.writer.prepare()

    def save(self) -> Any:
        return self.writer.save()

    def publish(self) -> Any:
        return self.writer.publish()

    def restore(self, saved: Any) -> Any:
        return self.writer.restore(saved)

    def close(self, *, ok: bool) -> Any:
        return self.writer.close(ok=ok)


class SinkAround(Sink[Any, Any]):
    """A sink with the attributes of the wrapped one, which subclasses have as `sink`."""

    sink: Sink[Any, Any]

    def shard(self, worker: int, workers: int) -> Self:
        inner = self.sink.shard(worker, workers)
        return self if inner is self.sink else with_parts(self, sink=inner)

    @property
    def label(self) -> str:  # type: ignore[override]
        return self.sink.label

    @property
    def where(self) -> Where:  # type: ignore[override]
        return self.sink.where

    @property
    def takes_columns(self) -> bool:  # type: ignore[override]
        return self.sink.takes_columns

    @property
    def on_error(self) -> OnError:  # type: ignore[override]
        return self.sink.on_error

    @property
    def batching(self) -> Batching | None:  # type: ignore[override]
        return self.sink.batching

    @property
    def one_by_one(self) -> bool:  # type: ignore[override]
        return self.sink.one_by_one

    @property
    def paces(self) -> bool:  # type: ignore[override]
        return self.sink.paces

    @property
    def delivery(self) -> Delivery:  # type: ignore[override]
        return self.sink.delivery

    @property
    def visible(self) -> Visible | None:  # type: ignore[override]
        return self.sink.visible

    @property
    def why_repeats(self) -> str:  # type: ignore[override]
        return self.sink.why_repeats

    @property
    def replaces(self) -> str | None:
        return self.sink.replaces

    def left_from(self, dag: str) -> str | None:
        return self.sink.left_from(dag)

    def check(self, shape: Shape, where: str) -> None:
        self.sink.check(shape, where)
