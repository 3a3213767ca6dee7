"""A router with dead letters: messages by kind into files, and what cannot be read into one of its own, with the error.

python examples/dead_letters.py [messages.jsonl [out]]
"""

import json
import random
import sys
from pathlib import Path
from typing import Any

import rxdag
from rxdag import on_error, sinks, sources
from rxdag import operators as ops


def simulated(n: int = 2000, seed: int = 3) -> list[str]:
    """Trades, quotes and a few of neither, as lines; one in fifty is cut short."""
    rng = random.Random(seed)
    lines: list[str] = []
    for i in range(n):
        kind = rng.choice(["trade", "trade", "quote", "status"])
        line = json.dumps({"kind": kind, "id": i, "price": round(100 + rng.random(), 2)})
        lines.append(line[: rng.randrange(1, len(line) - 1)] if rng.random() < 0.02 else line)
    return lines


def read(line: str) -> dict[str, Any]:
    """A message of a line."""
    message: dict[str, Any] = json.loads(line)
    return message


lines = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines() if len(sys.argv) > 1 else simulated()
out = Path(sys.argv[2] if len(sys.argv) > 2 else "out")

messages = rxdag.from_source(sources.iterable(lines), name="lines").pipe(
    ops.map(read), name="read", on_error=on_error.dead
)
kinds = messages.pipe(ops.route_by(lambda message: message["kind"], ["trade", "quote"], default="other"), name="kinds")
letters = messages.dead.pipe(ops.map(lambda dead: {"line": dead.item, "error": str(dead.error)}), name="letters")

trades = kinds["trade"].to(sinks.jsonl(out / "trades.jsonl"), name="trades")
quotes = kinds["quote"].to(sinks.jsonl(out / "quotes.jsonl"), name="quotes")
others = kinds["other"].to(sinks.jsonl(out / "others.jsonl"), name="others")
dead = letters.to(sinks.jsonl(out / "dead.jsonl"), name="dead")
result = rxdag.run(trades, quotes, others, dead)

print(
    f"{len(lines):,} lines: {result[trades]:,} trades, {result[quotes]:,} quotes, {result[others]:,} others, {result[dead]:,} dead"
)
print((out / "dead.jsonl").read_text(encoding="utf-8").splitlines()[0] if result[dead] else "no dead letters")
