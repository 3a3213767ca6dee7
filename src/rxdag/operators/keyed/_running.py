"""Operators that carry a value along the stream, or one along each key."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, Self, TypeVar

from rxdag.contract import Duration, Emit, Kernel, Operator, Shape
from rxdag.errors import GraphError
from rxdag.operators._arguments import function
from rxdag.operators.keyed._expiring import ABSENT, Expiring, ttl_ns
from rxdag.operators.keyed._folds import FoldKernel
from rxdag.operators.windows._panes import in_order

A = TypeVar("A")
B = TypeVar("B")


class _ScanKernel(Kernel):
    state = ("total",)

    def __init__(self, initial: Any, fn: Callable[[Any, Any], Any]) -> None:
        self.total = initial
        self._fn = fn

    def on_item(self, item: Any, emit: Emit[Any]) -> None:
        total = item if self.total is ABSENT else self._fn(self.total, item)
        self.total = total
        emit(total)

    def snapshot(self) -> dict[str, Any]:
        return {"total": [] if self.total is ABSENT else [self.total]}

    def restore(self, saved: dict[str, Any]) -> None:
        self.total = saved["total"][0] if saved["total"] else ABSENT


class _KeyedScanKernel(Kernel):
    """A total for each key."""

    state = ("totals",)

    def __init__(self, initial: Any, fn: Callable[[Any, Any], Any]) -> None:
        self._initial = initial
        self._fn = fn
        self.totals: dict[Any, Any] = {}

    def on_item(self, item: Any, key: Any, emit: Emit[Any]) -> None:
        total = self.totals.get(key, ABSENT)
        if total is ABSENT:
            total = self._first(item)
        else:
            total = self._fn(total, item)
        self.totals[key] = total
        emit(total)

    def _first(self, item: Any) -> Any:
        return item if self._initial is ABSENT else self._fn(copy.deepcopy(self._initial), item)

    def snapshot(self) -> dict[str, Any]:
        return {"totals": [[key, total] for key, total in self.totals.items()]}

    def restore(self, saved: dict[str, Any]) -> None:
        self.totals = {key: total for key, total in saved["totals"]}  # noqa: C416  # the rows are lists


class _ExpiringScanKernel(Kernel):
    """A total for each key, until nothing has come for the ttl."""

    state = ("totals", "wake")

    def __init__(self, initial: Any, fn: Callable[[Any, Any], Any], ttl: int) -> None:
        self._initial = initial
        self._fn = fn
        self._totals = Expiring(ttl)

    def on_item(self, item: Any, ts: int, key: Any, emit: Emit[Any]) -> None:
        total = self._totals.get(key, ts, self.watermark)
        if total is not ABSENT:
            total = self._fn(total, item)
        elif self._initial is ABSENT:
            total = item
        else:
            total = self._fn(copy.deepcopy(self._initial), item)
        self._totals.put(key, ts, total)
        self.wake = self._totals.wake
        emit(total)

    def on_watermark(self, watermark: int, emit: Emit[Any]) -> None:
        self._totals.forget(watermark)
        self.wake = self._totals.wake

    def snapshot(self) -> dict[str, Any]:
        return {"totals": self._totals.rows()}

    def restore(self, saved: dict[str, Any]) -> None:
        self._totals.load(saved["totals"])
        self.wake = self._totals.wake


@dataclass(frozen=True)
class _Scan(Operator[A, B]):
    initial: Any
    fn: Callable[[Any, Any], Any]
    ttl_ns: int | None
    chosen_clock: Literal["event", "processing"] | None
    name: str = "scan"
    by_key: bool = False

    @property
    def label(self) -> str:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # one class, two operators
        return self.name

    def check(self, shape: Shape, where: str) -> None:
        if self.chosen_clock == "event" and not shape.timed:
            raise GraphError(
                f'{where}: clock="event" needs event time, and the stream has none; put ops.event_time(...) before it'
            )

    def bound(self, shape: Shape) -> Self:
        return replace(self, by_key=shape.keyed)

    def clock_for(self, shape: Shape) -> Literal["event", "processing"]:
        if self.ttl_ns is None:
            return "event"
        return self.chosen_clock or ("event" if shape.timed else "processing")

    def kernel(self) -> _ScanKernel | _KeyedScanKernel | _ExpiringScanKernel:
        if self.ttl_ns is not None:
            return _ExpiringScanKernel(self.initial, self.fn, self.ttl_ns)
        if self.by_key:
            return _KeyedScanKernel(self.initial, self.fn)
        return _ScanKernel(copy.deepcopy(self.initial) if self.initial is not ABSENT else ABSENT, self.fn)


def scan(
    initial: B,
    fn: Callable[[B, A], B],
    /,
    *,
    ttl: Duration | None = None,
    clock: Literal["event", "processing"] | None = None,
) -> Operator[A, B]:
    """Carry a value along the stream and give it out after each item; on a keyed stream one for each key.

    As Flink's fold of a keyed stream, RxPY's scan, and a cumulative sum in polars.

    Emits: `fn(value, item)` for each item, which is the next value; with its event time and key. `initial` itself is not
        emitted.
    Drops: nothing.
    Holds: one value, or one for each key, which begins as a copy of `initial`; with `ttl` until nothing has come for so
        long, and it begins anew.
    Ends: when the source ends. Fails: when `fn` raises, by the node's `on_error`; the value stays as it was.
    Clock: none; with `ttl` event time if the stream has it, else processing time; `clock` chooses.

    Args:
        initial: First value.
        fn: A function of the value and the item that returns the next value.
        ttl: How long a value lasts after the last item, more than 0; by default for ever.
        clock: "event" or "processing".

    Raises:
        GraphError: If an argument is not as above.

    Example:
        >>> feed(ops.scan(0, lambda total, x: total + x), [1, 2, 3])
        [1, 3, 6]
    """
    return _Scan(initial, function(fn, "scan: fn"), ttl_ns(ttl, clock, "scan"), clock)


def reduce(
    fn: Callable[[A, A], A],
    /,
    *,
    ttl: Duration | None = None,
    clock: Literal["event", "processing"] | None = None,
) -> Operator[A, A]:
    """Combine each item with what its predecessors made; on a keyed stream those of its key.

    As reduce in Flink and Kafka Streams, which gives out every step; for the last one alone, as in RxPY and Python, put
    `ops.last()` behind it.

    Emits: the first item itself, then `fn(value, item)` for each, which is the next value; with its event time and key.
    Drops: nothing.
    Holds: one value, or one for each key; with `ttl` until nothing has come for so long, and it begins anew.
    Ends: when the source ends. Fails: when `fn` raises, by the node's `on_error`; the value stays as it was.
    Clock: none; with `ttl` event time if the stream has it, else processing time; `clock` chooses.

    Args:
        fn: A function of the value and the item that returns the next value.
        ttl: How long a value lasts after the last item, more than 0; by default for ever.
        clock: "event" or "processing".

    Raises:
        GraphError: If an argument is not as above.

    Example:
        >>> feed(ops.reduce(lambda a, b: a * 10 + b), [1, 2, 3])
        [1, 12, 123]
    """
    return _Scan(ABSENT, function(fn, "reduce: fn"), ttl_ns(ttl, clock, "reduce"), clock, "reduce")


class _KeyedFoldKernel(Kernel):
    """A value for each key, [value, items, ts, sequence], all of which come out at the end."""

    state = ("totals",)
    passes = False

    def __init__(self, initial: Any, fn: Callable[[Any, Any], Any]) -> None:
        self._initial = initial
        self._fn = fn
        self.totals: dict[Any, list[Any]] = {}

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, emit: Emit[Any]) -> None:
        row = self.totals.get(key)
        if row is None:
            self.totals[key] = [self._fn(copy.deepcopy(self._initial), item), 1, ts, sequence]
            return
        row[0] = self._fn(row[0], item)
        row[1] += 1
        if (ts, sequence) > (row[2], row[3]):
            row[2:] = ts, sequence

    def held(self) -> int:
        return sum(row[1] for row in self.totals.values())

    def on_end(self, emit: Emit[Any]) -> None:
        totals, self.totals = self.totals, {}
        for key in in_order(totals):
            value, n, ts, sequence = totals[key]
            emit.absorbed(n)
            emit(value, ts=ts, sequence=sequence, key=key)

    def snapshot(self) -> dict[str, Any]:
        return {"totals": [[key, *row] for key, row in self.totals.items()]}

    def restore(self, saved: dict[str, Any]) -> None:
        self.totals = {key: row for key, *row in saved["totals"]}


@dataclass(frozen=True)
class _Fold(Operator[A, B], Generic[A, B]):
    initial: B
    fn: Callable[[B, A], B]
    by_key: bool = False
    label = "fold"

    def bound(self, shape: Shape) -> Self:
        return replace(self, by_key=shape.keyed)

    def kernel(self) -> FoldKernel | _KeyedFoldKernel:
        if self.by_key:
            return _KeyedFoldKernel(self.initial, self.fn)
        return FoldKernel(copy.deepcopy(self.initial), self.fn)


def fold(initial: B, fn: Callable[[B, A], B], /) -> Operator[A, B]:
    """Make one value of all items; on a keyed stream one for each key.

    Emits: when the source ends, `fn(... fn(fn(initial, item), item) ..., item)`, of several keys in their order; `initial`
        of an empty stream without keys. Its event time is the largest.
    Drops: nothing; every item is counted as `absorbed`.
    Holds: one value, or one for each key, which begins as a copy of `initial`.
    Ends: when the source ends. Fails: when `fn` raises, by the node's `on_error`; the value stays as it was.
    Clock: none.

    Args:
        initial: First value.
        fn: A function of the value and the item that returns the next value.

    Raises:
        GraphError: If `fn` cannot be called.

    Example:
        >>> feed(ops.fold(0, lambda total, x: total + x), [1, 2, 3])
        [6]
    """
    return _Fold(initial, function(fn, "fold: fn"))
