"""Sinks that are written in batches: gathers them, tries them again, and finds the item that fails them."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

from mypy_extensions import i64

from rxdag.contract import BadItem, BadProgram, Batching, Chunk, OnError, Shape, Sink, WriteFailed, label_of
from rxdag.engine._context import RunContext
from rxdag.engine._domain import Timer
from rxdag.engine._faults import checked_resource, end_error, left
from rxdag.engine._sink_node import SinkNode

if TYPE_CHECKING:
    from asyncio import Future


class BatchSinkNode(SinkNode):
    """Gathers a batch while the previous one is written; a failed batch is retried whole, then in halves."""

    def __init__(self, name: str, run: RunContext, policy: OnError, sink: Sink[Any, Any], shape: Shape) -> None:
        super().__init__(name, run, policy, sink, shape)
        batching = sink.batching
        assert batching is not None
        self.batching: Batching = batching
        self.is_due = False
        self.timer: Timer | None = None
        self.parts: deque[Chunk] = deque()
        """Parts of the current batch that are still to be written: one, or several after a split."""
        self.is_split = False
        self.is_open = False
        self.has_entered = run.event()
        """Set once the context manager is entered or has failed; it is not left before that."""
        self.resource: Any = None

    def open(self) -> None:
        super().open()
        if not self.is_ended:
            self.run.spawn(self.name, self.enter(), self.entered)

    def take_over(self) -> None:
        self.is_due = True
        if self.is_ended:
            super().take_over()

    def unwritten(self) -> list[Chunk]:
        return [*self.parts, Chunk(self.gathered, self.times, self.sequences, self.keys)]

    async def enter(self) -> None:
        """Enter the context manager of the object that writes the batches."""
        resource = checked_resource(self.batching.resource(), f"{label_of(self.sink)}: factory")
        writer: Any = self.writer
        given = await resource.__aenter__()
        self.resource = resource
        writer.opened(given)

    def entered(self, task: Future[Any]) -> None:
        """Store the entered context, or handle its failure."""
        self.has_entered.set()
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            self.domain.interrupt_for(error)
            made = end_error("sink", self.name, error)
            made.args = (f'sink "{self.name}": could not be opened: {str(made).partition(": ")[2]}',)
            if self.is_ended:
                # fail() does nothing if the node has ended, so the run must be told directly.
                self.run.fail(made)
            self.fail(made)
            return
        self.is_open = True
        self.go_on()

    async def leave_resource(self, result: Any) -> Any:
        """Leave the context manager, with the error of the run."""
        await self.has_entered.wait()
        resource, self.resource = self.resource, None
        if resource is not None:
            error: BaseException | None = self.error
            if error is None and not self.run.may_succeed:
                error = self.run.cancelled("the run was cancelled")
            await left(resource, error)
        return result

    def closed_with(self, result: Any) -> Any:
        return self.leave_resource(result)

    def wants(self) -> int | None:
        return None if self.is_ended else self.batching.max_items - len(self.gathered)

    def push(self, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        self.came += 1
        if self.is_ended:
            self.unread += 1
            return
        if not self.gathered:
            self.oldest = self.domain.received_at
        self.gather(item, ts, sequence, key)
        if len(self.gathered) >= self.batching.max_items:
            self.go_on()
            self.set_shut(len(self.gathered) >= self.batching.max_items)
        elif self.timer is None and self.batching.max_wait_ns is not None:
            when = self.run.clock.now() + self.batching.max_wait_ns
            self.timer = self.domain.driver.at(when, self.waited_long_enough, rank=int(self.rank))

    def push_columns(self, columns: Any) -> None:
        for item in columns.rows():
            self.push(item, 0, 0, None)

    def discard(self) -> None:
        self.parts.clear()
        if self.timer is not None:
            self.timer.cancel()
        super().discard()

    def waited_long_enough(self) -> None:
        """Write a batch that is not full after its wait."""
        self.timer = None
        self.is_due = True
        self.go_on()
        self.settle()

    def write_out(self) -> None:
        self.is_gathering = False

    def go_on(self) -> None:
        """Write the gathered batch if it is full, has waited or is the last one, and no other is being written."""
        if self.is_ended or not self.is_open or self.in_flight:
            return
        n = len(self.gathered)
        is_ready = self.is_due or self.ending is not None
        if n and (is_ready or n >= self.batching.max_items):
            self.is_due = False
            if self.timer is not None:
                self.timer.cancel()
                self.timer = None
            self.in_flight = n
            self.parts.append(self.take_gathered())
            self.attempts = 0
            self.is_split = False
            self.write_part()

    def write_part(self) -> None:
        """Write the next part of the batch."""
        writer = self.writer
        if writer is not None and self.parts and not self.is_ended:  # the node may have ended during the wait
            part = self.parts[0]
            self.began = self.domain.ticks()
            try:
                pending: Any = writer.write(part)
            except BaseException as error:
                self.part_ended(part, error)
                return
            self.run.spawn(self.name, pending, partial(self.part_written, part))

    def part_written(self, part: Chunk, task: Future[Any]) -> None:
        """Handle the end of a write."""
        if self.is_ended or not self.parts:
            return
        if not task.cancelled():
            self.part_ended(part, task.exception())

    def part_ended(self, part: Chunk, error: BaseException | None) -> None:
        """Handle the end of the write of a part."""
        if error is None:
            self.parts.popleft()
            self.in_flight -= len(part)
            self.passed += len(part)
            self.count_write(part)
        elif not self.part_failed(part, error):
            return
        if self.parts:
            self.write_part()
        else:
            self.go_on()
        self.settle()

    def left_of(self, part: Chunk, written: int) -> Chunk:
        """Count the items of a part that were written before one failed; return the others."""
        if not written:
            return part
        self.passed += written
        self.in_flight -= written
        self.attempts = 0
        return part.split(written)[1]

    def part_failed(self, part: Chunk, error: BaseException) -> bool:
        """Handle a part that could not be written; return False if the node must not continue with it now."""
        self.writes.failed += 1
        if not isinstance(error, Exception) or isinstance(error, BadProgram):
            self.domain.interrupt_for(error)
            self.failed += 1
            self.in_flight -= 1
            if self.domain.raised is None:
                self.fail(end_error("sink", self.name, error))
            # Otherwise the driver cancels the run next, which would interrupt a close started now.
            return False
        cause: BaseException = error
        if isinstance(error, WriteFailed):
            cause = error.cause
            part = self.parts[0] = self.left_of(part, error.index)
        # A half is not retried; splitting only finds the failing item.
        if not self.is_split and isinstance(cause, Exception) and not isinstance(cause, BadItem):
            self.attempts += 1
            wait = self.policy.wait_ns(cause, self.attempts, self.run.random)
            if wait is not None:
                self.retried += 1
                self.note_loss()
                self.domain.driver.at(self.run.clock.now() + wait, self.write_part, rank=int(self.rank))
                return False
        self.parts.popleft()
        if isinstance(error, WriteFailed):
            self.in_flight -= 1
            failed, rest = part.split(1)
            if rest.items:
                self.parts.appendleft(rest)
            attempts, self.attempts = max(1, self.attempts), 0
            return self.bury(failed.items[0], cause, attempts)
        # If the connection is down, no single item is at fault.
        if len(part) > 1 and not isinstance(error, ConnectionError | TimeoutError):
            head, rest = part.split(len(part) // 2)
            # extendleft reverses the order, so the head comes first.
            self.parts.extendleft((rest, head))
            self.is_split = True
            return True
        for item in part.items:
            self.in_flight -= 1
            if not self.bury(item, error, max(1, self.attempts)):
                return False
        return True

    def end(self, error: Exception | None) -> None:
        if self.is_ended:
            return
        if self.in_flight or self.gathered:
            self.ending = (error,)
            self.go_on()
            return
        self.finish(error)

    def settle(self) -> None:
        if self.ending is not None and not self.is_ended and not self.in_flight and not self.gathered:
            self.finish(self.ending[0])
        if not self.is_ended:
            self.set_shut(len(self.gathered) >= self.batching.max_items)
