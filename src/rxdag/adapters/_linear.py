"""Linear pipelines, source -> operator -> batcher -> sink objects, read as a source."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol, TypeAlias, runtime_checkable

from rxdag.adapters._async_iterators import Leaving, called
from rxdag.contract import RECEIVES, SKIP, Chunk, OnError, OnErrorName, Read, Reader, Shape, Source, SourceContext
from rxdag.errors import GraphError, shown
from rxdag.graph import Dag, from_source
from rxdag.sinks import batched
from rxdag.sources import Lifeline, LiveReader

Gives: TypeAlias = Literal["batches", "items"]


@runtime_checkable
class LinearPipeline(Protocol):
    """The shape of a linear pipeline.

    Attributes:
        source: Has `stream()`, an async iterator, and optionally `start()` and `close()`.
        operator: Has `async handle(item)`, which returns an item or None, and optionally `async flush_all()`.
            Alternatively, `operators` is a list of such objects, applied in order.
        batcher: Has `async add(item)`, which returns a list or None, and `async flush()`.
        sink: Has `async write(batch)`, and optionally `async close()`.
    """

    source: Any
    operator: Any
    batcher: Any
    sink: Any


_PARTS: Final = {"source": "stream", "operator": "handle", "batcher": "add", "sink": "write"}


def is_linear(thing: Any) -> bool:
    """Return True for an object with the parts of a linear pipeline."""
    return not _missing(thing)


def _missing(thing: Any) -> list[str]:
    """Return the missing parts of a pipeline."""
    listed: Any = getattr(thing, "operators", None)
    missing = [f"{p} with {m}()" for p, m in _PARTS.items() if not hasattr(getattr(thing, p, None), m)]
    if isinstance(listed, list | tuple) and all(hasattr(each, "handle") for each in operators_of(thing)):
        missing = [each for each in missing if not each.startswith("operator ")]
    return missing


def operators_of(made: Any) -> list[Any]:
    """Return the operators of a pipeline, in order."""
    listed: Any = getattr(made, "operators", None)
    return list(listed) if isinstance(listed, list | tuple) else [made.operator]  # pyright: ignore[reportUnknownArgumentType]  # of whatever


class _Walk:
    """Drives source, operator and batcher of one pipeline, and reports errors instead of swallowing them."""

    def __init__(self, made: Any, gives: Gives) -> None:
        self._made = made
        self._operators = operators_of(made)
        self._gives = gives
        self._flushes = True
        self._ticks: Leaving | None = None
        self._is_left = False
        self.failed: list[tuple[Any, Exception]] = []

    def leave(self, *, flush: bool) -> None:
        """Stop reading the source; close open windows only on request."""
        self._is_left = True
        self._flushes = flush
        if self._ticks is not None:
            self._ticks.leave()

    async def outputs(self) -> AsyncIterator[Any]:
        """Yield the outputs of the pipeline, to its end."""
        source = self._made.source
        await called(source, "start")
        self._ticks = ticks = Leaving(source.stream())
        if self._is_left:
            ticks.leave()
        try:
            async for tick in ticks:
                for output in await self._handled(tick):
                    yield output
            for output in await self._last():
                yield output
        finally:
            await ticks.aclose()
            await called(source, "close", "stop")

    async def _handled(self, tick: Any) -> list[Any]:
        try:
            return await self._batched(await self._operated([tick], 0))
        except Exception as error:  # the reader gives it to the run, with the tick
            self.failed.append((tick, error))
            return []

    async def _operated(self, items: Iterable[Any], first: int) -> list[Any]:
        """Return items as processed by the operators from index `first` on."""
        out = list(items)
        for operator in self._operators[first:]:
            made = [await operator.handle(item) for item in out]
            out = [item for item in made if item is not None]
        return out

    async def _batched(self, items: Iterable[Any]) -> list[Any]:
        if self._gives == "items":
            return list(items)
        return [batch for item in items if (batch := await self._made.batcher.add(item))]

    async def _last(self) -> list[Any]:
        outputs: list[Any] = []
        for i, operator in enumerate(self._operators if self._flushes else ()):
            flush_all = getattr(operator, "flush_all", None)
            if flush_all is not None:
                outputs += await self._batched(await self._operated(await flush_all(), i + 1))
        if self._gives == "batches":
            tail = await self._made.batcher.flush()
            outputs += [tail] if tail else []
        return outputs


class _LinearReader(LiveReader):
    def __init__(self, made: Any, gives: Gives, context: SourceContext) -> None:
        self._walk = _Walk(made, gives)
        super().__init__(self._walk.outputs, context, Lifeline())

    def read(self, max_items: int) -> Read:
        if self._walk.failed:
            failed, self._walk.failed = self._walk.failed, []
            for tick, error in failed:
                self._context.bad(tick, error)
            self._context.wake()
            return Chunk([])
        return super().read(max_items)

    def drain(self, *, flush: bool) -> bool:
        self._walk.leave(flush=flush)
        self._context.wake()
        return True


@dataclass(frozen=True)
class _LinearSource(Source[Any]):
    made: Any = field(repr=False)
    gives: Gives = "batches"
    shape: Shape = field(default=Shape(), repr=False)
    label = "pipeline"
    where = "async"
    no_position = RECEIVES

    def open(self, context: SourceContext) -> Reader:
        return _LinearReader(self.made, self.gives, context)


def pipeline(made: LinearPipeline, /, *, gives: Gives = "batches") -> Source[Any]:
    """Read a linear pipeline, unchanged, in place of its own `run`.

    Its sink is not called. Errors that its `run` would log and ignore are errors of the source's items: they end the
    run, are skipped, or go to port "dead" with their tick, by `on_error`. When the pipeline ends by itself, the open
    windows of its operator are closed. A drain emits the items in its batcher, and leaves windows open unless it
    flushes. Its source is closed however the run ends.

    Args:
        made: An object with source, operator, batcher and sink, such as a StreamingPipeline of market-data-pipeline.
        gives: "batches", as passed to its sink, or "items", as returned by its operator, one by one.

    Raises:
        GraphError: If parts are missing; names all of them.

    Example:
        >>> class Source:
        ...     async def stream(self):
        ...         for price in (50_000.0, 50_001.5):
        ...             yield price
        >>> class Operator:
        ...     async def handle(self, price):
        ...         return round(price / 100) * 100
        >>> class Batcher:
        ...     async def add(self, price):
        ...         return [price]
        ...
        ...     async def flush(self):
        ...         return []
        >>> class Table:
        ...     async def write(self, batch):
        ...         print(batch)
        >>> class Old:
        ...     source, operator, batcher, sink = Source(), Operator(), Batcher(), Table()
        >>> rxdag.from_source(rxdag.adapters.pipeline(Old())).collect()
        [[50000], [50000]]
    """
    missing = _missing(made)
    if missing:
        raise GraphError(f"pipeline: takes an object with {', '.join(missing)}; got {shown(made)}")
    if gives not in ("batches", "items"):
        raise GraphError(f'pipeline: gives must be "batches" or "items", got {shown(gives)}')
    return _LinearSource(made, gives)


def linear_dag(name: str, made: LinearPipeline, /, *, on_error: OnError | OnErrorName = SKIP) -> Dag:
    """Convert a linear pipeline to a dag of two nodes, "pipeline" and "sink".

    Batches are written as by its own `run`.

    Args:
        name: Name of the dag.
        made: See `pipeline`.
        on_error: What to do with a tick or batch if the pipeline's code fails on it: by default it is skipped and
            counted, because the pipeline's own `run` also continues after it.

    Example:
        >>> class Source:
        ...     async def stream(self):
        ...         for price in (50_000.0, 50_001.5):
        ...             yield price
        >>> class Operator:
        ...     async def handle(self, price):
        ...         return round(price / 100) * 100
        >>> class Batcher:
        ...     async def add(self, price):
        ...         return [price]
        ...
        ...     async def flush(self):
        ...         return []
        >>> class Table:
        ...     async def write(self, batch):
        ...         print(batch)
        >>> class Old:
        ...     source, operator, batcher, sink = Source(), Operator(), Batcher(), Table()
        >>> rxdag.run(rxdag.adapters.linear_dag("prices", Old())).state
        [50000]
        [50000]
        'completed'
    """
    stream = from_source(pipeline(made), name="pipeline", on_error=on_error)
    sink = made.sink

    @asynccontextmanager
    async def opened() -> AsyncGenerator[Any]:
        async def write(batches: list[Any]) -> None:
            for batch in batches:
                await sink.write(batch)

        try:
            yield write
        finally:
            await called(sink, "close")

    out = stream.to(batched(opened, max_items=1, max_wait=None, timeout=None, on_error=on_error), name="sink")
    return Dag(out, name=_dag_name(name))


def _dag_name(name: str) -> str:
    """Return the name without characters that dag names cannot have: "tenant:pipeline" is "tenant.pipeline"."""
    plain = re.sub(r"[^A-Za-z0-9_.-]", ".", name)
    return plain if plain[:1].isalpha() else f"pipeline.{plain}"
