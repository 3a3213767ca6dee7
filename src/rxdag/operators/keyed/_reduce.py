"""Reduce: one value of all items, or one of those of each key."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Generic, Self, TypeVar, overload

from rxdag.contract import LEFT_OUT, Emit, Kernel, Operator, Shape
from rxdag.operators._order import in_order
from rxdag.operators.keyed._expiring import ABSENT
from rxdag.operators.keyed._first_value import first_value
from rxdag.operators.keyed._fold_kernel import FoldKernel

A = TypeVar("A")
B = TypeVar("B")


class _Combined:
    """A function of two items as one of the value so far, which is ABSENT at the first item."""

    def __init__(self, fn: Callable[[Any, Any], Any]) -> None:
        self._fn = fn

    def __call__(self, value: Any, item: Any) -> Any:
        return item if value is ABSENT else self._fn(value, item)


class _KeyedReduceKernel(Kernel):
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
            first = item if self._initial is ABSENT else self._fn(copy.deepcopy(self._initial), item)
            self.totals[key] = [first, 1, ts, sequence]
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
class _Reduce(Operator[A, B], Generic[A, B]):
    initial: Any
    fn: Callable[[Any, Any], Any]
    by_key: bool = False
    label = "reduce"
    keeps_order = False

    def bound(self, shape: Shape) -> Self:
        return replace(self, by_key=shape.keyed)

    def kernel(self) -> FoldKernel | _KeyedReduceKernel:
        if self.by_key:
            return _KeyedReduceKernel(self.initial, self.fn)
        if self.initial is ABSENT:
            return FoldKernel(ABSENT, _Combined(self.fn))
        return FoldKernel(copy.deepcopy(self.initial), self.fn)


@overload
def reduce(fn: Callable[[A, A], A], /) -> Operator[A, A]: ...
@overload
def reduce(initial: B, fn: Callable[[B, A], B], /) -> Operator[A, B]: ...
def reduce(initial: Any, fn: Callable[[Any, Any], Any] = LEFT_OUT, /) -> Operator[Any, Any]:
    """Make one value of all items; on a keyed stream one for each key.

    As functools.reduce, and RxPY's, which takes the first value last. Reduce in Flink and Kafka Streams gives out every
    step: that is `ops.scan`.

    Emits: when the source ends, `fn(... fn(fn(initial, item), item) ..., item)`, of several keys in their order. Without
        `initial` the first item takes its place. Of an empty stream without keys `initial`, or nothing if there is none.
        Its event time is the largest.
    Drops: nothing; every item is counted as `absorbed`.
    Holds: one value, or one for each key, which begins as a copy of `initial`.
    Ends: when the source ends. Fails: when `fn` raises, by the node's `on_error`; the value stays as it was.
    Clock: none.

    Args:
        initial: First value, one that `copy.deepcopy` copies; by default the first item.
        fn: A function of the value and the item that returns the next value.

    Raises:
        GraphError: If `fn` cannot be called, or `initial` cannot be copied.

    Example:
        >>> feed(ops.reduce(lambda a, b: a * 10 + b), [1, 2, 3])
        [123]
        >>> feed(ops.reduce(0, lambda total, x: total + x), [1, 2, 3])
        [6]
    """
    return _Reduce(*first_value(initial, fn, "reduce"))
