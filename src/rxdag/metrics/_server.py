"""A small HTTP server for metrics and health: on its own thread, read-only, and hard to annoy."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.exposition import choose_encoder

from rxdag.engine.drivers import MonotonicClock
from rxdag.errors import RxDagError, named_text
from rxdag.logs import EventLog, json_text
from rxdag.metrics._collector import RunCollector, collector_of
from rxdag.metrics._status import as_data

if TYPE_CHECKING:
    from typing import Self

_HEAD_BYTES: Final = 16_384
_HEAD_S: Final = 5.0
"""Time that a client has to send its request, and to read the response, s."""
_MOST: Final = 64
"""Maximum number of concurrent connections; further ones are refused at once."""
_PATHS: Final = {
    "/metrics": "all metrics, for Prometheus",
    "/healthz": "whether the process is alive",
    "/readyz": "whether everything runs as it should",
    "/status": "the books of all dags, as JSON",
    "/graph": "a picture of each dag",
}
_INDEX: Final = "".join(f'<li><a href="{path}">{path}</a>: {what}</li>' for path, what in _PATHS.items())
_INDEX_PAGE: Final = f"<!doctype html><meta charset=utf-8><title>rxdag</title><h1>rxdag</h1><ul>{_INDEX}</ul>"
_REASONS: Final = {
    200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 408: "Request Timeout",
    431: "Request Header Fields Too Large", 500: "Internal Server Error", 503: "Service Unavailable",
}  # fmt: skip


class _Answer(Exception):  # a response, not an error
    def __init__(self, code: int, body: bytes | str, kind: str = "text/plain; charset=utf-8") -> None:
        super().__init__(code, body, kind)
        self.code = code
        self.body = body.encode() if isinstance(body, str) else body
        self.kind = kind


class Server:
    """A server of metrics and health, created by `metrics.serve`; a context manager."""

    def __init__(self, port: int, host: str, registry: CollectorRegistry, collector: RunCollector) -> None:
        self._registry = registry
        self._collector = collector
        self._open = 0
        self._log = EventLog(MonotonicClock())
        self._loop = asyncio.new_event_loop()
        self._started: asyncio.Server | None = None
        self._failure: BaseException | None = None
        ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(host, port, ready), name="rxdag-metrics", daemon=True)
        self._thread.start()
        ready.wait()
        if self._failure is not None:
            raise RxDagError(f"metrics.serve: {host}:{port} must be free: {self._failure}") from self._failure
        self._place = {"host": host, "port": self.port}
        self._log.tell("metrics.serving", **self._place)

    def _serve(self, host: str, port: int, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            made = asyncio.start_server(self._client, host, port, limit=_HEAD_BYTES, backlog=256)
            self._started = self._loop.run_until_complete(made)
        except OSError as error:
            self._failure = error
            self._loop.close()
            ready.set()
            return
        ready.set()
        try:
            self._loop.run_forever()
        finally:
            self._started.close()
            tasks = asyncio.all_tasks(self._loop)
            for task in tasks:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            self._loop.close()

    @property
    def port(self) -> int:
        """Return the port on which it listens."""
        sockets = self._started.sockets if self._started is not None else ()
        port: int = sockets[0].getsockname()[1] if sockets else 0
        return port

    def close(self) -> None:
        """Stop the server; pending requests are not answered."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._log.tell("metrics.stopped", **self._place)
            self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            async with asyncio.timeout(_HEAD_S):
                answer, is_head = await self._answered(reader)
                head = (
                    f"HTTP/1.1 {answer.code} {_REASONS[answer.code]}\r\nContent-Type: {answer.kind}\r\n"
                    f"Content-Length: {len(answer.body)}\r\nConnection: close\r\nX-Content-Type-Options: nosniff\r\n\r\n"
                )
                writer.write(head.encode() + (b"" if is_head else answer.body))
                await writer.drain()
        except (TimeoutError, ConnectionError, OSError):
            pass  # the client has left, or sends no request
        finally:
            self._open -= 1
            writer.close()

    async def _answered(self, reader: asyncio.StreamReader) -> tuple[_Answer, bool]:
        if self._open > _MOST:
            return _Answer(503, "too many connections\n"), False
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return _Answer(431, f"the head of a request must be at most {_HEAD_BYTES} bytes\n"), False
        except asyncio.IncompleteReadError:
            return _Answer(400, "a request must have a head\n"), False
        lines = head.decode("latin-1").split("\r\n")
        words = lines[0].split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1"):
            return _Answer(400, "a request must be GET PATH HTTP/1.1\n"), False
        method, target, _ = words
        if method not in ("GET", "HEAD"):
            return _Answer(405, "only GET and HEAD\n"), False
        path = target.partition("?")[0]
        accept = next((line[7:].strip() for line in lines[1:] if line.lower().startswith("accept:")), "")
        try:
            answer = self._of_path(path, accept)
        except Exception as error:  # a failing response must not end the server
            self._log.tell("metrics.failed", path=path, error=error)
            answer = _Answer(500, f"{named_text(error)}\n")
        return answer, method == "HEAD"

    def _of_path(self, path: str, accept: str) -> _Answer:
        pages: dict[str, Callable[[], _Answer]] = {
            "/": lambda: _Answer(200, _INDEX_PAGE, "text/html; charset=utf-8"),
            "/metrics": lambda: self._metrics(accept),
            "/healthz": lambda: _Answer(200, "alive\n"),
            "/readyz": self._ready,
            "/status": lambda: _Answer(200, json_text(self.status()), "application/json"),
            "/graph": self._graph,
        }
        page = pages.get(path)
        return _Answer(404, f"not found; the paths are {', '.join(_PATHS)}\n") if page is None else page()

    def _metrics(self, accept: str) -> _Answer:
        encode, kind = choose_encoder(accept)
        return _Answer(200, encode(self._registry), kind)

    def _ready(self) -> _Answer:
        subjects = self._collector.subjects()
        wrong = [
            f"{each.name}: {each.state}{f': {each.error}' if each.error else ''}"
            + (f": not connected: {', '.join(each.disconnected)}" if each.disconnected else "")
            for each in subjects
            if not each.is_ready
        ]
        if not subjects:
            wrong = ["nothing runs"]
        told = [
            f"{each.name}: {each.stats.checkpoints}"
            for each in subjects
            if each.stats is not None and each.stats.checkpoints is not None
        ]
        return _Answer(503 if wrong else 200, "\n".join([*(wrong or ["ready"]), *told]) + "\n")

    def status(self) -> dict[str, Any]:
        """Return the books of all dags, as plain data."""
        return {each.name: as_data(each) for each in self._collector.subjects()}

    def _graph(self) -> _Answer:
        from rxdag import render

        dags = [each.dag for each in self._collector.subjects() if each.dag is not None]
        if not dags:
            return _Answer(404, "no graph runs\n")
        if len(dags) == 1:
            return _Answer(200, render.svg(dags[0]), "image/svg+xml")
        pictures = "\n".join(f"<h1>{dag.name}</h1>{render.svg(dag)}" for dag in dags)
        return _Answer(
            200, f"<!doctype html><meta charset=utf-8><title>rxdag</title>{pictures}", "text/html; charset=utf-8"
        )


def serve(port: int = 9464, /, *, host: str = "127.0.0.1", registry: CollectorRegistry | None = None) -> Server:
    r"""Serve metrics, health and status of everything watched, over HTTP.

    `/metrics` is for Prometheus (also OpenMetrics), `/healthz` reports that the process is alive, `/readyz` that
    everything runs as it should (else 503 and the reason), `/status` returns the books as JSON, `/graph` a picture
    (extra `graph`); `/` links to all of them. The server is read-only, answers one request per connection, and rejects requests that are too
    large, too slow or too many.

    Args:
        port: Port to listen on; 0 for a free one, which `Server.port` returns.
        host: Address to listen on; by default only this machine can connect.
        registry: Registry of prometheus-client; by default that of the process.

    Raises:
        RxDagError: If it cannot listen on that port.

    Example:
        >>> with rxdag.metrics.serve(0) as server:
        ...     import urllib.request
        ...
        ...     urllib.request.urlopen(f"http://127.0.0.1:{server.port}/healthz").read()
        b'alive\n'
    """
    home = REGISTRY if registry is None else registry
    collector = collector_of(registry)
    return Server(port, host, home, collector)
