"""W7 and W8: sessions, and sliding windows of 10 s every second."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rxdag
from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag import sources, windows
from tests.benchmarks import budgets
from tests.benchmarks.bars import collected
from tests.benchmarks.data import Tick, ticks, ticks_captured
from tests.benchmarks.more_loops import GAP_US, w7_loop, w8_loop
from tests.benchmarks.table import table_of
from tests.benchmarks.work import Case, Data, Work

SHARE = 0.2
"""A run of these took up to a minute for a million items."""


def _keyed(data: Data) -> rxdag.KeyedStream[str, Tick]:
    return (
        rxdag.from_source(sources.iterable(data.rows, of=Tick))
        .pipe(ops.event_time(lambda t: t.ts, unit="us", out_of_order="500ms"))
        .pipe(ops.key_by(lambda t: t.sym))
    )


def _sessions(*, columns: bool) -> Callable[[Data], list[Any]]:
    def run(data: Data) -> list[Any]:
        return collected(_keyed(data).pipe(ops.window(windows.session("50ms"), agg.count())), columns=columns)

    return run


def _sessions_answer(panes: list[Any]) -> list[Any]:
    return sorted((p.key, p.start // 1000, p.end // 1000 - GAP_US, p.value) for p in panes)


def _sliding(*, columns: bool) -> Callable[[Data], list[Any]]:
    def run(data: Data) -> list[Any]:
        summed = ops.window(windows.sliding("10s", "1s"), agg.sum(lambda t: t.size))
        return collected(_keyed(data).pipe(summed), columns=columns)

    return run


def _sliding_answer(panes: list[Any]) -> list[Any]:
    return sorted((p.key, p.start // 1000, p.value) for p in panes)


# ---- polars, the whole set at once


def _polars_sessions(data: Data) -> list[Any]:
    import polars as pl

    ts = pl.col("ts")
    return (
        pl.from_arrow(data.columns)
        .lazy()  # type: ignore[union-attr]  # a table is a frame
        .select("ts", "sym")
        .sort("ts")
        .with_columns(session=((ts - ts.shift(1)) > GAP_US).fill_null(False).cum_sum().over("sym"))
        .group_by("sym", "session")
        .agg(first=ts.first(), last=ts.last(), count=pl.len())
        .select("sym", "first", "last", "count")
        .collect()
        .rows()
    )


def _polars_sliding(data: Data) -> list[Any]:
    import polars as pl

    start, size = pl.col("start"), pl.col("size")
    return (
        pl.from_arrow(data.columns)
        .lazy()  # type: ignore[union-attr]  # a table is a frame
        .group_by((pl.col("ts") // 1_000_000).alias("start"), "sym")
        .agg(size.sum())  # once a second, and each second into ten windows
        .with_columns(start=pl.concat_list([start - i for i in range(10)]))
        .explode("start")
        .group_by("start", "sym")
        .agg(size.sum())
        .select("sym", start * 1_000_000, "size")
        .collect()
        .rows()
    )


def _cases(
    run: Callable[..., Callable[[Data], list[Any]]], answer: Callable[[list[Any]], Any], polars: Case
) -> tuple[Case, ...]:
    return (
        polars,
        Case("lambdas", run(columns=True), answer, budgets.WINDOWS, expected=sorted),
        Case("lambdas, columns=False", run(columns=False), answer, budgets.WINDOWS, expected=sorted),
    )


_SESSIONS = _cases(
    _sessions,
    _sessions_answer,
    Case("polars, the whole set at once", _polars_sessions, sorted, expected=sorted),
)
_SLIDING = _cases(
    _sliding,
    _sliding_answer,
    Case("polars, the whole set at once", _polars_sliding, sorted, expected=sorted),
)

WORKS = (
    Work("W7", "sessions", ticks, w7_loop, _SESSIONS, table_of, SHARE),
    Work("W7", "sessions, 160 ticks/s of 6 symbols", ticks_captured, w7_loop, _SESSIONS[1:2], None, SHARE),
    Work("W8", "10 s by 1 s", ticks, w8_loop, _SLIDING, table_of, SHARE),
    Work("W8", "10 s by 1 s, 160 ticks/s of 6 symbols", ticks_captured, w8_loop, _SLIDING[1:2], None, SHARE),
)
