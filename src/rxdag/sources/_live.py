"""Async iterables, read with credit; those of live feeds are opened again when they are lost."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeAlias, TypeVar

from rxdag.contract import (
    END,
    BadProgram,
    Boundary,
    Chunk,
    Duration,
    Overflow,
    Read,
    Reader,
    SourceContext,
    check_function,
    checked_overflow,
    format_ns,
    plain_result,
    positive_ns,
)
from rxdag.errors import GraphError, SourceError, named_text, shown, text_of
from rxdag.sources._backoff import Backoff
from rxdag.sources._silence import Silence

T = TypeVar("T")

Connect: TypeAlias = Callable[[], AsyncIterable[Any] | Awaitable[AsyncIterable[Any]]]


class _Connected:
    """A marker that an iterator yields first if it connects before it has an item."""


CONNECTED: Final = _Connected()

_SKIPPED_AT_ONCE: Final = 1024
"""Number of items left out between two turns of other tasks."""


@dataclass(frozen=True)
class ConnectionEvent:
    """A change of a connection, emitted on port "events" of a live source.

    Attributes:
        kind: "connected", "lost", "retrying" (after `wait_ns`) or "given up".
        connection: Number of the connection, from 1.
        at: Time of the event by the clock of the run, ns since the epoch.
        error: The error that lost the connection; None if its iterator ended.
        wait_ns: Delay before the next connection, ns.
    """

    kind: Literal["connected", "lost", "retrying", "given up"]
    connection: int
    at: int
    error: Exception | None = None
    wait_ns: int | None = None


@dataclass(frozen=True)
class Lifeline:
    """The policy for lost connections of a live source.

    Attributes:
        reconnect: Delays before a new connection; None for no reconnection.
        silent_ns: Silence after which a connection is lost, ns; None for never.
        marker: Makes the item that precedes the items of each connection but the first, from its number.
    """

    reconnect: Backoff | None = None
    silent_ns: int | None = None
    marker: Callable[[int], Any] | None = None


class _Iterated:
    """An iterator in a loop that takes an iterable: some have no `__aiter__` of their own."""

    def __init__(self, items: AsyncIterator[Any]) -> None:
        self._items = items

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._items


class LiveReader(Reader):
    """Pulls async iterators, one after the other: never more items than were asked for."""

    def __init__(self, connect: Connect, context: SourceContext, lifeline: Lifeline) -> None:
        self._connect = connect
        self._context = context
        self._lifeline = lifeline
        self._buffer: list[Any] = []
        self._credit = 0
        self._more = asyncio.Event()
        self._connection = 0
        self._was_of_use = False
        self._error: BaseException | None = None
        self._closing_error: BaseException | None = None
        """CancelledError that closing the connection has raised by itself."""
        self._is_done = False
        self._has_left = False
        self._failed_late = False
        """True if closing the connection has failed."""
        self._skips = 0
        """Number of items to leave out, since another reader has read them."""
        self._is_up = lifeline.reconnect is None
        self._task = asyncio.ensure_future(self._live())

    async def _live(self) -> None:
        try:
            await (self._pull() if self._lifeline.reconnect is None else self._reconnect(self._lifeline.reconnect))
        except BaseException as error:  # read() raises it in the run
            task = asyncio.current_task()
            is_own = error is self._closing_error
            if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() and not is_own:
                raise  # this task was cancelled, not something that the iterator awaits
            self._error = error
            self._failed_late = self._has_left
        self._is_done = True
        self._context.wake()

    async def _reconnect(self, backoff: Backoff) -> None:
        waits, tries, useless = backoff.waits(), 0, 0
        while True:
            error = await self._lost_for(backoff.reset_after_ns())
            if self._has_left:  # the iterator has turned the cancel into an end or an error
                if error is not None:
                    raise error
                return
            self._is_up = False
            self._tell("lost", error)
            self._context.log("source.disconnected", connection=self._connection, error=error)
            tries = 1 if self._was_of_use else tries + 1
            useless = 0 if self._was_of_use else useless + 1
            if backoff.attempts is not None and useless >= backoff.attempts:
                self._tell("given up", error)
                self._context.log("source.given_up", connection=self._connection, error=error)
                raise SourceError(
                    f"gave up after {useless} connections in a row that delivered nothing, of {self._connection} in all"
                    f"{f': {text_of(error)}' if error else ''}; see reconnect=Backoff(attempts=...)"
                ) from error
            wait = waits.wait_ns(tries, self._context.random)
            self._tell("retrying", error, wait)
            self._context.log("source.retrying", connection=self._connection, wait_s=wait / 1e9)
            await asyncio.sleep(wait / 1e9)

    async def _lost_for(self, reset_after_ns: int) -> Exception | None:
        """Read one connection to its end; returns the error that ended it."""
        began = self._context.clock.now()
        self._was_of_use = False
        try:
            await self._pull()
        except BadProgram:
            raise
        except Exception as error:  # whatever the error, the next connection is tried
            return error
        finally:
            # A connection that fails soon after its first item is not a success, so delays keep growing.
            self._was_of_use &= self._context.clock.now() - began >= reset_after_ns
        return None

    async def _pull(self) -> None:
        """Read one connection to its end."""
        silent_ns = self._lifeline.silent_ns
        limit = asyncio.timeout(None)
        silence = None if silent_ns is None else Silence(limit, silent_ns / 1e9)
        cause: TimeoutError | None = None
        self._connection += 1
        try:
            async with limit:
                await self._pull_with(silence)
        except TimeoutError as error:
            if not limit.expired():
                raise
            cause = error
        finally:
            if silence is not None:
                silence.close()
        if silent_ns is not None and limit.expired():  # also if the iterator has turned the cancel into an end
            raise SourceError(f"was silent for {format_ns(silent_ns)}") from cause

    async def _pull_with(self, silence: Silence | None) -> None:
        if silence is not None:  # a connection is silent until it is made
            silence.begin()
        items = await self._connected()
        try:
            if silence is None or silence.end():
                await self._take_from(items, silence)
        finally:
            if silence is not None:
                silence.close()  # it may close for as long as it likes
            aclose = getattr(items, "aclose", None)
            if aclose is not None:
                await self._closed(aclose)

    async def _closed(self, aclose: Callable[[], Awaitable[Any]]) -> None:
        """Close a connection; note a CancelledError that is its own."""
        task = asyncio.current_task()
        before = 0 if task is None else task.cancelling()
        try:
            await aclose()
        except asyncio.CancelledError as error:
            if task is not None and task.cancelling() == before:
                self._closing_error = error
            raise

    async def _connected(self) -> AsyncIterator[Any]:
        """Make a connection."""
        made = self._connect()
        given: object = await made if inspect.isawaitable(made) else made
        if not isinstance(given, AsyncIterable):
            hint = "use an async generator function"
            raise BadProgram(f"a connection must be an async iterable, got {shown(given)}; {hint}")
        return aiter(given)

    async def _take_from(self, items: AsyncIterator[Any], silence: Silence | None) -> None:
        is_told = False
        await self._asked()
        if silence is not None:
            silence.begin()
        async for item in _Iterated(items):
            if self._has_left:  # the iterator has swallowed the cancel
                return
            if silence is not None and not silence.end():
                return
            if not is_told:
                is_told = True
                self._begin()
            if item is not CONNECTED:
                self._was_of_use = True
                if self._skips:
                    await self._skip()
                else:
                    self._add(item)
            if len(self._buffer) >= self._credit:
                await self._asked()
            if silence is not None:
                silence.begin()

    def _add(self, item: Any) -> None:
        """Add an item to those that the next read returns."""
        self._buffer.append(item)
        if len(self._buffer) == 1:  # a reader that has been woken reads them all
            self._context.wake()

    async def _asked(self) -> None:
        """Wait until more items are asked for than there are."""
        while len(self._buffer) >= self._credit:
            self._more.clear()
            await self._more.wait()

    async def _skip(self) -> None:
        """Leave an item out."""
        self._skips -= 1
        if self._skips % _SKIPPED_AT_ONCE == 0:
            await asyncio.sleep(0)

    def _begin(self) -> None:
        """Note that the connection is established."""
        self._is_up = True
        if self._lifeline.reconnect is not None:
            self._tell("connected")
            self._context.log("source.connected", connection=self._connection)
        if self._connection > 1 and self._lifeline.marker is not None:
            self._add(self._marked(self._lifeline.marker))

    def _marked(self, marker: Callable[[int], Any]) -> Any:
        """Make the item that precedes those of a connection; an error here is not a lost connection."""
        try:
            return plain_result(marker(self._connection), "on_reconnect", instead="")
        except BadProgram:
            raise
        except Exception as error:
            raise BadProgram(
                f"on_reconnect must return an item, and failed on {self._connection}: {named_text(error)}"
            ) from error

    def _tell(
        self,
        kind: Literal["connected", "lost", "retrying", "given up"],
        error: Exception | None = None,
        wait_ns: int | None = None,
    ) -> None:
        event = ConnectionEvent(kind, self._connection, self._context.clock.now(), error, wait_ns)
        self._context.emit("events", event)

    def read(self, max_items: int) -> Read:
        if self._buffer:
            items = self._taken(max_items)
            # The iterator is not advanced again before a read finds the buffer empty.
            self._credit = 0
            return Chunk(items)
        if self._is_done:
            if self._error is not None:
                raise self._error
            return END
        self._credit = max_items
        self._more.set()
        return None

    def _taken(self, max_items: int) -> list[Any]:
        items = self._buffer
        self._buffer = [] if len(items) <= max_items else items[max_items:]
        return items if len(items) <= max_items else items[:max_items]

    def _leave(self) -> None:
        """End the task; once, since a second cancel would interrupt the closing of the connection."""
        if not self._has_left:
            self._has_left = True
            self._task.cancel()

    def rest(self, max_items: int) -> Chunk | None:
        self._leave()
        items = self._taken(max_items)
        return Chunk(items) if items else None

    def held(self) -> int:
        self._leave()
        return len(self._buffer)

    def is_connected(self) -> bool:
        return self._is_up

    async def aclose(self) -> None:
        self._leave()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        await asyncio.sleep(0)  # an aborted connection is released in the next turn of the loop
        if self._failed_late and self._error is not None:
            raise self._error


def live(
    where: str,
    reconnect: Backoff | None,
    silent_after: Duration | None,
    on_reconnect: Callable[[int], Any] | None,
) -> Lifeline:
    """Return the checked policy for lost connections.

    Raises:
        GraphError: If an argument is invalid.
    """
    if reconnect is not None and not isinstance(reconnect, Backoff):
        raise GraphError(f"{where}: reconnect must be a sources.Backoff(...) or None, got {shown(reconnect)}")
    if on_reconnect is not None and not callable(on_reconnect):
        raise GraphError(
            f"{where}: on_reconnect must be a function of the connection's number, got {shown(on_reconnect)}"
        )
    if on_reconnect is not None:
        check_function(on_reconnect, f"{where}: on_reconnect", "the connection's number", instead="")
    if on_reconnect is not None and reconnect is None:
        raise GraphError(f"{where}: on_reconnect goes with reconnect=sources.Backoff(...)")
    silent_ns = None if silent_after is None else positive_ns(silent_after, f"{where}: silent_after")
    return Lifeline(reconnect, silent_ns, on_reconnect)


def gate(where: str, max_items: int | None, overflow: Overflow | str) -> Boundary | None:
    """Return the gate after a live source; None for the default.

    Raises:
        GraphError: If an argument is invalid.
    """
    if max_items is None and overflow in (Overflow.BLOCK, Overflow.BLOCK.value):
        return None
    policy = checked_overflow(where, 4096 if max_items is None else max_items, overflow)
    return replace(Boundary(), max_items=4096 if max_items is None else max_items, overflow=policy)
