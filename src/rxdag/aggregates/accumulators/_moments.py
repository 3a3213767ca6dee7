"""Accumulators of mean and spread."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from rxdag.aggregates.accumulators._one_number import OneNumber
from rxdag.contract import plus


class Mean(OneNumber[float]):
    __slots__ = ("n", "total")
    state = ("total", "n")

    def __init__(self, get: Callable[[Any], Any]) -> None:
        super().__init__(get, "mean: value")
        self.total: Any = 0
        self.n = 0

    def check_number(self, value: Any, /) -> None:
        plus(self.total, value, "mean: value")

    def add_number(self, value: Any, /) -> None:
        self.total = plus(self.total, value, "mean: value")
        self.n += 1

    def result(self) -> Any:
        return self.total / self.n

    def merge(self, other: Mean, /) -> None:
        self.total = plus(self.total, other.total, "mean: value")
        self.n += other.n


class Spread(OneNumber["float | None"]):
    """Count, mean and sum of squared differences.

    Uses Welford's recurrence (Technometrics 4, 1962); merges as Chan, Golub and LeVeque (1979).
    """

    __slots__ = ("_ddof", "_root", "mean", "n", "squares")
    state = ("n", "mean", "squares")

    def __init__(self, get: Callable[[Any], Any], ddof: int, *, root: bool) -> None:
        super().__init__(get, "value")
        self._ddof = ddof
        self._root = root
        self.n = 0
        self.mean: Any = 0.0
        self.squares: Any = 0.0

    def check_number(self, value: Any, /) -> None:
        if not (type(value) is float and type(self.mean) is float):  # floats always add up
            self._with(value)

    def _with(self, value: Any) -> tuple[Any, Any]:
        """Return mean and squares with a value."""
        if self.n == 0:
            mean = value / 1  # keeps types such as Decimal
            return mean, mean - mean
        apart = plus(value, -self.mean, "value")
        mean = self.mean + apart / (self.n + 1)
        return mean, self.squares + apart * (value - mean)

    def add_number(self, value: Any, /) -> None:
        self.mean, self.squares = self._with(value)
        self.n += 1

    def result(self) -> Any:
        if self.n <= self._ddof:
            return None
        variance = self.squares / (self.n - self._ddof)
        return math.sqrt(variance) if self._root else variance

    def merge(self, other: Spread, /) -> None:
        n = self.n + other.n
        if not other.n:
            return
        if not self.n:
            self.n, self.mean, self.squares = other.n, other.mean, other.squares
            return
        apart = plus(other.mean, -self.mean, "value")
        self.squares += other.squares + apart * apart * self.n * other.n / n
        self.mean += apart * other.n / n
        self.n = n
