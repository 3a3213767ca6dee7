"""Ingress: a source that is pushed into, by many threads and tasks at once, with backpressure."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from rxdag.contract import END, Chunk, Read, Reader, Shape, Source, SourceContext
from rxdag.errors import GraphError, RxDagError

T = TypeVar("T")


class _Queue:
    """The bounded queue of an ingress; producers that find it full are let in one by one, in order of arrival."""

    def __init__(self, max_items: int) -> None:
        self.max_items = max_items
        self.lock = threading.Lock()
        self.items: deque[Any] = deque()
        self.waiting: deque[tuple[Any, Future[None]]] = deque()
        self.is_complete = False
        self.is_closed = False
        self.error: Exception | None = None
        self.context: SourceContext | None = None

    def offer(self, item: Any, *, wait: bool) -> Future[None] | bool:
        """True if it is in, False if it is full and `wait` is false, else what is set when it is in."""
        with self.lock:
            if self.is_complete or self.is_closed:
                raise RxDagError(
                    "ingress: must be open to be pushed into, got a push after "
                    + ("complete()" if self.is_complete else "the end of its run")
                )
            if len(self.items) < self.max_items and not self.waiting:
                self.items.append(item)
                context = self.context
                ticket: Future[None] | bool = True
            elif not wait:
                return False
            else:
                ticket = Future()
                self.waiting.append((item, ticket))
                return ticket
        if context is not None:
            context.wake()
        return ticket

    def take(self, max_items: int) -> Read:
        admitted: list[Future[None]] = []
        with self.lock:
            n = min(max_items, len(self.items))
            taken = [self.items.popleft() for _ in range(n)]
            while self.waiting and len(self.items) < self.max_items:
                item, ticket = self.waiting.popleft()
                if ticket.set_running_or_notify_cancel():
                    self.items.append(item)
                    admitted.append(ticket)
        for ticket in admitted:
            ticket.set_result(None)
        if taken:
            return Chunk(taken)
        if not self.is_complete:
            return None
        if self.error is not None:
            raise self.error
        return END

    def leftover(self, max_items: int) -> Chunk | None:
        """What was let in before the queue was closed."""
        with self.lock:
            taken = [self.items.popleft() for _ in range(min(max_items, len(self.items)))]
        return Chunk(taken) if taken else None

    def end(self, error: Exception | None) -> None:
        with self.lock:
            self.is_complete = True
            self.error = self.error or error
            context = self.context
        if context is not None:
            context.wake()

    def close(self) -> None:
        """The run is over: who waits is told so."""
        with self.lock:
            self.is_closed = True
            self.context = None
            waiting, self.waiting = self.waiting, deque()
        for _, ticket in waiting:
            if ticket.set_running_or_notify_cancel():
                ticket.set_exception(RxDagError("ingress: the run ended before there was room for the item"))


class _IngressReader(Reader):
    def __init__(self, queue: _Queue) -> None:
        self._queue = queue

    def read(self, max_items: int) -> Read:
        return self._queue.take(max_items)

    def rest(self, max_items: int) -> Chunk | None:
        self._queue.close()
        return self._queue.leftover(max_items)

    def held(self) -> int:
        return len(self._queue.items)

    def close(self) -> None:
        self._queue.close()


@dataclass(frozen=True)
class Ingress(Source[T], Generic[T]):
    """A source that is pushed into; `sources.ingress` makes one.

    Its items go to one run. Any number of threads and tasks may push; each one's items keep their order.
    """

    max_items: int
    shape: Shape = field(default=Shape(), repr=False)
    _queue: _Queue = field(default_factory=lambda: _Queue(1), repr=False, compare=False)
    label = "ingress"

    def open(self, context: SourceContext) -> Reader:
        queue = self._queue
        with queue.lock:
            if queue.context is not None or queue.is_closed:
                raise RxDagError("ingress: one run can read it, got a second; make an ingress for each run")
            queue.context = context
        return _IngressReader(queue)

    def push(self, item: T, /, *, timeout: float | None = None) -> None:
        """Push an item; waits while the queue is full.

        Must not be called from code that the run itself executes: that would wait for itself.

        Args:
            item: What to push.
            timeout: Most seconds to wait; None for as long as it takes.

        Raises:
            TimeoutError: If there was no room in time; the item is not in.
            RxDagError: If it is complete, or its run has ended.
        """
        ticket = self._queue.offer(item, wait=True)
        if isinstance(ticket, Future):
            try:
                ticket.result(timeout)
            except TimeoutError:
                if ticket.cancel():
                    raise
                ticket.result()

    def try_push(self, item: T, /) -> bool:
        """Push an item if there is room now; False if there is none.

        Raises:
            RxDagError: If it is complete, or its run has ended.
        """
        return self._queue.offer(item, wait=False) is True

    async def apush(self, item: T, /) -> None:
        """Push an item; awaits room.

        Raises:
            RxDagError: If it is complete, or its run has ended.
        """
        ticket = self._queue.offer(item, wait=True)
        if isinstance(ticket, Future):
            await asyncio.wrap_future(ticket)

    def complete(self) -> None:
        """Say that nothing more comes: the stream ends behind what is in."""
        self._queue.end(None)

    def fail(self, error: Exception, /) -> None:
        """Say that the feed has failed: the run ends with this error, behind what is in."""
        self._queue.end(error)


def ingress(*, max_items: int = 4096, of: type[T] | None = None) -> Ingress[T]:
    """Make a source that is pushed into: `push` from threads, `apush` from tasks, `try_push` where waiting is no choice.

    Args:
        max_items: Most items that wait to be taken; producers wait behind that.
        of: Type of the items, so that fields can be checked by name.

    Raises:
        GraphError: If `max_items` is less than 1.

    Example:
        >>> feed = sources.ingress()
        >>> feed.push("a"), feed.try_push("b"), feed.complete()
        (None, True, None)
        >>> rxdag.from_source(feed).collect()
        ['a', 'b']
    """
    if max_items < 1:
        raise GraphError(f"ingress: max_items must be 1 or more, got {max_items}")
    return Ingress(max_items, Shape(of), _Queue(max_items))
