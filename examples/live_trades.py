"""Live trades of a public exchange: one-second bars on the screen, whatever becomes of the connection.

python examples/live_trades.py [url [seconds]]        needs pip install '.[ws]'

By default it reads BTCUSDT and ETHUSDT from Binance's public stream for a minute. Ctrl-C drains it before.
"""

import sys

import msgspec

import rxdag
from rxdag import aggregates as agg
from rxdag import on_error, sinks, sources, windows
from rxdag import operators as ops

URL = "wss://stream.binance.com:9443/stream?streams=btcusdt@trade/ethusdt@trade"
url, seconds = (*sys.argv[1:], URL, "60")[:2] if len(sys.argv) < 3 else sys.argv[1:3]


class Trade(msgspec.Struct, frozen=True):
    """A trade, by the exchange's own short names."""

    T: int
    s: str
    t: int
    p: str
    q: str


class Frame(msgspec.Struct, frozen=True):
    """What the stream sends: a trade, or something else."""

    stream: str
    data: msgspec.Raw


def trade_of(frame: str | bytes) -> Trade | None:
    """The trade in a frame; None for one that brings something else."""
    got = msgspec.json.decode(frame, type=Frame)
    return msgspec.json.decode(got.data, type=Trade) if got.stream.endswith("@trade") else None


feed = sources.websocket(
    url,
    decode=trade_of,
    reconnect=sources.Backoff(base="500ms", cap="10s", jitter=0.2),
    silent_after="20s",  # a quiet line is a dead line
    overflow="drop_oldest",  # the exchange does not wait
    max_items=10_000,
    of=Trade,
)
trades = rxdag.from_source(feed, name="trades", on_error=on_error.dead)
bars = (
    trades.pipe(ops.event_time("T", unit="ms", sequence="t", out_of_order="250ms", advance="clock"))
    .pipe(ops.dedupe("s", "t", within="10s"))  # a new connection may bring again what the last one brought
    .pipe(ops.key_by("s"))
    .pipe(ops.window(windows.tumbling("1s"), agg.ohlcv(lambda t: float(t.p), lambda t: float(t.q))), name="bars")
)
shown = bars.to(sinks.call(lambda bar: print(bar.key, bar.value, flush=True)), name="screen")
told = trades.side("events", of=sources.ConnectionEvent).to(
    sinks.call(lambda e: print(f"-- {e.kind}, connection {e.connection} {e.error or ''}", flush=True)),
    name="connection",
)
malformed = trades.dead.to(
    sinks.call(lambda letter: print(f"-- malformed: {letter.error}", flush=True)), name="malformed"
)

print(rxdag.run(shown, told, malformed, until=f"{seconds}s"))
