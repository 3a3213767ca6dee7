"""Aggregates: what a window computes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from rxdag.contract._accumulator import Accumulator
from rxdag.contract._shape import Shape

if TYPE_CHECKING:
    from rxdag.columns import Columns, Groups, Places

A_contra = TypeVar("A_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)


class ColumnsAggregate(ABC):
    """The accumulators of all panes of a window at once, as arrays; each pane has a place in them.

    It means what the accumulator of its aggregate means, to the bit: sums are added one by one in order of arrival.
    """

    @abstractmethod
    def read(self, columns: Columns) -> Any:
        """What it needs of a run of items, checked.

        Raises:
            RowFailed: If an item is wrong; with a `BadItem`, if it is so in itself.
        """

    @abstractmethod
    def reserve(self, size: int) -> None:
        """Have room for that many places."""

    @abstractmethod
    def clear(self, places: Places) -> None:
        """Make those places those of new panes."""

    @abstractmethod
    def add(self, values: Any, groups: Groups) -> None:
        """Take in what `read` gave, each item at the place of its group."""

    @abstractmethod
    def results(self, places: Places) -> Sequence[Any]:
        """What the panes at those places say."""

    @abstractmethod
    def snapshot(self, places: Places) -> list[list[Any]]:
        """State of the panes at those places, each as its accumulator's."""

    @abstractmethod
    def restore(self, place: int, saved: list[Any]) -> None:
        """Take up the state of one pane."""


class Aggregate(ABC, Generic[A_contra, R_co]):
    """What a window computes; a subclass is a frozen dataclass."""

    @property
    def name(self) -> str:
        """How messages call it."""
        return type(self).__name__.strip("_").removesuffix("Of").lower()

    @abstractmethod
    def accumulator(self) -> Accumulator[A_contra, R_co]:
        """Make the state of one pane."""

    @property
    def commutes(self) -> bool:
        """True if accumulators of stretches of time, merged, say what one of all items would, in whatever order they came.

        Windows that overlap then add each item once, and merge; else an item is added to each window that it is in.
        """
        return False

    def factory(self) -> Callable[[], Accumulator[A_contra, R_co]]:
        """Return what makes the state of one pane: windows ask for it once, and call it for each pane."""
        return self.accumulator

    def bound(self, shape: Shape) -> Self:
        """The aggregate for such a stream: fields by name become functions that know the items' type."""
        return self

    def in_columns(self) -> ColumnsAggregate | str:
        """The same for all panes of a window at once, over columns; or why there is none."""
        return f"the aggregate {self.name} takes items one by one"

    def check(self, item_type: Any, where: str) -> None:  # most aggregates have nothing to check
        """Raise GraphError if a field is not one of the item type."""


class Assigner(ABC):
    """Which windows an item belongs to."""

    @property
    def evenly(self) -> tuple[int, int, int] | None:
        """Size, slide and offset, ns, of windows of one size that begin a slide apart; None for all others."""
        return None

    @property
    def overlaps(self) -> bool:
        """True if an item can be in several windows; False allows a window that was found to be kept at hand."""
        return True

    @property
    def counts(self) -> tuple[int, int] | None:
        """Size and slide, in items, of windows that go by count and not by time; None for all others."""
        return None

    @property
    def merges(self) -> bool:
        """True if windows of a key that touch become one."""
        return False

    @property
    def is_endless(self) -> bool:
        """True if windows end with the stream alone."""
        return False

    @abstractmethod
    def assign(self, ts: int) -> tuple[tuple[int, int], ...]:
        """Windows [start, end) of an event time, ns; empty if it falls between them."""
