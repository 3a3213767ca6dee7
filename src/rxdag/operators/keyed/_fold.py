"""Fold: one value of all items, or one of those of each key."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Generic, Self, TypeVar

from rxdag.contract import Emit, Kernel, Operator, Shape, check_copyable
from rxdag.operators._arguments import function
from rxdag.operators._order import in_order
from rxdag.operators.keyed._fold_kernel import FoldKernel

A = TypeVar("A")
B = TypeVar("B")


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
    keeps_order = False

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
        initial: First value, one that `copy.deepcopy` copies.
        fn: A function of the value and the item that returns the next value.

    Raises:
        GraphError: If `fn` cannot be called, or `initial` cannot be copied.

    Example:
        >>> feed(ops.fold(0, lambda total, x: total + x), [1, 2, 3])
        [6]
    """
    check_copyable(initial, "fold: initial")
    return _Fold(initial, function(fn, "fold: fn", "the state", "the item"))
