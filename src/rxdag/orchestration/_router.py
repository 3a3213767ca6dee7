"""Fail-over: one stream from the first of several sources that works."""

from __future__ import annotations

import asyncio
import inspect
import random
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rxdag.contract import (
    BadProgram,
    Clock,
    Duration,
    check_arguments,
    check_function,
    format_ns,
    positive_ns,
    whole_or_none,
)
from rxdag.engine.drivers import MonotonicClock
from rxdag.errors import GraphError, SourceError, shown, text_of
from rxdag.logs import EventLog
from rxdag.orchestration._breaker import CircuitBreaker


@dataclass(frozen=True)
class RouterEvent:
    """An event of a router.

    Attributes:
        kind: "using": a source is used; "failed": a source has failed; "waiting": no source may be tried yet; "given
            up": the router has given up.
        source: Name of the source; empty while all wait.
        error: The error of the source.
    """

    kind: Literal["using", "failed", "waiting", "given up"]
    source: str
    error: Exception | None = None


class SourceRouter:
    """A reader of the first available source, by priority.

    If the source fails or falls silent, the router switches to the next one. Each source has a circuit breaker: a
    source that keeps failing is skipped, and retried after a timeout. While no source may be tried, the router waits.
    If a source ends by itself, the stream ends. Items that a source would have sent between its failure and the first
    item of the next source are lost.

    Args:
        sources: Factories by name, in order of priority. A factory returns an async iterable, a coroutine of one, or an
            object with `stream()`; the object may have `start()` and `close()`.
        silent_after: Silence after which a source counts as failed; by default never.
        rounds: Failures in a row, over all sources, without an item in between, after which it gives up; None for no
            limit.
        breaker_threshold: Failures in a row that open the circuit of a source.
        breaker_timeout: How long the circuit stays open.
        on_event: Function called with each event.
        clock: The clock to use; by default the system clock.

    Raises:
        GraphError: If there are no sources, or an argument is invalid.

    Example:
        >>> async def primary():
        ...     raise ConnectionError("down")
        ...     yield
        >>> async def backup():
        ...     yield 50_000.0
        >>> router = rxdag.orchestration.SourceRouter({"primary": primary, "backup": backup})
        >>> rxdag.from_source(sources.async_iterable(router.stream)).collect()
        [50000.0]
    """

    def __init__(
        self,
        sources: Mapping[str, Callable[[], Any]],
        *,
        silent_after: Duration | None = None,
        rounds: int | None = None,
        breaker_threshold: int = 1,
        breaker_timeout: Duration = "30s",
        on_event: Callable[[RouterEvent], object] | None = None,
        clock: Clock | None = None,
    ) -> None:
        if not sources:
            raise GraphError("SourceRouter: takes one source or more, got none")
        wrong = [name for name, make in sources.items() if not callable(make)]
        if wrong:
            raise GraphError(
                f'SourceRouter: source "{wrong[0]}" must be a function that makes it, got {shown(sources[wrong[0]])}'
            )
        for name, make in sources.items():
            check_arguments(make, f'SourceRouter: source "{name}"')
        if on_event is not None:
            check_function(on_event, "SourceRouter: on_event", "the event", instead="")
        rounds = whole_or_none(rounds, "SourceRouter: rounds")
        self._sources = dict(sources)
        self._silent_s = None if silent_after is None else positive_ns(silent_after, "SourceRouter: silent_after") / 1e9
        self._rounds = rounds
        self._on_event = on_event
        self._clock = clock or MonotonicClock()
        self._log = EventLog(self._clock)
        self.breakers = {
            name: CircuitBreaker(breaker_threshold, breaker_timeout, clock=self._clock, name=name) for name in sources
        }
        self.active: str | None = None
        """Name of the source that is being read."""

    async def stream(self) -> AsyncIterator[Any]:
        """Yield the items of the source in use.

        Raises:
            SourceError: If the sources failed `rounds` times in a row; lists the last failure of each.
        """
        failures: dict[str, Exception] = {}
        row = 0
        while True:
            name = await self._next()
            self._tell("using", name)
            self.active = name
            breaker = self.breakers[name]
            breaker.enter(f'source "{name}"')
            is_settled = False
            items = _Opened(self._sources[name], self._silent_s)
            try:
                async for item in items:
                    if not is_settled:
                        is_settled = True
                        row = 0
                        breaker.succeeded()
                    yield item
            # Another attempt would not repair a wrong program.
            except BadProgram:
                raise
            except Exception as error:  # whatever the error, the next source is tried
                breaker.failed()
                failures[name] = error
                row += 1
                self._tell("failed", name, error)
                if self._rounds is not None and row >= self._rounds:
                    self._tell("given up", name, error)
                    told = "; ".join(f"{each}: {text_of(failure)}" for each, failure in failures.items())
                    raise SourceError(f"all sources failed, {row} times in a row: {told}") from error
            else:
                # A source that ends without an item has not failed.
                if not is_settled:
                    breaker.succeeded()
                return
            finally:
                self.active = None
                await items.aclose()

    async def _next(self) -> str:
        while True:
            for name, breaker in self.breakers.items():
                if breaker.may_try():
                    return name
            self._tell("waiting", "")
            wait = min(breaker.opens_in() for breaker in self.breakers.values())
            await asyncio.sleep(wait / 1e9 + random.uniform(0, 1e-3))

    def _tell(self, kind: Literal["using", "failed", "waiting", "given up"], name: str, error: Any = None) -> None:
        self._log.tell(f"router.{kind.replace(' ', '_')}", router=name or None, error=error)
        if self._on_event is not None:
            self._on_event(RouterEvent(kind, name, error))


class _Opened:
    """A source that is made, started, read and closed."""

    def __init__(self, make: Callable[[], Any], silent_s: float | None) -> None:
        self._make = make
        self._silent_s = silent_s
        self._source: Any = None
        self._items: Any = None

    def __aiter__(self) -> _Opened:
        return self

    async def __anext__(self) -> Any:
        if self._items is None:
            self._items = await self._open()
        limit = asyncio.timeout(self._silent_s)
        try:
            async with limit:
                return await anext(self._items)
        except TimeoutError as error:
            # A TimeoutError of the source itself is not silence.
            if self._silent_s is None or not limit.expired():
                raise
            raise SourceError(f"was silent for {format_ns(round(self._silent_s * 1e9))}") from error

    async def _open(self) -> AsyncIterator[Any]:
        made = self._make()
        self._source = source = await made if inspect.isawaitable(made) else made
        start = getattr(source, "start", None)
        if start is not None:
            await _awaited(start())
        stream = getattr(source, "stream", None)
        items = source if stream is None else stream()
        given: object = await items if inspect.isawaitable(items) else items
        if not isinstance(given, AsyncIterable):
            raise BadProgram(
                f"SourceRouter: a source must be an async iterable, or have stream() give one, got {shown(given)}"
            )
        return aiter(given)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]  # of whatever

    async def aclose(self) -> None:
        for thing, how in ((self._items, "aclose"), (self._source, "close")):
            close = getattr(thing, how, None)
            if close is not None:
                await _awaited(close())


async def _awaited(thing: Any) -> None:
    if inspect.isawaitable(thing):
        await thing
