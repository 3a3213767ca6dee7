"""Ticks as an Arrow table, for what works on columns."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from tests.benchmarks.data import Tick


def table_of(rows: list[Tick]) -> Any:
    """Return the ticks as a table, symbols dictionary-coded."""
    ts, sym, tid, price, size = zip(*rows, strict=True)
    return pa.table(
        {
            "ts": pa.array(ts, pa.int64()),
            "sym": pa.array(sym).dictionary_encode(),
            "tid": pa.array(tid, pa.int64()),
            "price": pa.array(price, pa.float64()),
            "size": pa.array(size, pa.float64()),
        }
    )
