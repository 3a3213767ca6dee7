"""What it costs to be watched: by a Prometheus that scrapes, and by a client that means harm."""

from __future__ import annotations

import contextlib
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry

import rxdag
from rxdag import element, metrics, sinks, sources
from rxdag import operators as ops

EVERY_S = 1.0
"""A scrape a second; Prometheus scrapes every 15 to 60 s."""

_HOSTILE = """
import socket, sys, time
port, end = int(sys.argv[1]), time.monotonic() + float(sys.argv[2])
def talk(data):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as line:
            line.sendall(data)
            line.recv(100)
    except OSError:
        pass
slow = []
while time.monotonic() < end:
    slow = [line for line in slow if line.fileno() >= 0][-200:]
    while len(slow) < 200:
        try:
            line = socket.create_connection(("127.0.0.1", port), timeout=5)
            line.send(b"GET /metrics HTTP/1.1\\r\\nX: ")
            slow.append(line)
        except OSError:
            break
    talk(b"GET /healthz HTTP/1.1\\r\\nX: " + b"a" * 1_000_000 + b"\\r\\n\\r\\n")
    talk(b"GET /metrics?" + b"&".join(b"name[]=%d" % i for i in range(100_000)) + b" HTTP/1.1\\r\\n\\r\\n")
    talk(b"DELETE / HTTP/1.1\\r\\n\\r\\n")
    talk(b"GET /../../etc/passwd HTTP/1.1\\r\\n\\r\\n")
    talk(b"\\x00\\xff\\r\\n\\r\\n")
    for line in slow[:20]:
        line.close()
    time.sleep(0.02)
"""


@dataclass(frozen=True)
class Watched:
    """What it costs.

    Attributes:
        item_ns: What an item of W1 takes, ns.
        scraped: CPU time of W1 while it is scraped every second, over that of W1 that nobody watches: each pair.
        scrape_ms: CPU time of one scrape of a graph of 20 nodes, ms: the median.
        hostile: Time on the clock of W1 under a hostile client, over that without: each pair.
    """

    item_ns: float
    scraped: tuple[float, ...]
    scrape_ms: float
    hostile: tuple[float, ...]

    @property
    def overhead(self) -> float:
        """Share of a run's time that a scrape a second takes."""
        return self.scrape_ms / 1000 / EVERY_S


def _dag(items: int) -> rxdag.Dag:
    stream = rxdag.from_source(sources.range(items)).pipe(ops.map(element * 2)).pipe(ops.filter(element % 3 == 0))
    return rxdag.Dag(stream.pipe(ops.map(element + 1)).to(sinks.null(), name="out"), name="w1")


@contextlib.contextmanager
def _serving(run: Any) -> Iterator[metrics.Server]:
    registry = CollectorRegistry()
    metrics.watch(run, registry=registry)
    with metrics.serve(0, registry=registry) as server:
        yield server


def _scrape(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        said = line.recv(1 << 16)
        if not said.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"the server must answer, and says {said[:40]!r}")
        while line.recv(1 << 16):
            pass


def _plain(items: int) -> float:
    began = time.process_time()
    rxdag.start(_dag(items)).wait()
    return time.process_time() - began


def _while_scraped(items: int) -> float:
    """CPU seconds, those of the server and of its client's half of the line included."""
    began = time.process_time()
    run = rxdag.start(_dag(items))
    with _serving(run) as server:
        over = threading.Event()

        def scrape() -> None:
            while not over.wait(EVERY_S):
                _scrape(server.port)

        thread = threading.Thread(target=scrape)
        thread.start()
        run.wait()
        over.set()
        thread.join()
    return time.process_time() - began


def _clock(items: int, *, hostile: bool) -> float:
    """Seconds on the clock; the server must answer behind it."""
    run = rxdag.start(_dag(1))
    run.wait()
    with _serving(run) as server:
        client = None
        if hostile:
            client = subprocess.Popen([sys.executable, "-c", _HOSTILE, str(server.port), "60"])
            time.sleep(0.5)
        began = time.monotonic()
        rxdag.start(_dag(items)).wait()
        took = time.monotonic() - began
        if client is not None:
            client.kill()
            client.wait()
        _scrape(server.port)
    return took


def measure(items: int, pairs: int) -> Watched:
    """Measure with W1 of so many items, in so many pairs."""
    _plain(items // 10)
    alone: list[float] = []
    scraped: list[float] = []
    for _ in range(pairs):
        watched, plain = _while_scraped(items), _plain(items)
        scraped.append(watched / plain)
        alone.append(plain / items * 1e9)
    stream: rxdag.Stream[int] = rxdag.from_source(sources.range(10))
    for _ in range(18):
        stream = stream.pipe(ops.map(element + 1))
    run = rxdag.start(stream.to(sinks.null()))
    run.wait()
    registry = CollectorRegistry()
    metrics.watch(run, registry=registry)
    times: list[float] = []
    for _ in range(20):
        began = time.process_time()
        list(registry.collect())
        times.append((time.process_time() - began) * 1000)
    hostile = [_clock(items, hostile=True) / _clock(items, hostile=False) for _ in range(pairs)]
    return Watched(statistics.median(alone), tuple(scraped), statistics.median(times), tuple(hostile))
