"""W17: one item at a time through six nodes with a window, as from a feed; without a gate, with one, and over a thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import rxdag
from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag import windows
from rxdag.sources import END, Chunk, Reader, Source
from tests.benchmarks import budgets
from tests.benchmarks.bars import collected
from tests.benchmarks.budgets import Budget
from tests.benchmarks.data import Tick, ticks
from tests.benchmarks.loops import w2_loop
from tests.benchmarks.rewritten import with_first
from tests.benchmarks.work import Case, Data, Work

SHARE = 0.3


class _OneReader(Reader):
    def __init__(self, items: list[Any]) -> None:
        self._items = iter(items)

    def read(self, max_items: int) -> Any:
        for item in self._items:
            return Chunk([item])
        return END


@dataclass(frozen=True)
class OneByOne(Source[Any]):
    """A source of a user's own that has one item at a time."""

    items: list[Any]

    def open(self, context: Any) -> Reader:
        return _OneReader(self.items)


_w17_loop = with_first(
    w2_loop,
    """
    if price <= 0 or size <= 0:
        continue
    """,
)


def _six(hop: str) -> Callable[[Data], list[Any]]:
    def run(data: Data) -> list[Any]:
        ticks: rxdag.Stream[Tick] = rxdag.from_source(OneByOne(data.rows))
        valid = ticks.pipe(ops.filter(lambda t: t.price > 0)).pipe(ops.filter(lambda t: t.size > 0))
        if hop == "gate":
            valid = valid.buffered(max_items=1024)
        elif hop == "thread":
            valid = valid.on("far")
        bars = (
            valid.pipe(ops.event_time(lambda t: t.ts, unit="us", out_of_order="500ms"))
            .pipe(ops.key_by(lambda t: t.sym))
            .pipe(ops.window(windows.tumbling("1s"), agg.ohlcv(lambda t: t.price, lambda t: t.size)))
        )
        return collected(bars.pipe(ops.map(_flat)))

    return run


def _flat(pane: Any) -> tuple[Any, ...]:
    bar = pane.value
    return pane.key, pane.start // 1000, bar.open, bar.high, bar.low, bar.close, bar.volume


def _case(name: str, hop: str, budget: Budget | None) -> Case:
    return Case(name, _six(hop), budget=budget)


WORKS = (
    Work(
        "W17",
        "one at a time",
        ticks,
        _w17_loop,
        (
            _case("six nodes", "", budgets.ONE_BY_ONE),
            _case("six nodes and a gate", "gate", budgets.ONE_BY_ONE_GATE),
            _case("six nodes and a thread hop", "thread", None),
        ),
        None,
        SHARE,
    ),
)
