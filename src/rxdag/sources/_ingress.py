"""Ingress: a source that is pushed into, by many threads and tasks at once, with backpressure."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

from rxdag.contract import Overflow, Reader, Shape, Source, SourceContext, checked_overflow, item_type
from rxdag.sources._queue import ItemQueue

T = TypeVar("T")


@dataclass(frozen=True)
class Ingress(Source[T], Generic[T]):
    """A source that is pushed into; `sources.ingress` makes one.

    Its items go to one run. Any number of threads and tasks may push; each one's items keep their order.
    """

    max_items: int
    overflow: Overflow
    _queue: ItemQueue = field(repr=False, compare=False)
    shape: Shape = field(default=Shape(), repr=False)
    label = "ingress"
    queues = True
    knows_backlog = True

    def open(self, context: SourceContext) -> Reader:
        return self._queue.open(context)

    def push(self, item: T, /, *, timeout: float | None = None) -> None:
        """Push an item; while the queue is full it waits, unless the ingress was made with another `overflow`.

        Must not be called from code that the run itself executes: that would wait for itself.

        Args:
            item: What to push.
            timeout: Most seconds to wait; None for as long as it takes.

        Raises:
            TimeoutError: If there was no room in time; the item is not in.
            BufferOverflow: If it was one too many, with overflow="error": the run fails with that.
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
        """Push an item if there is room now; False if it is not in.

        Raises:
            RxDagError: If it is complete, or its run has ended.
        """
        return self._queue.offer(item, wait=False) is True

    def offer(self, item: T, /) -> Future[None]:
        """Push an item without waiting; the future is set when it is in, or fails if the run ends before.

        What is offered and not in yet is not bounded by the queue: wait for one future before the next offer.

        Raises:
            RxDagError: If it is complete, or its run has ended.
        """
        ticket = self._queue.offer(item, wait=True)
        if isinstance(ticket, Future):
            return ticket
        done = Future[None]()
        done.set_result(None)
        return done

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


def ingress(
    *,
    max_items: int = 4096,
    overflow: Overflow
    | Literal["block", "drop_oldest", "drop_newest", "drop_tail", "drop_buffer", "error"] = Overflow.BLOCK,
    delay_error: bool = True,
    of: type[T] | None = None,
) -> Ingress[T]:
    """Make a source that is pushed into: `push` from threads, `apush` from tasks, `try_push` where waiting is no choice.

    `.buffered(...)` right behind it governs its queue instead of the arguments here.

    Args:
        max_items: Most items that wait to be taken; 0, with "drop_newest", takes an item only if the run waits for it.
        overflow: What happens to an item that finds the queue full: by default its producer waits. What is dropped is
            counted in the books of the source.
        delay_error: With "error", True to let out what waits before the run fails.
        of: Type of the items, so that fields can be checked by name.

    Raises:
        GraphError: If an argument is not as above.

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
