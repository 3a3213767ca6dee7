"""Cases of checkpoints: a run that crashes, and one that continues it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import rxdag
from rxdag import checkpoints
from rxdag import operators as ops
from rxdag.contract import END, Chunk, Reader, Sink, Source, Writer
from rxdag.engine.drivers import VirtualClock
from rxdag.runtime import Execution
from rxdag.runtime._recovery import Recovery, begun
from rxdag.testing import settle_virtual


class Crash(Exception):
    """The process is gone."""


@dataclass(frozen=True)
class _OneByOne(Source[int]):
    """Gives one item in each read."""

    items: tuple[int, ...]
    label = "one_by_one"
    no_position = None

    def open(self, context: Any) -> Reader:
        return _OneByOneReader(self.items)


class _OneByOneReader(Reader):
    def __init__(self, items: tuple[int, ...]) -> None:
        self._items, self._at = items, 0

    def position(self) -> int:
        return self._at

    def seek(self, position: int) -> None:
        self._at = position

    def read(self, max_items: int) -> Any:
        if self._at == len(self._items):
            return END
        self._at += 1
        return Chunk([(self._at - 1, self._items[self._at - 1])])


@dataclass(frozen=True)
class _Table(Sink[Any, None]):
    """A table outside of the process: rows appear at once, at once by their offset, or with a checkpoint."""

    rows: list[Any]
    kind: str
    label = "table"

    def open(self, context: Any) -> Writer:
        return _Transaction(self.rows) if self.kind == "transactional" else _Rows(self.rows, self.kind)


class _Rows(Writer):
    def __init__(self, rows: list[Any], kind: str) -> None:
        self._rows, self._kind = rows, kind

    def write(self, chunk: Chunk) -> None:
        for row in chunk.items:
            if self._kind == "plain" or row not in self._rows:
                self._rows.append(row)

    def close(self, *, ok: bool) -> None: ...


class _Transaction(Writer):
    def __init__(self, rows: list[Any]) -> None:
        self._rows, self._open, self._saved = rows, list[Any](), list[Any]()

    def write(self, chunk: Chunk) -> None:
        self._open += chunk.items

    def save(self) -> Any:
        self._saved, self._open = self._saved + self._open, []
        return [len(self._rows), list(self._saved)]

    def publish(self) -> None:
        self._rows += self._saved
        self._saved = []

    def restore(self, saved: Any) -> None:
        at, rows = saved
        self._rows[at:] = rows

    def close(self, *, ok: bool) -> None: ...


def run(given: dict[str, Any]) -> dict[str, Any] | None:
    """Return the rows, the final state and the number of items that were handled, in both runs."""
    items, every, crash_after, kind = given["args"]
    if kind not in ("plain", "idempotent", "transactional"):
        return None
    rows: list[Any] = []
    handled: list[int] = []
    store = checkpoints.memory()

    def execution(crashes: bool) -> Execution:
        def add(total: int, pair: tuple[int, int]) -> int:
            if crashes and len(handled) == crash_after:
                raise Crash
            handled.append(pair[0])
            if len(handled) % every == 0:
                checkpointing = made.checkpointing
                assert checkpointing is not None
                checkpointing.request()
            return total + pair[1]

        offsets = ops.scan((-1, 0), lambda last, pair: (last[0] + 1, add(last[1], pair)))
        stream = rxdag.from_source(_OneByOne(tuple(items)), name="items").pipe(offsets, name="sum")
        dag = rxdag.Dag(stream.to(_Table(rows, kind), name="table"), name="job")
        made = Execution(rxdag.compile(dag), VirtualClock(), quantum=1)
        return begun(made, Recovery.of(store, {"every": "1h"}, "run"))

    settle_virtual(execution(crashes=True))
    result = settle_virtual(execution(crashes=False))
    assert result.problems == ()
    return {"out": [list(row) for row in rows], "state": rows[-1][1], "handled": len(handled)}
