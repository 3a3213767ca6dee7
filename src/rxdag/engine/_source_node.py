"""Nodes of sources: they run a source, and stop it on request."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

from mypy_extensions import i64

from rxdag.contract import END, ENDED, FLUSHED, BadProgram, Boundary, Chunk, OnError, Read, Reader, Source
from rxdag.engine._context import RunContext
from rxdag.engine._domain import COLUMNS_QUANTUM, QUANTUM
from rxdag.engine._room import Room
from rxdag.engine._source_feed import SourceFeed
from rxdag.errors import shown


class SourceNode(SourceFeed):
    """Reads a source, and stops it when the run asks for that.

    Args:
        name: Of the node.
        run: The run.
        policy: Error policy for malformed input.
        source: Source that it reads.
        wants_columns: True if the node behind works on columns.
        boundary: Bounds and overflow policy that the user has set right behind a source with a queue of its own.
    """

    def __init__(
        self,
        name: str,
        run: RunContext,
        policy: OnError,
        source: Source[Any],
        *,
        wants_columns: bool,
        boundary: Boundary | None,
    ) -> None:
        super().__init__(name, run, policy, source, wants_columns=wants_columns, boundary=boundary)
        self.behind = Room()
        self.how: Literal["drain", "flush", "fail"] | None = None
        """The kind of stop that was requested."""
        self.stop_error: Exception | None = None
        self.end_mark: tuple[int | None] | None = None
        self.open_error: BaseException | None = None

    def start(self) -> None:
        """Start reading. A source with a queue is opened at once, even if no gate has space."""
        if self.is_closed:
            self.run.source_ended(self.name)
        elif self.source.queues or self.was_open:
            try:
                self.reader = self.open_reader()
            except BaseException as error:  # raised in the first turn
                self.open_error = error
        self.wake()

    def stop(self, how: Literal["drain", "flush", "fail"], error: Exception | None = None) -> None:
        """Stop reading: end as a drain, as a drain that flushes, or with an error. Thread-safe."""
        if how != "fail" and self.how is None and self.ends_itself(how):
            return
        if self.how is None or how == "fail":
            self.how = how
            self.stop_error = error
        self.domain.stop = True
        # The pump checks this between items, so the stop takes effect before the next one.
        self.domain.driver.call(self.stop_before_others)
        self.wake()

    def stop_before_others(self) -> None:
        """Take a turn now if nodes behind are not done: an endless one would keep the stop from them."""
        if self.domain.is_unsettled:
            self.step()

    def ends_itself(self, how: Literal["drain", "flush"]) -> bool:
        """Return True if the reader is to be asked, on its thread, whether it ends by itself."""
        reader = self.reader
        if self.end_mark is not None or reader is None or type(reader).drain is Reader.drain:
            return self.end_mark is not None
        # A tuple, since None is a valid value: a drain sends no mark.
        self.end_mark = (FLUSHED if how == "flush" else None,)
        self.domain.driver.call(partial(self.ask, reader, how))
        return True

    def ask(self, reader: Reader, how: Literal["drain", "flush"]) -> None:
        """Ask the reader whether it ends by itself; stop it if not."""
        if self.is_closed or reader.drain(flush=how == "flush"):
            return
        self.end_mark = None
        if self.how is None:
            self.how = how
        self.wake()

    def step(self) -> None:
        if self.is_finished:
            return
        domain = self.domain
        self.is_starved = False
        self.is_parked = False
        began: i64 = domain.ticks()
        self.began = began
        try:
            self.turn()
        except BaseException as error:
            if self.is_finished:
                self.run.fail(self.as_error(error))
            self.finish(self.as_error(error))
        domain.measured_at = domain.ticks()
        self.busy_ns += domain.measured_at - began

    def turn(self) -> None:
        """Pass on the items read; read more if none are left."""
        if self.how == "fail" and self.stop_error is not None:
            self.finish(self.stop_error)
            return
        # A stored source still has these items. Items of a live source would be lost, so they are still delivered.
        if self.how is not None and self.chunk is not None and self.source.is_stored:
            self.put_back()
        until = self.domain.end_of_turns(self.began)
        if self.chunk is None and not self.take_next():
            return
        self.pass_on()
        while self.reads_on(until):
            if not self.take_next():
                return
            self.pass_on()
        if self.is_finished:
            return
        if self.blocked and (self.chunk is not None or not self.looks_ahead()):
            self.park()
        else:
            self.domain.again(self)

    def pass_on(self) -> None:
        """Pass on the items read, and note when they were received."""
        receipt = self.received_at
        self.domain.received_at = receipt
        if receipt < 0:
            self.feed()
        else:
            self.begin_receipt(receipt)
            self.feed()
            self.end_receipt()

    def reads_on(self, until: i64) -> bool:
        """Return True if the source may be read again in this turn.

        A source that returns one item a read, such as a blocking one, would otherwise need a turn for each item.
        """
        domain = self.domain
        if self.chunk is not None or self.is_finished or self.blocked or self.how is not None or not domain.is_free():
            return False
        self.began = domain.ticks()
        return self.began < until

    def take_next(self) -> bool:
        """Read a chunk; False if there is nothing to pass on now."""
        if self.blocked:
            # Only an open reader can report its end.
            if self.reader is None and self.may_look_ahead():
                self.reader = self.open_reader()
            reader = self.reader
            if self.how is not None and self.rests(reader):
                self.finish_stopped()
            elif self.open_error is not None or (reader is not None and reader.without_room()):
                self.finish_at_end(self.read(0))
            elif self.looks_ahead():
                return self.take(1)
            else:
                self.park()
            return False
        quantum = self.domain.quantum
        if self.wants_columns and QUANTUM <= quantum < COLUMNS_QUANTUM:
            quantum = COLUMNS_QUANTUM
        return self.take(int(self.behind.measure(quantum)))

    def may_look_ahead(self) -> bool:
        """Return True if no items are requested now, but a later node should learn of the end at once."""
        if self.how is not None or self.open_error is not None:
            return False
        gates = self.gates
        return any(gate.demand is not None for gate in gates) and not any(gate.is_shut for gate in gates)

    def looks_ahead(self) -> bool:
        """Return True if one item is to be read ahead, since only reading on shows the reader's end."""
        reader = self.reader
        return reader is not None and type(reader).without_room is Reader.without_room and self.may_look_ahead()

    def take(self, max_items: int) -> bool:
        """Read a chunk; False if there is nothing to pass on now."""
        read = self.read(max_items)
        if isinstance(read, Chunk):
            self.begin_chunk(read)
            return True
        if read is None:
            self.is_starved = True
        elif read is END:
            self.finish_at_end(read)
        else:
            raise BadProgram(f'source "{self.name}": read must return a Chunk, None or END, got {shown(read)}')
        return False

    def read(self, max_items: int) -> Read:
        """Read from the source; once stopped, only items that it had already taken in."""
        if self.how is not None:
            rest = self.reader.rest(max_items) if self.reader is not None else None
            return END if rest is None else rest
        if self.open_error is not None:
            raise self.open_error
        if self.reader is None:
            self.reader = self.open_reader()
        self.begin_read()
        try:
            return self.reader.read(max_items)
        finally:
            self.end_read()

    def finish_at_end(self, read: Read) -> None:
        """End as the source has, or as it was stopped."""
        if self.how is not None:
            self.finish_stopped()
        elif read is END:
            self.conclude(ENDED if self.end_mark is None else self.end_mark[0])

    def finish_stopped(self) -> None:
        """End because the run is to stop."""
        self.conclude(FLUSHED if self.how == "flush" else None)

    def conclude(self, watermark: int | None) -> None:
        """End well, behind a last watermark. Neither takes room, so both go though gates behind are full."""
        own: i64 = self.free
        # If items rest here, even the end has to wait behind them.
        if not self.is_resting:
            self.free = self.blocked
        if watermark is not None:
            self.give_mark(watermark)
        self.finish(None)
        self.free = own
        self.put_front()

    def finish(self, error: Exception | None) -> None:
        """Send the end out, and close the reader."""
        if self.is_finished:
            return
        self.is_finished = True
        if error is not None:
            self.discard_chunk()
        self.give_end(error)
        self.seal()
        self.close()
        if error is not None and not self.is_caught:
            self.run.fail(error)

    def unused(self) -> None:
        self.is_finished = True
        super().unused()

    def retire(self) -> None:
        self.put_back()
        self.discard()
        self.close()

    def cancel(self) -> None:
        self.is_finished = True
        self.discard_chunk()
        super().cancel()
        self.close()

    @property
    def is_idle(self) -> bool:
        """True if it is open and the last read returned nothing."""
        return self.is_starved and not self.is_ended
