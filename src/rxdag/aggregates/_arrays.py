"""Aggregates of all panes of a window at once, over columns; results equal those of the accumulators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rxdag.aggregates._cells import Highest, Lowest, Total, is_plain
from rxdag.aggregates._rolled import extremes, sums
from rxdag.aggregates.accumulators import priced, turnover_of
from rxdag.columns import Array, Columns, Groups, Places, Spans, objects_of
from rxdag.contract import MAX, BadItem, ColumnsAggregate, RowFailed, SavedRows, finite
from rxdag.errors import text_of

_INF: Final = float("inf")


def numbers(columns: Columns, fn: Any, check: Callable[[Any], Any]) -> Array:
    """Return a field as int64, float64 or checked Python numbers.

    Args:
        columns: The items.
        fn: Reader of the field.
        check: Converts a value to a Python number; raises BadItem if it is not finite.

    Raises:
        RowFailed: With that BadItem, at the first such value.
    """
    column = columns.values(fn)
    if isinstance(column, np.ndarray):
        if column.dtype.kind == "i":
            return column
        if column.dtype.kind == "f":
            if not bool(np.isfinite(column).all()):
                # argmin gives the first False.
                index = int(np.argmin(np.isfinite(column)))
                refuse(index, check, float(column[index]))
            return column
    objects = objects_of(column).copy()
    for index, value in enumerate(objects.tolist()):
        objects[index] = refuse(index, check, value)
    return objects


def refuse(index: int, check: Callable[[Any], Any], value: Any) -> Any:
    """Return the result of a check of a value; raise its error as the failure of a row."""
    try:
        return check(value)
    except Exception as error:  # a value of a type of its own raises whatever it likes
        raise RowFailed(index, error) from error


class ArrayCount(ColumnsAggregate):
    """Counts of items."""

    def __init__(self) -> None:
        self.n: NDArray[np.int64] = np.zeros(0, np.int64)

    def read(self, columns: Columns) -> None:
        return None

    def reserve(self, size: int) -> None:
        self.n = np.concatenate((self.n, np.zeros(size - len(self.n), np.int64)))

    def clear(self, places: Places) -> None:
        self.n[places] = 0

    def add(self, values: Any, groups: Groups) -> None:
        self.n[groups.places] += np.bincount(groups.group, minlength=len(groups.places))

    def empty(self) -> NDArray[np.bool_]:
        """Return which groups have received no item."""
        is_new: NDArray[np.bool_] = self.n == 0
        return is_new

    def results(self, places: Places) -> list[int]:
        counts: list[int] = self.n[places].tolist()
        return counts

    def rolled(self, values: Any, spans: Spans) -> list[int]:
        counts: list[int] = (spans.high - spans.low).tolist()
        return counts

    def snapshot(self, places: Places) -> Sequence[list[Any]]:
        return SavedRows(self.n[places].tolist())

    def restore(self, place: int, saved: list[Any]) -> None:
        self.n[place] = saved[0]


class ArraySum(ColumnsAggregate):
    """Sums as arrays.

    Args:
        get: Reader of the value.
        what: Name of the value, for messages.
    """

    def __init__(self, get: Any, what: str) -> None:
        self._get = get
        self._what = what
        self._count = ArrayCount()
        self._total = Total()

    def read(self, columns: Columns) -> Array:
        return numbers(columns, self._get, lambda value: finite(value, self._what))

    def reserve(self, size: int) -> None:
        self._count.reserve(size)
        self._total.reserve(size)

    def clear(self, places: Places) -> None:
        self._count.clear(places)
        self._total.clear(places)

    def can_add(self, values: Any) -> bool:
        return self._total.is_plain and is_plain(values)

    def add(self, values: Any, groups: Groups) -> None:
        self._total.add(values, groups, self._count.empty)
        # After the cells, which use it to find the places that are still empty.
        self._count.add(None, groups)

    def results(self, places: Places) -> list[Any]:
        return self._total.at(places)

    def rolled(self, values: Any, spans: Spans) -> list[Any]:
        totals: list[Any] = sums(values, spans, self._what).tolist()
        return totals

    def snapshot(self, places: Places) -> Sequence[list[Any]]:
        return SavedRows(self._total.at(places))

    def restore(self, place: int, saved: list[Any]) -> None:
        self._total.put(place, saved[0], self._count.empty)
        self._count.n[place] = 1


class ArrayMean(ArraySum):
    """Sums, divided by how many were added."""

    def results(self, places: Places) -> list[Any]:
        counts = self._count.results(places)
        return [total / n for total, n in zip(self._total.at(places), counts, strict=True)]

    def rolled(self, values: Any, spans: Spans) -> list[Any]:
        counts = self._count.rolled(None, spans)
        return [total / n for total, n in zip(super().rolled(values, spans), counts, strict=True)]

    def snapshot(self, places: Places) -> Sequence[list[Any]]:
        counts = self._count.results(places)
        return SavedRows(self._total.at(places), counts)

    def restore(self, place: int, saved: list[Any]) -> None:
        super().restore(place, saved)
        self._count.n[place] = saved[1]


class ArrayExtreme(ColumnsAggregate):
    """Minima or maxima as arrays.

    Args:
        get: Reader of the value.
        check: Converts a value to a Python number; raises BadItem if it is not finite.
        is_max: True for maxima.
    """

    def __init__(self, get: Any, check: Callable[[Any], Any], *, is_max: bool) -> None:
        self._get = get
        self._check = check
        self._is_max = is_max
        self._count = ArrayCount()
        self._value = Highest() if is_max else Lowest()

    def read(self, columns: Columns) -> Array:
        return numbers(columns, self._get, self._check)

    def reserve(self, size: int) -> None:
        self._count.reserve(size)
        self._value.reserve(size)

    def clear(self, places: Places) -> None:
        self._count.clear(places)
        self._value.clear(places)

    def can_add(self, values: Any) -> bool:
        return self._value.is_plain and is_plain(values)

    def add(self, values: Any, groups: Groups) -> None:
        self._value.add(values, groups, self._count.empty)
        # As in ArraySum.
        self._count.add(None, groups)

    def results(self, places: Places) -> list[Any]:
        return self._value.at(places)

    def rolled(self, values: Any, spans: Spans) -> list[Any]:
        found: list[Any] = extremes(values, spans, is_max=self._is_max).tolist()
        return found

    def snapshot(self, places: Places) -> Sequence[list[Any]]:
        return SavedRows(self._value.at(places))

    def restore(self, place: int, saved: list[Any]) -> None:
        self._value.put(place, saved[0], self._count.empty)
        self._count.n[place] = 1


def traded(columns: Columns, price: Any, qty: Any, where: str) -> tuple[Array, Array]:
    """Return prices and quantities, checked.

    Args:
        columns: The items.
        price: Reader of the price.
        qty: Reader of the quantity.
        where: Name of the aggregate, for messages.

    Raises:
        RowFailed: With a BadItem, at the first item whose price and quantity are not those of a trade.
    """
    prices = _unchecked(columns, price)
    quantities = _unchecked(columns, qty)

    def checked(pair: tuple[Any, Any]) -> tuple[Any, Any]:
        trade = priced(*pair, where)
        turnover_of(*trade, f"{where}: price")  # raises if the two cannot be multiplied
        return trade

    if "O" in (prices.dtype.kind, quantities.dtype.kind):
        pairs = enumerate(zip(prices.tolist(), quantities.tolist(), strict=True))
        trades = [refuse(index, checked, pair) for index, pair in pairs]
        prices, quantities = np.empty((2, len(trades)), object)
        for index, pair in enumerate(trades):
            prices[index], quantities[index] = pair
        return prices, quantities
    # False for NaN too.
    good = (prices > -_INF) & (prices < _INF) & (quantities >= 0) & (quantities < _INF)
    if not bool(good.all()):
        index = int(np.argmin(good))
        refuse(index, checked, (prices[index].item(), quantities[index].item()))
    return prices, quantities


def _unchecked(columns: Columns, fn: Any) -> Array:
    column = columns.values(fn)
    if isinstance(column, np.ndarray) and column.dtype.kind in "if":
        return column
    return objects_of(column)


class ArrayVwap(ColumnsAggregate):
    """Turnover and volume as arrays.

    Args:
        price: Reader of the price.
        qty: Reader of the quantity.
        where: Name of the aggregate, for messages.
    """

    def __init__(self, price: Any, qty: Any, where: str) -> None:
        self._price = price
        self._qty = qty
        self._where = where
        self._count = ArrayCount()
        self._turnover = Total()
        self._volume = Total()

    def read(self, columns: Columns) -> tuple[Array, Array]:
        return traded(columns, self._price, self._qty, self._where)

    def reserve(self, size: int) -> None:
        for each in (self._count, self._turnover, self._volume):
            each.reserve(size)

    def clear(self, places: Places) -> None:
        for each in (self._count, self._turnover, self._volume):
            each.clear(places)

    def can_add(self, values: Any) -> bool:
        return self._turnover.is_plain and self._volume.is_plain and all(map(is_plain, values))

    def add(self, values: Any, groups: Groups) -> None:
        prices, quantities = values
        self._turnover.add(turnover(prices, quantities), groups, self._count.empty)
        self._volume.add(quantities, groups, self._count.empty)
        self._count.add(None, groups)

    def results(self, places: Places) -> list[Any]:
        return [vwap_of(*pair) for pair in self.snapshot(places)]

    def rolled(self, values: Any, spans: Spans) -> list[Any]:
        prices, quantities = values
        total = sums(turnover(prices, quantities), spans, f"{self._where}: price")
        volume = sums(quantities, spans, f"{self._where}: qty")
        return [vwap_of(*pair) for pair in zip(total.tolist(), volume.tolist(), strict=True)]

    def snapshot(self, places: Places) -> Sequence[list[Any]]:
        return SavedRows(self._turnover.at(places), self._volume.at(places))

    def restore(self, place: int, saved: list[Any]) -> None:
        self._turnover.put(place, saved[0], self._count.empty)
        self._volume.put(place, saved[1], self._count.empty)
        self._count.n[place] = 1


def turnover(prices: Array, quantities: Array) -> Array:
    """Return the products of prices and quantities; of ints only if they are exact."""
    if prices.dtype.kind == quantities.dtype.kind == "i":
        most = max(abs(int(prices.min())), abs(int(prices.max()))) * max(abs(int(quantities.max())), 1)
        if most > MAX:
            prices, quantities = prices.astype(object), quantities.astype(object)
    with np.errstate(all="ignore"):  # an overflow gives infinity, as in Python
        product: Array = prices * quantities
    if product.dtype.kind != "O":
        return product.astype(np.float64, copy=False)
    product[:] = [float(each) if isinstance(each, int) else each for each in product.tolist()]
    return product


def vwap_of(turnover: float, volume: float) -> float | None:
    """Return the volume-weighted price; None if nothing was traded."""
    return turnover / volume if volume else None


class ArrayNamed(ColumnsAggregate):
    """Several aggregates at once, by name."""

    def __init__(self, parts: dict[str, ColumnsAggregate]) -> None:
        self._parts = parts

    def read(self, columns: Columns) -> list[Any]:
        values: list[Any] = []
        for name, part in self._parts.items():
            try:
                values.append(part.read(columns))
            except RowFailed as failed:
                if isinstance(failed.cause, BadItem):
                    raise RowFailed(failed.index, BadItem(f"named: {name}: {text_of(failed.cause)}")) from failed.cause
                raise
        return values

    def reserve(self, size: int) -> None:
        for part in self._parts.values():
            part.reserve(size)

    def clear(self, places: Places) -> None:
        for part in self._parts.values():
            part.clear(places)

    def can_add(self, values: Any) -> bool:
        return all(part.can_add(value) for part, value in zip(self._parts.values(), values, strict=True))

    def add(self, values: Any, groups: Groups) -> None:
        for part, value in zip(self._parts.values(), values, strict=True):
            part.add(value, groups)

    def results(self, places: Places) -> list[dict[str, Any]]:
        columns = [part.results(places) for part in self._parts.values()]
        return [dict(zip(self._parts, row, strict=True)) for row in zip(*columns, strict=True)]

    def can_roll(self) -> bool:
        return all(part.can_roll() for part in self._parts.values())

    def rolled(self, values: Any, spans: Spans) -> list[dict[str, Any]]:
        columns = [part.rolled(each, spans) for part, each in zip(self._parts.values(), values, strict=True)]
        return [dict(zip(self._parts, row, strict=True)) for row in zip(*columns, strict=True)]

    def snapshot(self, places: Places) -> Sequence[list[Any]]:
        columns = [part.snapshot(places) for part in self._parts.values()]
        return SavedRows(*columns)

    def restore(self, place: int, saved: list[Any]) -> None:
        for part, state in zip(self._parts.values(), saved, strict=True):
            part.restore(place, state)
