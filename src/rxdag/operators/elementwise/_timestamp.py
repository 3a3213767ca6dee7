"""Timestamp: items with their arrival times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from rxdag.contract import Emit, Kernel, Operator

A = TypeVar("A")
B = TypeVar("B")


class Timestamped(NamedTuple, Generic[B]):
    """An item and its arrival time.

    Attributes:
        value: The item.
        ts: Arrival time on the run's clock, ns since the epoch.

    Example:
        >>> first = rxdag.from_source(sources.iterable(["a"])).pipe(ops.timestamp()).head(1)[0]
        >>> first.value, first.ts > 0
        ('a', True)
    """

    value: B
    ts: int


class _TimestampKernel(Kernel):
    def on_item(self, item: Any, now: int, emit: Emit[Any]) -> None:
        emit(Timestamped(item, now))


@dataclass(frozen=True)
class _Timestamp(Operator[A, "Timestamped[A]"], Generic[A]):
    label = "timestamp"

    def kernel(self) -> _TimestampKernel:
        return _TimestampKernel()


def timestamp() -> Operator[A, Timestamped[A]]:
    """Pair each item with its arrival time.

    Follow it with `ops.event_time("ts")` to use the arrival time as event time, which Flink calls ingestion time. Items
    of one chunk get the same time.

    Emits: a `Timestamped` for each item: its value and ts, in ns; with the item's event time and key.
    Drops: nothing.
    Holds: nothing.
    Ends: when the source ends. Fails: if the source fails.
    Clock: processing time.

    Example:
        >>> feed(ops.timestamp(), ["a"])
        [Timestamped(value='a', ts=0)]
    """
    return _Timestamp()
