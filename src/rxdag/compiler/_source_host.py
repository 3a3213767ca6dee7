"""Source hosts: read a source, and hand on what it gives."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

from rxdag.compiler._host import Host, RunContext, node_error
from rxdag.compiler._ledger import Ledger
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
)
from rxdag.errors import BufferOverflow, NodeError, text_of
from rxdag.schedulers import Pump, Segment


class SourceHost(Host):
    """Reads a source, and stops it when the run wants.

    Args:
        name: Of the node.
        segment: Where it runs.
        context: Of the run.
        policy: What becomes of malformed input.
        source: What it reads.
        itemwise: True to hand items over one by one.
        wants_columns: True if a reader works on columns.
        boundary: What the user has put right behind a source that has a queue of its own.
    """

    def __init__(
        self,
        name: str,
        segment: Segment,
        context: RunContext,
        policy: OnError,
        source: Source[Any],
        *,
        itemwise: bool,
        wants_columns: bool,
        boundary: Boundary | None = None,
    ) -> None:
        super().__init__(name, segment, context, policy)
        self.source = source
        self.wants_columns = wants_columns
        self.boundary = boundary
        self.saw: Saw | None = None
        self.clock: Clock = context.clock
        self.random = context.random
        self.pump = Pump(name, name, segment, self._supply, self._push, self._end, self._without_room)
        self._itemwise = itemwise
        self._reader: Reader | None = None
        self._stop: tuple[Literal["drain", "flush", "fail"], Exception | None] | None = None
        self._mark: int | None = None
        self._end_mark: tuple[int | None] | None = None
        self._dropped = 0
        self._open_error: Exception | None = None
        self.is_closed = False

    def start(self) -> None:
        """Give the pump its first turn. What is pushed into is opened at once, whether there is room or not."""
        if self.source.queues:
            try:
                self._reader = self.source.open(self)
            except Exception as error:  # the first turn of the pump gives it to the run, room or not
                self._open_error = error
        self.pump.wake()

    # ---- what the source sees

    def wake(self) -> None:
        self.pump.wake()

    def wake_at(self, when: int) -> None:
        self.segment.scheduler.at(when, self.pump.step, rank=self.rank)

    def emit(self, port: str, item: object) -> None:
        self.segment.scheduler.call(partial(self._give, port, item))

    def _give(self, port: str, item: object) -> None:
        outlet = self.outlets[port]
        if not self.is_ended:
            self.ledger.made += 1
            outlet.put(item, 0, 0, None)
            outlet.flush()
            self.segment.run()

    def drop(self, reason: str, n: int = 1) -> None:
        self.ledger.arrived += n
        self.ledger.drop(reason, n)

    def bad(self, item: object, error: Exception) -> None:
        self.ledger.arrived += 1
        policy = self.policy.last
        if policy is SKIP:
            self.ledger.drop("skipped")
        elif policy is DEAD:
            self.ledger.dead += 1
            self.outlets["dead"].put(DeadLetter(self.name, item, error, 1, text_of(error)), 0, 0, None)
        else:
            self.ledger.failed += 1
            raise error

    # ---- the pump's side

    def stop(self, how: Literal["drain", "flush", "fail"], error: Exception | None = None) -> None:
        """Read no more: end as a drain, as a drain that flushes, or with an error. From any thread."""
        if how != "fail" and self._stop is None and self._ends_itself(how):
            return
        if self._stop is None or how == "fail":
            self._stop = (how, error)
        # What a reader has taken in goes out first on a drain, and needs room as ever.
        reader = self._reader
        has_rest = how != "fail" and reader is not None and type(reader).rest is not Reader.rest
        self.pump.is_ending = not has_rest
        self.pump.wake()

    def _ends_itself(self, how: Literal["drain", "flush"]) -> bool:
        """True if the reader is asked, where it is read, whether it comes to an end by itself."""
        reader = self._reader
        if self._end_mark is not None or reader is None or type(reader).drain is Reader.drain:
            return self._end_mark is not None
        self._end_mark = (FLUSHED if how == "flush" else None,)
        self.segment.scheduler.call(partial(self._ask, reader, how))
        return True

    def _ask(self, reader: Reader, how: Literal["drain", "flush"]) -> None:
        if self.is_closed or reader.drain(flush=how == "flush"):
            return
        self._end_mark = None
        self._stop = self._stop or (how, None)
        self.pump.is_ending = type(reader).rest is Reader.rest
        self.pump.wake()

    def _supply(self, max_items: int) -> Read:
        if self._stop is not None:
            how, error = self._stop
            if how == "fail" and error is not None:
                raise error
            rest = self._reader.rest(max_items) if self._reader is not None else None
            if rest is not None:
                return rest
            self._mark = FLUSHED if how == "flush" else None
            return END
        try:
            if self._open_error is not None:
                raise self._open_error
            if self._reader is None:
                self._reader = self.source.open(self)
            read = self._reader.read(max_items)
        except (NodeError, BufferOverflow):
            raise
        except Exception as error:
            made = NodeError(f'source "{self.name}": {said(error)}', node=self.name)
            made.__cause__ = error
            raise made from error
        if read is END:
            self._mark = ENDED if self._end_mark is None else self._end_mark[0]
        return read

    def _without_room(self) -> bool:
        if self._open_error is not None:
            return True
        return self._reader is not None and self._reader.without_room()

    def _push(self, chunk: Chunk) -> None:
        n = len(chunk.items)
        self.ledger.made += n
        outlet = self.outlets["out"]
        outlet.out += n
        port = outlet.port
        if port.is_seen and (n or chunk.marks):
            if self._itemwise:
                for each in chunk.singles():
                    port.on_next(each)
            else:
                port.on_next(chunk)
        dead = self.outlets["dead"]
        if dead.items:
            dead.flush()

    def _end(self, error: Exception | None) -> None:
        if self.is_ended:
            return
        if error is None and self._mark is not None:
            for outlet in self.outlets.values():
                outlet.mark(self._mark)
        self.finish(error)
        self.close()
        if error is not None and not self.is_caught:
            self.context.fail(error)

    def unused(self) -> None:
        super().unused()
        if self.is_ended:
            self.pump.stop()
            self.close()

    def cancel(self) -> None:
        super().cancel()
        self.pump.stop()
        self.close()

    def close(self) -> None:
        """Close the reader; once."""
        if self.is_closed:
            return
        self.is_closed = True
        reader, self._reader = self._reader, None
        self._count_dropped(reader)
        left = 0 if reader is None else reader.held()
        self.ledger.arrived += left
        self.ledger.discarded += left
        try:
            if reader is None:
                pass
            elif self.source.where == "async":
                self.context.spawn(self.name, reader.aclose())
            else:
                reader.close()
        except Exception as error:
            self.context.fail(node_error(self.name, error))
        finally:
            self.context.source_ended(self.name)

    @property
    def is_idle(self) -> bool:
        """True if it is open and had nothing when it was read last."""
        return self.pump.is_starved and not self.is_ended

    def backlog(self) -> int | None:
        """Items that wait to be read, if the reader knows. From any thread."""
        reader = self._reader
        return None if reader is None else reader.backlog()

    def is_connected(self) -> bool:
        """True unless it is open and lacks the connection that it needs. From any thread."""
        reader = self._reader
        return reader is None or reader.is_connected()

    def progress(self) -> float | None:
        """How much of its input has been read, if the reader knows. From any thread."""
        reader = self._reader
        return None if reader is None else reader.progress()

    def _count_dropped(self, reader: Reader | None) -> None:
        fresh = 0 if reader is None else reader.dropped() - self._dropped
        if fresh:
            self._dropped += fresh
            self.ledger.arrived += fresh
            self.ledger.drop("overflow", fresh)

    def books(self) -> list[tuple[str, Ledger, dict[str, str]]]:
        self._count_dropped(self._reader)
        self.ledger.out = {name: outlet.out for name, outlet in self.outlets.items()}
        return [(self.name, self.ledger, {"dead": "dead"})]


def said(error: Exception) -> str:
    return text_of(error) or type(error).__name__
