"""W14: 100 ways by key, a sink behind each."""

from __future__ import annotations

from typing import Any

import rxdag
from rxdag import col, sinks, sources
from rxdag import operators as ops
from tests.benchmarks import budgets
from tests.benchmarks.data import Tick, symbols, ticks
from tests.benchmarks.more_loops import w14_loop
from tests.benchmarks.table import table_of
from tests.benchmarks.work import Case, Data, Work

NAMES = symbols(100)


def _routed(source: rxdag.Source[Tick], key: Any) -> list[list[Tick]]:
    ways = rxdag.from_source(source).pipe(ops.route_by(key, NAMES))
    kept = [ways[name].to(sinks.collect(), name=f"to-{name}") for name in NAMES]
    result = rxdag.run(*kept)
    return [result[each] for each in kept]


def _by_lambda(data: Data) -> list[list[Tick]]:
    return _routed(sources.iterable(data.rows, of=Tick), lambda t: t.sym)


def _by_expression(data: Data) -> list[list[Tick]]:
    return _routed(sources.iterable(data.rows, of=Tick), col.sym)


def _partitioned(data: Data) -> list[list[Tick]]:
    """By hash: the port of each symbol is anybody's guess, so that their parts are put together again."""
    parts = rxdag.from_source(sources.iterable(data.rows, of=Tick)).pipe(ops.partition(100, lambda t: t.sym))
    kept = [parts[str(i)].to(sinks.collect(), name=f"to-{i}") for i in range(100)]
    result = rxdag.run(*kept)
    return [result[each] for each in kept]


def _by_symbol(parts: list[list[Tick]]) -> list[list[Tick]]:
    lists: dict[str, list[Tick]] = {name: [] for name in NAMES}
    for part in parts:
        for tick in part:
            lists[tick.sym].append(tick)
    return list(lists.values())


def _polars(data: Data) -> dict[Any, Any]:
    import polars as pl

    frame = pl.from_arrow(data.columns)
    assert isinstance(frame, pl.DataFrame)
    return frame.partition_by("sym", as_dict=True, maintain_order=True)


def _from_frames(frames: dict[Any, Any]) -> list[list[Tick]]:
    return [[Tick(*row) for row in frames[(name,)].rows()] for name in NAMES]


WORKS = (
    Work(
        "W14",
        "100 ways",
        ticks,
        w14_loop,
        (
            Case("polars, the whole set at once", _polars, _from_frames),
            Case("route_by, lambda", _by_lambda, budget=budgets.ROUTE_100),
            Case("route_by, expression", _by_expression, budget=budgets.ROUTE_100),
            Case("partition, lambda", _partitioned, _by_symbol),
        ),
        table_of,
        0.5,
    ),
)
