"""Accumulators over columns that add value by value, where no array operation gives the exact result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rxdag.aggregates._arrays import numbers
from rxdag.aggregates._cells import are_plain
from rxdag.columns import Columns, Groups, Places, Spans, each_rolled, values_of
from rxdag.contract import Accumulator, ColumnsAggregate


class EachValue(ColumnsAggregate):
    """One accumulator per pane.

    Args:
        get: Reader of the value.
        check: Converts a value to a Python number, and raises BadItem if it is not finite; None to accept any value.
        make: Makes an accumulator whose items are the values that `get` returns.
    """

    def __init__(self, get: Any, check: Callable[[Any], Any] | None, make: Callable[[], Accumulator[Any, Any]]) -> None:
        self._get = get
        self._check = check
        self._make = make
        self._accumulators: list[Any] = []
        self._odd: set[int] = set()
        """Places with numbers of other types than int and float."""

    def read(self, columns: Columns) -> list[Any]:
        if self._check is None:
            return values_of(columns.values(self._get))
        return values_of(numbers(columns, self._get, self._check))

    def reserve(self, size: int) -> None:
        self._accumulators += [self._make() for _ in range(size - len(self._accumulators))]

    def clear(self, places: Places) -> None:
        for place in places.tolist():
            self._accumulators[place] = self._make()
        self._odd.difference_update(places.tolist())

    def can_add(self, values: list[Any]) -> bool:
        return self._check is None or (not self._odd and are_plain(values))

    def add(self, values: list[Any], groups: Groups) -> None:
        accumulators = self._accumulators
        sequence = [0] * len(values) if groups.sequence is None else groups.sequence.tolist()
        for place, value, ts, tie in zip(groups.place_of.tolist(), values, groups.ts.tolist(), sequence, strict=True):
            accumulators[place].add_at(value, ts, tie)

    def results(self, places: Places) -> list[Any]:
        return [self._accumulators[place].result() for place in places.tolist()]

    def rolled(self, values: list[Any], spans: Spans) -> list[Any]:
        return each_rolled(self._make, values, spans)

    def snapshot(self, places: Places) -> list[list[Any]]:
        return [self._accumulators[place].snapshot() for place in places.tolist()]

    def restore(self, place: int, saved: list[Any]) -> None:
        self._accumulators[place].restore(saved)
        if not are_plain(saved):
            self._odd.add(place)


def itself(value: Any) -> Any:
    """Return the value itself."""
    return value
