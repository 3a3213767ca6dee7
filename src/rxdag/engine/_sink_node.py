"""Sinks in a run: nodes that write items to a sink."""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING, Any

from mypy_extensions import i64

from rxdag.contract import ENDED, BadItem, BadProgram, Chunk, Enough, OnError, Shape, Sink, WriteFailed
from rxdag.engine._context import RunContext
from rxdag.engine._faults import end_error, wrong_write
from rxdag.engine._ledger import Ledger
from rxdag.engine._opened_sink import OpenedSink
from rxdag.engine._writes import Writes

if TYPE_CHECKING:
    from asyncio import Future


class SinkNode(OpenedSink):
    """Gathers items and writes them; items given to an async sink are in flight until the write has ended.

    Args:
        name: Of the node.
        run: The run.
        policy: Error policy for items that the sink fails on.
        sink: Sink that it writes to.
        shape: Of the stream.
    """

    def __init__(self, name: str, run: RunContext, policy: OnError, sink: Sink[Any, Any], shape: Shape) -> None:
        super().__init__(name, run, policy, sink, shape)
        self.is_async = sink.where == "async"
        self.paces = sink.paces
        self.most: i64 = 1
        """Maximum number of items in one write."""
        self.writes = Writes()
        self.began = 0
        self.oldest: i64 = -1
        """Receipt of the first gathered item."""
        self.receipt: i64 = -1
        """Receipt of the first item that is being written."""
        self.gathered: list[Any] = []
        self.times: list[int] | None = None
        self.sequences: list[Any] | None = None
        self.keys: list[Any] | None = None
        self.full_at: i64 = 0
        """Value of `came` at which a write begins."""
        self.is_quick = not self.is_async and not self.paces
        """True if it gathers without asking the sink, until a write is full."""
        self.is_plain = self.is_quick and not shape.timed and not shape.keyed
        self.renew()
        self.is_gathering = False
        self.in_flight: i64 = 0
        self.attempts = 0
        self.at_hand: Chunk | None = None
        """Items of a write that has not ended."""
        self.again: Chunk | None = None
        """Items to write again after the wait."""
        self.ending: tuple[Exception | None] | None = None

    def open(self) -> None:
        """Open the sink, before anything flows."""
        self.shows_later = self.saves and self.sink.visible == "at checkpoints"
        self.most = 1 if self.sink.one_by_one else self.domain.quantum
        self.takes_rows = self.is_plain and self.most > 1
        self.full_at = self.came - len(self.gathered) + self.most
        if self.is_closed:
            self.run.sink_ended(self.name, None)
            return
        self.open_writer()
        if self.is_restored and self.writer is not None:
            self.take_over()
        self.admit()

    def renew(self) -> None:
        """Start a new, empty batch."""
        self.gathered = []
        self.full_at = self.came + self.most
        if self.shape.timed:
            self.times = []
            self.sequences = []
        if self.shape.keyed:
            self.keys = []

    def gather(self, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        """Keep an item until it is written."""
        self.gathered.append(item)
        if self.times is not None and self.sequences is not None:
            self.times.append(ts)
            self.sequences.append(sequence)
        if self.keys is not None:
            self.keys.append(key)

    def take_gathered(self) -> Chunk:
        """Return the gathered items, and start a new batch."""
        chunk = Chunk(self.gathered, self.times, self.sequences, self.keys)
        self.receipt = self.oldest
        self.oldest = self.domain.received_at if self.is_gathering else -1  # a full write in the midst of a turn
        self.renew()
        return chunk

    def count_write(self, chunk: Chunk) -> None:
        """Count a write that has ended well, and its delivery if its receipt is known."""
        now = self.domain.ticks()
        self.writes.add(now - self.began)
        if self.shows_later or self.receipt >= 0:
            self.count_delivery(chunk, now)

    def count_delivery(self, chunk: Chunk, now: int) -> None:
        """Count a delivery, now or once the checkpoint of the rows is durable."""
        if not self.shows_later:
            self.receipts.took.add(now - int(self.receipt))
            return
        self.note_unsaved(chunk)
        if self.receipt >= 0:
            self.receipts.written(int(self.receipt))

    def hold_unwritten(
        self, items: list[Any], times: list[int] | None, sequences: list[Any] | None, keys: list[Any] | None
    ) -> None:
        """Gather what another run held."""
        for i, item in enumerate(items):
            ts = 0 if times is None else times[i]
            self.gather(item, ts, 0 if sequences is None else sequences[i], None if keys is None else keys[i])

    def take_over(self) -> None:
        """Continue with the state of another run."""
        if self.is_ended:
            self.run.sink_ready(self.name)
        else:
            self.domain.driver.call(self.settle)

    def wants(self) -> int | None:
        """Return the most items that it takes now: 0 while a write is in flight. Thread-safe."""
        if self.is_ended:
            return None
        if self.in_flight:
            return 0
        if not self.paces:
            return None
        want = self.want()
        return None if want is None else max(0, want - len(self.gathered))

    @property
    def waits(self) -> bool:
        """True if it may ask for more at any time, of its own accord."""
        return self.paces and not self.is_ended

    def why_no_snapshot(self) -> str | None:
        """Return that a write is under way which a restart must not repeat; any other is repeated."""
        is_exact = self.saves and self.sink.delivery == "exactly once"
        is_writing = self.in_flight and self.again is None  # one that waits is written by the timer of its next try
        return f'sink "{self.name}" is writing' if is_writing and is_exact else None

    def unwritten(self) -> list[Chunk]:
        """Return what it holds, in order, what it is writing first: after a restart that is written again."""
        chunks = [] if self.at_hand is None else [self.at_hand.rows()]
        return [*chunks, Chunk(self.gathered, self.times, self.sequences, self.keys)]

    def push(self, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        self.came += 1
        if self.is_ended:
            self.unread += 1
            return
        self.gathered.append(item)
        times = self.times
        sequences = self.sequences
        if times is not None and sequences is not None:
            times.append(ts)
            sequences.append(sequence)
        keys = self.keys
        if keys is not None:
            keys.append(key)
        if self.is_quick:
            if self.came >= self.full_at:
                self.write_full()
        elif self.paces and not self.is_async and (len(self.gathered) >= self.most or self.wants() == 0):
            self.write_full()
        if not self.is_gathering:
            self.is_gathering = True
            if len(self.gathered) <= 1:
                self.oldest = self.domain.received_at
            if self.is_quick:
                self.domain.patient.append(self)
            else:
                self.domain.unwritten.append(self)

    def push_rows(self, items: list[Any]) -> None:
        self.came += len(items)
        if self.is_ended:
            self.unread += len(items)
            return
        self.gathered += items
        if self.came >= self.full_at:
            self.write_full()
        if not self.is_gathering:
            self.is_gathering = True
            if len(self.gathered) <= len(items):
                self.oldest = self.domain.received_at
            self.domain.patient.append(self)

    def push_columns(self, columns: Any) -> None:
        self.came += len(columns)
        if self.is_ended:
            self.unread += len(columns)
            return
        if self.gathered:
            self.write_out()
        chunk = Chunk(columns)
        if not self.sink.takes_columns:
            try:
                chunk = chunk.rows()
            except BaseException as error:  # the items cannot be built from their fields
                self.domain.interrupt_for(error)
                self.failed += 1
                self.discarded += len(columns) - 1
                self.fail(end_error("sink", self.name, error))
                return
        self.receipt = self.domain.received_at
        self.write(chunk)

    def mark(self, watermark: i64) -> None:
        pass

    def held(self) -> int:
        return int(self.in_flight) + len(self.gathered)

    def discard(self) -> None:
        self.discarded += self.in_flight + len(self.gathered)
        self.in_flight = 0
        self.at_hand = None
        self.renew()
        self.again = None
        self.clear()

    def write_full(self) -> None:
        """Write the gathered items in the midst of a turn."""
        if not self.is_gathering:
            self.oldest = self.domain.received_at
        self.write_out()

    def write_out(self) -> None:
        """Write the gathered items."""
        if self.gathered and not self.is_ended and not self.in_flight:
            self.write(self.take_gathered())

    def write(self, chunk: Chunk) -> None:
        """Write a chunk; items that fail are handled, and the others written."""
        writer = self.writer
        if writer is None:
            self.discarded += len(chunk)
            return
        while len(chunk) and not self.is_ended:
            self.began = self.domain.ticks()
            try:
                pending = writer.write(chunk)
                if pending is not None and not (self.is_async and inspect.isawaitable(pending)):
                    raise BadProgram(wrong_write(self.sink, pending))
            except Enough as enough:
                self.had_enough(chunk, enough)
                return
            except BaseException as error:
                self.domain.interrupt_for(error)
                chunk = self.failed_on(chunk, error)
                if self.again is None:
                    continue
                self.admit()
                break
            if pending is None:
                self.attempts = 0
                self.passed += len(chunk)
                self.count_write(chunk)
            else:
                self.in_flight = len(chunk)
                self.at_hand = chunk
                self.set_shut(True)
                self.run.spawn(self.name, pending, partial(self.written, chunk))
            break
        else:
            self.discarded += len(chunk)
        if self.paces:  # its demand may have changed
            self.admit()

    def had_enough(self, chunk: Chunk, enough: Enough) -> None:
        """End early: the sink takes nothing more."""
        self.passed += enough.index
        self.unread += len(chunk) - enough.index
        self.enough()

    def failed_on(self, chunk: Chunk, error: BaseException) -> Chunk:
        """Handle the failed item, after those before it were written; return the remaining ones."""
        self.writes.failed += 1
        index = error.index if isinstance(error, WriteFailed) else 0
        cause: BaseException = error.cause if isinstance(error, WriteFailed) else error
        self.passed += index
        if index:
            chunk = chunk.split(index)[1]
            self.attempts = 0
        self.attempts += 1
        wait: int | None = None
        if isinstance(cause, Exception) and not isinstance(cause, BadItem):
            wait = self.policy.wait_ns(cause, self.attempts, self.run.random)
        if wait is not None:
            self.retried += 1
            self.note_loss()
            if wait:
                self.in_flight = len(chunk)
                self.at_hand = self.again = chunk
                when = self.run.clock.now() + wait
                self.domain.driver.at(when, self.write_again, rank=int(self.rank))
            return chunk
        attempts, self.attempts = self.attempts, 0
        if isinstance(error, WriteFailed):
            head, rest = chunk.split(1)
            self.bury(head.rows().items[0], cause, attempts)
            return rest
        self.failed += 1
        self.fail(end_error("sink", self.name, error))
        return chunk.split(1)[1]

    def write_again(self) -> None:
        """Retry the failed write after its wait."""
        chunk, self.again = self.again, None
        if chunk is not None and not self.is_ended:
            self.in_flight = 0
            self.at_hand = None
            self.write(chunk)
            self.settle()

    def written(self, chunk: Chunk, task: Future[Any]) -> None:
        """Handle the end of a write of an async sink."""
        if not self.in_flight:
            return
        if task.cancelled():
            return
        self.in_flight = 0
        self.at_hand = None
        error = task.exception()
        if error is None:
            self.passed += len(chunk)
            self.count_write(chunk)
            self.attempts = 0
        elif isinstance(error, Enough):
            self.had_enough(chunk, error)
        else:
            self.domain.interrupt_for(error)
            rest = self.failed_on(chunk, error)
            if self.again is None:
                self.write(rest)
        self.settle()

    def settle(self) -> None:
        """End if the end has come; ask for the next items."""
        if not self.in_flight:
            if self.gathered:
                self.write_out()
            if self.ending is not None and not self.in_flight and not self.is_ended:
                self.finish(self.ending[0])
        self.admit()

    def end(self, error: Exception | None) -> None:
        if self.is_ended:
            return
        if error is None:
            self.write_out()
            if (self.in_flight or self.gathered) and not self.is_ended:
                self.ending = (error,)
                return
        self.finish(error)

    def finish(self, error: Exception | None) -> None:
        """Mark the end of the dead letters; a run that succeeds closes all its sinks together, behind the last of them."""
        if self.is_ended:
            return
        self.own_error = error
        if error is not None:
            if self.gathered and not self.in_flight:
                self.write_out()  # items from before the failure are delivered
            if self.is_ended:
                return
            self.discard()
        else:
            self.give_mark(ENDED)
        self.give_end(error)
        self.seal()
        if error is None:
            self.run.sink_ready(self.name)
        else:
            if self.run.may_succeed:  # its node has not yet failed the run, and the other sinks must not be completed
                self.run.fail(error)
            self.close(ok=False)

    def ledger(self) -> Ledger:
        ledger = super().ledger()
        ledger.out["delivered"] = int(self.passed)  # a sink has no main port
        return ledger
