"""Aggregates of items and of aggregates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self, TypeVar, overload

from rxdag.aggregates._by_factory import ByFactory
from rxdag.aggregates.accumulators import Collected, Named, NamedInto, NamedParts
from rxdag.contract import (
    Accumulator,
    Aggregate,
    ColumnsAggregate,
    ItemT,
    Shape,
    check_accumulator,
    check_named_arguments,
    check_plain,
)
from rxdag.errors import GraphError, shown

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class _Collect(Aggregate[ItemT, "list[ItemT]"]):
    def accumulator(self) -> Collected:
        return Collected()


def collect() -> Aggregate[T, list[T]]:
    """Collect the items in order of arrival; all are held until the window closes.

    Example:
        >>> aggregate(agg.collect(), "ab")
        ['a', 'b']
    """
    return _Collect()


@dataclass(frozen=True)
class _NamedOf(ByFactory[ItemT, "dict[str, Any]"]):
    aggregates: tuple[tuple[str, Aggregate[ItemT, Any]], ...]

    def check(self, item_type: Any, where: str) -> None:
        for name, aggregate in self.aggregates:
            aggregate.check(item_type, f"{where}: {name}")

    def bound(self, shape: Shape) -> Self:
        return replace(self, aggregates=tuple((name, each.bound(shape)) for name, each in self.aggregates))

    @property
    def commutes(self) -> bool:
        return all(aggregate.commutes for _, aggregate in self.aggregates)

    def accumulators(self) -> NamedParts:
        """Return how to make the accumulators of the parts."""
        return NamedParts({name: aggregate.factory() for name, aggregate in self.aggregates})

    def factory(self) -> Callable[[], Named]:
        return partial(Named, self.accumulators())

    def in_columns(self) -> ColumnsAggregate | str:
        parts: dict[str, ColumnsAggregate] = {}
        for name, aggregate in self.aggregates:
            part = aggregate.in_columns()
            if isinstance(part, str):
                return part
            if type(aggregate.accumulator()).state_version != 1:
                return f"the state of the aggregate {aggregate.name} has a version"
            parts[name] = part
        from rxdag.aggregates._arrays import ArrayNamed  # it loads numpy

        return ArrayNamed(parts)


@dataclass(frozen=True)
class _Into(ByFactory[T, R]):
    """A dict of results, converted."""

    into: Callable[..., R]
    parts: _NamedOf[T]

    def check(self, item_type: Any, where: str) -> None:
        self.parts.check(item_type, where)

    def bound(self, shape: Shape) -> Self:
        return replace(self, parts=self.parts.bound(shape))

    @property
    def commutes(self) -> bool:
        return self.parts.commutes

    def factory(self) -> Callable[[], Accumulator[T, R]]:
        made: Any = partial(NamedInto, self.parts.accumulators(), self.into)
        return made  # type: ignore[no-any-return]  # its result is what `into` makes


@overload
def named(**aggregates: Aggregate[ItemT, Any]) -> Aggregate[ItemT, dict[str, Any]]: ...
@overload
def named(into: Callable[..., R], /, **aggregates: Aggregate[ItemT, Any]) -> Aggregate[ItemT, R]: ...
def named(into: Any = None, /, **aggregates: Aggregate[Any, Any]) -> Any:
    """Compute several aggregates at once, as a dict by name or in a class of your own.

    An item that one of the aggregates refuses is left out of all. A function that several aggregates share is called
    once per item.

    Args:
        into: A class or function that takes the results by name; the result has its type. By default the results are in
            a dict.
        aggregates: One or more aggregates, by the name of the result.

    Raises:
        GraphError: If there are no aggregates, a value is not an aggregate, or the parameters of `into` do not match
            the names.

    Example:
        >>> aggregate(agg.named(n=agg.count(), total=agg.sum(lambda x: x)), [1, 2])
        {'n': 2, 'total': 3}
    """
    if not aggregates:
        raise GraphError("named: takes one aggregate or more, got none")
    for name, aggregate in aggregates.items():
        if not isinstance(aggregate, Aggregate):
            raise GraphError(f"named: {name} must be an aggregate, got {shown(aggregate)}")
        check_accumulator(aggregate.accumulator())
    parts = _NamedOf[Any](tuple(aggregates.items()))
    if into is None:
        return parts
    if not callable(into):
        raise GraphError(f"named: takes a class first, and aggregates by name, got {shown(into)}")
    check_plain(into, "named: into", instead="")
    check_named_arguments(into, "named: into", aggregates)
    return _Into[Any, Any](into, parts)
