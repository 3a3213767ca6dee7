"""What checkpoints cost: CPU time beside a run, the pause of a run, and memory."""

from __future__ import annotations

import gc
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import rxdag
from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag import sinks, sources, windows
from rxdag.sources import Chunk, Reader, Source
from tests.benchmarks.data import BEGAN_US, Tick, ticks
from tests.benchmarks.measure import cpu, rss_growth_mb

SYMBOLS = 10_000
EVERY = "1s"
KEYS = (10_000, 100_000, 1_000_000)
_S_PER_ITEM = 5e-6
"""Least CPU time of a run without checkpoints, s for each item of the benchmark: 5 s for a million."""
_TIMES = 7
"""Number of checkpoints for each number of keys."""


@dataclass(frozen=True)
class Held:
    """A checkpoint of a run that holds one open bar for each key.

    Attributes:
        keys: Number of keys.
        pause_ms: Time for which the run stood, ms: of each checkpoint.
        checkpoint_mb: Size of the checkpoint, MB.
        state_mb: Growth of the process by the state, MB.
        growth_mb: Further growth at its largest, during a checkpoint, MB.
    """

    keys: int
    pause_ms: tuple[float, ...]
    checkpoint_mb: float
    state_mb: float
    growth_mb: float

    @property
    def growth(self) -> float:
        """Growth during a checkpoint over the size of the state; 0 for a state too small to be seen."""
        return self.growth_mb / self.state_mb if self.state_mb > 1 else 0.0


@dataclass(frozen=True)
class Checkpointed:
    """What it costs.

    Attributes:
        overheads: CPU time of W2 of 10,000 symbols with a checkpoint a second, over that without: each pair.
        taken: Checkpoints in each of these runs.
        held: One for each number of keys.
    """

    overheads: tuple[float, ...]
    taken: tuple[int, ...]
    held: tuple[Held, ...]

    @property
    def overhead(self) -> float:
        """Return the median over the pairs."""
        return statistics.median(self.overheads)


def _bars(source: Source[Tick], every: str) -> rxdag.Dag:
    timed = rxdag.from_source(source, name="ticks").pipe(
        ops.event_time(lambda t: t.ts, unit="us", out_of_order="500ms"), name="time"
    )
    keyed = timed.pipe(ops.key_by(lambda t: t.sym))
    bars = keyed.pipe(ops.window(windows.tumbling(every), agg.ohlcv(lambda t: t.price, lambda t: t.size)), name="bars")
    return rxdag.Dag(bars.to(sinks.null(), name="out"), name="w2")


def _plan(items: int) -> rxdag.Plan:
    return rxdag.compile(_bars(sources.iterable(ticks(items, syms=SYMBOLS), of=Tick), "1s"))


def _overheads(items: int, pairs: int) -> Iterator[tuple[float, int]]:
    """Yield the ratio of each pair, and the number of its checkpoints, after a pair that is not counted."""
    plan = _plan(items)
    base, _ = cpu(partial(rxdag.run, plan))
    # Longer than the few checkpoints of a short run, whose cost would be that of the start and the end.
    plan = _plan(int(items * max(1, _S_PER_ITEM * items / base)))
    gc.collect()
    gc.freeze()
    with tempfile.TemporaryDirectory() as folder:
        for n in range(pairs + 1):
            path = str(Path(folder) / f"{n}.state")
            gc.collect()
            base, _ = cpu(partial(rxdag.run, plan))
            gc.collect()
            took, result = cpu(partial(rxdag.run, plan, checkpoints=path, every=EVERY))
            if n:
                yield took / base, result.checkpoint.id
    gc.unfreeze()


class _StandingReader(Reader):
    def __init__(self, source: Standing, context: Any) -> None:
        self._source = source
        self._at = 0

    def read(self, max_items: int) -> Any:
        first, self._at = self._at, min(self._at + max_items, self._source.keys)
        return (
            Chunk([Tick(BEGAN_US + i, f"K{i}", i, 100 + i / 7, 1.5) for i in range(first, self._at)])
            if first < self._at
            else None
        )

    def position(self) -> int:
        return self._at

    def seek(self, position: int) -> None:
        self._at = position


@dataclass(frozen=True)
class Standing(Source[Tick]):
    """A source that gives an item for each key, and then nothing more, without an end."""

    keys: int
    no_position = None

    def open(self, context: Any) -> Reader:
        return _StandingReader(self, context)


def hold(keys: int, times: int = _TIMES) -> Held:
    """Take checkpoints of a run with so many keys."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "held.state")
        gc.collect()

        def fill() -> Any:
            run = rxdag.start(_bars(Standing(keys), "1d"), checkpoints=path, every="1h")
            while run.stats().nodes["bars"].arrived < keys:
                time.sleep(0.01)
            return run

        state_mb, run = rss_growth_mb(fill)
        growth_mb, first = rss_growth_mb(run.checkpoint)
        taken = [first, *(run.checkpoint() for _ in range(times - 1))]
        run.cancel()
        pauses = tuple(each.pause_ns / 1e6 for each in taken)
        return Held(keys, pauses, first.bytes / 1e6, state_mb, growth_mb)


def measure(items: int, pairs: int, keys: Sequence[int] = KEYS) -> Checkpointed:
    """Measure W2 of so many items in so many pairs, and runs with so many keys."""
    held = tuple(hold(n) for n in keys)
    ratios, taken = zip(*_overheads(items, pairs), strict=True)
    return Checkpointed(ratios, taken, held)
