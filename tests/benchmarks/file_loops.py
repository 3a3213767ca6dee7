"""W11's files, and the plain loops over them; nothing but Python and pyarrow, for peers too."""

from __future__ import annotations

import csv
import gzip
import shutil
import weakref
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.benchmarks.data import Tick
from tests.benchmarks.loops import w2_loop
from tests.benchmarks.table import table_of

COLUMNS = ("sym", "start", "open", "high", "low", "close", "volume")


class Files:
    """A folder with the ticks as ticks.csv.gz and ticks.parquet; results go there too."""

    def __init__(self, rows: list[Tick]) -> None:
        self._folder = Path(mkdtemp())
        weakref.finalize(self, shutil.rmtree, self._folder)
        self._n = len(rows)
        with gzip.open(self.at("ticks.csv.gz"), "wt", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(Tick._fields)
            writer.writerows(rows)
        pq.write_table(table_of(rows), self.at("ticks.parquet"))

    def at(self, name: str) -> Path:
        return self._folder / name

    def __len__(self) -> int:
        return self._n


def _ticks_in(path: Path) -> Iterator[Tick]:
    with gzip.open(path, "rt", newline="") as file:
        rows = csv.reader(file)
        next(rows)
        for ts, sym, tid, price, size in rows:
            yield Tick(int(ts), sym, int(tid), float(price), float(size))


def csv_loop(files: Files) -> Path:
    bars = w2_loop(_ticks_in(files.at("ticks.csv.gz")))  # type: ignore[arg-type]  # it reads them once
    out = files.at("loop.csv")
    with out.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(bars)
    return out


def parquet_loop(files: Files) -> Path:
    columns = pq.read_table(files.at("ticks.parquet")).to_pydict()
    bars = w2_loop(list(map(Tick, *columns.values())))
    out = files.at("loop.parquet")
    pq.write_table(pa.table(dict(zip(COLUMNS, zip(*bars, strict=True), strict=True))), out)
    return out


def bars_in(path: Path) -> list[Any]:
    """The bars in a file, by start and symbol; those of rxdag start in ns."""
    if path.suffix == ".parquet":
        rows = pq.read_table(path, columns=list(COLUMNS)).to_pylist()
    else:
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
    unit = 1000 if path.stem == "rxdag" else 1
    bars = [(row["sym"], int(row["start"]) // unit, *(float(row[name]) for name in COLUMNS[2:])) for row in rows]
    return sorted(bars, key=lambda bar: (bar[1], bar[0]))
