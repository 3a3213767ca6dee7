"""A server of WebSocket frames in a process of its own, whose CPU time is not counted: `python -m tests.benchmarks.frames N`."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import subprocess
import sys

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from tests.benchmarks.data import Tick, ticks

AT_ONCE = 50
"""Number of frames that are written together, as a busy feed writes them."""


def text(tick: Tick) -> str:
    """Return a tick as the text of a frame."""
    return f'{{"ts":{tick.ts},"sym":"{tick.sym}","tid":{tick.tid},"price":{tick.price!r},"size":{tick.size!r}}}'


async def _serve(n: int) -> None:
    frames = [Frame(Opcode.TEXT, text(tick).encode()).serialize(mask=False) for tick in ticks(n)]
    written = [b"".join(frames[i : i + AT_ONCE]) for i in range(0, n, AT_ONCE)]

    async def send(connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            for each in written:
                connection.transport.write(each)
                await connection.drain()

    async with serve(send, "127.0.0.1", 0, compression=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.to_thread(sys.stdin.read)  # until whoever started it has gone


@functools.cache
def url(n: int) -> str:
    """Return the address of a server that sends so many ticks to each client, and closes; it ends with this process."""
    command = [sys.executable, "-m", "tests.benchmarks.frames", str(n)]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(server.communicate)  # which closes its input, and waits for it
    assert server.stdout is not None
    return f"ws://127.0.0.1:{server.stdout.readline().strip()}"


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
