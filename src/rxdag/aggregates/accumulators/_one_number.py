"""Accumulators of one number of each item."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from rxdag.contract import Accumulator, finite

R_co = TypeVar("R_co", covariant=True)


class OneNumber(Accumulator[Any, R_co], Generic[R_co]):
    """An accumulator of one number of each item, which `agg.named` reads once for all its parts.

    Args:
        get: Function that reads the number.
        what: Name of the number in messages.
    """

    __slots__ = ("get", "what")

    def __init__(self, get: Callable[[Any], Any], what: str) -> None:
        self.get = get
        self.what = what

    def check(self, item: Any, /) -> None:
        self.check_number(finite(self.get(item), self.what))

    def add(self, item: Any, /) -> None:
        self.add_number(finite(self.get(item), self.what))

    @abstractmethod
    def check_number(self, value: Any, /) -> None:
        """Raise the error that `add_number` would raise."""

    @abstractmethod
    def add_number(self, value: Any, /) -> None:
        """Add a finite number."""
