"""Bytes of keyed state, by tracemalloc: what an idle key costs beside the key itself."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np

from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag import windows
from rxdag.columns import Coded, Columns
from rxdag.contract import Kernel, Shape, on_item_parameters
from rxdag.expressions import field_names
from tests.benchmarks.loops import Tick

BUDGET = 300


class _NoEmit:
    """Takes what comes out, and keeps nothing."""

    def __call__(self, *given: Any, **named: Any) -> None: ...
    def __getattr__(self, name: str) -> Any:
        return self


def _grown(make: Callable[[], Kernel], fill: Callable[[Kernel], None], keys: int) -> float:
    make()  # imports are no state
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    kernel = make()
    fill(kernel)
    gc.collect()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return (after - before) / keys


def bytes_per_key(keys: int) -> dict[str, float]:
    """Bytes for each of many keys, by kind of state and lane."""
    shape = Shape(Tick, timed=True, keyed=True)
    ticks = [Tick(i, "S", i, 1.0, 1.0) for i in range(keys)]
    names = [f"K{i}" for i in range(keys)]
    columns = Columns.from_columns(
        {name: np.array([t[i] for t in ticks]) for i, name in enumerate(field_names(Tick) or ()) if name != "sym"}
    )
    timed = columns.timed(np.arange(keys), None).keyed(Coded(np.arange(keys), names))
    emit: Any = _NoEmit()

    def dedupe() -> Any:
        return ops.dedupe("tid", within="1d").bound(shape).kernel()  # type: ignore[attr-defined]

    def window(aggregate: Any) -> Any:
        return ops.window(windows.tumbling("1d"), aggregate).bound(shape).kernel()  # type: ignore[attr-defined]

    def rows(kernel: Any) -> None:
        takes = on_item_parameters(type(kernel))
        for tick, name in zip(ticks, names, strict=True):
            given = {"item": tick, "ts": tick.ts_us, "sequence": 0, "key": name, "emit": emit}
            kernel.on_item(*(given[each] for each in takes))

    bars = agg.ohlcv("price", "size")
    return {
        "dedupe, rows": _grown(dedupe, rows, keys),
        "dedupe, columns": _grown(lambda: dedupe().in_columns(), lambda k: k.on_columns(timed, emit), keys),
        "open window, count, rows": _grown(lambda: window(agg.count()), rows, keys),
        "open window, bars, rows": _grown(lambda: window(bars), rows, keys),
        "open window, bars, columns": _grown(
            lambda: window(bars).in_columns(), lambda k: k.on_columns(timed, emit), keys
        ),
    }
