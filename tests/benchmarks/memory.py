"""Bytes of keyed state, by tracemalloc: what a key costs beside its item, at the end of a run that holds them all."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import rxdag
from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag import sinks, sources, windows
from rxdag.sources import END, Reader, Source
from tests.benchmarks.data import BEGAN_US, Tick
from tests.benchmarks.table import table_of

FEW = 100


class _LookedAtReader(Reader):
    """Reads another source; before it says that there is no more, when all of it is worked on, it measures."""

    def __init__(self, reader: Reader, context: Any, look: Callable[[], None]) -> None:
        self._reader = reader
        self._context = context
        self._look = look
        self._ended = 0

    def read(self, max_items: int) -> Any:
        if not self._ended:
            found = self._reader.read(max_items)
            if found is not END:
                return found
        self._ended += 1
        if self._ended < 3:  # what waits for more goes on once there is nothing to read
            self._context.wake()
            return None
        self._look()
        return END

    def close(self) -> None:
        self._reader.close()


@dataclass(frozen=True)
class LookedAt(Source[Tick]):
    """Another source that is looked at before its end."""

    source: Source[Tick]
    look: Callable[[], None]

    @property
    def shape(self) -> Any:  # type: ignore[override]  # that of the other
        return self.source.shape

    @property
    def gives_columns(self) -> bool:  # type: ignore[override]  # as the other
        return self.source.gives_columns

    def open(self, context: Any) -> Reader:
        return _LookedAtReader(self.source.open(context), context, self.look)


Build = Callable[[rxdag.Stream[Tick]], rxdag.Stream[Any]]


def _dedupe(stream: rxdag.Stream[Tick]) -> rxdag.Stream[Any]:
    return stream.pipe(ops.event_time("ts", unit="us")).pipe(ops.dedupe("tid", within="1d"))


def _window(aggregate: Any) -> Build:
    def build(stream: rxdag.Stream[Tick]) -> rxdag.Stream[Any]:
        timed = stream.pipe(ops.event_time("ts", unit="us"))
        return timed.pipe(ops.key_by("sym")).pipe(ops.window(windows.tumbling("1d"), aggregate))

    return build


def _held(build: Build, source: Source[Tick], *, columns: bool) -> int:
    """Bytes that are held before the end of a run."""
    seen: list[int] = []

    def look() -> None:
        gc.collect()
        seen.append(tracemalloc.get_traced_memory()[0])

    sink = build(rxdag.from_source(LookedAt(source, look))).to(sinks.null())
    plan = rxdag.compile(rxdag.Dag(sink), columns=columns)
    gc.collect()
    tracemalloc.start()
    rxdag.run(plan)
    tracemalloc.stop()
    [bytes_held] = seen
    return bytes_held


def _per_key(build: Build, items: list[Tick], *, columns: bool) -> float:
    """Bytes by which a run grows with each key; what a run of few keys has is no cost of theirs."""

    def held(some: list[Tick]) -> int:
        source = sources.arrow(table_of(some), Tick) if columns else sources.iterable(some, of=Tick)
        return _held(build, source, columns=columns)

    held(items[:FEW])  # imports are no state
    return (held(items) - held(items[:FEW])) / (len(items) - FEW)


def bytes_per_key(keys: int) -> dict[str, float]:
    """Return the bytes for each of many keys, by kind of state and form of the items."""
    items = [Tick(BEGAN_US + i, f"K{i}", i, 1.0, 1.0) for i in range(keys)]
    bars = agg.ohlcv("price", "size")
    kinds: dict[str, Build] = {
        "dedupe": _dedupe,
        "open window, count": _window(agg.count()),
        "open window, bars": _window(bars),
    }
    return {
        f"{name}, {'columns' if columns else 'rows'}": _per_key(build, items, columns=columns)
        for name, build in kinds.items()
        for columns in (False, True)
    }
