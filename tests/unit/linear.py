"""A linear pipeline in the shape of market-data-pipeline's, made of small parts."""

import asyncio
from types import SimpleNamespace


class Source:
    """Gives numbers; counts its starts and ends."""

    def __init__(self, n=9, pause=0.0):
        self.n, self.pause = n, pause
        self.log = []

    async def start(self):
        self.log.append("start")

    async def stream(self):
        try:
            i = 0
            while self.n is None or i < self.n:
                yield i
                i += 1
                await asyncio.sleep(self.pause)
        finally:
            self.log.append("left")

    async def close(self):
        self.log.append("close")


class Operator:
    """Even numbers are bars; 3 fails; the sum of all is a partial bar at the end."""

    def __init__(self, fails=3):
        self.sum, self.fails = 0, fails

    async def handle(self, tick):
        if tick == self.fails:
            raise ValueError("three")
        self.sum += tick
        return ("bar", tick) if tick % 2 == 0 else None

    async def flush_all(self):
        return [("last", self.sum)]


class Batcher:
    """Batches of two."""

    def __init__(self):
        self.held = []

    async def add(self, item):
        self.held.append(item)
        return await self.flush() if len(self.held) == 2 else None

    async def flush(self):
        held, self.held = self.held, []
        return held


class Sink:
    """Keeps batches; fails on one that holds `fails`."""

    def __init__(self, fails=None):
        self.got, self.closed, self.fails = [], 0, fails

    async def write(self, batch):
        if self.fails in batch:
            raise OSError("disk full")
        self.got.append(batch)

    async def close(self):
        self.closed += 1


def pipeline(**parts):
    parts = {"source": Source(), "operator": Operator(), "batcher": Batcher(), "sink": Sink()} | parts
    return SimpleNamespace(**parts)


BATCHES = [[("bar", 0), ("bar", 2)], [("bar", 4), ("bar", 6)], [("bar", 8), ("last", 33)]]
