"""Four redundant connections that carry the same numbered updates: one stream in sequence, and what all of them have lost.

python examples/arbitrate_feeds.py [connections.jsonl.gz]

The file has a line {"recv": seconds, "conn": 1 to 4, "msg": frame} for each frame; those of the order book have a symbol and a
sequence. Without one, four lossy lines are simulated.
"""

import random
import sys
from dataclasses import dataclass
from typing import Any

import rxdag
from rxdag import operators as ops
from rxdag import sinks, sources


@dataclass(frozen=True)
class Update:
    """A numbered update of an order book."""

    conn: int
    symbol: str
    sequence: int


def simulated(seed: int = 1) -> list[Update]:
    """Three symbols of a thousand updates over four lines; each loses 5 %, and delays some. The numbers 500 to 502 of one never come."""
    rng = random.Random(seed)
    sent: list[tuple[float, Update]] = []
    for i, symbol in enumerate(("AAA", "BBB", "CCC")):
        for sequence in range(1000):
            for conn in (1, 2, 3, 4):
                if rng.random() < 0.05 or (i == 0 and 500 <= sequence <= 502):
                    continue
                sent.append((sequence * 0.01 + rng.expovariate(100), Update(conn, symbol, sequence)))
    return [update for _, update in sorted(sent, key=lambda each: each[0])]


def book_updates(line: dict[str, Any]) -> list[Update]:
    """The update in a line of the file, if it is one of the book."""
    message = line["msg"]
    if message.get("method") != "updateOrderbook":
        return []
    return [Update(line["conn"], message["params"]["symbol"], message["params"]["sequence"])]


if len(sys.argv) > 1:
    lines = rxdag.from_source(sources.jsonl(sys.argv[1], dict[str, Any]), name="lines")
    updates: rxdag.Stream[Update] = lines.pipe(ops.explode(book_updates), name="updates")
else:
    updates = rxdag.from_source(sources.iterable(simulated(), of=Update), name="updates")

ordered = updates.pipe(ops.arbitrate("symbol", sequence="sequence", wait="200ms", max_pending=64), name="arbitrate")
kept = ordered.to(sinks.collect(), name="ordered")
gaps = ordered.side("gaps").to(sinks.collect(), name="gaps")
result = rxdag.run(kept, gaps)

nodes = result.stats.nodes
print(f"{nodes['arbitrate'].arrived:,} updates came over four connections, {len(result[kept]):,} are left")
print(
    f"{nodes['arbitrate'].dropped.get('repeated', 0):,} were copies, {nodes['arbitrate'].late:,} came after they were given up"
)
last: dict[str, int] = {}
for update in result[kept]:
    if update.sequence <= last.get(update.symbol, -1):
        raise SystemExit(f"out of sequence: {update}")
    last[update.symbol] = update.sequence
print(f"in sequence: {len(last)} symbols")
for gap in result[gaps]:
    print(f"lost on all of them: {gap.key} {gap.first} to {gap.last}")
