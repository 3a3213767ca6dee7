"""WebSockets: live feeds of text or binary frames."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import UnionType
from typing import Any, Final, TypeAlias, TypeVar

import msgspec

from rxdag.contract import (
    RECEIVES,
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
from rxdag.sources._json_form import USUAL_FORM, json_form
from rxdag.sources._json_items import NO_RECORDS, Malformed, json_items
from rxdag.sources._live import CONNECTED, Lifeline, LiveReader, gate, live

T = TypeVar("T")

Message: TypeAlias = str | bytes | Mapping[str, Any]


_FOR_EVER: Final = Backoff(base="500ms", cap="30s", jitter=0.2, reset_after="5s")
_CLOSE_S: Final = 2.0
"""Longest wait for the closing handshake of the peer, s."""


@dataclass(frozen=True)
class _Made:
    """Items among the frames, which need no decoding."""

    items: list[Any]


@dataclass(frozen=True)
class _Marker:
    """Makes the items that go before those of a further connection."""

    make: Callable[[int], Any]

    def __call__(self, connection: int) -> _Made:
        return _Made(_item(plain_result(self.make(connection), "on_reconnect", instead="")))


def _item(made: Any) -> list[Any]:
    """Return what a function of the user has made: one item, or none."""
    return [] if made is None else [made]


class _FrameReader(LiveReader):
    """Decodes frames as they are read; malformed ones are handled by the policy of the source."""

    def __init__(self, source: _Websocket[Any], context: SourceContext) -> None:
        super().__init__(source.frames, context, source.lifeline)
        self._found = source.found
        self._of_run = context
        self._items: list[Any] = []
        """Items of a frame for which there was no room."""
        self._failure: Exception | None = None
        self._undecoded = 0

    def read(self, max_items: int) -> Read:
        if not self._items:
            if self._failure is not None:
                raise self._failure
            read = super().read(max_items)
            if not isinstance(read, Chunk):
                return read
            self._decode(read.items)
        return self._next_items(max_items)

    def rest(self, max_items: int) -> Chunk | None:
        self._leave()
        if not self._items:
            rest = None if self._failure is not None else super().rest(max_items)
            if rest is None:
                return None
            self._decode(rest.items)
        return self._next_items(max_items)

    def _next_items(self, max_items: int) -> Chunk:
        items, self._items = self._items[:max_items], self._items[max_items:]
        return Chunk(items)

    def _decode(self, frames: list[Any]) -> None:
        for n_frames, frame in enumerate(frames, 1):
            found = frame.items if isinstance(frame, _Made) else self._found(frame)
            if found is None:
                self._of_run.drop(NO_RECORDS)
                continue
            for n, item in enumerate(found, 1):
                if item.__class__ is Malformed:
                    try:
                        self._of_run.bad(item.given, item.error)
                    except Exception as failure:
                        self._failure = failure
                        self._undecoded = len(found) - n + len(frames) - n_frames
                        if not self._items:
                            raise
                        return  # items before the failure are delivered first
                else:
                    self._items.append(item)

    def held(self) -> int:
        return super().held() + len(self._items) + self._undecoded


@dataclass(frozen=True)
class _Decoded:
    """Makes items of frames by a function of the user."""

    decode: Callable[[str | bytes], Any]

    def __call__(self, frame: str | bytes) -> list[Any]:
        try:
            return _item(self.decode(frame))
        except Exception as error:
            return [Malformed(frame, error)]


@dataclass(frozen=True)
class _Websocket(Source[T]):
    url: str
    subscribe: tuple[str | bytes, ...] = field(repr=False)
    found: Callable[[str | bytes], list[Any] | None] = field(repr=False)
    """Returns the items of a frame, as `JsonItems.found`."""
    lifeline: Lifeline = field(repr=False)
    options: Mapping[str, Any] = field(repr=False)
    boundary: Boundary | None = field(default=None, repr=False)
    shape: Shape = field(default=Shape(), repr=False)
    label = "websocket"
    where = "async"
    no_position = RECEIVES

    @property
    def side_ports(self) -> tuple[str, ...]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # some have none
        return () if self.lifeline.reconnect is None else ("events",)

    async def frames(self) -> AsyncIterator[Any]:
        """Yield the frames of one connection."""
        from websockets.asyncio import client
        from websockets.exceptions import ConnectionClosedOK

        connection = await client.connect(self.url, **self.options)
        try:
            yield CONNECTED
            for message in self.subscribe:
                await connection.send(message)
            with contextlib.suppress(ConnectionClosedOK):
                while True:
                    yield await connection.recv()
        finally:
            try:
                await connection.close()
            finally:
                connection.transport.abort()  # the closing handshake may be interrupted

    def open(self, context: SourceContext) -> Reader:
        import_extra("websockets.asyncio.client", "ws", "sources.websocket")  # here, where reconnecting cannot hide it
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
    of: type[T] | UnionType | None = None,
    strict: bool = True,
    records: str | None = None,
    when: Mapping[str, str | int | bool] | None = None,
) -> Source[T]:
    """Read the frames of a WebSocket, and reconnect when it is lost (extra `ws`).

    Connections work as in `sources.async_iterable`, including `reconnect`, `silent_after`, `on_reconnect`, `overflow`
    and the port "events". While no item is requested, the network makes the peer wait. If the peer then closes the
    connection, use another `overflow`.

    Args:
        url: "ws://..." or "wss://...".
        subscribe: Messages to send after each connection: text, bytes, a mapping (sent as JSON), or several of these.
        decode: Function that turns a frame, str or bytes, into an item; None for a frame without an item, such as an
            acknowledgement. A frame on which it raises is malformed: it ends the run, is skipped or goes to port
            "dead", by the node's `on_error`. By default frames are decoded as JSON, into `of` if given; a malformed
            one is named by its field and value.
        headers: Headers of the opening request.
        open_timeout: Longest time to wait for the connection.
        ping_every: Interval of pings; if no answer arrives within the same time, the connection is lost. None for no
            pings.
        max_frame_bytes: Largest frame; a larger one loses the connection.
        reconnect: Delays before a lost connection is made again, by default without limit; None to end instead.
        silent_after: Time without frames after which a connection is lost; by default only pings are used.
        on_reconnect: Function that takes the number of a further connection and returns an item to emit before its
            items.
        overflow: Overflow policy if the consumer is slower.
        max_items: Size of the gate behind the source; by default 4,096. With "block" there is no such gate.
        of: Type of the items, also a union; see `sources.jsonl`.
        strict: False if numbers and bools may be written as texts in JSON; see `sources.jsonl`.
        records: Path to the records in a frame of JSON, such as "data" or "data.trades"; see `sources.jsonl`. Frames
            without records, such as heartbeats, acknowledgements and refused subscriptions, are counted as dropped, with
            the reason "no records".
        when: Values by path that a frame with records must have, such as `{"channel": "trade"}`.

    Raises:
        GraphError: If an argument is invalid.
        MissingExtra: When the source is opened, if the library is not installed.

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
    shape = Shape(item_type(of, "websocket: of"))
    form = json_form("websocket", strict, records, when)
    boundary = gate("websocket", max_items, overflow)
    found: Callable[[str | bytes], list[Any] | None]
    if decode is None:
        found = json_items(Any if of is None else of, form, "websocket").found
    elif form == USUAL_FORM:
        found = _Decoded(decode)
    else:
        raise GraphError("websocket: decode must come without strict=, records= and when=, which are for JSON")
    return _Websocket(url, _messages(subscribe), found, lifeline, options, boundary, shape)


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
