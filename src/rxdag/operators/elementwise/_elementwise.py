"""Operators that look at one item at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Self, TypeVar, overload

from rxdag.contract import Emit, Kernel, Operator, Shape
from rxdag.expressions import Expr, Field, bound, called, check_field, getter
from rxdag.operators._arguments import field_of, function
from rxdag.operators.elementwise._call_kernels import FilterKernel, MapKernel, TapKernel

A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True)
class _Map(Operator[A, B]):
    fn: Field[A, B]
    of: Any = None
    label = "map"

    def check(self, shape: Shape, where: str) -> None:
        check_field(self.fn, shape.item_type, f"{where}: fn")

    def bound(self, shape: Shape) -> Self:
        return replace(self, fn=bound(self.fn, shape.item_type))

    def shape(self, shape: Shape) -> Shape:
        return replace(shape, item_type=self.of, windows=None)

    def kernel(self) -> MapKernel:
        return MapKernel(getter(self.fn))


@dataclass(frozen=True)
class _Filter(Operator[A, A]):
    predicate: Field[A, bool]
    label = "filter"

    def check(self, shape: Shape, where: str) -> None:
        check_field(self.predicate, shape.item_type, f"{where}: predicate")

    def bound(self, shape: Shape) -> Self:
        return replace(self, predicate=bound(self.predicate, shape.item_type))

    def shape(self, shape: Shape) -> Shape:
        return shape

    def kernel(self) -> FilterKernel:
        return FilterKernel(getter(self.predicate))


@dataclass(frozen=True)
class _Tap(Operator[A, A]):
    fn: Callable[[A], object]
    label = "tap"

    def shape(self, shape: Shape) -> Shape:
        return shape

    def kernel(self) -> TapKernel:
        return TapKernel(self.fn)


@overload
def map(fn: Callable[[A], B], /) -> Operator[A, B]: ...
@overload
def map(fn: str | Expr, /, *, of: type[B]) -> Operator[Any, B]: ...
@overload
def map(fn: str | Expr, /) -> Operator[Any, Any]: ...
def map(fn: Any, /, *, of: Any = None) -> Any:
    """Transform each item.

    Emits: `fn(item)`, with the event time and the key of the item.
    Drops: nothing.
    Holds: nothing.
    Ends: when the source ends. Fails: if `fn` raises, subject to the node's `on_error`.
    Clock: none.

    Args:
        fn: A function of the item, a field name, or an expression such as `col.price * col.qty`.
        of: Result type of an expression, for type checkers and for later operators that name fields.

    Raises:
        GraphError: If `fn` is none of these.

    Example:
        >>> feed(ops.map(lambda x: x * 2), [1, 2, 3])
        [2, 4, 6]
    """
    return _Map(field_of(fn, "map: fn"), of)


def filter(predicate: Field[A, bool], /) -> Operator[A, A]:
    """Keep the items for which a predicate is true.

    Emits: each item for which `predicate(item)` is true.
    Drops: every other item, counted as `filtered`.
    Holds: nothing.
    Ends: when the source ends. Fails: if `predicate` raises, subject to the node's `on_error`.
    Clock: none.

    Args:
        predicate: A function of the item, a field name, or an expression such as `col.qty > 0`.

    Raises:
        GraphError: If `predicate` is none of these.

    Example:
        >>> feed(ops.filter(lambda x: x % 2 == 1), [1, 2, 3])
        [1, 3]
    """
    return _Filter(field_of(predicate, "filter: predicate"))


def tap(fn: Callable[[A], object], /) -> Operator[A, A]:
    """Call a function with each item, then pass the item on.

    Emits: every item, once `fn(item)` has returned.
    Drops: nothing.
    Holds: nothing.
    Ends: when the source ends. Fails: if `fn` raises, subject to the node's `on_error`.
    Clock: none.

    Args:
        fn: A function of the item; its return value is ignored.

    Raises:
        GraphError: If `fn` is not callable.

    Example:
        >>> seen = []
        >>> feed(ops.tap(seen.append), "ab"), seen
        (['a', 'b'], ['a', 'b'])
    """
    return _Tap(function(fn, "tap: fn", "the item"))


class _ExplodeKernel(Kernel):
    passes = False

    def __init__(self, fn: Callable[[Any], Iterable[Any]]) -> None:
        self.fn = fn

    def expand(self, item: Any) -> Iterable[Any]:
        return self.fn(item)

    def on_item(self, item: Any, emit: Emit[Any]) -> None:
        for each in self.fn(item):
            emit(each)
        emit.absorbed(1)


@dataclass(frozen=True)
class _Explode(Operator[A, B]):
    fn: Field[A, Iterable[B]]
    label = "explode"

    def check(self, shape: Shape, where: str) -> None:
        check_field(self.fn, shape.item_type, f"{where}: fn", generators=True)

    def bound(self, shape: Shape) -> Self:
        return replace(self, fn=bound(self.fn, shape.item_type))

    def kernel(self) -> _ExplodeKernel:
        return _ExplodeKernel(called(self.fn))


@overload
def explode(fn: Callable[[A], Iterable[B]], /) -> Operator[A, B]: ...
@overload
def explode(fn: str | Expr, /) -> Operator[Any, Any]: ...
def explode(fn: Any, /) -> Any:
    """Expand each item into any number of items.

    The iterable is read only as downstream has room, so it may be endless. A drain still emits the rest of the current
    item. To stop an endless iterable, cancel the run or put an operator such as `take` behind it; a drain does stop the
    streams of `flat_map`.

    Emits: each element of `fn(item)`, with the event time and the key of the item.
    Drops: nothing; every item is counted as `absorbed`, including those without elements.
    Holds: the current item and its open iterator.
    Ends: when the source ends. Fails: if `fn` or its iterable raises, subject to the node's `on_error`.
    Clock: none.

    Args:
        fn: A function of the item that returns an iterable; or a field that holds one, by name or as an expression. As
            in a `for` loop, a text gives its characters, bytes give numbers, and a dict gives its keys; None gives
            nothing. `flat_map` refuses all four.

    Raises:
        GraphError: If `fn` is neither.

    Example:
        >>> feed(ops.explode(lambda word: word.upper()), ["ab", "", "c"])
        ['A', 'B', 'C']
    """
    return _Explode[Any, Any](field_of(fn, "explode: fn", generators=True))
