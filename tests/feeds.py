"""A WebSocket server that replays frames, and misbehaves as it is told."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

Act = Callable[["Served"], Any]


@dataclass
class Served:
    """One connection: where it stands in the frames that are to be sent."""

    connection: ServerConnection
    server: FeedServer
    number: int

    @property
    def next(self) -> str | None:
        """The next frame, which is sent to nobody else then."""
        at = self.server.at
        self.server.at += 1
        return self.server.frames[at] if at < len(self.server.frames) else None

    async def send(self, frame: str | bytes) -> None:
        await self.connection.send(frame)

    async def arrived(self) -> None:
        """Wait until what was sent is there: a line that is cut takes along what is under way."""
        await (await self.connection.ping())


@dataclass
class FeedServer:
    """Serves frames to whoever connects, one script a connection; the last script serves all that come later.

    Args:
        frames: What is sent, each once, over all connections.
        scripts: What is done on each connection.
    """

    frames: Sequence[str]
    scripts: Sequence[Sequence[Act]]
    at: int = 0
    connections: int = 0
    heard: list[Any] = field(default_factory=list)
    url: str = ""

    async def _serve(self, connection: ServerConnection) -> None:
        script = self.scripts[min(self.connections, len(self.scripts) - 1)]
        self.connections += 1
        served = Served(connection, self, self.connections)
        with contextlib.suppress(ConnectionClosed):  # the client has left
            for act in script:
                await act(served)

    async def _main(self) -> None:
        self._stop = asyncio.Event()
        async with serve(self._serve, "127.0.0.1", 0, close_timeout=0.2) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            self.url = f"ws://127.0.0.1:{port}"
            self._ready.set()
            await self._stop.wait()

    def __enter__(self) -> FeedServer:
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._main(),), daemon=True)
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)
        self._loop.close()


def sends(n: int) -> Act:
    """Send the next `n` frames."""

    async def act(served: Served) -> None:
        for _ in range(n):
            frame = served.next
            if frame is None:
                return
            await served.send(frame)

    return act


def hears() -> Act:
    """Wait for a message of the client's."""

    async def act(served: Served) -> None:
        served.server.heard.append(await served.connection.recv())

    return act


async def drops(served: Served) -> None:
    """Cut the line."""
    await served.arrived()
    served.connection.transport.abort()


async def closes(served: Served) -> None:
    """Say good-bye."""
    await served.connection.close()


async def stalls(served: Served) -> None:
    """Say nothing more."""
    await served.connection.wait_closed()


async def truncates(served: Served) -> None:
    """Cut the line in the middle of a frame: one that says it has 100 bytes, and brings 10."""
    await served.arrived()
    served.connection.transport.write(b"\x81\x64" + b"0123456789")
    await asyncio.sleep(0)
    served.connection.transport.abort()


async def sends_garbage(served: Served) -> None:
    """Send what is no JSON."""
    await served.send('{"stream": "btc')
    await served.send(b"\xff\xfe\x00")


async def sends_nonsense(served: Served) -> None:
    """Send what is no WebSocket frame."""
    served.connection.transport.write(b"\xff" * 64)
    await served.connection.wait_closed()


def doubles(n: int) -> Act:
    """Send each of the next `n` frames twice."""

    async def act(served: Served) -> None:
        for _ in range(n):
            frame = served.next
            if frame is None:
                return
            await served.send(frame)
            await served.send(frame)

    return act


def replays(speed: float, times: Sequence[int]) -> Act:
    """Send all frames at the pace at which they came, or so many times faster."""

    async def act(served: Served) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for at in times:
            wait = (at - times[0]) / 1e9 / speed - (loop.time() - began)
            if wait > 0:
                await asyncio.sleep(wait)
            frame = served.next
            if frame is None:
                return
            await served.send(frame)

    return act


def captured(path: Path, first: int, n: int) -> tuple[list[int], list[str]]:
    """Times and frames of a capture: lines of a receipt time, ns, and a frame."""
    with gzip.open(path, "rt") as lines:
        picked = [line.rstrip("\n").split(" ", 1) for i, line in enumerate(lines) if first <= i < first + n]
    return [int(at) for at, _ in picked], [frame for _, frame in picked]
