"""WebSockets: live feeds of text or binary frames."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias, TypeVar

import msgspec

from rxdag.contract import (
    Boundary,
    Chunk,
    Duration,
    Overflow,
    Read,
    Reader,
    Shape,
    Source,
    SourceContext,
    check_function,
    import_extra,
    item_type,
    plain_result,
    positive_ns,
    whole,
)
from rxdag.errors import GraphError, shown
from rxdag.sources._backoff import Backoff
from rxdag.sources._callback import OverflowName
from rxdag.sources._json import json_decoder
from rxdag.sources._live import CONNECTED, Lifeline, LiveReader, gate, live

T = TypeVar("T")

Message: TypeAlias = str | bytes | Mapping[str, Any]


_FOR_EVER: Final = Backoff(base="500ms", cap="30s", jitter=0.2, reset_after="5s")
_CLOSE_S: Final = 2.0
"""How long a peer has to say good-bye."""


@dataclass(frozen=True)
class _Made:
    """An item among the frames, which needs no decoding."""

    item: Any


@dataclass(frozen=True)
class _Marker:
    """Makes the items that go before those of a further connection."""

    make: Callable[[int], Any]

    def __call__(self, connection: int) -> _Made:
        return _Made(plain_result(self.make(connection), "on_reconnect", instead=""))


class _FrameReader(LiveReader):
    """Decodes the frames as they are read; what cannot be decoded goes the way of the source's policy."""

    def __init__(self, source: _Websocket[Any], context: SourceContext) -> None:
        super().__init__(source.frames, context, source.lifeline)
        self._decode = source.decode
        self._of_run = context
        self._failure: Exception | None = None
        self._undecoded = 0

    def read(self, max_items: int) -> Read:
        if self._failure is not None:
            raise self._failure
        read = super().read(max_items)
        return self._decoded(read.items) if isinstance(read, Chunk) else read

    def rest(self, max_items: int) -> Chunk | None:
        rest = super().rest(max_items)
        return None if rest is None or self._failure is not None else self._decoded(rest.items)

    def _decoded(self, frames: list[Any]) -> Chunk:
        items: list[Any] = []
        for at, frame in enumerate(frames):
            try:
                item = frame.item if isinstance(frame, _Made) else self._decode(frame)
            except Exception as error:
                try:
                    self._of_run.bad(frame, error)
                except Exception as failure:  # what was decoded goes out first
                    self._failure = failure
                    self._undecoded = len(frames) - at - 1
                    if not items:
                        raise
                    break
                continue
            if item is not None:
                items.append(item)
        return Chunk(items)

    def held(self) -> int:
        return super().held() + self._undecoded


@dataclass(frozen=True)
class _Websocket(Source[T]):
    url: str
    subscribe: tuple[str | bytes, ...] = field(repr=False)
    decode: Callable[[str | bytes], T | None] = field(repr=False)
    lifeline: Lifeline = field(repr=False)
    options: Mapping[str, Any] = field(repr=False)
    boundary: Boundary | None = field(default=None, repr=False)
    shape: Shape = field(default=Shape(), repr=False)
    label = "websocket"
    where = "async"

    @property
    def side_ports(self) -> tuple[str, ...]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # some have none
        return () if self.lifeline.reconnect is None else ("events",)

    async def frames(self) -> AsyncIterator[Any]:
        """The frames of one connection."""
        from websockets.asyncio import client

        connection = await client.connect(self.url, **self.options)
        try:
            yield CONNECTED
            for message in self.subscribe:
                await connection.send(message)
            async for frame in connection:
                yield frame
        finally:
            try:
                await connection.close()
            finally:
                connection.transport.abort()  # saying good-bye may be broken off

    def open(self, context: SourceContext) -> Reader:
        import_extra("websockets.asyncio.client", "ws", "sources.websocket")  # here, where no reconnecting hides it
        return _FrameReader(self, context)


