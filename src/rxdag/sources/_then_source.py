"""The source of a history and a live source: it reads one, then the other."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from rxdag.contract import (
    END,
    IDLE,
    MIN,
    Chunk,
    JournalStats,
    Read,
    Reader,
    Shape,
    Source,
    SourceAround,
    SourceContext,
    SourceContextAround,
    Where,
    checked_end,
    with_parts,
)
from rxdag.sources._resting import Resting
from rxdag.sources._seam import ByKey, BySequence
from rxdag.sources._threaded import Threaded

T = TypeVar("T")


@dataclass(frozen=True)
class SeamGap:
    """Numbers that neither the history nor the live source had, emitted on port "events" of a live source that has it.

    Attributes:
        last: Last sequence number of the history.
        first: First sequence number of the live source, greater than `last` + 1.
        at: Time when it was found, by the clock of the run, ns since the epoch.
    """

    last: int
    first: int
    at: int


class _ThenReader(Reader):
    """Reads the history to its end, then the live source."""

    def __init__(self, source: Then[Any], context: SourceContext) -> None:
        self._source = source
        self._context = context
        self._seam = source.seam.open(source.shape.item_type, self._report_gap)
        self._live = Resting(partial(source.opened, source.live), context, source.max_rested)
        self._history: Reader | None = None
        self._begins: Any = None
        """Position at which the history is continued."""
        self._is_past = False
        """True if the history has been read."""
        self._mark = MIN
        """The largest watermark that was passed on."""

    def read(self, max_items: int) -> Read:
        if not self._is_past:
            if self._source.rests:
                self._live.take_in()
            read = self._read_history(max_items)
            if read is not END:
                return read
            self._is_past = True
            self._context.log("source.live", rested=self._live.n)
        while True:
            read = self._live.read(max_items)
            if not isinstance(read, Chunk):
                return read
            chunk = self._fresh(read)
            if len(chunk) or chunk.marks:
                return chunk
            if self._context.wants_thread():
                self._context.wake()
                return None

    def _read_history(self, max_items: int) -> Read:
        history = self._history
        if history is None:
            history = self._open_history()
        read = history.read(max_items)
        if isinstance(read, Chunk):
            self._seam.passed(read.rows().items)
            return self._forward(read)
        if read is END and self._source.history.where != "async":  # those are closed with the run
            self._history = None
            history.close()
        return read

    def _open_history(self) -> Reader:
        context = SourceContextAround(self._context)
        context.boundary = None  # it is that of the live source
        history = self._history = self._source.opened(self._source.history, context)
        if self._begins is not None:
            history.seek(self._begins)
        return history

    def _fresh(self, chunk: Chunk) -> Chunk:
        """Return a live chunk without the items that were in the history."""
        if not self._seam.is_over:
            chunk = chunk.rows()
            n = len(chunk)
            indexes = self._seam.fresh(chunk.items)
            if len(indexes) < n:
                self._context.drop("double", n - len(indexes))
                chunk = _picked(chunk, indexes)
        return self._forward(chunk)

    def _forward(self, chunk: Chunk) -> Chunk:
        """Return a chunk without the watermarks that would go back."""
        if not chunk.marks:
            return chunk
        marks: list[tuple[int, int]] = []
        for at, mark in chunk.marks:
            if mark == IDLE or mark > self._mark:
                marks.append((at, mark))
                self._mark = max(self._mark, mark)
        return Chunk(chunk.items, chunk.ts, chunk.sequence, chunk.key, tuple(marks))

    def _report_gap(self, last: int, first: int) -> None:
        self._context.log("source.gap", last=last, first=first)
        if "events" in self._source.live.side_ports:
            self._context.emit("events", SeamGap(last, first, self._context.clock.now()))

    def position(self) -> dict[str, Any] | None:
        live = self._live.position()
        if live is None:
            return None
        position = {"live": live, "seam": self._seam.save(), "mark": self._mark, "is_past": self._is_past}
        if self._is_past:
            return position
        history = self._begins if self._history is None else self._history.position()
        if history is None and self._history is not None:
            return None
        return {**position, "history": history}

    def confirm(self, position: dict[str, Any]) -> None:
        self._live.reader.confirm(position["live"]["begins"])
        if self._history is not None and position.get("history") is not None:
            self._history.confirm(position["history"])

    def seek(self, position: dict[str, Any]) -> None:
        self._live.seek(position["live"])
        self._seam.restore(position["seam"])
        self._mark = position["mark"]
        self._is_past = position["is_past"]
        self._begins = position.get("history")

    def rest(self, max_items: int) -> Chunk | None:
        if not self._is_past:
            # Live items that rest here must not overtake the rest of the history.
            chunk = None if self._history is None else self._history.rest(max_items)
            if chunk is not None:
                self._seam.passed(chunk.rows().items)
            return chunk
        while (chunk := self._live.rest(max_items)) is not None:
            chunk = self._fresh(chunk)
            if len(chunk):
                return chunk
        return None

    def drain(self, *, flush: bool) -> bool:
        return self._is_past and self._live.reader.drain(flush=flush)

    def held(self) -> int:
        return self._live.n + self._live.reader.held() + (0 if self._history is None else self._history.held())

    def backlog(self) -> int | None:
        waiting = self._live.reader.backlog()
        return None if waiting is None else waiting + self._live.n

    def journal(self) -> JournalStats | None:
        return self._live.reader.journal()

    def dropped(self) -> int:
        return self._live.reader.dropped()

    def is_connected(self) -> bool:
        return self._live.reader.is_connected()

    def progress(self) -> float | None:
        history = self._history
        return None if history is None or self._is_past else history.progress()

    def close(self) -> None:
        try:
            if self._history is not None:
                self._history.close()
        finally:
            self._live.reader.close()

    async def aclose(self) -> None:
        try:
            if self._history is not None:
                await self._history.aclose()
        finally:
            await self._live.reader.aclose()


def _picked(chunk: Chunk, indexes: list[int]) -> Chunk:
    """Return the items of a chunk of rows at these indexes; watermarks stay between the same items."""

    def of(values: Sequence[Any] | None) -> list[Any] | None:
        return None if values is None else [values[i] for i in indexes]

    marks = tuple((bisect_left(indexes, at), mark) for at, mark in chunk.marks)
    return Chunk(of(chunk.items), of(chunk.ts), of(chunk.sequence), of(chunk.key), marks)


# pyright: reportIncompatibleMethodOverride=false, reportAssignmentType=false, reportIncompatibleVariableOverride=false
# Attributes of a source are plain; here they are read from the two inside.
@dataclass(frozen=True)
class Then(SourceAround[T]):
    """A history and a live source as one source.

    Attributes:
        history: The source that is read first.
        live: The source that is read then.
        seam: How duplicates are found.
        max_rested: Maximum number of live items that are buffered while the history is read.
        common_shape: Shape of the items of both.
    """

    history: Source[T]
    live: Source[T]
    seam: ByKey | BySequence
    max_rested: int
    common_shape: Shape = field(repr=False)
    label = "then"

    @property
    def source(self) -> Source[T]:  # type: ignore[override]
        return self.live

    @property
    def shape(self) -> Shape:  # type: ignore[override]
        return self.common_shape

    @property
    def where(self) -> Where:  # type: ignore[override]
        both = (self.history.where, self.live.where)
        return "async" if "async" in both else "blocking" if "blocking" in both else "inline"

    def shard(self, worker: int, workers: int) -> Source[T]:
        history, live = self.history.shard(worker, workers), self.live.shard(worker, workers)
        return with_parts(self, history=history, live=live)

    @property
    def rests(self) -> bool:
        """Return True if live items are taken in while the history is read.

        Stored ones wait where they are, and a read that blocks would hold up the history.
        """
        return not self.live.is_stored and not self.live.where == self.where == "blocking"

    @property
    def gives_columns(self) -> bool:  # type: ignore[override]
        return self.history.gives_columns and self.live.gives_columns

    @property
    def is_stored(self) -> bool:  # type: ignore[override]
        return self.history.is_stored and self.live.is_stored

    @property
    def side_ports(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(dict.fromkeys((*self.live.side_ports, *self.history.side_ports)))

    @property
    def no_position(self) -> str | None:  # type: ignore[override]
        for name, source in (("history", self.history), ("live source", self.live)):
            if source.no_position is not None:
                return f"its {name} ({source.label}) has no position: {source.no_position}"
        return None

    @property
    def may_miss(self) -> str | None:  # type: ignore[override]
        return self.history.may_miss or self.live.may_miss

    def followed(self) -> Source[T]:
        history, live = self.history.followed(), self.live.followed()
        is_same = history is self.history and live is self.live
        return self if is_same else with_parts(self, history=history, live=live)

    def opened(self, source: Source[Any], context: SourceContext) -> Reader:
        """Return the reader of one of the two, on a thread of its own if it would block the loop."""
        if source.where == "blocking" and self.where == "async":
            return Threaded(source, context)
        reader: Reader = checked_end(source, source.open(context), Reader)
        return reader

    def open(self, context: SourceContext) -> Reader:
        return _ThenReader(self, context)
