"""Mean and spread of a number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

from rxdag.aggregates._by_factory import ByFactory
from rxdag.aggregates.accumulators import Mean, Spread
from rxdag.contract import Aggregate, ColumnsAggregate, ItemT, Shape, finite, whole
from rxdag.expressions import Field, bound, called, check_field, check_number, why_opaque


@dataclass(frozen=True)
class _MeanOf(ByFactory[ItemT, float]):
    value: Field[ItemT, float]

    def check(self, item_type: Any, where: str) -> None:
        check_number(self.value, item_type, f"{where}: value")

    def bound(self, shape: Shape) -> Self:
        return replace(self, value=bound(self.value, shape.item_type))

    def factory(self) -> Callable[[], Mean]:
        return partial(Mean, called(self.value))

    def in_columns(self) -> ColumnsAggregate | str:
        reason = why_opaque(self.value)
        if reason is not None:
            return reason
        from rxdag.aggregates._arrays import ArrayMean  # it loads numpy

        return ArrayMean(self.value, "mean: value")


def mean(value: Field[ItemT, float], /) -> Aggregate[ItemT, float]:
    """Compute the arithmetic mean of a value; its sum is added in order of arrival.

    Args:
        value: A finite number per item: a field name, `col.<name>` or a function. Other values go to port "dead".

    Example:
        >>> aggregate(agg.mean(lambda x: x), [1, 2, 6])
        3.0
    """
    check_field(value, None, "mean: value")
    return _MeanOf(value)


@dataclass(frozen=True)
class _SpreadOf(ByFactory[ItemT, "float | None"]):
    value: Field[ItemT, float]
    ddof: int
    root: bool

    def check(self, item_type: Any, where: str) -> None:
        check_number(self.value, item_type, f"{where}: value")

    def bound(self, shape: Shape) -> Self:
        return replace(self, value=bound(self.value, shape.item_type))

    def factory(self) -> Callable[[], Spread]:
        return partial(Spread, called(self.value), self.ddof, root=self.root)

    def in_columns(self) -> ColumnsAggregate | str:
        reason = why_opaque(self.value)
        if reason is not None:
            return reason
        from rxdag.aggregates._each import EachValue, itself  # it loads numpy

        ddof, root = self.ddof, self.root
        return EachValue(self.value, lambda value: finite(value, "value"), lambda: Spread(itself, ddof, root=root))


def var(value: Field[ItemT, float], /, *, ddof: int = 1) -> Aggregate[ItemT, float | None]:
    """Compute the variance of a value; None for a pane with at most `ddof` items.

    Args:
        value: A finite number per item: a field name, `col.<name>` or a function. Other values go to port "dead".
        ddof: Number subtracted from the count to get the divisor: 1 for a sample (as polars and pandas), 0 for a whole
            population (as numpy).

    Raises:
        GraphError: If `ddof` is less than 0.

    Example:
        >>> aggregate(agg.var(lambda x: x), [1, 2, 3])
        1.0
    """
    return _SpreadOf(value, _checked(value, ddof, "var"), root=False)


def std(value: Field[ItemT, float], /, *, ddof: int = 1) -> Aggregate[ItemT, float | None]:
    """Compute the standard deviation of a value: the square root of `var`.

    Args:
        value: A finite number per item: a field name, `col.<name>` or a function. Other values go to port "dead".
        ddof: Number subtracted from the count to get the divisor: 1 for a sample, 0 for a whole population.

    Raises:
        GraphError: If `ddof` is less than 0.

    Example:
        >>> aggregate(agg.std(lambda x: x, ddof=0), [1, 3])
        1.0
    """
    return _SpreadOf(value, _checked(value, ddof, "std"), root=True)


def _checked(value: Any, ddof: Any, where: str) -> int:
    check_field(value, None, f"{where}: value")
    return whole(ddof, f"{where}: ddof")
