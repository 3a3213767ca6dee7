"""Accumulators of items, and of accumulators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from mypy_extensions import i64

from rxdag.aggregates.accumulators._one_number import OneNumber
from rxdag.contract import Accumulator, BadItem, finite, snapshots_of, take_up
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


class NamedParts:
    """Makes the parts of `Named`, and knows which of them take the same number of an item.

    Args:
        factories: The accumulator factory of each part.
    """

    __slots__ = ("_new", "names", "numbers", "others")

    def __init__(self, factories: dict[str, Callable[[], Accumulator[Any, Any]]]) -> None:
        self.names = list(factories)
        self._new = list(factories.values())
        self.numbers: list[list[int]] = []
        """Places of the parts that take one number, those that read it by the same function together."""
        self.others: list[int] = []
        """Places of all other parts."""
        getters: list[Any] = []
        for place, part in enumerate(self.new()):
            if not isinstance(part, OneNumber):
                self.others.append(place)
            elif part.get in getters:
                self.numbers[getters.index(part.get)].append(place)
            else:
                getters.append(part.get)
                self.numbers.append([place])

    def new(self) -> list[Accumulator[Any, Any]]:
        return [make() for make in self._new]


class Named(Accumulator[Any, "dict[str, Any]"]):
    __slots__ = ("_how", "_is_float", "_parts")

    def __init__(self, how: NamedParts) -> None:
        self._how = how
        self._parts = how.new()
        self._is_float = True
        """True while all numbers were floats, which every part can add."""

    def add(self, item: Any, /) -> None:
        self.add_at(item, 0, 0)

    def check(self, item: Any, /) -> None:
        for name, part in zip(self._how.names, self._parts, strict=True):
            try:
                part.check(item)
            except BadItem as error:
                raise BadItem(f"named: {name}: {text_of(error)}") from error

    def add_at(self, item: Any, ts: i64, sequence: Any, /) -> None:
        parts, how = self._parts, self._how
        try:
            values = self._checked(item)
        except Exception:
            self.check(item)  # names the first part that refuses the item
            raise
        # By index, since zip takes longer.
        for i in range(len(values)):
            value = values[i]
            for place in how.numbers[i]:
                number: OneNumber[Any] = cast("OneNumber[Any]", parts[place])
                number.add_number(value)
        for place in how.others:
            parts[place].add_at(item, ts, sequence)

    def _checked(self, item: Any) -> list[Any]:
        """Return the numbers of an item, each read once, if all parts take it: an item is in all parts or in none."""
        parts, how = self._parts, self._how
        values: list[Any] = []
        for places in how.numbers:
            first: OneNumber[Any] = cast("OneNumber[Any]", parts[places[0]])
            value = finite(first.get(item), first.what)
            values.append(value)
            if not (self._is_float and type(value) is float):
                self._is_float = False
                for place in places:
                    number: OneNumber[Any] = cast("OneNumber[Any]", parts[place])
                    number.check_number(value)
        for place in how.others:
            parts[place].check(item)
        return values

    def can_remove(self) -> bool:
        return all(part.can_remove() for part in self._parts)

    def remove(self, item: Any, /) -> bool:
        return all(part.remove(item) for part in self._parts)

    def result(self) -> dict[str, Any]:
        names, parts = self._how.names, self._parts
        return {names[i]: parts[i].result() for i in range(len(parts))}

    def can_merge(self) -> bool:
        return all(part.can_merge() for part in self._parts)

    def result_in(self, start: int, end: int, /) -> dict[str, Any]:
        names, parts = self._how.names, self._parts
        return {names[i]: parts[i].result_in(start, end) for i in range(len(parts))}

    def merge(self, other: Named, /) -> None:
        parts, others = self._parts, other._parts
        for i in range(len(parts)):
            parts[i].merge(others[i])
        self._is_float = self._is_float and other._is_float

    def snapshot(self) -> list[Any]:
        return [state for part in self._parts for state in snapshots_of([part])]

    def restore(self, saved: list[Any]) -> None:
        for part, state in zip(self._parts, saved, strict=True):
            take_up(part, state)
        self._is_float = False


class NamedInto(Named):
    __slots__ = ("_into",)

    def __init__(self, how: NamedParts, into: Callable[..., Any]) -> None:
        super().__init__(how)
        self._into = into

    def result(self) -> Any:
        return self._into(**super().result())

    def result_in(self, start: int, end: int, /) -> Any:
        return self._into(**super().result_in(start, end))
