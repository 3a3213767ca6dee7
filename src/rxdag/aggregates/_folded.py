"""Aggregates of a function that takes the items one after the other."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from rxdag.contract import Accumulator, Aggregate, check_function
from rxdag.errors import GraphError, shown
from rxdag.expressions import Expr

A = TypeVar("A")
B = TypeVar("B")


class _Folded(Accumulator[Any, Any]):
    __slots__ = ("_fn", "_merge", "value")
    state = ("value",)

    def __init__(self, initial: Any, fn: Callable[[Any, Any], Any], merge: Callable[[Any, Any], Any] | None) -> None:
        self.value = copy.deepcopy(initial)
        self._fn = fn
        self._merge = merge

    def add(self, item: Any, /) -> None:
        self.value = self._fn(self.value, item)

    def result(self) -> Any:
        return copy.deepcopy(self.value)  # a window may go on and fire again

    def can_merge(self) -> bool:
        return self._merge is not None

    def merge(self, other: _Folded, /) -> None:
        if self._merge is None:
            raise TypeError("fold: must be given merge=, a function of two values, to be used in windows that merge")
        self.value = self._merge(self.value, other.value)


@dataclass(frozen=True)
class _FoldOf(Aggregate[A, B]):
    initial: B
    fn: Callable[[B, A], B]
    merge: Callable[[B, B], B] | None

    def accumulator(self) -> _Folded:
        return _Folded(self.initial, self.fn, self.merge)


def fold(initial: B, fn: Callable[[B, A], B], /, *, merge: Callable[[B, B], B] | None = None) -> Aggregate[A, B]:
    """`fn(... fn(fn(initial, item), item) ..., item)`, in order of arrival.

    Args:
        initial: First value; each pane begins with a copy of it.
        fn: A function of the value and the item that returns the next value.
        merge: A function of two values, that of the older items first; windows that merge need it, as sessions do.

    Raises:
        GraphError: If a function is none.

    Example:
        >>> aggregate(agg.fold(0, lambda total, x: total + x), [1, 2, 3])
        6
    """
    for name, given in (("fn", fn), ("merge", merge)):
        if (given is not None or name == "fn") and (not callable(given) or isinstance(given, Expr)):
            raise GraphError(f"fold: {name} must be a function, got {shown(given)}")
    check_function(fn, "fold: fn", "the value", "the item")
    if merge is not None:
        check_function(merge, "fold: merge", "the older value", "the newer one")
    return _FoldOf(initial, fn, merge)


class _Reduced(Accumulator[Any, Any]):
    __slots__ = ("_fn", "values")
    state = ("values",)

    def __init__(self, fn: Callable[[Any, Any], Any]) -> None:
        self._fn = fn
        self.values: list[Any] = []
        """None, or one."""

    def add(self, item: Any, /) -> None:
        self.values = [self._fn(self.values[0], item)] if self.values else [item]

    def result(self) -> Any:
        return self.values[0]

    def merge(self, other: _Reduced, /) -> None:
        self.values = [self._fn(self.values[0], other.values[0])] if self.values else list(other.values)


@dataclass(frozen=True)
class _ReduceOf(Aggregate[A, A]):
    fn: Callable[[A, A], A]

    def accumulator(self) -> _Reduced:
        return _Reduced(self.fn)


def reduce(fn: Callable[[A, A], A], /) -> Aggregate[A, A]:
    """`fn(... fn(fn(first, second), third) ..., last)`, in order of arrival; of one item that item.

    Args:
        fn: A function of two items, or of what it returned and an item; it must be associative where windows merge.

    Raises:
        GraphError: If `fn` cannot be called.

    Example:
        >>> aggregate(agg.reduce(lambda a, b: a + b), ["a", "b", "c"])
        'abc'
    """
    if not callable(fn) or isinstance(fn, Expr):
        raise GraphError(f"reduce: fn must be a function, got {shown(fn)}")
    check_function(fn, "reduce: fn", "what it returned before", "the item")
    return _ReduceOf(fn)
