"""Accumulators of one value: the least, the greatest, the first, the last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from mypy_extensions import i64

from rxdag.aggregates.accumulators._one_number import OneNumber
from rxdag.contract import MAX, MIN, Accumulator

_INF: Final = float("inf")


class Min(OneNumber[float]):
    __slots__ = ("least",)
    state = ("least",)

    def __init__(self, get: Callable[[Any], Any]) -> None:
        super().__init__(get, "min: value")
        self.least: Any = _INF

    def check_number(self, value: Any, /) -> None:
        _ = value < self.least  # it may raise

    def add_number(self, value: Any, /) -> None:
        if value < self.least:
            self.least = value

    def result(self) -> Any:
        return self.least

    def merge(self, other: Min, /) -> None:
        if other.least < self.least:
            self.least = other.least


class Max(OneNumber[float]):
    __slots__ = ("most",)
    state = ("most",)

    def __init__(self, get: Callable[[Any], Any]) -> None:
        super().__init__(get, "max: value")
        self.most: Any = -_INF

    def check_number(self, value: Any, /) -> None:
        _ = value > self.most  # it may raise

    def add_number(self, value: Any, /) -> None:
        if value > self.most:
            self.most = value

    def result(self) -> Any:
        return self.most

    def merge(self, other: Max, /) -> None:
        if other.most > self.most:
            self.most = other.most


class First(Accumulator[Any, Any]):
    __slots__ = ("_get", "sequence", "ts", "value")
    state = ("ts", "sequence", "value")

    def __init__(self, get: Callable[[Any], Any]) -> None:
        self._get = get
        self.ts: i64 = MAX
        self.sequence: Any = 0
        self.value: Any = None

    def check(self, item: Any, /) -> None:
        self._get(item)

    def add(self, item: Any, /) -> None:
        if self.ts == MAX:
            self.add_at(item, 0, 0)

    def add_at(self, item: Any, ts: i64, sequence: Any, /) -> None:
        value = self._get(item)
        if self.ts == MAX or ts < self.ts or (ts == self.ts and sequence < self.sequence):
            self.ts = ts
            self.sequence = sequence
            self.value = value

    def result(self) -> Any:
        return self.value

    def merge(self, other: First, /) -> None:
        if (other.ts, other.sequence) < (self.ts, self.sequence):
            self.ts, self.sequence, self.value = other.ts, other.sequence, other.value


class Last(Accumulator[Any, Any]):
    __slots__ = ("_get", "sequence", "ts", "value")
    state = ("ts", "sequence", "value")

    def __init__(self, get: Callable[[Any], Any]) -> None:
        self._get = get
        self.ts: i64 = MIN
        self.sequence: Any = 0
        self.value: Any = None

    def check(self, item: Any, /) -> None:
        self._get(item)

    def add(self, item: Any, /) -> None:
        self.add_at(item, self.ts if self.ts > MIN else MIN + 1, self.sequence)

    def add_at(self, item: Any, ts: i64, sequence: Any, /) -> None:
        value = self._get(item)
        if self.ts == MIN or ts > self.ts or (ts == self.ts and sequence >= self.sequence):
            self.ts = ts
            self.sequence = sequence
            self.value = value

    def result(self) -> Any:
        return self.value

    def merge(self, other: Last, /) -> None:
        if (other.ts, other.sequence) >= (self.ts, self.sequence):
            self.ts, self.sequence, self.value = other.ts, other.sequence, other.value
