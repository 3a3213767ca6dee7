"""Items of a supervised dag's publisher, as an async iterator over all of its runs."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from rxdag.contract import Subscription
from rxdag.errors import GraphError
from rxdag.runtime._dag_job import DagJob, DagRun
from rxdag.runtime._supervised import Supervised
from rxdag.sinks import PublisherSink

_CREDIT: Final = 64


class _Reader:
    """A subscriber that hands over to an event loop, and asks for more as its items are taken."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._subscription: Subscription | None = None
        self._items: deque[Any] = deque()
        self._more = asyncio.Event()
        self._is_over = False
        self.error: Exception | None = None
        """Error of the run."""

    def on_subscribe(self, subscription: Subscription, /) -> None:
        self._subscription = subscription
        subscription.request(_CREDIT)

    def on_next(self, item: Any, /) -> None:
        self._items.append(item)
        self._call(self._more.set)

    def on_error(self, error: Exception, /) -> None:
        self.error = error
        self.on_complete()

    def on_complete(self) -> None:
        self._is_over = True
        self._call(self._more.set)

    def _call(self, fn: Callable[[], object]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed, so nothing reads
            self._loop.call_soon_threadsafe(fn)

    async def items(self) -> AsyncIterator[Any]:
        """Yield the items to the end of the run; raise its error."""
        try:
            while True:
                while self._items:
                    yield self._items.popleft()
                    if self._subscription is not None:
                        self._subscription.request(1)
                if self._is_over and not self._items:
                    if self.error is not None:
                        raise self.error
                    return
                self._more.clear()
                if not self._items and not self._is_over:
                    await self._more.wait()
        finally:
            if self._subscription is not None:
                self._subscription.cancel()


def streamed(job: Supervised, sink: str | None) -> AsyncIterator[Any]:
    """Return the items of a dag's publisher, from the current or next run and all restarts.

    Raises:
        GraphError: If the dag has no such publisher.
    """
    dag_job = job.job
    known: list[str] = []
    if isinstance(dag_job, DagJob):
        known = [name for name, node in dag_job.plan.dag.nodes.items() if isinstance(node.thing, PublisherSink)]
    if sink is None and len(known) == 1:
        return _streamed(job, known[0])
    if sink is not None and sink in known:
        return _streamed(job, sink)
    listed = ", ".join(f'"{name}"' for name in known) or "none; end a stream with .to(sinks.publisher(), name=...)"
    what = "must have one sinks.publisher(), or sink= must name one" if sink is None else f'has no publisher "{sink}"'
    raise GraphError(f'stream: "{job.name}" {what}; known: {listed}')


async def _streamed(job: Supervised, sink: str) -> AsyncIterator[Any]:
    seen: Any = None
    failure: Exception | None = None
    while True:
        run = job.run
        if isinstance(run, DagRun) and run is not seen and job.state == "running":
            seen, failure = run, None
            reader = _Reader(asyncio.get_running_loop())
            run.handle.publisher(sink).subscribe(reader)
            items = reader.items()
            try:
                async for item in items:
                    yield item
            except Exception as error:
                if error is not reader.error:
                    raise
                failure = error  # told only if the dag is not started again
            finally:
                await items.aclose()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]  # it is a generator
        if job.is_over:
            if failure is not None:
                raise failure
            return
        changed = job.changed
        if job.run is seen or job.state != "running":
            await changed.wait()
