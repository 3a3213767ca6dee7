"""Aggregates of items and of aggregates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self, TypeVar

from rxdag.contract import Accumulator, Aggregate, BadItem, ColumnsAggregate, Shape
from rxdag.errors import GraphError

A = TypeVar("A")


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
                raise BadItem(f"named: {name}: {error}") from error

    def add_at(self, item: Any, ts: int, sequence: int, /) -> None:
        self.check(item)  # an item is in all parts or in none
        for part in self.parts.values():
            part.add_at(item, ts, sequence)

    def remove(self, item: Any, /) -> bool:
        return all(part.remove(item) for part in self.parts.values())

    def result(self) -> dict[str, Any]:
        return {name: part.result() for name, part in self.parts.items()}

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


def named(**aggregates: Aggregate[A, Any]) -> Aggregate[A, dict[str, Any]]:
    """Several aggregates at once, in a dict by name. An item that one of them refuses is in none.

    Args:
        aggregates: One or more, by the name of the result.

    Raises:
        GraphError: If there is none, or one is no aggregate.

    Example:
        >>> aggregate(agg.named(n=agg.count(), total=agg.sum(lambda x: x)), [1, 2])
        {'n': 2, 'total': 3}
    """
    if not aggregates:
        raise GraphError("named: takes one aggregate or more, got none")
    for name, aggregate in aggregates.items():
        if not isinstance(aggregate, Aggregate):
            raise GraphError(f"named: {name} must be an aggregate, got {aggregate!r}")
    return _NamedOf(tuple(aggregates.items()))
