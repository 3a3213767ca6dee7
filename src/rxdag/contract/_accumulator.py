"""Accumulators: the running state of an aggregate in one pane."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, TypeVar

from mypy_extensions import i64, mypyc_attr

from rxdag.contract._kernel import BadProgram

A_contra = TypeVar("A_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)


@mypyc_attr(allow_interpreted_subclasses=True)
class Accumulator(ABC, Generic[A_contra, R_co]):
    """The running state of an aggregate in one pane.

    `add` raises `BadItem` for an item that is wrong in itself, before it changes anything.
    """

    state: ClassVar[tuple[str, ...]] = ()
    """Attributes that a snapshot holds."""

    def check(self, item: A_contra, /) -> None:  # most take anything
        """Raise what `add` would raise for the item; `agg.named` asks all its parts before any takes it in."""

    @abstractmethod
    def add(self, item: A_contra, /) -> None:
        """Take in one item."""

    def add_at(self, item: A_contra, ts: i64, sequence: Any, /) -> None:
        """Take in one item and its place in event time; for aggregates that depend on it."""
        self.add(item)

    def remove(self, item: A_contra, /) -> bool:
        """Take the oldest item out again, for `ops.rolling`; False to have all that are left added anew instead.

        It must be so exact that the result is what a new accumulator would say of the others.
        """
        return False

    @abstractmethod
    def result(self) -> R_co:
        """What the pane says."""

    def result_in(self, start: int, end: int, /) -> R_co:
        """What the pane says of its window [start, end), ns; for aggregates that depend on its ends."""
        return self.result()

    def can_merge(self) -> bool:
        """True if `merge` is there."""
        return any("merge" in vars(cls) for cls in type(self).__mro__ if cls is not Accumulator)

    def merge(self, other: Any, /) -> None:  # Any: pyright rejects an override of `Self` in a generic base
        """Take in a younger accumulator; only windows that merge call this."""
        raise BadProgram(f"{type(self).__name__} must have a method merge to be used in windows that merge")

    def snapshot(self) -> list[Any]:
        """State as plain data."""
        return [getattr(self, name) for name in self.state]

    def restore(self, saved: list[Any]) -> None:
        """Take up what `snapshot` gave."""
        for name, value in zip(self.state, saved, strict=True):
            setattr(self, name, value)
