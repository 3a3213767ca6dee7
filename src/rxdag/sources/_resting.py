"""Live items that rest until it is their turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rxdag.contract import END, Chunk, Read, Reader, SourceContext, SourceContextAround
from rxdag.sources._iterable import check_length

Bad = tuple[object, Exception]


class _Reports(SourceContextAround):
    """The context of the live source: keeps malformed items back while it must, and ignores those reported before."""

    def __init__(self, context: SourceContext) -> None:
        super().__init__(context)
        self.kept: list[Bad] | None = None
        """Malformed items that are kept back; None if they are reported at once."""
        self.known = 0
        """Number of malformed items that will come again, and were reported before."""

    def bad(self, item: object, error: Exception) -> None:
        if self.known:
            self.known -= 1
        elif self.kept is not None:
            self.kept.append((item, error))
        else:
            super().bad(item, error)


@dataclass(slots=True)
class _Rested:
    """A chunk that rests, with the malformed items before it and the position after it."""

    chunk: Chunk
    bad: list[Bad]
    after: Any


class Resting:
    """Reads a live source; its items may rest before they are taken.

    Its position is a position of the source, and the numbers of items taken and of malformed ones reported after it.

    Args:
        open_reader: Opens the source.
        context: Context of the source.
        max_items: Maximum number of items that rest.
    """

    def __init__(self, open_reader: Callable[[SourceContext], Reader], context: SourceContext, max_items: int) -> None:
        self._context = _Reports(context)
        self.reader = open_reader(self._context)
        self._max_items = max_items
        self._rested = deque[_Rested]()
        self._begins: Any = None
        """Position of the source before the first chunk that rests."""
        self._n_taken = self._n_bad = 0
        """Numbers of its items taken, and of malformed ones reported."""
        self._skips = 0
        """Number of items to leave out, since another run has taken them."""
        self._is_ended = False
        self.n = 0
        """Number of items that rest."""

    def take_in(self) -> None:
        """Let the items that have come rest here, as long as there is room."""
        context = self._context
        while self.n < self._max_items and not self._is_ended:
            before = self.reader.position() if not self._rested else None
            bad: list[Bad] = []
            context.kept = bad
            try:
                read = self.reader.read(self._max_items - self.n)
            finally:
                context.kept = None
            if read is END:
                self._is_ended = True
            if isinstance(read, Chunk) or bad:
                if not self._rested:
                    self._begins = before
                chunk = read if isinstance(read, Chunk) else Chunk([])
                self._rested.append(_Rested(chunk, bad, self.reader.position()))
                self.n += len(chunk)
            if not isinstance(read, Chunk) or context.wants_thread():
                return

    def read(self, max_items: int) -> Read:
        """Take out up to `max_items` items: those that rest, then new ones."""
        if self._rested:
            return self._take_rested(max_items)
        while not self._is_ended:
            read = self.reader.read(max_items)
            if read is END:
                self._is_ended = True
                check_length(self._n_taken - self._skips, self._n_taken, "then")
            if not isinstance(read, Chunk):
                return read
            if len(chunk := self._left_of(read)):
                return chunk
        return END

    def rest(self, max_items: int) -> Chunk | None:
        """Take out items that had come before the run drained."""
        if self._rested:
            return self._take_rested(max_items)
        while (chunk := self.reader.rest(max_items)) is not None:
            if len(chunk := self._left_of(chunk)):
                return chunk
        return None

    def _left_of(self, chunk: Chunk) -> Chunk:
        """Return the part of a chunk that no other run has taken."""
        if not self._skips:
            return chunk
        n = min(self._skips, len(chunk))
        self._skips -= n
        return chunk.split(n)[1]

    def _take_rested(self, max_items: int) -> Chunk:
        rested = self._rested[0]
        for item, error in rested.bad:
            self._n_bad += 1
            self._context.bad(item, error)
        rested.bad = []
        taken = rested.chunk
        if len(taken) > max_items:
            taken, rested.chunk = taken.split(max_items)
            self._n_taken += len(taken)
        else:
            self._rested.popleft()
            self._begins, self._n_taken, self._n_bad = rested.after, 0, 0
        self.n -= len(taken)
        return taken

    def position(self) -> dict[str, Any] | None:
        """Return the position after the last item that was taken; None if the source has none."""
        if self._rested or self._skips:
            begins, n_taken, n_bad = self._begins, self._n_taken, self._n_bad
        else:
            begins, n_taken, n_bad = self.reader.position(), 0, self._context.known
        return None if begins is None else {"begins": begins, "items": n_taken, "bad": n_bad}

    def seek(self, position: dict[str, Any]) -> None:
        """Continue at the position of another one."""
        self._begins = position["begins"]
        self.reader.seek(self._begins)
        self._n_taken = self._skips = position["items"]
        self._n_bad = self._context.known = position["bad"]
