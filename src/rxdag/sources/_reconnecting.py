"""A source that is opened again when it fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from rxdag.contract import (
    BadProgram,
    Chunk,
    Delays,
    Duration,
    JournalStats,
    Read,
    Reader,
    Source,
    SourceAround,
    SourceContext,
    checked_backoff,
    checked_end,
    checked_errors,
    whole_or_none,
)
from rxdag.errors import GraphError, shown

T = TypeVar("T")


class _ReconnectingReader(Reader):
    """The reader of the connection that is open; between two of them, none."""

    def __init__(self, source: _Reconnecting[Any], context: SourceContext) -> None:
        self._source = source
        self._context = context
        self._reader: Reader | None = None
        self._connections = 0
        self._failures = 0
        """Number of connections in a row that failed without delivering an item."""
        self._opens_at: int | None = None
        self._is_new = False
        """True if the open connection has not been read yet."""
        self._position: Any = None
        """Position at which the next connection continues."""

    def read(self, max_items: int) -> Read:
        if self._opens_at is not None:
            if self._context.clock.now() < self._opens_at:
                self._context.wake_at(self._opens_at)
                return None
            self._opens_at = None
        try:
            reader = self._reader or self._connect()
        except BadProgram:
            raise
        except self._source.on as error:
            return self._lost(error)
        if self._position is not None:  # outside of the retries: the wrong file remains the wrong one
            reader.seek(self._position)
            self._position = None
        try:
            read = reader.read(max_items)
        except BadProgram:
            raise
        except self._source.on as error:
            return self._lost(error)
        if self._is_new:
            self._is_new = False
            self._context.log("source.connected", connection=self._connections)
        if isinstance(read, Chunk) and read.items:
            self._failures = 0
        return read

    def _connect(self) -> Reader:
        self._connections += 1
        source = self._source.source
        reader: Reader = checked_end(source, source.open(self._context), Reader)
        self._reader = reader
        self._is_new = True
        return reader

    def position(self) -> dict[str, Any] | None:
        """Return the position in the open connection, and the counts before it."""
        reader = self._reader
        inner = self._position if self._position is not None or reader is None else reader.position()
        if inner is None and reader is not None:
            return None
        return {"inner": inner, "connections": self._connections - (reader is not None), "failures": self._failures}

    def confirm(self, position: dict[str, Any]) -> None:
        if self._reader is not None and position["inner"] is not None:
            self._reader.confirm(position["inner"])

    def seek(self, position: dict[str, Any]) -> None:
        self._position = position["inner"]
        self._connections = position["connections"]
        self._failures = position["failures"]

    def _lost(self, error: Exception) -> Read:
        """Wait for the next connection after a failure, or give up."""
        attempts = self._source.attempts
        self._context.log("source.disconnected", connection=self._connections, error=error)
        if attempts is not None and self._connections >= attempts:
            self._context.log("source.given_up", connection=self._connections, error=error)
            raise error
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()
        self._failures += 1
        wait = self._source.backoff.wait_ns(self._failures, self._context.random)
        self._context.log("source.retrying", connection=self._connections, wait_s=wait / 1e9)
        self._opens_at = self._context.clock.now() + wait
        self._context.wake_at(self._opens_at)
        return None

    def rest(self, max_items: int) -> Chunk | None:
        return None if self._reader is None else self._reader.rest(max_items)

    def held(self) -> int:
        return 0 if self._reader is None else self._reader.held()

    def is_connected(self) -> bool:
        return self._reader is not None and self._reader.is_connected()

    def progress(self) -> float | None:
        return None if self._reader is None else self._reader.progress()

    def backlog(self) -> int | None:
        return None if self._reader is None else self._reader.backlog()

    def journal(self) -> JournalStats | None:
        return None if self._reader is None else self._reader.journal()

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()


@dataclass(frozen=True)
class _Reconnecting(SourceAround[T]):
    source: Source[T]
    attempts: int | None
    backoff: Delays
    on: tuple[type[Exception], ...]

    def open(self, context: SourceContext) -> Reader:
        return _ReconnectingReader(self, context)


def reconnecting(
    source: Source[T],
    /,
    *,
    attempts: int | None = None,
    base: Duration = "100ms",
    factor: float = 2.0,
    cap: Duration = "30s",
    jitter: float = 0.1,
    on: tuple[type[Exception], ...] = (Exception,),
) -> Source[T]:
    """Reopen a source after a failure, from its beginning, with growing delays.

    Items emitted before the failure are not taken back: a source that starts at its beginning emits them again.

    Args:
        source: A source that runs on the caller's thread or on its own, not on the event loop.
        attempts: Maximum number of connections, including the first; by default unlimited. The last error ends the
            stream.
        base: Delay before the second connection; reset to this value by a connection that delivers an item.
        factor: Growth of the delay from one retry to the next, 1 or more.
        cap: Longest delay.
        jitter: Share of the delay by which it varies at random, both ways, 0 to 1.
        on: Exceptions after which the source is reopened; any other ends the stream at once.

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> feed = sources.reconnecting(sources.iterable([1, 2]), attempts=3)
        >>> rxdag.from_source(feed).collect()
        [1, 2]
    """
    given: object = source
    if not isinstance(given, Source):
        raise GraphError(f"reconnecting: takes a source, got {shown(source)}")
    if source.where == "async":
        raise GraphError(f"reconnecting: takes no source that runs on the loop, got {source.label}")
    attempts = whole_or_none(attempts, "reconnecting: attempts")
    backoff = checked_backoff("reconnecting", base, factor, cap, jitter)
    return _Reconnecting(source, attempts, backoff, checked_errors("reconnecting", on))
