"""Columns against what knows the whole set: W1 over numpy, W2 and W10 over polars; and W3 over the plain loop."""

from __future__ import annotations

from typing import Any

import numpy as np

import rxdag
from rxdag import operators as ops
from rxdag import sinks, sources
from tests.benchmarks import bars, budgets, dedupe, stateless
from tests.benchmarks.data import Tick, ints, repeated, ticks, ticks_captured, ticks_sparsest
from tests.benchmarks.loops import SIZE_US, WITHIN_US, w1_loop, w2_loop, w3_loop
from tests.benchmarks.rolling_loops import is_trade, w10_loop
from tests.benchmarks.table import table_of
from tests.benchmarks.work import Case, Data, Work


def _numpy(data: Data) -> int:
    doubled = data.columns * 2
    return int((doubled[doubled % 3 == 0] + 1).sum())


def _polars_w1(data: Data) -> int:
    import polars as pl

    x = pl.DataFrame({"x": data.columns}).lazy().select(pl.col("x") * 2).filter(pl.col("x") % 3 == 0)
    return int(x.select(pl.col("x") + 1).sum().collect().item())


def _w1(data: Data) -> int:
    return stateless.summed(sources.arrays(data.columns), stateless.EXPRESSIONS)


def _w1_table(data: Data) -> int:
    kept = stateless.w1(sources.arrays(data.columns), stateless.EXPRESSIONS).to(sinks.arrow())
    return int(rxdag.run(kept)[kept].column("value").to_numpy().sum())


# ---- W2


