"""W13 and W15: the top of order books; dedupe of 10^6 live keys, and windows of 300,000 keys."""

from __future__ import annotations

from typing import Any

import rxdag
from rxdag import aggregates as agg
from rxdag import market, sources, windows
from rxdag import operators as ops
from tests.benchmarks import budgets
from tests.benchmarks.bars import collected
from tests.benchmarks.data import Tick, repeated
from tests.benchmarks.state_loops import (
    MINUTE_US,
    Change,
    changes,
    many_symbols,
    w13_loop,
    w15_dedupe_loop,
    w15_windows_loop,
)
from tests.benchmarks.table import table_of
from tests.benchmarks.work import Case, Data, Work


def _tops(data: Data) -> list[Any]:
    books = rxdag.from_source(sources.iterable(data.rows, of=Change)).pipe(ops.key_by(lambda m: m.sym))
    return collected(
        books.pipe(
            market.book_top(
                is_snapshot=lambda m: m.is_snapshot,
                sequence=lambda m: m.number,
                bids=lambda m: m.bids,
                asks=lambda m: m.asks,
            )
        )
    )


def _timed(data: Data) -> rxdag.Stream[Tick]:
    stream = rxdag.from_source(sources.iterable(data.rows, of=Tick))
    return stream.pipe(ops.event_time(lambda t: t.ts, unit="us", out_of_order="500ms"))


def _deduped(data: Data) -> list[Any]:
    return collected(_timed(data).pipe(ops.dedupe(lambda t: t.tid, within="10m")))


def _summed(data: Data) -> list[Any]:
    keyed = _timed(data).pipe(ops.key_by(lambda t: t.sym))
    return collected(keyed.pipe(ops.window(windows.tumbling("1m"), agg.sum(lambda t: t.size))))


def _by_key(panes: list[Any]) -> list[Any]:
    return sorted((p.key, p.start // 1000, p.value) for p in panes)


def _polars_deduped(data: Data) -> Any:
    import polars as pl

    frame = pl.from_arrow(data.columns)
    assert isinstance(frame, pl.DataFrame)
    return frame.unique("tid", keep="first", maintain_order=True)  # no id comes again after 10 minutes


def _ticks_of(frame: Any) -> list[Tick]:
    return [Tick(*row) for row in frame.rows()]


def _polars_summed(data: Data) -> list[Any]:
    import polars as pl

    start = pl.col("ts") - pl.col("ts") % MINUTE_US
    return (
        pl.from_arrow(data.columns)
        .lazy()  # type: ignore[union-attr]  # a table is a frame
        .group_by("sym", start.alias("start"))
        .agg(pl.col("size").sum())
        .collect()
        .rows()
    )


WORKS = (
    Work("W13", "top of 10 books", changes, w13_loop, (Case("book_top", _tops, budget=budgets.BOOK_TOP),), None, 0.2),
    Work(
        "W15",
        "dedupe of 10^6 live keys",
        repeated,
        w15_dedupe_loop,
        (
            Case("polars, the whole set at once", _polars_deduped, _ticks_of),
            Case("lambdas", _deduped, budget=budgets.LARGE_STATE),
        ),
        table_of,
        1.1,
    ),
    Work(
        "W15",
        "windows of 300,000 keys",
        many_symbols,
        w15_windows_loop,
        (
            Case("polars, the whole set at once", _polars_summed, sorted, expected=sorted),
            Case("lambdas", _summed, _by_key, budget=budgets.LARGE_STATE, expected=sorted),
        ),
        table_of,
    ),
)
