"""The reader of a source whose items are recorded before they are emitted."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, TypeAlias

from rxdag.contract import (
    END,
    Chunk,
    JournalStats,
    Read,
    Reader,
    ReaderAround,
    SourceContext,
    SourceContextAround,
    checked_end,
)
from rxdag.errors import SourceError, StateError
from rxdag.journal import SYNC_NS, Bad, Kind, WriteRefused, close_writer, entries_of, open_writer, size_of
from rxdag.sources._live import ConnectionEvent
from rxdag.sources._playback import JournalGap, Playback, report

if TYPE_CHECKING:
    from rxdag.sources._journal import Journal

Part: TypeAlias = tuple[Kind, int, bytes]


class _Recording(SourceContextAround):
    """The context of the source inside: what it reports is recorded first."""

    def __init__(self, context: SourceContext) -> None:
        super().__init__(context)
        self.rows: list[Bad] = []
        """Malformed items of the current read."""
        self.reader: JournalingReader | None = None

    def bad(self, item: object, error: Exception) -> None:
        self.rows.append((item, error))

    def emit(self, port: str, item: object) -> None:
        if self.reader is None or self.reader.note_event(port, item):
            super().emit(port, item)


class JournalingReader(ReaderAround):
    """Appends what a source gives to a journal, then emits it.

    After a restart it emits what was recorded behind its position; what comes meanwhile is appended. Its position is the
    arrival number behind the last item that it has emitted.
    """

    def __init__(self, source: Journal[Any], context: SourceContext) -> None:
        self._source = source
        self._of_run = context
        self._name = context.name
        self._writer = open_writer(source.path, context.dag, self._name, source.retention)
        try:
            self._context = _Recording(context)
            super().__init__(checked_end(source.source, source.source.open(self._context), Reader))
        except BaseException:
            close_writer(self._writer, self._name)
            raise
        self._context.reader = self
        self._entries = entries_of(source.shape.item_type, f'journal "{source.path}"')
        self._arrival = self._writer.begin(self._name) if context.saves else self._writer.arrival
        self._behind: Playback | None = None
        """Emits what was recorded, as long as that is not all emitted."""
        self._rested = deque[tuple[Chunk, list[Bad], int]]()
        """Chunks to emit next, each with the malformed items before it and the position behind it."""
        self._is_begun = self._is_ended = self._drains = self._is_closed = False
        self._synced_at = 0
        self._unrecorded = 0
        """Number of items since the last record that could not be recorded."""
        self._n_gaps = self._n_unrecorded = 0
        """Numbers of gaps, and of items that could not be recorded, since it was opened."""
        self._away_since: int | None = None
        """Time since which the source has not been listening, ns since the epoch."""

    def _begin(self) -> None:
        """Look at the end of the journal, once the position is known."""
        if self._is_begun:
            return
        self._is_begun = True
        writer, context = self._writer, self._of_run
        if writer.torn:
            context.log("journal.cut", bytes=writer.torn)
            writer.torn = 0
        last = writer.last(self._name)
        if last is not None and self._arrival < last.arrival:
            ports = self._source.side_ports
            self._behind = Playback(self._source.path, self._name, context, ports, self._entries, self._arrival)
            self._is_ended = last.is_ended
        elif self._arrival > writer.arrival:
            self._reserve()
        if last is not None and not last.is_ended:
            self._away_since = last.at
            if "events" not in self._source.source.side_ports:
                self._note_back(context.clock.now())

    def _reserve(self) -> None:
        """Continue the numbering after the records that a power failure has lost."""
        writer, now = self._writer, self._of_run.clock.now()
        if not writer.arrival:
            raise SourceError(
                f'journal: "{self._source.path}" must have the records up to {self._arrival:,}, got an empty folder; '
                "restore the journal, or start without the checkpoint"
            )
        gap = JournalGap(now, now, self._arrival - writer.arrival)
        writer.reserve(self._name, self._arrival, now, self._entries.encode([gap.since, gap.until, gap.unrecorded]))
        self._n_gaps += 1
        report(self._of_run, gap)

    def note_event(self, port: str, item: object) -> bool:
        """Record an event of the source; return False if it will be emitted from the journal."""
        if self._is_closed:
            return True
        self._begin()
        change = item if isinstance(item, ConnectionEvent) else None
        if change is not None and change.kind == "lost" and self._away_since is None:
            self._away_since = change.at
        try:
            payload = self._entries.encode([port, item])
        except StateError:  # it is emitted in this run only
            is_recorded = False
        else:
            is_recorded = self._append([(Kind.EVENT, 1, payload)], 0)
            self._pass()
        if change is not None and change.kind == "connected":
            self._note_back(change.at)
        return not is_recorded or self._behind is None

    def _note_back(self, until: int) -> None:
        """Record a gap, if there was one, now that the source receives again."""
        if self._away_since is None:
            return
        gap = JournalGap(self._away_since, max(until, self._away_since))  # the clock may have been set back
        self._away_since = None
        self._n_gaps += 1
        is_recorded = self._append([(Kind.GAP, 1, self._entries.encode([gap.since, gap.until, 0]))], 0)
        self._pass()
        if not is_recorded or self._behind is None:
            report(self._of_run, gap)

    def _pass(self) -> None:
        """Move the position past a record that needs no emission."""
        if self._behind is None and not self._rested:
            self._arrival = self._writer.arrival

    def _append(self, parts: list[Part], n: int) -> bool:
        """Append records; return False if the disk refuses them and the run continues without recording.

        Args:
            parts: Kind, count of numbers and payload of each.
            n: Number of items among them.
        """
        now = self._of_run.clock.now()
        last = self._writer.last(self._name)
        if self._unrecorded:
            gap = [now if last is None else last.at, now, self._unrecorded]
            parts = [(Kind.GAP, 1, self._entries.encode(gap)), *parts]
        try:
            self._writer.append(self._name, now, parts)
        except WriteRefused as error:
            if self._source.on_full == "stop":
                raise
            self._unrecorded += n
            self._n_unrecorded += n
            self._of_run.log("journal.unrecorded", n=n, error=error.__cause__)
            return False
        self._unrecorded = 0
        return True

    def _take_in(self, max_items: int) -> None:
        """Read the wrapped source, and append what it returns."""
        self._context.rows = []
        chunk: Chunk | None = None
        try:
            read = self.reader.read(max_items)
            chunk = read.rows() if isinstance(read, Chunk) else None
        finally:  # record malformed items that were received before an error, too
            if chunk is not None or self._context.rows:
                self._rest(chunk or Chunk([]))
        if read is END:
            self._is_ended = True
            if not self._drains:
                self._append([(Kind.END, 1, b"")], 0)  # the position stays before it, so that it is found again

    def _rest(self, chunk: Chunk) -> None:
        """Record a chunk and the malformed items before it; queue them, unless they are emitted from the journal."""
        rows, self._context.rows = self._context.rows, []
        parts: list[Part] = []
        if rows:
            parts.append((Kind.BAD, len(rows), self._entries.bad(rows)))
        if len(chunk) or chunk.marks:
            parts.append((Kind.ITEMS, max(1, len(chunk)), self._entries.items(chunk)))
        is_recorded = bool(parts) and self._append(parts, len(rows) + len(chunk))
        if not is_recorded or self._behind is None:
            self._rested.append((chunk, rows, self._writer.arrival))

    def read(self, max_items: int) -> Read:
        self._begin()
        if self._behind is not None:
            read = self._read_behind(self._behind, max_items)
            if read is not None or self._behind is not None:
                return read
        room = max_items - self._n_rested()
        if not self._is_ended and (room > 0 or not self._rested):
            self._take_in(room)
        if not self._rested:
            return END if self._is_ended else None
        return self._emitted() if self._may_emit() else None

    def _read_behind(self, behind: Playback, max_items: int) -> Read:
        """Emit recorded items, and append those that arrive in the meantime; `_behind` is None once all are emitted."""
        # A read that blocks would hold up what was recorded.
        if not self._is_ended and not self._rested and self._source.where != "blocking":
            self._take_in(max_items)
            self._sync()
        read = behind.read(max_items)
        if read is None and not behind.is_waiting:
            self._arrival = behind.arrival
            behind.close()
            self._behind = None
        return read

    def _may_emit(self) -> bool:
        """Return True if the queued items may be emitted; sync them first if it is time."""
        if self._source.durable == "synced":
            now = self._of_run.clock.now()
            if now < self._synced_at + SYNC_NS:
                self._of_run.wake_at(self._synced_at + SYNC_NS)
                return False
            self._sync()
            self._synced_at = now
        return True

    def _sync(self) -> None:
        if self._source.durable == "synced":
            self._writer.sync()

    def _emitted(self) -> Chunk:
        """Report the malformed items before the first queued chunk, and return the chunk."""
        chunk, rows, self._arrival = self._rested.popleft()
        for item, error in rows:
            self._of_run.bad(item, error)
        return chunk

    def _n_rested(self) -> int:
        return sum(len(chunk) for chunk, _, _ in self._rested)

    def rest(self, max_items: int) -> Chunk | None:
        self._begin()
        if not self._rested or self._behind is not None:
            self._context.rows = []
            while (chunk := self.reader.rest(max_items)) is not None:
                self._rest(chunk.rows())
                if self._behind is None:
                    break
        if not self._rested or self._behind is not None:  # recorded items are emitted after a restart
            return None
        self._sync()
        return self._emitted()

    def drain(self, *, flush: bool) -> bool:
        self._drains = self._behind is None and self.reader.drain(flush=flush)
        return self._drains

    def without_room(self) -> bool:
        return self._is_begun and self._behind is None and not self._rested and self.reader.without_room()

    def held(self) -> int:
        return self.reader.held() + self._n_rested()

    def journal(self) -> JournalStats:
        behind, path = self._behind, self._source.path
        behind_ns = 0 if behind is None or not behind.at else max(0, self._writer.at - behind.at)
        return JournalStats(path, size_of(path), behind_ns / 1e9, self._n_gaps, self._n_unrecorded)

    def position(self) -> dict[str, Any]:
        behind = self._behind
        return {"arrival": self._arrival if behind is None else behind.arrival}

    def seek(self, position: dict[str, Any]) -> None:
        self._arrival = position["arrival"]

    def confirm(self, position: dict[str, Any]) -> None:
        self._writer.confirm(self._name, position["arrival"])

    def close(self) -> None:
        try:
            self.reader.close()
        finally:
            self._close()

    async def aclose(self) -> None:
        try:
            await self.reader.aclose()
        finally:
            self._close()

    def _close(self) -> None:
        self._is_closed = True
        if self._behind is not None:
            self._behind.close()
        close_writer(self._writer, self._name)