def websocket(
    url: str,
    /,
    *,
    subscribe: Message | Iterable[Message] = (),
    decode: Callable[[str | bytes], T | None] | None = None,
    headers: Mapping[str, str] | None = None,
    open_timeout: Duration = "10s",
    ping_every: Duration | None = "20s",
    max_frame_bytes: int = 2**20,
    reconnect: Backoff | None = _FOR_EVER,
    silent_after: Duration | None = None,
    on_reconnect: Callable[[int], T] | None = None,
    overflow: Overflow | OverflowName = Overflow.BLOCK,
    max_items: int | None = None,
    of: type[T] | None = None,
) -> Source[T]:
    """Read the frames of a WebSocket, and connect again when it is lost (extra `ws`).

    Its connections are those of `sources.async_iterable`: `reconnect`, `silent_after`, `on_reconnect`, `overflow` and the port
    "events" are as there. While nothing is asked of it, the peer is made to wait by the network; peers that then cut the
    line need another `overflow`.

    Args:
        url: "ws://..." or "wss://...".
        subscribe: What is sent when it is connected, every time: text, bytes, a mapping (as JSON), or several of these.
        decode: Makes an item of a frame, str or bytes; None for a frame that is none, as an acknowledgement. A frame that it
            raises on is malformed: it ends the run, or is skipped or sent to port "dead" by the node's `on_error`. By
            default JSON, into `of` if that is given.
        headers: Of the opening request.
        open_timeout: Longest wait for the connection.
        ping_every: How often the peer is asked if it is there; an answer that is as late loses the connection. None for never.
        max_frame_bytes: Largest frame; a larger one loses the connection.
        reconnect: When a lost connection is tried again, by default for ever; None to end with it.
        silent_after: A connection without frames for so long counts as lost; by default only pings are looked at.
        on_reconnect: Makes an item that goes before those of each further connection, from its number.
        overflow: What gives way when what follows is slower.
        max_items: Most items in the gate behind it; by default 4,096, and with "block" no gate of its own.
        of: Type of the items.

    Raises:
        GraphError: If an argument is not as above.
        MissingExtra: When it is opened, if the library is not there.

    Example:
        >>> sources.websocket("wss://stream.binance.com/ws/btcusdt@trade", overflow="drop_oldest", silent_after="30s")
        _Websocket(url='wss://stream.binance.com/ws/btcusdt@trade')
    """
    if not isinstance(url, str) or not url.startswith(("ws://", "wss://")):
        raise GraphError(f'websocket: url must begin with "ws://" or "wss://", got {shown(url)}')
    if decode is not None and not callable(decode):
        raise GraphError(f"websocket: decode must be a function of a frame, got {shown(decode)}")
    if decode is not None:
        check_function(decode, "websocket: decode", "the frame")
    max_frame_bytes = whole(max_frame_bytes, "websocket: max_frame_bytes", least=1)
    if headers is not None and not isinstance(headers, Mapping):
        raise GraphError(f"websocket: headers must be a mapping, got {shown(headers)}")
    lifeline = live("websocket", reconnect, silent_after, on_reconnect)
    if on_reconnect is not None:
        lifeline = replace(lifeline, marker=_Marker(on_reconnect))
    ping_s = None if ping_every is None else positive_ns(ping_every, "websocket: ping_every") / 1e9
    options: dict[str, Any] = {
        "open_timeout": positive_ns(open_timeout, "websocket: open_timeout") / 1e9,
        "ping_interval": ping_s,
        "ping_timeout": ping_s,
        "close_timeout": _CLOSE_S,
        "max_size": max_frame_bytes,
        "additional_headers": dict(headers or {}),
    }
    decoder = decode if decode is not None else json_decoder(Any if of is None else of)
    boundary = gate("websocket", max_items, overflow)
    return _Websocket(
        url, _messages(subscribe), decoder, lifeline, options, boundary, Shape(item_type(of, "websocket: of"))
    )


def _messages(subscribe: Any) -> tuple[str | bytes, ...]:
    several: list[Any] = [subscribe] if isinstance(subscribe, str | bytes | Mapping) else list(subscribe)
    made: list[str | bytes] = []
    for each in several:
        if not isinstance(each, str | bytes | Mapping):
            raise GraphError(
                f"websocket: subscribe must be text, bytes, a mapping, or several of these, got {shown(each)}"
            )
        made.append(each if isinstance(each, str | bytes) else msgspec.json.encode(each).decode())
    return tuple(made)