def _frame(table: Any, *, is_sorted: bool) -> Any:
    """Bars by polars: of the ticks sorted by time, or with the ticks of least and greatest time picked for each bar."""
    import polars as pl

    price, size = pl.col("price"), pl.col("size")
    frame = pl.from_arrow(table).lazy()  # type: ignore[union-attr]  # a table is a frame
    if is_sorted:
        frame = frame.sort("ts", maintain_order=True)
    return (
        frame.group_by((pl.col("ts") // SIZE_US * SIZE_US).alias("start"), "sym")
        .agg(
            price.first().alias("open") if is_sorted else price.min_by("ts").alias("open"),
            price.max().alias("high"),
            price.min().alias("low"),
            price.last().alias("close") if is_sorted else price.max_by("ts").alias("close"),
            size.sum(),
        )
        .sort("start", "sym")
        .select("sym", "start", "open", "high", "low", "close", "size")
        .collect()
    )


def _polars_sorted(data: Data) -> list[Any]:
    rows: list[Any] = _frame(data.columns, is_sorted=True).rows()
    return rows


def _polars_picked(data: Data) -> list[Any]:
    rows: list[Any] = _frame(data.columns, is_sorted=False).rows()
    return rows


def _polars_frame(data: Data) -> Any:
    return _frame(data.columns, is_sorted=True)


def _by_start(rows: list[Any]) -> list[Any]:
    return sorted(rows, key=lambda row: (row[1], row[0]))


def _rows_of(frame: Any) -> list[Any]:
    return _by_start(frame.rows())


def _bars(data: Data) -> rxdag.Stream[Any]:
    return bars.bars_of(rxdag.from_source(sources.arrow(data.columns, Tick)), bars.EXPRESSIONS)


def _w2(data: Data) -> list[Any]:
    return bars.collected(_bars(data))


def _w2_table(data: Data) -> Any:
    kept = _bars(data).to(sinks.arrow())
    return rxdag.run(kept)[kept]


def _rows_of_table(table: Any) -> list[Any]:
    starts = [start // 1000 for start in table.column("start").to_pylist()]
    fields = [table.column(name).to_pylist() for name in ("open", "high", "low", "close", "volume")]
    return list(zip(table.column("sym").to_pylist(), starts, *fields, strict=True))


# ---- W3


def _polars_w3(data: Data) -> Any:
    """W3 by what came before of the same key: each comes twice at most."""
    import polars as pl

    ts, sym, tid, price, size = (pl.col(name) for name in Tick._fields)
    name = sym.cast(pl.String)
    branch = pl.when(name < "S33").then(0).when(name < "S66").then(1).otherwise(2)
    value = pl.when(name < "S33").then(price * size).when(name < "S66").then(price).otherwise(size)
    counts = (
        pl.from_arrow(data.columns)
        .lazy()  # type: ignore[union-attr]  # a table is a frame
        .sort("tid", "ts")
        .filter(((tid != tid.shift(1)) | (ts - ts.shift(1) >= WITHIN_US)).fill_null(True))
        .select(branch.alias("branch"), value.alias("value"), "size")
        .filter((pl.col("branch") != 1) | (size > 2))
        .group_by("branch")
        .agg(pl.len(), pl.col("value").sum())
        .sort("branch")
        .collect()
    )
    return (*counts["len"].to_list(), *counts["value"].to_list())


def _rounded(answer: Any) -> tuple[float, ...]:
    """Round sums that were not added in order of arrival."""
    return tuple(float(f"{value:.9g}") for value in answer)


def _shares(data: Data) -> rxdag.Stream[dedupe.Share]:
    return dedupe.by_expressions(rxdag.from_source(sources.arrow(data.columns, Tick)))


def _w3(data: Data) -> list[Any]:
    return dedupe.counted(_shares(data))


def _w3_table(data: Data) -> tuple[Any, ...]:
    """Keep what is merged as a table, and count and sum that by numpy, one by one as the loop does."""
    kept = _shares(data).to(sinks.arrow())
    table = rxdag.run(kept)[kept]
    branches, totals = table.column("branch").to_numpy(), np.zeros(3)
    np.add.at(totals, branches, table.column("value").to_numpy())
    return (*np.bincount(branches, minlength=3).tolist(), *totals.tolist())


# ---- W10


def _two_tables(rows: list[Tick]) -> tuple[Any, Any]:
    return table_of([tick for tick in rows if is_trade(tick)]), table_of([tick for tick in rows if not is_trade(tick)])


def _polars_w10(data: Data) -> Any:
    import polars as pl

    trades, quotes = (pl.from_arrow(table).lazy().sort("ts", maintain_order=True) for table in data.columns)  # type: ignore[union-attr]
    last = quotes.select("ts", "sym", pl.col("tid").alias("quote"))
    return trades.join_asof(last, on="ts", by="sym", check_sortedness=False).collect()


def _w10_table(data: Data) -> Any:
    trades, quotes = (
        rxdag.from_source(sources.arrow(table, Tick))
        .pipe(ops.event_time("ts", unit="us", out_of_order="500ms"))
        .pipe(ops.key_by("sym"))
        for table in data.columns
    )
    kept = rxdag.join_asof(trades, quotes, fields={"quote": "tid"}).to(sinks.arrow())
    return rxdag.run(kept)[kept]


def _pairs_of_table(table: Any) -> list[Any]:
    return sorted(zip(table.column("tid").to_pylist(), table.column("quote").to_pylist(), strict=True))


def _pairs_of_frame(frame: Any) -> list[Any]:
    return sorted(zip(frame["tid"], frame["quote"], strict=True))


def _pairs(answer: list[Any]) -> list[Any]:
    return sorted((trade.tid, None if quote is None else quote.tid) for trade, quote in answer)


def _w2_cases(budget: budgets.Budget) -> tuple[Case, ...]:
    return (
        Case("polars over the loop", _polars_sorted, _by_start),
        Case("polars by min_by and max_by over the loop", _polars_picked, _by_start),
        Case("rxdag over the loop", _w2, bars.in_us),
        Case("rxdag over polars", _w2, bars.in_us, budget, _polars_sorted, _by_start),
        Case("rxdag over polars by min_by and max_by", _w2, bars.in_us, None, _polars_picked, _by_start),
        Case("rxdag over polars, as a table", _w2_table, _rows_of_table, None, _polars_frame, _rows_of),
    )


_DENSE = _w2_cases(budgets.COLUMNS_W2_OVER_POLARS)
_SPARSE = _w2_cases(budgets.COLUMNS_W2_SPARSE_OVER_POLARS)


WORKS = (
    Work(
        "columns",
        "W1",
        ints,
        w1_loop,
        (
            Case("numpy over the loop", _numpy),
            Case("polars over the loop", _polars_w1),
            Case("rxdag over the loop", _w1),
            Case("rxdag over numpy", _w1, budget=budgets.COLUMNS_W1_OVER_NUMPY, loop=_numpy),
            Case("rxdag over numpy, as a table", _w1_table, budget=budgets.COLUMNS_W1_OVER_NUMPY, loop=_numpy),
        ),
        np.array,
    ),
    Work("columns", "W2 10,000 ticks/s", ticks, w2_loop, _DENSE, table_of),
    Work("columns", "W2 160 ticks/s", ticks_sparsest, w2_loop, (_SPARSE[0], _SPARSE[3]), table_of, 0.3),
    Work("columns", "W2 160 ticks/s of 6 symbols", ticks_captured, w2_loop, _SPARSE, table_of, 0.5),
    Work(
        "columns",
        "W3",
        repeated,
        w3_loop,
        (
            Case("polars over the loop", _polars_w3, _rounded, expected=_rounded),
            Case("rxdag over the loop", _w3, dedupe.from_panes, budgets.COLUMNS_W3_OVER_LOOP),
            Case("rxdag over the loop, as a table", _w3_table, budget=budgets.COLUMNS_W3_OVER_LOOP),
        ),
        table_of,
    ),
    Work(
        "columns",
        "W10",
        ticks,
        w10_loop,
        (
            Case("polars over the loop", _polars_w10, _pairs_of_frame, expected=_pairs),
            Case("rxdag over the loop, as a table", _w10_table, _pairs_of_table, expected=_pairs),
            Case(
                *("rxdag over polars, as a table", _w10_table, _pairs_of_table, budgets.COLUMNS_W10_OVER_POLARS),
                *(_polars_w10, _pairs_of_frame),
            ),
        ),
        _two_tables,
        0.5,
    ),
)
