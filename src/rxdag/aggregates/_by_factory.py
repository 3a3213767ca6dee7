"""Aggregates of fields, whose accumulators share one reader."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TypeVar

from rxdag.contract import Accumulator, Aggregate

A = TypeVar("A")
R = TypeVar("R")


class ByFactory(Aggregate[A, R]):
    """An aggregate that looks up once how its fields are read, not for each pane."""

    @property
    def commutes(self) -> bool:
        return True

    @abstractmethod
    def factory(self) -> Callable[[], Accumulator[A, R]]: ...

    def accumulator(self) -> Accumulator[A, R]:
        return self.factory()()
