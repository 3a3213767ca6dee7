"""Sinks that a run has opened: the writer that is prepared and closed, and the context of the sink."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from mypy_extensions import i64

from rxdag.contract import Chunk, Clock, OnError, Saw, Shape, Sink, Writer, checked_end, size_of
from rxdag.engine._context import RunContext
from rxdag.engine._faults import end_error
from rxdag.engine._gate import Gate
from rxdag.engine._guarded import Guarded
from rxdag.engine._receipts import Receipts

if TYPE_CHECKING:
    from asyncio import Future


EARLY_BYTES: Final = 64 << 20
"""Estimated size of rows beyond which their checkpoint is taken at once."""


class OpenedSink(Guarded):
    """Opens the writer of a sink, prepares it and closes it. It is the context that the sink sees.

    Args:
        name: Of the node.
        run: The run.
        policy: Error policy for items that the sink fails on.
        sink: Sink that it writes to.
        shape: Of the stream.
    """

    def __init__(self, name: str, run: RunContext, policy: OnError, sink: Sink[Any, Any], shape: Shape) -> None:
        super().__init__(name, run, policy)
        self.sink = sink
        self.shape = shape
        self.dag = run.dag_name
        self.clock: Clock = run.clock
        self.gates: list[Gate] = []
        """The gates before it that admit no more than the sink asks for."""
        self.saw: Saw | None = None
        self.own_error: Exception | None = None
        self.writer: Writer | None = None
        self.is_prepared = False
        """True if its writes are durable already, so that closing it is unlikely to fail."""
        self.is_closed = False
        self.is_sealed = False
        """True once its whole output is saved; it may become visible only when the sink closes."""
        self.saves = False
        """True in a run that takes checkpoints."""
        self.shows_later = False
        """True if readers see its rows once their checkpoint is durable."""
        self.saved: Any = None
        """Data to continue from, as the writer gave it at the last checkpoint or before a restart."""
        self.receipts = Receipts()
        self.unsaved_bytes: i64 = 0
        """Estimated size of the rows that travel with the next checkpoint."""
        self.ask_for_checkpoint: Callable[[], None] | None = None

    @property
    def error(self) -> Exception | None:
        return self.own_error or self.run.error

    def call(self, fn: Callable[[], object], /) -> None:
        self.domain.driver.call(partial(self.call_here, fn))

    def call_here(self, fn: Callable[[], object]) -> None:
        """Call a function of the sink, then apply its requests."""
        try:
            fn()
        except BaseException as error:
            self.break_off(error)
        self.admit()

    def break_off(self, error: BaseException) -> None:
        """Fail because of an error of the sink outside of a write."""
        self.domain.interrupt_for(error)
        self.fail(end_error("sink", self.name, error))

    def log(self, code: str, **fields: object) -> None:
        self.run.events.tell(code, self.name, **fields)

    def enough(self) -> None:
        if not self.is_ended:
            self.discard()
            self.finish(None)
            self.domain.retire(self)

    def admit(self) -> None:
        """Ask upstream to read the demand again."""
        if not self.is_ended:
            self.set_shut(self.wants() == 0)
        for gate in self.gates:
            if gate.domain is self.domain:
                gate.admit()
            else:
                gate.domain.driver.call(gate.admit)

    def wants(self) -> int | None:
        """Return the most items that it takes now; None for any number. Thread-safe."""
        raise NotImplementedError

    def want(self) -> int | None:
        """Return the demand of the sink itself; None for any number. Thread-safe."""
        writer = self.writer
        try:
            return 0 if writer is None else writer.want()
        except BaseException as error:
            self.domain.driver.call(partial(self.break_off, error))
            return 0

    def unused(self) -> None:
        """Ignore unused ports: only that of dead letters can be unused, and the sink still works."""

    def finish(self, error: Exception | None) -> None:
        """Take nothing more, and mark the end of the dead letters."""
        raise NotImplementedError

    def open_writer(self) -> None:
        """Open the sink; if that fails, the node has failed."""
        try:
            writer = self.writer = checked_end(self.sink, self.sink.open(self), Writer)
            if self.saved is not None:
                self.await_then(writer.restore(self.saved))
        except BaseException as error:
            self.break_off(error)

    def note_unsaved(self, chunk: Chunk) -> None:
        """Count the rows of a write; ask for a checkpoint if too many bytes would travel with it."""
        before = self.unsaved_bytes
        # One item stands for the others: to measure each would take longer than to write it.
        self.unsaved_bytes += size_of(chunk.split(1)[0].rows().items[0]) * len(chunk)
        if before <= EARLY_BYTES < self.unsaved_bytes and self.ask_for_checkpoint is not None:
            self.ask_for_checkpoint()

    def save(self) -> None:
        """Ask the writer to save its output for a checkpoint; at a safepoint, or after the last write."""
        if self.saves and self.writer is not None:
            self.saved = self.writer.save()
            self.receipts.save()
            self.unsaved_bytes = 0

    def publish(self) -> None:
        """Ask the writer to publish what it saved: the checkpoint is durable."""
        writer = self.writer
        # A checkpoint that is written while the sinks prepare covers less than they have saved by now.
        if writer is None or self.saved is None or self.is_sealed:
            return
        try:
            pending = writer.publish()
            if pending is None:
                self.count_published()
            else:
                self.run.spawn(self.name, self.publishing(pending, self.receipts.take_saved()))
        except BaseException as error:
            self.break_off(error)

    async def publishing(self, pending: Awaitable[None], saved: dict[int, int]) -> None:
        """Await a publication, and count the writes that it covers as delivered."""
        await pending
        self.receipts.published(saved, self.domain.ticks())

    def count_published(self) -> None:
        """Count the saved writes as delivered."""
        self.receipts.published(self.receipts.take_saved(), self.domain.ticks())

    def closed_again(self) -> Any:
        """Close the sink of a run that was killed when all its output was saved; return what closing gives."""
        self.open_writer()
        writer, self.writer = self.writer, None
        if writer is None or self.saved is None:
            return None
        writer.prepare()
        self.await_then(writer.publish())
        return writer.close(ok=True)

    def await_then(self, pending: Awaitable[None] | None) -> None:
        """Run what an async sink has returned as a task of the run."""
        if pending is not None:
            self.run.spawn(self.name, pending)

    def fail(self, error: Exception) -> None:
        if not self.is_ended:
            self.own_error = error
            if not self.is_caught:
                self.run.fail(error)  # before the sink closes, so that no other sink is completed after it
            super().fail(error)
            self.close(ok=False)

    def cancel(self) -> None:
        super().cancel()
        self.close(ok=False)

    def prepare(self) -> None:
        """Make the written items durable, without completing the output."""
        writer = self.writer
        if writer is not None and self.run.may_succeed:
            self.is_prepared = type(writer).prepare is not Writer.prepare
            self.is_sealed = True
            try:
                self.save()
                writer.prepare()
            except BaseException as error:
                self.domain.interrupt_for(error)
                self.run.fail(end_error("sink", self.name, error))
        self.run.sink_prepared(self.name)

    def close(self, *, ok: bool) -> None:
        """Close the sink; once."""
        if self.is_closed:
            return
        self.is_closed = True
        writer, self.writer = self.writer, None
        result: Any = None
        if writer is not None:
            try:
                if ok and self.saved is not None:
                    self.await_then(writer.publish())
                result = self.closed_with(writer.close(ok=ok and self.run.error is None))
                if ok and not inspect.isawaitable(result):
                    self.complete()
            except BaseException as error:
                self.domain.interrupt_for(error)
                self.run.fail(end_error("sink", self.name, error))
        if inspect.isawaitable(result):
            self.run.spawn(self.name, result, self.closed)
        else:
            self.run.sink_ended(self.name, result)

    def complete(self) -> None:
        """Count all writes as delivered, unless the run has failed."""
        if self.run.may_succeed:
            self.receipts.save()
            self.count_published()

    def closed_with(self, result: Any) -> Any:
        """Return the result of closing the sink, or an awaitable of it."""
        return result

    def closed(self, task: Future[Any]) -> None:
        """Handle the end of an async close."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.domain.interrupt_for(error)
            self.run.fail(end_error("sink", self.name, error))
        elif not task.cancelled():
            self.complete()
        self.run.sink_ended(self.name, None if task.cancelled() or error else task.result())
