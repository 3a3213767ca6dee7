"""Accumulators of items, and of accumulators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mypy_extensions import i64

from rxdag.contract import Accumulator, BadItem, snapshots_of, take_up
from rxdag.errors import text_of


class Collected(Accumulator[Any, "list[Any]"]):
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
        return list(self.items)  # the window may continue and fire again

    def merge(self, other: Collected, /) -> None:
        self.items += other.items

    def snapshot(self) -> list[Any]:
        return [list(self.items)]

    def restore(self, saved: list[Any]) -> None:
        self.items = list(saved[0])


class Named(Accumulator[Any, "dict[str, Any]"]):
    __slots__ = ("_factories", "_parts")

    def __init__(self, factories: dict[str, Callable[[], Accumulator[Any, Any]]]) -> None:
        self._factories = factories
        self._parts: list[Accumulator[Any, Any]] = [make() for make in factories.values()]

    def add(self, item: Any, /) -> None:
        self.add_at(item, 0, 0)

    def check(self, item: Any, /) -> None:
        for name, part in zip(self._factories, self._parts, strict=True):
            try:
                part.check(item)
            except BadItem as error:
                raise BadItem(f"named: {name}: {text_of(error)}") from error

    def add_at(self, item: Any, ts: i64, sequence: Any, /) -> None:
        self.check(item)  # an item is in all parts or in none
        for part in self._parts:
            part.add_at(item, ts, sequence)

    def can_remove(self) -> bool:
        return all(part.can_remove() for part in self._parts)

    def remove(self, item: Any, /) -> bool:
        return all(part.remove(item) for part in self._parts)

    def result(self) -> dict[str, Any]:
        return {name: part.result() for name, part in zip(self._factories, self._parts, strict=True)}

    def can_merge(self) -> bool:
        return all(part.can_merge() for part in self._parts)

    def result_in(self, start: int, end: int, /) -> dict[str, Any]:
        return {name: part.result_in(start, end) for name, part in zip(self._factories, self._parts, strict=True)}

    def merge(self, other: Named, /) -> None:
        parts = other._parts
        for i in range(len(parts)):
            self._parts[i].merge(parts[i])

    def snapshot(self) -> list[Any]:
        return [state for part in self._parts for state in snapshots_of([part])]

    def restore(self, saved: list[Any]) -> None:
        for part, state in zip(self._parts, saved, strict=True):
            take_up(part, state)


class NamedInto(Named):
    __slots__ = ("_into",)

    def __init__(self, factories: dict[str, Callable[[], Accumulator[Any, Any]]], into: Callable[..., Any]) -> None:
        super().__init__(factories)
        self._into = into

    def result(self) -> Any:
        return self._into(**super().result())

    def result_in(self, start: int, end: int, /) -> Any:
        return self._into(**super().result_in(start, end))
