"""Operators by key that ask a predicate of each item."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Generic, Self, TypeVar

from rxdag.contract import Shape
from rxdag.expressions import Field, bound, called, check_field
from rxdag.operators.keyed._by_key import ByKey

A = TypeVar("A")


@dataclass(frozen=True)
class Predicated(ByKey[A, A], Generic[A]):
    """Passes on the items that a predicate chooses.

    Attributes:
        predicate: Condition on an item; None for none.
    """

    predicate: Field[A, bool] | None

    def check(self, shape: Shape, where: str) -> None:
        super().check(shape, where)
        if self.predicate is not None:
            check_field(self.predicate, shape.item_type, f"{where}: predicate")

    def bound(self, shape: Shape) -> Self:
        return replace(super().bound(shape), predicate=bound(self.predicate, shape.item_type))

    def shape(self, shape: Shape) -> Shape:
        return shape

    def fn_or_none(self) -> Callable[[Any], Any] | None:
        """Return the predicate as a function, if there is one."""
        return None if self.predicate is None else called(self.predicate)

    def fn(self) -> Callable[[Any], Any]:
        """Return the predicate as a function, of an operator that must have one."""
        fn = self.fn_or_none()
        if fn is None:
            raise TypeError(f"{self.label}: must have a predicate")
        return fn
