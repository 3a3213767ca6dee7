"""Operators that go by where an item stands: the first ones, the last one, those behind a condition."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Generic, Self, TypeVar

from rxdag.contract import Emit, Kernel, Operator, Shape
from rxdag.errors import GraphError
from rxdag.expressions import Field, bound, check_field, getter
from rxdag.operators._arguments import field_of, field_or_none, whole

A = TypeVar("A")


class _TakeKernel(Kernel):
    state = ("left",)

    def __init__(self, max_items: int) -> None:
        self.left = max_items

    def want(self, now: int) -> int | None:
        return self.left

    def is_finished(self) -> bool:
        return self.left == 0

    def on_item(self, item: Any, emit: Emit[Any]) -> None:
        self.left -= 1
        emit(item)


class _SkipKernel(Kernel):
    state = ("left",)

    def __init__(self, n: int) -> None:
        self.left = n

    def on_item(self, item: Any, emit: Emit[Any]) -> None:
        if self.left > 0:
            self.left -= 1
            return emit.filtered(item)
        emit(item)
        return None


@dataclass(frozen=True)
class _Count(Operator[A, A], Generic[A]):
    n: int

    def shape(self, shape: Shape) -> Shape:
        return shape


@dataclass(frozen=True)
class _Take(_Count[A]):
    label = "take"

    def kernel(self) -> _TakeKernel:
        return _TakeKernel(self.n)


@dataclass(frozen=True)
class _Skip(_Count[A]):
    label = "skip"

    def kernel(self) -> _SkipKernel:
        return _SkipKernel(self.n)


class _TakeWhileKernel(Kernel):
    state = ("is_over",)

    def __init__(self, fn: Callable[[Any], Any], *, inclusive: bool) -> None:
        self._fn = fn
        self._inclusive = inclusive
        self.is_over = False

    def is_finished(self) -> bool:
        return self.is_over

    def on_item(self, item: Any, emit: Emit[Any]) -> None:
        if not self._fn(item):
            self.is_over = True
            if not self._inclusive:
                return emit.filtered(item)
        emit(item)
        return None


class _SkipWhileKernel(Kernel):
    state = ("is_open",)

    def __init__(self, fn: Callable[[Any], Any]) -> None:
        self._fn = fn
        self.is_open = False

    def on_item(self, item: Any, emit: Emit[Any]) -> None:
        if not self.is_open:
            if self._fn(item):
                return emit.filtered(item)
            self.is_open = True
        emit(item)
        return None


class _FirstKernel(Kernel):
    state = ("is_found",)

    def __init__(self, fn: Callable[[Any], Any] | None) -> None:
        self._fn = fn
        self.is_found = False

    def is_finished(self) -> bool:
        return self.is_found

    def on_item(self, item: Any, emit: Emit[Any]) -> None:
        if self._fn is not None and not self._fn(item):
            return emit.filtered(item)
        self.is_found = True
        emit(item)
        return None


class _LastKernel(Kernel):
    """Keeps the newest item that matches, with its time and key."""

    state = ("kept",)

    def __init__(self, fn: Callable[[Any], Any] | None) -> None:
        self._fn = fn
        self.kept: list[Any] = []

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, emit: Emit[Any]) -> None:
        if self._fn is not None and not self._fn(item):
            return emit.filtered(item)
        had = len(self.kept) > 0
        self.kept = [item, ts, sequence, key]
        if had:
            return emit.dropped(item, "replaced")
        return None

    def held(self) -> int:
        return 1 if self.kept else 0

    def on_end(self, emit: Emit[Any]) -> None:
        if self.kept:
            item, ts, sequence, key = self.kept
            self.kept = []
            emit(item, ts=ts, sequence=sequence, key=key)


@dataclass(frozen=True)
class _Predicated(Operator[A, A], Generic[A]):
    """What the operators with a predicate have in common."""

    predicate: Field[A, bool] | None

    def check(self, shape: Shape, where: str) -> None:
        if self.predicate is not None:
            check_field(self.predicate, shape.item_type, f"{where}: predicate")

    def bound(self, shape: Shape) -> Self:
        return replace(self, predicate=bound(self.predicate, shape.item_type))

    def shape(self, shape: Shape) -> Shape:
        return shape

    def fn(self) -> Callable[[Any], Any]:
        """The predicate as a function; of an operator that must have one."""
        if self.predicate is None:
            raise GraphError(f"{self.label}: predicate must be given")
        return getter(self.predicate)

    def fn_or_none(self) -> Callable[[Any], Any] | None:
        """The predicate as a function, if there is one."""
        return None if self.predicate is None else getter(self.predicate)


@dataclass(frozen=True)
class _TakeWhile(_Predicated[A]):
    inclusive: bool = False
    label = "take_while"

    def kernel(self) -> _TakeWhileKernel:
        return _TakeWhileKernel(self.fn(), inclusive=self.inclusive)


@dataclass(frozen=True)
class _SkipWhile(_Predicated[A]):
    label = "skip_while"

    def kernel(self) -> _SkipWhileKernel:
        return _SkipWhileKernel(self.fn())


@dataclass(frozen=True)
class _First(_Predicated[A]):
    label = "first"

    def kernel(self) -> _FirstKernel:
        return _FirstKernel(self.fn_or_none())


@dataclass(frozen=True)
class _Last(_Predicated[A]):
    label = "last"

    def kernel(self) -> _LastKernel:
        return _LastKernel(self.fn_or_none())


def take(max_items: int, /) -> Operator[A, A]:
    """Pass the first items and end.

    No more are asked of the source than pass.

    Emits: the first `max_items` items.
    Drops: nothing; what was under way behind them is counted as `unread`.
    Holds: one number.
    Ends: with the last of them, or when the source ends. Fails: when the source fails.
    Clock: none.

    Args:
        max_items: How many, 0 or more.

    Raises:
        GraphError: If `max_items` is less than 0.

    Example:
        >>> feed(ops.take(2), "abcd")
        ['a', 'b']
    """
    return _Take(whole(max_items, "take: max_items"))


def skip(n: int, /) -> Operator[A, A]:
    """Leave out the first items.

    Emits: every item but the first `n`.
    Drops: those, counted as `filtered`.
    Holds: one number.
    Ends: when the source ends. Fails: when the source fails.
    Clock: none.

    Args:
        n: How many, 0 or more.

    Raises:
        GraphError: If `n` is less than 0.

    Example:
        >>> feed(ops.skip(2), "abcd")
        ['c', 'd']
    """
    return _Skip(whole(n, "skip: n"))


def take_while(predicate: Field[A, bool], /, *, inclusive: bool = False) -> Operator[A, A]:
    """Pass items until one does not meet a condition, and end.

    Emits: the items before the first for which `predicate` is false; with `inclusive` that one too.
    Drops: the item that ends it, counted as `filtered`; what was under way behind it is counted as `unread`.
    Holds: nothing.
    Ends: with that item, or when the source ends. Fails: when `predicate` raises, by the node's `on_error`.
    Clock: none.

    Args:
        predicate: A function of the item, a field's name, or an expression.
        inclusive: True to pass the item that ends it.

    Raises:
        GraphError: If `predicate` is none of these.

    Example:
        >>> feed(ops.take_while(lambda x: x < 3), [1, 2, 3, 1])
        [1, 2]
    """
    return _TakeWhile(field_of(predicate, "take_while: predicate"), inclusive)


def skip_while(predicate: Field[A, bool], /) -> Operator[A, A]:
    """Leave out items until one does not meet a condition; it and all behind it pass.

    Emits: the first item for which `predicate` is false, and every item behind it.
    Drops: the items before it, counted as `filtered`.
    Holds: nothing.
    Ends: when the source ends. Fails: when `predicate` raises, by the node's `on_error`.
    Clock: none.

    Args:
        predicate: A function of the item, a field's name, or an expression.

    Raises:
        GraphError: If `predicate` is none of these.

    Example:
        >>> feed(ops.skip_while(lambda x: x < 3), [1, 2, 3, 1])
        [3, 1]
    """
    return _SkipWhile(field_of(predicate, "skip_while: predicate"))


def first(predicate: Field[A, bool] | None = None, /) -> Operator[A, A]:
    """Pass the first item, or the first that meets a condition, and end.

    Of a stream without one nothing comes out, where RxPY's `first` fails; `default_if_empty` says what should.

    Emits: that item.
    Drops: the items before it, counted as `filtered`; what was under way behind it is counted as `unread`.
    Holds: nothing.
    Ends: with that item, or when the source ends. Fails: when `predicate` raises, by the node's `on_error`.
    Clock: none.

    Args:
        predicate: A function of the item, a field's name, or an expression; None for any item.

    Raises:
        GraphError: If `predicate` is none of these.

    Example:
        >>> feed(ops.first(lambda x: x > 1), [1, 2, 3])
        [2]
    """
    return _First(field_or_none(predicate, "first: predicate"))


def last(predicate: Field[A, bool] | None = None, /) -> Operator[A, A]:
    """Pass the last item, or the last that meets a condition, when the source ends.

    Of a stream without one nothing comes out, where RxPY's `last` fails; `default_if_empty` says what should.

    Emits: that item, with its event time and key.
    Drops: every other; counted as `filtered` if it does not meet the condition, else as dropped, reason "replaced".
    Holds: one item.
    Ends: when the source ends. Fails: when `predicate` raises, by the node's `on_error`.
    Clock: none.

    Args:
        predicate: A function of the item, a field's name, or an expression; None for any item.

    Raises:
        GraphError: If `predicate` is none of these.

    Example:
        >>> feed(ops.last(lambda x: x < 3), [1, 2, 3])
        [2]
    """
    return _Last(field_or_none(predicate, "last: predicate"))
