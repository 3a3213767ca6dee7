"""W12: a WebSocket of JSON frames, decoded, and the volume of each symbol."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from websockets.asyncio import client

import rxdag
from rxdag import operators as ops
from rxdag import sinks, sources
from tests.benchmarks import budgets
from tests.benchmarks.data import Tick, ticks
from tests.benchmarks.frames import url
from tests.benchmarks.work import Case, Data, Work


class Trade(msgspec.Struct):
    """A tick as a feed sends it."""

    ts: int
    sym: str
    tid: int
    price: float
    size: float


def w12_loop(data: list[Tick]) -> dict[str, float]:
    """Read the frames of a server, decode each, and add up the sizes of each symbol."""
    return asyncio.run(_read(url(len(data))))


async def _read(address: str) -> dict[str, float]:
    decode = msgspec.json.Decoder(Trade).decode
    volumes: dict[str, float] = {}
    async with client.connect(address) as connection:
        async for frame in connection:
            trade = decode(frame)
            volumes[trade.sym] = volumes.get(trade.sym, 0.0) + trade.size
    return volumes


def _volumes(data: Data, **options: Any) -> dict[str, float]:
    feed = sources.websocket(url(len(data.rows)), of=Trade, reconnect=None, **options)
    kept = (
        rxdag.from_source(feed)
        .pipe(ops.key_by(lambda t: t.sym))
        .pipe(ops.reduce(("", 0.0), lambda total, t: (t.sym, total[1] + t.size)))
        .to(sinks.collect())
    )
    return dict(rxdag.run(kept)[kept])


def _websocket(data: Data) -> dict[str, float]:
    return _volumes(data)


def _watched(data: Data) -> dict[str, float]:
    return _volumes(data, silent_after="5s")


WORKS = (
    Work(
        "W12",
        "WebSocket",
        ticks,
        w12_loop,
        (
            Case("of=", _websocket, budget=budgets.WEBSOCKET),
            Case("of=, silent_after=", _watched, budget=budgets.WEBSOCKET),
        ),
        share=0.2,
    ),
)
