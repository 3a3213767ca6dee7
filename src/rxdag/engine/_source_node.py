"""Sources in a run: reads a source, and hands its items on one by one."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Any, Literal

from mypy_extensions import i64

from rxdag.contract import (
    DEAD,
    END,
    ENDED,
    FLUSHED,
    SKIP,
    Boundary,
    Chunk,
    Clock,
    DeadLetter,
    OnError,
    Read,
    Reader,
    Saw,
    Source,
    checked_end,
)
from rxdag.engine._context import RunContext
from rxdag.engine._domain import COLUMNS_QUANTUM, QUANTUM
from rxdag.engine._faults import end_error, node_error
from rxdag.engine._node import Exit, Node
from rxdag.engine._pump import Pump
from rxdag.engine._room import Room
from rxdag.engine._shortcut import Shortcut, shortcut_behind
from rxdag.errors import BufferOverflow, NodeError, text_of


class SourceNode(Pump):
    """Reads a source, and stops it when the run wants. It is the context that the source sees.

    Args:
        name: Of the node.
        run: The run.
        policy: What becomes of malformed input.
        source: What it reads.
        wants_columns: True if the node behind works on columns.
        boundary: What the user has put right behind a source that has a queue of its own.
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
        self.wants_columns = wants_columns
        self.boundary = boundary
        self.saw: Saw | None = None
        self.clock: Clock = run.clock
        self.random: Random = run.random
        self.is_caught = False
        self.behind = Room()
        self.main: Exit
        self.letters: Exit
        self.shortcut: Shortcut | None = None
        self.chunk: Chunk | None = None
        """What was read and is not handed on yet, from `at` on; its next mark is number `next_mark`."""
        self.at: i64 = 0
        self.next_mark: i64 = 0
        self.reader: Reader | None = None
        self.how: Literal["drain", "flush", "fail"] | None = None
        """How it is to stop."""
        self.stop_error: Exception | None = None
        self.end_mark: tuple[int | None] | None = None
        self.is_asked = False
        self.n_dropped: i64 = 0
        self.open_error: BaseException | None = None
        self.is_closed = False
        self.was_open = False
        """True if another run had opened it before a restart."""
        self.position: Any = None
        """How far it was then."""

    def start(self) -> None:
        """Have the first turn. What is pushed into is opened at once, whether there is room or not."""
        if self.is_closed:
            self.run.source_ended(self.name)
        elif self.source.queues or self.was_open:
            try:
                self.reader = self.open_reader()
            except BaseException as error:  # the first turn gives it to the run
                self.open_error = error
        self.wake()

    def find_shortcut(self) -> None:
        """Look for expressions behind it that are worked on a chunk at a time; once all nodes are open."""
        shape = self.source.shape
        if not shape.timed and not shape.keyed and not self.wants_columns:
            self.shortcut = shortcut_behind(self.main, shape.item_type)

    # ---- what the source sees

    def wake_at(self, when: int) -> None:
        self.domain.driver.at(when, self.step, rank=int(self.rank))

    def emit(self, port: str, item: object) -> None:
        self.domain.driver.call(partial(self.give_aside, port, item))

    def give_aside(self, port: str, item: object) -> None:
        """Give an item out on a side port."""
        if self.is_ended:
            return
        for exit_ in self.exits:
            if exit_.port == port:
                self.made += 1
                self.give(exit_, item, 0, 0, None)
                return
        raise KeyError(port)

    def drop(self, reason: str, n: int = 1) -> None:
        self.came += n
        self.note_drop(reason, n)

    def bad(self, item: object, error: Exception) -> None:
        self.came += 1
        policy = self.policy.last
        if policy is SKIP:
            self.note_drop("skipped", 1)
        elif policy is DEAD:
            self.dead += 1
            self.give(self.letters, DeadLetter(self.name, item, error, 1, text_of(error)), 0, 0, None)
        else:
            self.failed += 1
            raise error

    # ---- stopping

    def stop(self, how: Literal["drain", "flush", "fail"], error: Exception | None = None) -> None:
        """Read no more: end as a drain, as a drain that flushes, or with an error. Thread-safe."""
        if how != "fail" and self.how is None and self.ends_itself(how):
            return
        if self.how is None or how == "fail":
            self.how = how
            self.stop_error = error
        self.domain.stop = True
        self.wake()

    def ends_itself(self, how: Literal["drain", "flush"]) -> bool:
        """Return True if the reader is asked, where it is read, whether it comes to an end by itself."""
        reader = self.reader
        if self.end_mark is not None or reader is None or type(reader).drain is Reader.drain:
            return self.end_mark is not None
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

    # ---- turns

    def step(self) -> None:
        if self.is_finished:
            return
        driver = self.domain.driver
        self.is_starved = False
        self.is_parked = False
        began = driver.ticks()
        try:
            self.turn()
        except BaseException as error:
            if self.is_finished:
                self.run.fail(self.as_error(error))
            self.finish(self.as_error(error))
        self.busy_ns += driver.ticks() - began

    def turn(self) -> None:
        """Hand on what was read; read if nothing is left of that."""
        if self.how == "fail" and self.stop_error is not None:
            self.finish(self.stop_error)
            return
        if self.how is not None and self.chunk is not None and self.source.is_stored:
            self.put_back()
        if self.chunk is None and not self.take_next():
            return
        self.feed()
        if self.is_finished:
            return
        if self.blocked and (self.chunk is not None or not self.looks_ahead()):
            self.park()
        else:
            self.domain.driver.again(self)

    def take_next(self) -> bool:
        """Read a chunk; False if there is nothing to hand on now."""
        if self.blocked:
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
        """Return True if nobody asks for items now, but somebody behind should hear of the end as soon as there is one."""
        if self.how is not None or self.open_error is not None:
            return False
        gates = self.gates
        return any(gate.demand is not None for gate in gates) and not any(gate.is_shut for gate in gates)

    def looks_ahead(self) -> bool:
        """Return True if one item is to be read ahead, since the reader cannot tell of its end without reading on."""
        reader = self.reader
        return reader is not None and type(reader).without_room is Reader.without_room and self.may_look_ahead()

    def take(self, max_items: int) -> bool:
        """Read a chunk; False if there is nothing to hand on now."""
        read = self.read(max_items)
        if read is None:
            self.is_starved = True
            return False
        if read is END:
            self.finish_at_end(read)
            return False
        assert isinstance(read, Chunk)
        self.begin_chunk(read)
        return True

    def begin_chunk(self, chunk: Chunk) -> None:
        """Have a chunk to hand on."""
        self.chunk = chunk
        self.at = 0
        self.next_mark = 0

    def rests(self, reader: Reader | None) -> bool:
        """Return True if a reader that is to stop has nothing left that it took in."""
        return reader is None or type(reader).rest is Reader.rest

    def read(self, max_items: int) -> Read:
        """Read from the source; once it is to stop, what it has taken in already."""
        if self.how is not None:
            rest = self.reader.rest(max_items) if self.reader is not None else None
            return END if rest is None else rest
        if self.open_error is not None:
            raise self.open_error
        if self.reader is None:
            self.reader = self.open_reader()
        return self.reader.read(max_items)

    def open_reader(self) -> Reader:
        """Open the source, where it was before a restart."""
        reader: Reader = checked_end(self.source, self.source.open(self), Reader)
        if self.position is not None:
            reader.seek(self.position)
        return reader

    def as_error(self, error: BaseException) -> Exception:
        """Return what the run fails with when a source has raised."""
        if isinstance(error, NodeError | BufferOverflow):
            return error
        if isinstance(error, KeyboardInterrupt | SystemExit):
            self.domain.interrupt(error)
        return end_error("source", self.name, error)

    def feed(self) -> None:
        """Hand items on; what stands in the way and what the domain wants is looked at before each."""
        chunk = self.chunk
        assert chunk is not None
        if self.wants_columns:
            self.feed_columns(chunk)
            return
        if chunk.items.__class__ is not list:
            chunk = self.chunk = chunk.rows()
        domain = self.domain
        items: list[Any] = chunk.items
        times = chunk.ts
        sequences = chunk.sequence
        keys = chunk.key
        marks = chunk.marks
        main = self.main
        out = main.out
        i: i64 = self.at
        n: i64 = len(items)
        is_timed = domain.is_timed
        first = i
        shortcut = self.shortcut
        if (
            shortcut is not None
            and i == 0
            and n
            and times is None
            and keys is None
            and not marks
            and shortcut.takes(items)
        ):
            values = shortcut.run(items)
            if values is not None:
                self.count(n)
                self.chunk = None
                shortcut.give(values)
                return
        if times is None and keys is None and not marks and not is_timed:  # by far the most
            while i < n and not self.blocked and not domain.stop:
                item = items[i]
                i += 1
                out.push(item, 0, 0, None)
            self.count(i - first)
            if i == n:
                self.chunk = None
            return
        while True:
            if self.next_mark < len(marks) and marks[self.next_mark][0] <= i:
                if self.blocked:
                    break
                watermark = marks[self.next_mark][1]
                self.next_mark += 1
                self.give_mark(watermark)
                continue
            if i >= n:
                self.chunk = None
                break
            if self.blocked or domain.stop:
                break
            if is_timed and i > first and domain.driver.ticks() >= domain.deadline:
                break
            item = items[i]
            ts: i64 = 0 if times is None else times[i]
            sequence: Any = 0 if sequences is None else sequences[i]
            key: Any = None if keys is None else keys[i]
            i += 1
            self.at = i
            self.made += 1
            main.n += 1
            out.push(item, ts, sequence, key)

    def count(self, n: i64) -> None:
        """Count items that were handed on."""
        self.at += n
        self.made += n
        self.main.n += n

    def feed_columns(self, chunk: Chunk) -> None:
        """Hand a run of columns on, cut at its watermarks."""
        if chunk.items.__class__ is list and chunk.items:
            from rxdag.columns import gathered  # it loads numpy, which columns have done

            times, sequences, keys = chunk.ts, chunk.sequence, chunk.key
            items = gathered(chunk.items, self.source.shape.item_type, times=times, sequences=sequences, keys=keys)
            chunk = self.chunk = Chunk(items, marks=chunk.marks)
        domain = self.domain
        columns = chunk.items
        marks = chunk.marks
        n: i64 = len(columns)
        while True:
            if self.next_mark < len(marks) and marks[self.next_mark][0] <= self.at:
                if self.blocked:
                    return
                watermark = marks[self.next_mark][1]
                self.next_mark += 1
                self.give_mark(watermark)
                continue
            if self.at >= n:
                self.chunk = None
                return
            if self.blocked or domain.stop:
                return
            end: i64 = n
            if self.next_mark < len(marks) and marks[self.next_mark][0] < n:
                end = marks[self.next_mark][0]
            part = columns if self.at == 0 and end == n else columns[self.at : end]
            self.made += end - self.at
            self.at = end
            self.give_columns(self.main, part)
            if self.is_finished:
                return

    def left_over(self) -> int:
        """Return how many items were read and not handed on."""
        return 0 if self.chunk is None else len(self.chunk) - int(self.at)

    def put_back(self) -> None:
        """Give up what was read and not handed on: its source has it still, and reads no more."""
        left = self.left_over()
        self.came += left
        self.unread += left
        self.chunk = None

    # ---- ends

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
        if not self.is_resting:
            self.free = self.blocked
        if watermark is not None:
            self.give_mark(watermark)
        self.finish(None)
        self.free = own

    def finish(self, error: Exception | None) -> None:
        """Send the end out, and close the reader."""
        if self.is_finished:
            return
        self.is_finished = True
        if error is not None:
            left = self.left_over()
            self.came += left
            self.discarded += left
            self.chunk = None
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
        left = self.left_over()
        self.came += left
        self.discarded += left
        self.chunk = None
        super().cancel()
        self.close()

    def close(self) -> None:
        """Close the reader; once."""
        if self.is_closed:
            return
        self.is_closed = True
        reader, self.reader = self.reader, None
        self.count_dropped(reader)
        left = 0 if reader is None else reader.held()
        self.came += left
        self.discarded += left
        try:
            if reader is None:
                pass
            elif self.source.where == "async":
                self.run.spawn(self.name, reader.aclose())
            else:
                reader.close()
        except BaseException as error:
            self.run.fail(node_error(self.name, error))
        finally:
            self.run.source_ended(self.name)

    def release(self, reader: Node) -> None:
        Node.release(self, reader)

    # ---- how it stands

    @property
    def is_idle(self) -> bool:
        """True if it is open and had nothing when it was read last."""
        return self.is_starved and not self.is_ended

    def backlog(self) -> int | None:
        """Return how many items wait to be read, if the reader knows. Thread-safe."""
        reader = self.reader
        return None if reader is None else reader.backlog()

    def is_connected(self) -> bool:
        """Return True unless it is open and lacks the connection that it needs. Thread-safe."""
        reader = self.reader
        return reader is None or reader.is_connected()

    def progress(self) -> Any:
        """Return how much of its input has been read, from 0 to 1, if the reader knows. Thread-safe."""
        reader = self.reader
        return None if reader is None else reader.progress()

    def count_dropped(self, reader: Reader | None) -> None:
        """Count what the reader's own queue has dropped since."""
        fresh = 0 if reader is None else reader.dropped() - int(self.n_dropped)
        if fresh:
            self.n_dropped += fresh
            self.drop("overflow", fresh)
