"""Aggregates of a function that takes the items one after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from rxdag.aggregates.accumulators import Folded, Reduced
from rxdag.contract import Aggregate, check_copyable, check_function
from rxdag.errors import GraphError, shown
from rxdag.expressions import Expr

A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True)
class _FoldOf(Aggregate[A, B]):
    initial: B
    fn: Callable[[B, A], B]
    merge: Callable[[B, B], B] | None

    def accumulator(self) -> Folded:
        return Folded(self.initial, self.fn, self.merge)


def fold(initial: B, fn: Callable[[B, A], B], /, *, merge: Callable[[B, B], B] | None = None) -> Aggregate[A, B]:
    """Fold the items into a value, in order of arrival.

    The result is `fn(... fn(fn(initial, item), item) ..., item)`.

    Args:
        initial: Initial value; each pane starts with a copy of it, made by `copy.deepcopy`.
        fn: A function of the value and the item that returns the next value.
        merge: A function that merges two values, the one of the older items first. Windows that merge, such as
            sessions, require it.

    Raises:
        GraphError: If a function is not callable, or `initial` cannot be copied.

    Example:
        >>> aggregate(agg.fold(0, lambda total, x: total + x), [1, 2, 3])
        6
    """
    check_copyable(initial, "fold: initial")
    for name, given in (("fn", fn), ("merge", merge)):
        if (given is not None or name == "fn") and (not callable(given) or isinstance(given, Expr)):
            raise GraphError(f"fold: {name} must be a function, got {shown(given)}")
    check_function(fn, "fold: fn", "the value", "the item")
    if merge is not None:
        check_function(merge, "fold: merge", "the older value", "the newer value")
    return _FoldOf(initial, fn, merge)


@dataclass(frozen=True)
class _ReduceOf(Aggregate[A, A]):
    fn: Callable[[A, A], A]

    def accumulator(self) -> Reduced:
        return Reduced(self.fn)


def reduce(fn: Callable[[A, A], A], /) -> Aggregate[A, A]:
    """Reduce the items to one value, in order of arrival.

    The result is `fn(... fn(fn(first, second), third) ..., last)`; for a single item, the item itself.

    Args:
        fn: A function of two items, or of its previous result and an item. It must be associative if windows merge.

    Raises:
        GraphError: If `fn` is not callable.

    Example:
        >>> aggregate(agg.reduce(lambda a, b: a + b), ["a", "b", "c"])
        'abc'
    """
    if not callable(fn) or isinstance(fn, Expr):
        raise GraphError(f"reduce: fn must be a function, got {shown(fn)}")
    check_function(fn, "reduce: fn", "its previous result", "the item")
    return _ReduceOf(fn)
