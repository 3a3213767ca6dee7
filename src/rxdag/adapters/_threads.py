"""Sources that block a thread: queues, futures and others."""

from __future__ import annotations

import queue
from concurrent.futures import FIRST_COMPLETED, Future
from concurrent.futures import wait as wait_for
from dataclasses import dataclass, field
from typing import Any, Final

from rxdag.adapters._async_iterators import Never
from rxdag.contract import END, RECEIVES, Chunk, Read, Reader, Shape, Source, SourceContext

_POLL_S: Final = 0.05


@dataclass(frozen=True)
class ThreadQueue(Source[Any]):
    """A queue between threads; remaining items stay in it."""

    items: Any = field(repr=False)
    shape: Shape = field(default=Shape(), repr=False)
    label = "queue"
    where = "blocking"
    no_position = RECEIVES

    def open(self, context: SourceContext) -> Reader:
        return _ThreadQueueReader(self.items, context)


class _ThreadQueueReader(Reader):
    def __init__(self, items: Any, context: SourceContext) -> None:
        self._items: Any = items
        self._context = context
        self._counts = isinstance(items, queue.Queue)
        self._shut_down: type[Exception] = getattr(queue, "ShutDown", Never)

    def read(self, max_items: int) -> Read:
        try:
            item = self._items.get(timeout=_POLL_S)
        except queue.Empty:
            self._context.wake()
            return None
        except self._shut_down:
            return END
        if self._counts:
            self._items.task_done()
        return Chunk([item])


@dataclass(frozen=True)
class Futures(Source[Any]):
    """Futures of threads or processes, in the order in which they are done."""

    futures: tuple[Future[Any], ...] = field(repr=False)
    shape: Shape = field(default=Shape(), repr=False)
    label = "futures"
    where = "blocking"
    no_position = RECEIVES

    def open(self, context: SourceContext) -> Reader:
        return _FuturesReader(self.futures, context)


class _FuturesReader(Reader):
    def __init__(self, futures: tuple[Future[Any], ...], context: SourceContext) -> None:
        self._left = list(futures)
        self._context = context

    def read(self, max_items: int) -> Read:
        if not self._left:
            return END
        done, _ = wait_for(self._left, _POLL_S, FIRST_COMPLETED)
        if not done:
            self._context.wake()
            return None
        first = next(future for future in self._left if future in done)
        self._left.remove(first)
        return Chunk([first.result()])
