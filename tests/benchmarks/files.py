"""W11: bars from file to file, CSV.gz to CSV and Parquet to Parquet, against plain loops over the same files and polars."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import rxdag
from rxdag import Sink, Source, sinks, sources
from tests.benchmarks import budgets
from tests.benchmarks.bars import EXPRESSIONS, bars_of
from tests.benchmarks.data import Tick, ticks
from tests.benchmarks.file_loops import COLUMNS, Files, bars_in, csv_loop, parquet_loop
from tests.benchmarks.loops import SIZE_US, w2_loop
from tests.benchmarks.work import Case, Data, Work


def _polars(scan: str, source: str, write: str, target: str) -> Callable[[Data], Path]:
    def run(data: Data) -> Path:
        import polars as pl

        price = pl.col("price")
        frame = (
            getattr(pl, scan)(data.columns.at(source))
            .group_by((pl.col("ts") // SIZE_US * SIZE_US).alias("start"), "sym")
            .agg(
                price.min_by("ts").alias("open"),
                price.max().alias("high"),
                price.min().alias("low"),
                price.max_by("ts").alias("close"),
                pl.col("size").sum().alias("volume"),
            )
            .sort("start", "sym")
            .select(COLUMNS)
            .collect()
        )
        out: Path = data.columns.at(target)
        getattr(frame, write)(out)
        return out

    return run


def _run(source: Callable[..., Source[Tick]], name: str, sink: Callable[..., Sink[Any, int]], target: str) -> Any:
    def run(data: Data) -> Path:
        out: Path = data.columns.at(target)
        ticks_ = rxdag.from_source(source(data.columns.at(name), Tick))
        rxdag.run(bars_of(ticks_, EXPRESSIONS).to(sink(out)))
        return out

    return run


_csv = _run(sources.csv, "ticks.csv.gz", sinks.csv, "rxdag.csv")
_parquet = _run(sources.parquet, "ticks.parquet", sinks.parquet, "rxdag.parquet")
_polars_csv = _polars("scan_csv", "ticks.csv.gz", "write_csv", "polars.csv")
_polars_parquet = _polars("scan_parquet", "ticks.parquet", "write_parquet", "polars.parquet")


def _cases(
    run: Any, loop: Any, polars: Any, over_loop: budgets.Budget, over_polars: budgets.Budget
) -> tuple[Case, ...]:
    return (
        Case("polars over the loop", polars, bars_in, None, lambda data: loop(data.columns), bars_in),
        Case("rxdag over the loop", run, bars_in, over_loop, lambda data: loop(data.columns), bars_in),
        Case("rxdag over polars", run, bars_in, over_polars, polars, bars_in),
    )


WORKS = (
    Work(
        "W11",
        "CSV.gz to CSV",
        ticks,
        w2_loop,
        _cases(_csv, csv_loop, _polars_csv, budgets.CSV_OVER_LOOP, budgets.CSV_OVER_POLARS),
        Files,
    ),
    Work(
        "W11",
        "Parquet to Parquet",
        ticks,
        w2_loop,
        _cases(_parquet, parquet_loop, _polars_parquet, budgets.PARQUET_OVER_LOOP, budgets.PARQUET_OVER_POLARS),
        Files,
    ),
)
