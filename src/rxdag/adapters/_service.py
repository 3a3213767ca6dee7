"""Services that run pipelines in the background, observed: their events and their writes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from rxdag.contract import RECEIVES, Overflow, Reader, Shape, Source, SourceContext
from rxdag.errors import GraphError, RxDagError, shown
from rxdag.sources import ItemQueue, QueueReader


@dataclass(frozen=True)
class PipelineEvent:
    """An event of a pipeline of a service, emitted on port "events".

    Attributes:
        kind: "created", "finished", "failed" or "cancelled".
        pipeline: Its key, or its name if the service has no key for it yet.
        error: The error of a failed pipeline.
    """

    kind: Literal["created", "finished", "failed", "cancelled"]
    pipeline: str
    error: BaseException | None = None


class _Tee:
    """Precedes a pipeline's sink: writes unchanged, then passes the written items on."""

    def __init__(self, sink: Any, key: str, give: Callable[[str, Any], Any]) -> None:
        self._sink = sink
        self._key = key
        self._give = give

    async def write(self, batch: Any) -> Any:
        result = await self._sink.write(batch)
        await self._give(self._key, batch)
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sink, name)


class _ServiceReader(QueueReader):
    """Listens to a service from opening to closing, and leaves it unchanged."""

    def __init__(self, service: Any, queue: ItemQueue, context: SourceContext) -> None:
        super().__init__(queue)
        self._service = service
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._teed: list[tuple[Any, Any]] = []
        self._build = service._build_pipeline
        self._run = service._run_pipeline
        service._build_pipeline = self._built
        service._run_pipeline = self._running
        for key, handle in list(service.pipelines.items()):
            self._tee(key, handle.pipeline)
            handle.task.add_done_callback(partial(self._ended, key, handle.pipeline))

    async def _built(self, spec: Any) -> Any:
        made = await self._build(spec)
        key = f"{spec.tenant_id}:{spec.pipeline_id}"
        self._tee(key, made)
        self._context.emit("events", PipelineEvent("created", key))
        return made

    async def _running(self, key: str, pipeline: Any, duration: float | None) -> None:
        """Run a pipeline as the service does, and record its outcome: the service swallows errors."""
        run, told = pipeline.run, list[PipelineEvent]()

        async def listened(*args: Any, **named: Any) -> Any:
            try:
                result = await run(*args, **named)
            except asyncio.CancelledError as error:
                told.append(PipelineEvent("cancelled", key, error))
                raise
            except BaseException as error:
                told.append(PipelineEvent("failed", key, error))
                raise
            told.append(PipelineEvent("finished", key))
            return result

        pipeline.run = listened
        try:
            await self._run(key, pipeline, duration)
        finally:
            self._untee(lambda teed: teed is pipeline)  # a service outlives its pipelines
            for event in told:
                self._context.emit("events", event)

    def _ended(self, key: str, pipeline: Any, task: asyncio.Task[Any]) -> None:
        self._untee(lambda teed: teed is pipeline)
        if task.cancelled():
            self._context.emit("events", PipelineEvent("cancelled", key))
        else:
            error = task.exception()
            self._context.emit("events", PipelineEvent("failed" if error else "finished", key, error))

    def _tee(self, key: str, pipeline: Any) -> None:
        self._teed.append((pipeline, pipeline.sink))
        pipeline.sink = _Tee(pipeline.sink, key, self._give)

    async def _give(self, key: str, batch: Any) -> None:
        with contextlib.suppress(RxDagError):  # without a listener, the pipeline continues as before
            ticket = self._queue.offer((key, batch), wait=True)
            if not isinstance(ticket, bool):
                await asyncio.wrap_future(ticket)

    def _leave(self) -> None:
        service = self._service
        for name, own in (("_build_pipeline", self._built), ("_run_pipeline", self._running)):
            if getattr(service, name) == own:
                delattr(service, name)
        self._untee(lambda _: True)

    def _untee(self, is_over: Callable[[Any], bool]) -> None:
        """Restore the original sinks of the pipelines, and forget them."""
        kept: list[tuple[Any, Any]] = []
        for pipeline, sink in self._teed:
            if is_over(pipeline):
                pipeline.sink = sink
            else:
                kept.append((pipeline, sink))
        self._teed = kept

    def rest(self, max_items: int) -> Any:
        self._leave()
        return super().rest(max_items)

    def close(self) -> None:
        self._leave()
        super().close()


@dataclass(frozen=True)
class _Service(Source[Any]):
    made: Any = field(repr=False)
    max_items: int = 64
    overflow: Overflow = Overflow.BLOCK
    shape: Shape = field(default=Shape(tuple), repr=False)
    label = "service"
    where = "async"
    queues = True
    knows_backlog = True
    no_position = RECEIVES
    side_ports = ("events",)

    def open(self, context: SourceContext) -> Reader:
        queue = ItemQueue(self.label, self.max_items, self.overflow)
        queue.open(context)
        return _ServiceReader(self.made, queue, context)


def is_service(thing: Any) -> bool:
    """Return True if it has the parts of a service of pipelines."""
    return all(hasattr(thing, part) for part in ("create_pipeline", "pipelines", "_build_pipeline", "_run_pipeline"))


def service(made: Any, /, *, max_items: int = 64) -> Source[Any]:
    """Listen to a service that runs pipelines in the background.

    An example is the PipelineService of market-data-pipeline. Emits `(key, batch)` for each batch that a pipeline has
    written, including pipelines that are created later: the source listens to them before their task starts. Port
    "events" emits changes of pipelines as `PipelineEvent`. The pipelines still write to their own sinks; a pipeline
    waits if its batches are read too slowly. The source never ends by itself; after the run, the service is as it was
    before.

    Args:
        made: The service, on the event loop of the run.
        max_items: Maximum number of waiting batches.

    Raises:
        GraphError: If `made` is not such a service.
    """
    if not is_service(made):
        raise GraphError(
            f"service: takes a service of pipelines, with create_pipeline() and pipelines, got {shown(made)}"
        )
    return _Service(made, max_items)
