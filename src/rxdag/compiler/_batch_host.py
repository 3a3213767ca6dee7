"""The host of a sink that is written in batches: it gathers them, tries them again, and finds the item that fails them."""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import Any

from rxdag.compiler._sink_host import SinkHost
from rxdag.compiler._source_host import said
from rxdag.contract import Batching, Chunk, WriteFailed
from rxdag.errors import NodeError, shown
from rxdag.schedulers import Timer


class BatchHost(SinkHost):
    """Gathers a batch while the one before it is written; a batch that fails is tried again whole, then in halves."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        batching = self.sink.batching
        if batching is None:
            raise TypeError(f"BatchHost: takes a sink that is written in batches, got {shown(self.sink)}")
        self._batching: Batching = batching
        self._batch: Chunk | None = None
        self._is_due = False
        self._timer: Timer | None = None
        self._parts: deque[Chunk] = deque()
        """What is left of the batch that is being written: one part, or several once it was split."""
        self._is_split = False
        self._is_open = False
        self._resource: Any = None

    # ---- what the batches are written to

    def open(self) -> None:
        super().open()
        if not self.is_ended:
            self.context.spawn(self.name, self._enter(), self._entered)

    async def _enter(self) -> None:
        self._resource = resource = self._batching.resource()
        writer: Any = self._writer
        writer.opened(await resource.__aenter__())

    def _entered(self, task: asyncio.Future[Any]) -> None:
        error = None if task.cancelled() else task.exception()
        if task.cancelled() or error is not None:
            self._resource = None
            if isinstance(error, Exception):
                made = NodeError(f'sink "{self.name}": could not be opened: {said(error)}', node=self.name)
                made.__cause__ = error
                self.fail(made)
            return
        self._is_open = True
        self._go_on()

    async def _leave(self, result: Any) -> Any:
        resource, self._resource = self._resource, None
        if resource is not None:
            error: BaseException | None = self.error
            if error is None and not self.context.may_succeed:
                error = asyncio.CancelledError()
            await resource.__aexit__(None if error is None else type(error), error, None)
        return result

    def closed_with(self, result: Any) -> Any:
        return self._leave(result)

    # ---- gathering

    def want_from(self, input: int) -> int | None:
        if self.is_ended:
            return None
        return self._batching.max_items - (0 if self._batch is None else len(self._batch))

    def held(self) -> int:
        return super().held() + (0 if self._batch is None else len(self._batch))

    def discard(self) -> None:
        self.ledger.discarded += self.held()
        self._batch = None
        self._parts.clear()
        self._in_flight = 0
        if self._timer is not None:
            self._timer.cancel()

    def receive(self, input: int, chunk: Chunk) -> None:
        n = len(chunk.items)
        self.ledger.arrived += n
        if self.is_ended:
            self.ledger.unread += n
            return
        if not n:
            return
        chunk = chunk.rows()
        self._batch = chunk if self._batch is None else self._batch.join(chunk)
        if len(self._batch) >= self._batching.max_items:
            self._go_on()
        elif self._timer is None and self._batching.max_wait_ns is not None:
            when = self.context.clock.now() + self._batching.max_wait_ns
            self._timer = self.segment.scheduler.at(when, self._waited_long_enough, rank=self.rank)

    def _waited_long_enough(self) -> None:
        self._timer = None
        self._is_due = True
        self._go_on()
        self._settle()

    def _go_on(self) -> None:
        """Write the next part, or the batch that is gathered if it is full or has waited."""
        if self.is_ended or not self._is_open or self._in_flight:
            return
        batch = self._batch
        is_ready = self._is_due or self._ending is not None
        if batch is not None and (is_ready or len(batch) >= self._batching.max_items):
            self._batch, self._is_due = None, False
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._in_flight = len(batch)
            self._parts.append(batch)
            self._attempts, self._is_split = 0, False
            self._write_part()

    # ---- writing

    def _write_part(self) -> None:
        writer = self._writer
        if writer is not None and self._parts and not self.is_ended:  # it may have ended while it waited to try again
            part = self._parts[0]
            self._began = self._ticks()
            pending: Any = writer.write(part)
            self.context.spawn(self.name, pending, partial(self._part_written, part))

    def _part_written(self, part: Chunk, task: asyncio.Future[Any]) -> None:
        if task.cancelled() or self.is_ended or not self._parts:
            return
        error = task.exception()
        if error is None:
            self._parts.popleft()
            self._in_flight -= len(part)
            self.ledger.passed += len(part)
            self.writes.add(self._ticks() - self._began)
        elif not isinstance(error, Exception) or not self._part_failed(part, error):
            return
        if self._parts:
            self._write_part()
        else:
            self._go_on()
        self._settle()

    def _part_failed(self, part: Chunk, error: Exception) -> bool:
        """Deal with a part that could not be written; False if that is not to be gone on with now."""
        self.writes.failed += 1
        if not self._is_split:
            self._attempts += 1
            wait = self.policy.wait_ns(error, self._attempts, self.context.random)
            if wait is not None:
                self.ledger.retried += 1
                self.segment.scheduler.at(self.context.clock.now() + wait, self._write_part, rank=self.rank)
                return False
        self._parts.popleft()
        if isinstance(error, WriteFailed):
            self.ledger.passed += error.index
            self._in_flight -= error.index + 1
            _, rest = part.split(error.index)
            failed, rest = rest.split(1)
            if rest.items:
                self._parts.appendleft(rest)
            return self._buried(failed.items[0], error.cause)
        # A line that is down fails whatever is sent: no item is to blame.
        if len(part) > 1 and not isinstance(error, ConnectionError | TimeoutError):
            head, rest = part.split(len(part) // 2)
            self._parts.extendleft((rest, head))
            self._is_split = True
            return True
        for item in part.items:
            self._in_flight -= 1
            if not self._buried(item, error):
                return False
        return True

    def _buried(self, item: Any, error: Exception) -> bool:
        return self.bury(self.ledger, self.name, item, error, self.outlets, max(1, self._attempts))

    # ---- the end

    def inputs_ended(self, error: Exception | None) -> None:
        if self._in_flight or self._batch is not None:
            self._ending = (error,)
            self._go_on()
            return
        super().inputs_ended(error)

    def _settle(self) -> None:
        self.outlets["dead"].flush()
        if self._ending is not None and not self.is_ended and not self._in_flight and self._batch is None:
            self.inputs_ended(*self._ending)
        self.segment.run()
        for pump in self.segment.pumps:
            pump.wake()
