"""Playback: the records of one source of a journal, as they were read."""

from __future__ import annotations

from dataclasses import dataclass

from rxdag.contract import END, Chunk, Read, SourceContext, iso_utc, joined
from rxdag.journal import Cursor, Entries, Kind, Record


@dataclass(frozen=True)
class JournalGap:
    """A period without records, emitted on port "events" of `sources.journal` and `sources.journal_reader`.

    Attributes:
        since: Time of the last record before the gap, or of the loss of the connection, ns since the epoch.
        until: Time at which recording resumed, ns since the epoch.
        unrecorded: Number of items received in the gap that could not be recorded; 0 if nothing could be received.
    """

    since: int
    until: int
    unrecorded: int = 0


def report(context: SourceContext, gap: JournalGap) -> None:
    """Log a gap, and emit it on port "events"."""
    context.log(
        "journal.gap",
        since=iso_utc(gap.since),
        gap_s=(gap.until - gap.since) / 1e9,
        unrecorded=gap.unrecorded or None,
    )
    context.emit("events", gap)


class Playback:
    """Reads the records of one source. In virtual time, each item is delivered at its time of receipt.

    Args:
        folder: Folder of the journal.
        source: Name of the source.
        context: Context of the source that plays it back.
        ports: Names of the side ports on which events may be emitted.
        entries: Decodes payloads.
        arrival: Arrival number at which to begin.
    """

    def __init__(
        self,
        folder: str,
        source: str,
        context: SourceContext,
        ports: tuple[str, ...],
        entries: Entries,
        arrival: int,
    ) -> None:
        self._source = source
        self._context = context
        self._ports = ports
        self._entries = entries
        self._cursor = Cursor(folder, arrival)
        from rxdag.engine.drivers import VirtualClock  # it loads reactivex

        self._clock = context.clock if isinstance(context.clock, VirtualClock) else None
        self._next: Record | None = None
        """The next record of the source, if it has been read."""
        self.arrival = arrival
        """Arrival number after the last item that was returned."""
        self.at = 0
        """Time of receipt of the last record that was returned, ns since the epoch; 0 before the first one."""
        self.gaps = 0
        """Number of gaps that were read."""
        self.is_caught_up = False
        """True if the last read found no further record."""
        self.is_waiting = False
        """True if the last read returned None because the next item is not due."""

    def read(self, max_items: int) -> Read:
        """Return up to `max_items` items; None if there are none now, END if the source had ended."""
        chunks: list[Chunk] = []
        room = max_items
        while room > 0 and (record := self._peek()) is not None:
            if record.kind is Kind.ITEMS:
                chunk = self._chunk(record, room)
                room -= len(chunk)
                chunks.append(chunk)
                if self._clock is not None:
                    break
            elif chunks:  # emit these items before the record is reported
                break
            elif record.kind is Kind.END:
                if self._is_last(record):
                    return END
            else:
                self._report(record)
        return joined(chunks) if chunks else None

    def _peek(self) -> Record | None:
        """Return the next record of the source, if there is one that is due."""
        self.is_waiting = self.is_caught_up = False
        while self._next is None:
            record = self._cursor.next()
            if record is None:
                self.is_caught_up = True
                return None
            if record.source == self._source:
                self._next = record
            else:
                self.arrival = record.arrival + record.n
        if self._clock is not None and self._next.at > self._clock.now():
            self._context.wake_at(self._next.at)
            self.is_waiting = True
            return None
        return self._next

    def _pass(self, record: Record) -> None:
        self._next = None
        self.arrival = record.arrival + record.n
        self.at = record.at

    def _skips(self, record: Record) -> int:
        """Return how many items of a record were already returned, by this reader or an earlier one."""
        return max(0, self.arrival - record.arrival)

    def _chunk(self, record: Record, room: int) -> Chunk:
        """Return up to `room` of the remaining items of a record."""
        chunk = self._entries.chunk(record.payload)
        skips = self._skips(record)
        if skips:
            chunk = chunk.split(skips)[1]
        if len(chunk) > room:
            self.arrival = record.arrival + skips + room
            return chunk.split(room)[0]
        self._pass(record)
        return chunk

    def _is_last(self, record: Record) -> bool:
        """Return True if the source has no record after this end; otherwise continue after it."""
        self._next = None
        is_last = self._peek() is None and not self.is_waiting
        if is_last:
            self._next = record
        return is_last

    def _report(self, record: Record) -> None:
        if record.kind is Kind.BAD:
            rows = self._entries.bad_rows(record.payload)
            for item, error in rows[self._skips(record) :]:
                self.arrival = max(self.arrival, record.arrival) + 1
                self._context.bad(item, error)
            self._pass(record)
            return
        self._pass(record)
        if record.kind is Kind.GAP:
            self.gaps += 1
            report(self._context, JournalGap(*self._entries.decode(record.payload)))
        elif record.kind is Kind.EVENT:
            port, item = self._entries.decode(record.payload)
            if port in self._ports:
                self._context.emit(port, item)

    def close(self) -> None:
        """Close the open segment."""
        self._cursor.close()
