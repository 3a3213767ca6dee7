"""Accumulators of a function that takes the items one after the other."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from rxdag.contract import Accumulator, BadProgram
from rxdag.errors import shown, text_of


class Folded(Accumulator[Any, Any]):
    __slots__ = ("_checked", "_fn", "_merge", "value")
    state = ("value",)

    def __init__(self, initial: Any, fn: Callable[[Any, Any], Any], merge: Callable[[Any, Any], Any] | None) -> None:
        self.value = copy.deepcopy(initial)
        self._fn = fn
        self._merge = merge
        self._checked: tuple[Any, Any, Any] | None = None
        """Value and item that `check` has seen, with the next value, so that `add` need not call the function again."""

    def check(self, item: Any, /) -> None:
        checked = self._checked
        if checked is None or checked[0] is not self.value or checked[1] is not item:
            self._checked = self.value, item, self._fn(self.value, item)

    def add(self, item: Any, /) -> None:
        self.check(item)
        checked, self._checked = self._checked, None
        if checked is not None:
            self.value = checked[2]

    def result(self) -> Any:
        try:
            return copy.deepcopy(self.value)  # the window may continue and fire again
        except Exception as error:
            raise BadProgram(
                f"fold: fn must return a value that copy.deepcopy can copy, got {shown(self.value)}: {text_of(error)}"
            ) from error

    def can_merge(self) -> bool:
        return self._merge is not None

    def merge(self, other: Folded, /) -> None:
        if self._merge is None:
            raise BadProgram("fold: merge= must be a function of two values for windows that merge, got none")
        self.value = self._merge(self.value, other.value)


class Reduced(Accumulator[Any, Any]):
    __slots__ = ("_checked", "_fn", "values")
    state = ("values",)

    def __init__(self, fn: Callable[[Any, Any], Any]) -> None:
        self._fn = fn
        self.values: list[Any] = []
        """The value, or nothing before the first item."""
        self._checked: tuple[list[Any], Any, list[Any]] | None = None
        """Values and item that `check` has seen, with the next values."""

    def check(self, item: Any, /) -> None:
        checked = self._checked
        if checked is None or checked[0] is not self.values or checked[1] is not item:
            self._checked = self.values, item, [self._fn(self.values[0], item)] if self.values else [item]

    def add(self, item: Any, /) -> None:
        self.check(item)
        checked, self._checked = self._checked, None
        if checked is not None:
            self.values = checked[2]

    def result(self) -> Any:
        return self.values[0]

    def merge(self, other: Reduced, /) -> None:
        self.values = [self._fn(self.values[0], other.values[0])] if self.values else list(other.values)
