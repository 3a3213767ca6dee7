"""Sources that a run has opened: the reader that is read and closed, and the context of the source."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Any

from mypy_extensions import i64

from rxdag.contract import (
    DEAD,
    SKIP,
    BadProgram,
    Boundary,
    Clock,
    DeadLetter,
    JournalStats,
    OnError,
    Reader,
    Saw,
    Source,
    checked_end,
)
from rxdag.engine._context import RunContext
from rxdag.engine._domain import TURNS_NS
from rxdag.engine._faults import end_error, node_error
from rxdag.engine._node import Exit
from rxdag.engine._pump import Pump
from rxdag.errors import BufferOverflow, NodeError, text_of


class OpenedSource(Pump):
    """Opens the reader of a source, and closes it. It is the context that the source sees.

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
        super().__init__(name, name)
        self.run = run
        self.policy = policy
        self.source = source
        self.may_wait = not source.is_stored
        self.wants_columns = wants_columns
        self.boundary = boundary
        self.dag = run.dag_name
        self.saves = False
        self.saw: Saw | None = None
        self.clock: Clock = run.clock
        self.random: Random = run.random
        self.is_caught = False
        self.letters: Exit
        self.reader: Reader | None = None
        self.n_dropped: i64 = 0
        self.began: i64 = 0
        """Start of its turn, by the domain's `ticks`."""
        self.is_closed = False
        self.alarms: set[int] = set()
        """Times at which it will be read, as requested."""
        self.was_open = False
        """True if it was open before a restart."""
        self.position: Any = None
        """The position at the restart; while it reads with its state in demand, that of what it has passed on."""
        self.keeps_position = False
        """True if the state of the run may be saved while it reads."""
        self.is_reading = False

    def wake_at(self, when: int) -> None:
        if when not in self.alarms:  # a source may ask again at each read
            self.alarms.add(when)
            self.domain.driver.at(when, partial(self.wake_up, when), rank=int(self.rank))

    def wake_up(self, when: int) -> None:
        """Read at a time that the source has requested."""
        self.alarms.discard(when)
        self.step()

    def wants_thread(self) -> bool:
        return self.domain.must_give_back() or self.domain.ticks() - self.began >= TURNS_NS

    def emit(self, port: str, item: object) -> None:
        ports = [exit_.port for exit_ in self.exits if exit_.port not in ("out", "dead")]
        if port not in ports:
            known = ", ".join(ports) or "none"
            raise BadProgram(f'emit must name a side port of the source, got "{port}"; it has {known}')
        self.domain.driver.call(partial(self.give_aside, port, item))

    def log(self, code: str, **fields: object) -> None:
        self.run.events.tell(code, self.name, **fields)

    def give_aside(self, port: str, item: object) -> None:
        """Emit an item on a side port."""
        if self.is_ended:
            return
        for exit_ in self.exits:
            if exit_.port == port:
                self.made += 1
                self.give(exit_, item, 0, 0, None)
                return

    def drop(self, reason: str, n: int = 1) -> None:
        self.end_read()
        self.came += n
        self.note_drop(reason, n)

    def bad(self, item: object, error: Exception) -> None:
        self.end_read()
        self.came += 1
        policy = self.policy.last
        if policy is SKIP:
            self.note_drop("skipped", 1)
            self.note_loss()
        elif policy is DEAD:
            self.dead += 1
            self.note_loss()
            self.give(self.letters, DeadLetter(self.name, item, error, 1, text_of(error)), 0, 0, None)
        else:
            self.failed += 1
            raise error

    def open_reader(self) -> Reader:
        """Open the source, where it was before a restart."""
        reader: Reader = checked_end(self.source, self.source.open(self), Reader)
        self.reader = reader  # closed at the end even if it cannot continue
        if self.position is not None:
            reader.seek(self.position)
        return reader

    def confirm(self, position: Any) -> None:
        """Let the source know that a checkpoint with this position of it is durable."""
        reader = self.reader
        if reader is not None and position is not None:
            reader.confirm(position)

    def begin_read(self) -> None:
        """Let the state of the run be saved while the source reads: it is where it was before."""
        reader = self.reader
        if self.keeps_position and reader is not None:
            self.position = reader.position()
            self.is_reading = True
            self.domain.driver.begin_read()

    def end_read(self) -> None:
        """Note that the source is no more where it was before the read, in the midst of it or behind."""
        if self.is_reading:
            self.domain.driver.end_read()
            self.is_reading = False

    def as_error(self, error: BaseException) -> Exception:
        """Return the error of the run for an error of the source."""
        if isinstance(error, NodeError | BufferOverflow):
            return error
        self.domain.interrupt_for(error)
        return end_error("source", self.name, error)

    def rests(self, reader: Reader | None) -> bool:
        """Return True if a reader that is to stop has nothing left that it took in."""
        return reader is None or type(reader).rest is Reader.rest

    def close(self) -> None:
        """Close the reader; once."""
        if self.is_closed:
            return
        self.is_closed = True
        reader, self.reader = self.reader, None
        try:
            left = 0 if reader is None else reader.held()
            self.count_dropped(reader)
            self.came += left
            self.discarded += left
        except BaseException as error:
            self.domain.interrupt_for(error)
            self.run.fail(node_error(self.name, error))
        try:
            # In a separate try: the reader is closed even if its counts have raised.
            if reader is None:
                pass
            elif self.source.where == "async":
                self.run.spawn(self.name, reader.aclose())
            else:
                reader.close()
        except BaseException as error:
            self.domain.interrupt_for(error)
            self.run.fail(node_error(self.name, error))
        finally:
            self.run.source_ended(self.name)

    def backlog(self) -> int | None:
        """Return how many items wait to be read, if the reader knows. Thread-safe."""
        reader = self.reader
        return None if reader is None else reader.backlog()

    def journal(self) -> JournalStats | None:
        """Return the state of the journal that it reads, if it reads one. Thread-safe."""
        reader = self.reader
        return None if reader is None else reader.journal()

    def is_connected(self) -> bool:
        """Return True unless it is open and lacks the connection that it needs. Thread-safe."""
        reader = self.reader
        return reader is None or reader.is_connected()

    def progress(self) -> Any:
        """Return how much of its input has been read, from 0 to 1, if the reader knows. Thread-safe."""
        reader = self.reader
        return None if reader is None else reader.progress()

    def count_dropped(self, reader: Reader | None) -> None:
        """Count items that the reader's own queue has dropped since the last call."""
        fresh = 0 if reader is None else reader.dropped() - int(self.n_dropped)
        if fresh:
            self.n_dropped += fresh
            self.drop("overflow", fresh)
            self.note_loss()
