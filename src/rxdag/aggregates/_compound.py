"""Aggregates of items and of aggregates."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self, TypeVar, overload

from rxdag.contract import Accumulator, Aggregate, BadItem, ColumnsAggregate, Shape, check_plain
from rxdag.errors import GraphError, shown, text_of

A = TypeVar("A")
R = TypeVar("R")


class _Collected(Accumulator[Any, "list[Any]"]):
    __slots__ = ("items",)
    state = ("items",)

    def __init__(self) -> None:
        self.items: list[Any] = []

    def add(self, item: Any, /) -> None:
        self.items.append(item)

    def remove(self, item: Any, /) -> bool:
        del self.items[0]
        return True

    def result(self) -> list[Any]:
        return list(self.items)  # a window may go on and fire again

    def merge(self, other: _Collected, /) -> None:
        self.items += other.items

    def snapshot(self) -> list[Any]:
        return [list(self.items)]

    def restore(self, saved: list[Any]) -> None:
        self.items = list(saved[0])


@dataclass(frozen=True)
class _Collect(Aggregate[A, "list[A]"]):
    def accumulator(self) -> _Collected:
        return _Collected()


def collect() -> Aggregate[A, list[A]]:
    """The items themselves, in order of arrival. Holds all of them until the window closes.

    Example:
        >>> aggregate(agg.collect(), "ab")
        ['a', 'b']
    """
    return _Collect()


class _Named(Accumulator[Any, "dict[str, Any]"]):
    __slots__ = ("parts",)

    def __init__(self, parts: dict[str, Accumulator[Any, Any]]) -> None:
        self.parts = parts

    def add(self, item: Any, /) -> None:
        self.add_at(item, 0, 0)

    def check(self, item: Any, /) -> None:
        for name, part in self.parts.items():
            try:
                part.check(item)
            except BadItem as error:
                raise BadItem(f"named: {name}: {text_of(error)}") from error

    def add_at(self, item: Any, ts: int, sequence: int, /) -> None:
        self.check(item)  # an item is in all parts or in none
        for part in self.parts.values():
            part.add_at(item, ts, sequence)

    def remove(self, item: Any, /) -> bool:
        return all(part.remove(item) for part in self.parts.values())

    def result(self) -> dict[str, Any]:
        return {name: part.result() for name, part in self.parts.items()}

    def can_merge(self) -> bool:
        return all(part.can_merge() for part in self.parts.values())

    def result_in(self, start: int, end: int, /) -> dict[str, Any]:
        return {name: part.result_in(start, end) for name, part in self.parts.items()}

    def merge(self, other: _Named, /) -> None:
        for name, part in self.parts.items():
            part.merge(other.parts[name])

    def snapshot(self) -> list[Any]:
        return [part.snapshot() for part in self.parts.values()]

    def restore(self, saved: list[Any]) -> None:
        for part, state in zip(self.parts.values(), saved, strict=True):
            part.restore(state)


@dataclass(frozen=True)
class _NamedOf(Aggregate[A, "dict[str, Any]"]):
    aggregates: tuple[tuple[str, Aggregate[A, Any]], ...]

    def check(self, item_type: Any, where: str) -> None:
        for name, aggregate in self.aggregates:
            aggregate.check(item_type, f"{where}: {name}")

    def bound(self, shape: Shape) -> Self:
        return replace(self, aggregates=tuple((name, each.bound(shape)) for name, each in self.aggregates))

    def accumulator(self) -> _Named:
        return _Named({name: aggregate.accumulator() for name, aggregate in self.aggregates})

    def in_columns(self) -> ColumnsAggregate | str:
        parts: dict[str, ColumnsAggregate] = {}
        for name, aggregate in self.aggregates:
            part = aggregate.in_columns()
            if isinstance(part, str):
                return part
            parts[name] = part
        from rxdag.aggregates._arrays import ArrayNamed  # it loads numpy

        return ArrayNamed(parts)


@dataclass(frozen=True)
class _Into(Aggregate[A, R]):
    """A dict of results made into something else."""

    into: Callable[..., R]
    parts: _NamedOf[A]

    def check(self, item_type: Any, where: str) -> None:
        self.parts.check(item_type, where)

    def bound(self, shape: Shape) -> Self:
        return replace(self, parts=self.parts.bound(shape))

    def accumulator(self) -> Accumulator[A, R]:
        made: Any = _Made(self.parts.accumulator().parts, self.into)
        return made  # type: ignore[no-any-return]  # its result is what `into` makes


class _Made(_Named):
    __slots__ = ("_into",)

    def __init__(self, parts: dict[str, Accumulator[Any, Any]], into: Callable[..., Any]) -> None:
        super().__init__(parts)
        self._into = into

    def result(self) -> Any:
        return self._into(**super().result())

    def result_in(self, start: int, end: int, /) -> Any:
        return self._into(**super().result_in(start, end))


@overload
def named(**aggregates: Aggregate[A, Any]) -> Aggregate[A, dict[str, Any]]: ...
@overload
def named(into: Callable[..., R], /, **aggregates: Aggregate[A, Any]) -> Aggregate[A, R]: ...
def named(into: Any = None, /, **aggregates: Aggregate[Any, Any]) -> Any:
    """Several aggregates at once, in a dict by name, or in a class of yours. An item that one of them refuses is in none.

    Args:
        into: A class, or a function, that takes the results by name; its type is that of the result. Without it they
            are in a dict.
        aggregates: One or more, by the name of the result.

    Raises:
        GraphError: If there is none, one is no aggregate, or `into` has no parameter of a name, or needs another.

    Example:
        >>> aggregate(agg.named(n=agg.count(), total=agg.sum(lambda x: x)), [1, 2])
        {'n': 2, 'total': 3}
    """
    if not aggregates:
        raise GraphError("named: takes one aggregate or more, got none")
    for name, aggregate in aggregates.items():
        if not isinstance(aggregate, Aggregate):
            raise GraphError(f"named: {name} must be an aggregate, got {shown(aggregate)}")
    parts = _NamedOf[Any](tuple(aggregates.items()))
    if into is None:
        return parts
    if not callable(into):
        raise GraphError(f"named: takes a class first, and aggregates by name, got {shown(into)}")
    check_plain(into, "named: into", instead="")
    try:
        inspect.signature(into).bind(**aggregates)
    except TypeError as error:
        raise GraphError(
            f"named: {getattr(into, '__name__', None) or shown(into)} must take {', '.join(aggregates)}: {text_of(error)}"
        ) from None
    except ValueError:  # it has no signature to look at
        pass
    return _Into[Any, Any](into, parts)
