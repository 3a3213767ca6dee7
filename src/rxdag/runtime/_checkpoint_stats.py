"""CheckpointStats: what a run tells about its checkpoints."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from rxdag.engine import Writes

_DAY_S: Final = 86_400


@dataclass(frozen=True)
class CheckpointStats:
    """Checkpoints of a run; `str()` gives one line.

    Attributes:
        every_s: Time from one checkpoint to the next, s; None if they are taken on request only.
        last_id: Number of the last durable checkpoint; None before the first one of this run.
        last_bytes: Its size, in bytes.
        age_s: Time since its state was taken, s; before the first one, time since the start of the run.
        pause_s: Time for which the run paused while its state was copied or encoded, s.
        resumed_from: Number of the checkpoint from which the run continued; None if it started over.
        failures: Number of checkpoints that could not be taken or written.
        written_bytes: Size of all checkpoints of this run, in bytes.
        bytes_a_day: Bytes written in a day at the rate of this run.
        path: Path of the file or folder of the store; None if it is not on a local disk.
        pauses: Durations of the pauses, as a histogram from 100 us to 5 s.
        writes: Durations of the writes to the store, which happen beside the run, as a histogram.

    Example:
        >>> numbers = rxdag.from_source(sources.range(3), name="numbers")
        >>> dag = rxdag.Dag(numbers.to(sinks.collect(), name="out"))
        >>> stats = rxdag.run(dag, checkpoints=rxdag.checkpoints.memory(), every="10s").stats.checkpoints
        >>> stats.last_id, stats.failures, stats.resumed_from
        (1, 0, None)
    """

    every_s: float | None
    last_id: int | None
    last_bytes: int
    age_s: float
    pause_s: float
    resumed_from: int | None
    failures: int
    written_bytes: int
    bytes_a_day: float
    path: str | None = None
    pauses: Writes = field(default_factory=Writes, repr=False)
    writes: Writes = field(default_factory=Writes, repr=False)

    def __str__(self) -> str:
        if self.last_id is None:
            told = [f"no checkpoint for {self.age_s:,.1f} s"]
        else:
            told = [
                f"checkpoint {self.last_id}, {self.age_s:,.1f} s old, {self.last_bytes:,} bytes",
                f"pause {self.pause_s * 1e3:,.1f} ms",
                f"{self.bytes_a_day:,.0f} bytes a day",
            ]
        told += [] if self.every_s is None else [f"every {self.every_s:g} s"]
        told += [f"{self.failures:,} failed"]
        told += [] if self.resumed_from is None else [f"continued from checkpoint {self.resumed_from}"]
        return ", ".join(told)


def per_day(n: int, seconds: float) -> float:
    """Return the number in a day at the rate of `n` in some seconds."""
    return n / seconds * _DAY_S if seconds > 0 else 0.0
