"""Ingress: a source that is pushed into, by many threads and tasks at once, with backpressure."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

from rxdag.contract import RECEIVES, Overflow, Reader, Shape, Source, SourceContext, checked_overflow, item_type
from rxdag.sources._queue import ItemQueue

T = TypeVar("T")


@dataclass(frozen=True)
class Ingress(Source[T], Generic[T]):
    """A source that your code pushes items into; created by `sources.ingress`.

    Its items go to one run. Any number of threads and tasks may push; the items of each keep their order.
    """

    max_items: int
    overflow: Overflow
    _queue: ItemQueue = field(repr=False, compare=False)
    shape: Shape = field(default=Shape(), repr=False)
    label = "ingress"
    queues = True
    knows_backlog = True
    no_position = RECEIVES

    def open(self, context: SourceContext) -> Reader:
        return self._queue.open(context)

    def push(self, item: T, /, *, timeout: float | None = None) -> None:
        """Push an item; wait while the queue is full, unless `overflow` says otherwise.

        Do not call it from code that the run itself executes: it would wait for itself.

        Args:
            item: The item to push.
            timeout: Longest time to wait, s; None for no limit.

        Raises:
            TimeoutError: If there was no room in time; the item was not added.
            BufferOverflow: If the queue was full, with overflow="error"; the run fails with the same error.
            RxDagError: If the ingress is complete, or its run has ended.
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
        """Push an item if there is room now; return False if it was not added.

        Raises:
            RxDagError: If the ingress is complete, or its run has ended.
        """
        return self._queue.offer(item, wait=False) is True

    def offer(self, item: T, /) -> Future[None]:
        """Push an item without waiting; return a future that is set when it is added.

        The future fails if the run ends first. The queue does not bound items that were offered but not yet added:
        await one future before the next offer.

        Raises:
            RxDagError: If the ingress is complete, or its run has ended.
        """
        ticket = self._queue.offer(item, wait=True)
        if isinstance(ticket, Future):
            return ticket
        done = Future[None]()
        done.set_result(None)
        return done

    async def apush(self, item: T, /) -> None:
        """Push an item, and await room if the queue is full.

        Raises:
            RxDagError: If the ingress is complete, or its run has ended.
        """
        ticket = self._queue.offer(item, wait=True)
        if isinstance(ticket, Future):
            await asyncio.wrap_future(ticket)

    def complete(self) -> None:
        """End the stream after the items in the queue."""
        self._queue.end(None)

    def fail(self, error: Exception, /) -> None:
        """Fail the run with this error, after the items in the queue."""
        self._queue.end(error)


def ingress(
    *,
    max_items: int = 4096,
    overflow: Overflow
    | Literal["block", "drop_oldest", "drop_newest", "drop_tail", "drop_buffer", "error"] = Overflow.BLOCK,
    delay_error: bool = True,
    of: type[T] | None = None,
) -> Ingress[T]:
    """Create a source that your code pushes items into.

    Use `push` from threads, `apush` from tasks, and `try_push` where you cannot wait. `.buffered(...)` directly behind
    the source overrides the queue arguments here.

    Args:
        max_items: Maximum number of waiting items. With 0 and "drop_newest", an item is added only if the run waits for
            one.
        overflow: What to do with an item that arrives when the queue is full; by default its producer waits. Dropped
            items are counted in the books of the source.
        delay_error: With "error", True to deliver the waiting items before the run fails.
        of: Type of the items, so that fields can be checked by name.

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> feed = sources.ingress()
        >>> feed.push("a"), feed.try_push("b"), feed.complete()
        (None, True, None)
        >>> rxdag.from_source(feed).collect()
        ['a', 'b']
    """
    policy = checked_overflow("ingress", max_items, overflow, delay_error=delay_error)
    shape = Shape(item_type(of, "ingress: of"))
    return Ingress(max_items, policy, ItemQueue("ingress", max_items, policy, delay_error=delay_error), shape)
