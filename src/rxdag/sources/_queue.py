"""The queue of a source that is pushed into: bounded, by one of the policies of a gate."""

from __future__ import annotations

import os
import threading
from collections import deque
from concurrent.futures import Future
from typing import Any

from rxdag.contract import (
    END,
    BadProgram,
    Boundary,
    Chunk,
    Overflow,
    Read,
    Reader,
    Saw,
    SourceContext,
    refuse_fork,
    unseen,
)
from rxdag.errors import BufferOverflow, RxDagError, shown


class ItemQueue:
    """A bounded queue of items, pushed into from any thread.

    With Overflow.BLOCK, producers that find it full are admitted one by one, in order of arrival.

    Args:
        label: Of the source, for messages.
        max_items: Maximum number of waiting items; with 0, an item is accepted only if the run waits for one.
        overflow: Policy for an item that finds it full.
        delay_error: With Overflow.ERROR, True to deliver the waiting items before the error.
    """

    def __init__(self, label: str, max_items: int, overflow: Overflow, *, delay_error: bool = True) -> None:
        self.label = label
        self.max_items = max_items
        self.overflow = overflow
        self.delay_error = delay_error
        self.lock = threading.Lock()
        self.items: deque[Any] = deque()
        self.waiting: deque[tuple[Any, Future[None]]] = deque()
        self.is_complete = False
        self.is_closed = False
        self.error: BaseException | None = None
        self.context: SourceContext | None = None
        self.dropped = 0
        self.discarded = 0
        self._is_wanted = False
        self._pid = os.getpid()
        self._saw: Saw = unseen

    def open(self, context: SourceContext) -> QueueReader:
        """Attach the queue to a run that reads it.

        Raises:
            RxDagError: If a run has read it already.
        """
        with self.lock:
            if self.context is not None or self.is_closed:
                raise RxDagError(f"{self.label}: only one run can read it, got a second; make one for each run")
            self.context = context
            self._saw = context.saw or unseen
            if context.boundary is not None:
                self._configure(context.boundary)
        return QueueReader(self)

    def _configure(self, boundary: Boundary) -> None:
        """Adopt the settings of the gate that the user put directly after the source."""
        self.max_items = self.max_items if boundary.max_items is None else boundary.max_items
        self.overflow, self.delay_error = boundary.overflow, boundary.delay_error
        if self.overflow is not Overflow.BLOCK:
            # The new policy applies to items pushed before the run too.
            queued, self.items = self.items, deque()
            for item in queued:
                if not self.is_complete:
                    self._let_in(item)

    def offer(self, item: Any, *, wait: bool) -> Future[None] | bool:
        """Return True if the item was added, False if the queue is full, or a future that is set once it is added.

        Args:
            item: The item to push.
            wait: True to wait for room; policies that drop never wait.

        Raises:
            BufferOverflow: If it was one too many, with Overflow.ERROR.
            RxDagError: If the queue has ended, or the caller is a forked child process.
        """
        refuse_fork(self._pid, self.label)
        with self.lock:
            if self.is_complete or self.is_closed:
                self._saw("ignored", item)
                raise self._refusal()
            # Behind waiting items, even if there is room by now: otherwise it would overtake them.
            if self.overflow is Overflow.BLOCK and (len(self.items) >= self.max_items or self.waiting):
                if not wait:
                    return False
                ticket = Future[None]()
                self.waiting.append((item, ticket))
                self._saw("blocked", item)
                return ticket
            was_wanted = self._is_wanted
            is_in = self._let_in(item)
            # Read under the lock, used after it: waking the driver takes another lock.
            context, error = self.context, self.error
        if context is not None and (was_wanted or error is not None):
            context.wake()
        if error is not None:
            raise error
        return is_in

    def _refusal(self) -> Exception:
        if isinstance(self.error, BufferOverflow):
            return self.error
        after = "complete()" if self.is_complete else "the end of its run"
        return RxDagError(f"{self.label}: must be open to take a push, got one after {after}")

    def _let_in(self, item: Any) -> bool:
        """Add an item if it fits, else apply the policy; return False if it was not added."""
        items = self.items
        # With max_items 0 there is room only while the run waits for an item.
        if len(items) < (self.max_items or int(self._is_wanted)):
            items.append(item)
            self._is_wanted = False
            return True
        policy = self.overflow
        if policy is Overflow.DROP_OLDEST:
            self._drop(items.popleft())
        elif policy is Overflow.DROP_TAIL:
            self._drop(items.pop())
        elif policy is Overflow.DROP_BUFFER:
            while items:
                self._drop(items.popleft())
        else:
            self._drop(item)
            if policy is Overflow.ERROR:
                self._overflow()
            return False
        items.append(item)
        return True

    def _drop(self, item: Any) -> None:
        self.dropped += 1
        self._saw("dropped", item)

    def _overflow(self) -> None:
        self.is_complete = True
        self.error = BufferOverflow(
            f"{self.label}: must hold at most {self.max_items:,} items, got one more; use a larger max_items, "
            f'or another overflow policy, such as "block" if the feed can wait, or "drop_oldest"'
        )
        if not self.delay_error:
            self.discarded += len(self.items)
            self.items.clear()
        self._saw("upstream_cancel")

    def take(self, max_items: int) -> Read:
        """Take out up to `max_items`; None for nothing now, END for no more. Raises the error of the feed."""
        self._admit()
        with self.lock:
            n = min(max_items, len(self.items))
            taken = [self.items.popleft() for _ in range(n)]
            self._is_wanted = not taken
        if taken:
            return Chunk(taken)
        if not self.is_complete:
            return None
        if self.error is not None:
            raise self.error
        return END

    def _admit(self) -> None:
        """Admit waiting producers into the space of items that were read and have moved on."""
        admitted: list[Future[None]] = []
        with self.lock:
            while self.waiting and len(self.items) < self.max_items:
                item, ticket = self.waiting.popleft()
                # False if the producer has cancelled; its item must not be added then.
                if ticket.set_running_or_notify_cancel():
                    self.items.append(item)
                    admitted.append(ticket)
                    self._saw("resumed", item)
        # Outside of the lock: a future calls its callbacks immediately, and one may push again.
        for ticket in admitted:
            ticket.set_result(None)

    def is_spent(self) -> bool:
        """Return True if nothing waits and nothing more will come."""
        self._admit()
        return self.is_complete and not self.items

    def leftover(self, max_items: int) -> Chunk | None:
        """Return the items that were accepted before the queue was closed."""
        with self.lock:
            taken = [self.items.popleft() for _ in range(min(max_items, len(self.items)))]
        return Chunk(taken) if taken else None

    def end(self, error: BaseException | None) -> None:
        """End or fail the stream after the items in the queue."""
        if error is not None and not isinstance(error, BaseException):  # foreign
            error = BadProgram(f"{self.label}: a feed must fail with an exception, got {shown(error)}")
        with self.lock:
            self.is_complete = True
            self.error = self.error or error  # an overflow takes precedence
            context = self.context
        if context is not None:
            context.wake()

    def close(self) -> None:
        """Close the queue and wake all waiting producers."""
        with self.lock:
            if self.is_closed:
                return
            if not self.is_complete:
                self._saw("upstream_cancel")
            self.is_closed = True
            self.context = None
            # Removed under the lock and answered after it, so that no push is added without an answer.
            waiting, self.waiting = self.waiting, deque()
        for _, ticket in waiting:
            if ticket.set_running_or_notify_cancel():
                ticket.set_exception(
                    RxDagError(f"{self.label}: the run ended while the push was waiting for a full gate")
                )


class QueueReader(Reader):
    """Reads a queue."""

    def __init__(self, queue: ItemQueue) -> None:
        self._queue = queue

    def read(self, max_items: int) -> Read:
        return self._queue.take(max_items)

    def rest(self, max_items: int) -> Chunk | None:
        self._queue.close()
        return self._queue.leftover(max_items)

    def without_room(self) -> bool:
        return self._queue.is_spent()

    def held(self) -> int:
        self._queue.close()  # a push after the count would be lost
        return len(self._queue.items) + self._queue.discarded

    def backlog(self) -> int:
        return len(self._queue.items) + len(self._queue.waiting)

    def dropped(self) -> int:
        return self._queue.dropped

    def close(self) -> None:
        self._queue.close()
