"""Aggregates that are not exact, and small: sketches, whose error is stated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, Self

from rxdag.aggregates._by_factory import ByFactory
from rxdag.contract import Accumulator, Aggregate, ItemT, Shape, finite, import_extra, own_number, share, whole
from rxdag.errors import GraphError, shown
from rxdag.expressions import Field, bound, called, check_field, check_number

_EXTRA: Final = "sketches"
_INT64: Final = 1 << 63


class _Quantile(Accumulator[Any, float]):
    """A DDSketch, with its stores of positive and negative values."""

    __slots__ = ("_accuracy", "_get", "_mapping", "_module", "_q", "_sketch", "_stores")

    def __init__(self, get: Callable[[Any], float], q: float, accuracy: float) -> None:
        self._get = get
        self._q = q
        self._accuracy = accuracy
        self._make(0.0)

    def _make(self, zeros: float, states: tuple[Any, ...] = ([], [])) -> None:
        self._module = import_extra("ddsketch.ddsketch", _EXTRA, "quantile")
        store = import_extra("ddsketch.store", _EXTRA, "quantile").DenseStore
        mapping = import_extra("ddsketch.mapping", _EXTRA, "quantile").LogarithmicMapping
        self._stores = store(), store()
        for each, state in zip(self._stores, states, strict=True):
            if state:
                each.count, each.min_key, each.max_key, each.offset, bins = state
                each.bins = list(bins)
        self._mapping = mapping(self._accuracy)
        self._sketch: Any = self._module.BaseDDSketch(self._mapping, *self._stores, zeros)

    def check(self, item: Any, /) -> None:
        finite(self._get(item), "quantile: value")

    def add(self, item: Any, /) -> None:
        self._sketch.add(float(finite(self._get(item), "quantile: value")))

    def remove(self, item: Any, /) -> bool:
        value, zeros = float(finite(self._get(item), "quantile: value")), self._zeros()
        if abs(value) > self._mapping.min_possible:
            self._stores[value < 0].add(self._mapping.key(abs(value)), -1.0)
        else:
            zeros -= 1
        # A sketch takes its number of values from its stores when it is made; bins are whole numbers, so nothing is lost.
        self._sketch = self._module.BaseDDSketch(self._mapping, *self._stores, zeros)
        return True

    def _zeros(self) -> float:
        """Return the number of zeros, of which the sketch has no public count."""
        zeros: float = self._sketch.count - sum(store.count for store in self._stores)
        return zeros

    def result(self) -> float:
        return float(self._sketch.get_quantile_value(self._q))

    def merge(self, other: _Quantile, /) -> None:
        self._sketch.merge(other._sketch)

    def snapshot(self) -> list[Any]:
        return [
            self._zeros(),
            *([s.count, s.min_key, s.max_key, s.offset, list(s.bins)] if s.count else [] for s in self._stores),
        ]

    def restore(self, saved: list[Any]) -> None:
        zeros, *states = saved
        self._make(zeros, tuple(states))


@dataclass(frozen=True)
class _QuantileOf(ByFactory[ItemT, float]):
    value: Field[ItemT, float]
    q: float
    accuracy: float

    def check(self, item_type: Any, where: str) -> None:
        check_number(self.value, item_type, f"{where}: value")

    def bound(self, shape: Shape) -> Self:
        return replace(self, value=bound(self.value, shape.item_type))

    def factory(self) -> Callable[[], _Quantile]:
        return partial(_Quantile, called(self.value), self.q, self.accuracy)


def quantile(value: Field[ItemT, float], q: float, /, *, relative_accuracy: float = 0.01) -> Aggregate[ItemT, float]:
    """Estimate a quantile of a value, within `relative_accuracy`; 0.5 is the median.

    Uses a DDSketch (Masson and others 2019) with a bin for every power of about 1 + 2 * relative_accuracy: some hundred
    numbers for prices, 70,000 at most. Of n values, the result is the one of rank q * (n - 1), rounded down. It does
    not depend on the order of arrival.

    Args:
        value: A finite number per item: a field name, `col.<name>` or a function. Other values go to port "dead".
        q: The quantile, 0 to 1.
        relative_accuracy: Largest relative error of the result, more than 0 and less than 1.

    Raises:
        GraphError: If an argument is invalid.
        MissingExtra: If ddsketch is not installed.

    Example:
        >>> round(aggregate(agg.quantile(lambda x: x, 0.5), [1, 100, 3]), 1)
        3.0
    """
    check_field(value, None, "quantile: value")
    q, relative_accuracy = share(q, "quantile: q"), share(relative_accuracy, "quantile: relative_accuracy")
    if relative_accuracy in (0, 1):
        raise GraphError(
            f"quantile: relative_accuracy must be more than 0 and less than 1, got {shown(relative_accuracy)}"
        )
    import_extra("ddsketch", _EXTRA, "quantile")
    return _QuantileOf(value, q, relative_accuracy)


class _Distinct(Accumulator[Any, int]):
    """A HyperLogLog sketch."""

    __slots__ = ("_get", "_lg_k", "_module", "_sketch")

    def __init__(self, get: Callable[[Any], Any], lg_k: int) -> None:
        self._get = get
        self._lg_k = lg_k
        self._module = import_extra("datasketches", _EXTRA, "count_distinct")
        self._sketch: Any = self._module.hll_sketch(lg_k, self._module.tgt_hll_type.HLL_8)

    def check(self, item: Any, /) -> None:
        _hashable(self._get(item))

    def add(self, item: Any, /) -> None:
        self._sketch.update(_hashable(self._get(item)))

    def _union(self, *sketches: Any) -> Any:
        union = self._module.hll_union(self._lg_k)
        for sketch in sketches:
            union.update(sketch)
        return union

    def result(self) -> int:
        # Twice, for the estimate that does not depend on the order of arrival.
        estimate: float = self._union(self._sketch, self._sketch).get_estimate()
        return round(estimate)

    def merge(self, other: _Distinct, /) -> None:
        self._sketch = self._union(self._sketch, other._sketch).get_result(self._module.tgt_hll_type.HLL_8)

    def snapshot(self) -> list[Any]:
        return [self._sketch.serialize_updatable()]

    def restore(self, saved: list[Any]) -> None:
        self._sketch = self._module.hll_sketch.deserialize(saved[0])


def _hashable(value: Any) -> int | float | str:
    """Return a value that the sketch accepts, the same for equal values."""
    value = own_number(value)
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and -_INT64 <= value < _INT64:
        return int(value)
    if isinstance(value, float):
        return value
    hash(value)
    return repr(value)


@dataclass(frozen=True)
class _DistinctOf(ByFactory[ItemT, int]):
    value: Field[ItemT, Any]
    lg_k: int

    def check(self, item_type: Any, where: str) -> None:
        check_field(self.value, item_type, f"{where}: value")

    def bound(self, shape: Shape) -> Self:
        return replace(self, value=bound(self.value, shape.item_type))

    def factory(self) -> Callable[[], _Distinct]:
        return partial(_Distinct, called(self.value), self.lg_k)


def count_distinct(value: Field[ItemT, Any], /, *, lg_k: int = 12) -> Aggregate[ItemT, int]:
    """Estimate the number of distinct values.

    Uses a HyperLogLog sketch (Apache DataSketches) of 2 ** lg_k bytes. The standard error is 1.04 / sqrt(2 ** lg_k),
    1.6 % for 12, and far less for few values. The result does not depend on the order of arrival. For an exact count,
    use `agg.collect`.

    Args:
        value: A hashable value per item: a field name, `col.<name>` or a function. Texts and numbers are compared as in
            Python, other values by their repr.
        lg_k: Base-2 logarithm of the size of the sketch, 4 to 21.

    Raises:
        GraphError: If an argument is invalid.
        MissingExtra: If datasketches is not installed.

    Example:
        >>> aggregate(agg.count_distinct(lambda x: x), "abcab")
        3
    """
    check_field(value, None, "count_distinct: value")
    lg_k = whole(lg_k, "count_distinct: lg_k", least=4, most=21)
    import_extra("datasketches", _EXTRA, "count_distinct")
    return _DistinctOf(value, lg_k)
