"""Aggregates: the calculation of a window."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from rxdag.contract._accumulator import Accumulator
from rxdag.contract._shape import Shape

if TYPE_CHECKING:
    from rxdag.columns import Columns, Groups, Places, Spans

A_contra = TypeVar("A_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)


class ColumnsAggregate(ABC):
    """The accumulators of all panes of a window as arrays; each pane has a place.

    The results must equal those of the accumulator of its aggregate, to the bit: sums are added one by one in order of
    arrival.
    """

    @abstractmethod
    def read(self, columns: Columns) -> Any:
        """Extract and check what it needs from a run of items.

        Raises:
            RowFailed: If an item is wrong; its cause is a `BadItem` if the item itself is invalid.
        """

    @abstractmethod
    def reserve(self, size: int) -> None:
        """Make room for this many places."""

    @abstractmethod
    def clear(self, places: Places) -> None:
        """Reset these places for new panes."""

    @abstractmethod
    def add(self, values: Any, groups: Groups) -> None:
        """Add the result of `read`, each item at the place of its group."""

    def can_add(self, values: Any) -> bool:
        """Return True if `add` and `rolled` cannot fail for the result of `read`.

        If False, as for numbers of several types, the accumulators of the aggregate add the items one by one.
        """
        return True

    @abstractmethod
    def results(self, places: Places) -> Sequence[Any]:
        """Return the results of the panes at these places."""

    def rolled(self, values: Any, spans: Spans) -> Sequence[Any]:
        """Return the results of panes that overlap, from the result of `read`, for `ops.rolling`.

        Define it if the aggregate commutes: without it, `ops.rolling` works on rows.
        """
        raise TypeError(f"{type(self).__name__} must have a method rolled for rolling windows over columns")

    def can_roll(self) -> bool:
        """Return True if `rolled` is implemented."""
        return type(self).rolled is not ColumnsAggregate.rolled

    @abstractmethod
    def snapshot(self, places: Places) -> Sequence[list[Any]]:
        """Return the state of the panes at these places, each as that of its accumulator."""

    @abstractmethod
    def restore(self, place: int, saved: list[Any]) -> None:
        """Load the state of one pane."""


class Aggregate(ABC, Generic[A_contra, R_co]):
    """The definition of an aggregate; a subclass is a frozen dataclass."""

    @property
    def name(self) -> str:
        """Return the name used in messages."""
        return type(self).__name__.strip("_").removesuffix("Of").lower()

    @abstractmethod
    def accumulator(self) -> Accumulator[A_contra, R_co]:
        """Create the state of one pane."""

    @property
    def commutes(self) -> bool:
        """Return True if accumulators of stretches of time can be merged in any order.

        Merged, they must give the result of a single accumulator over all items, in whatever order the items arrived.
        Overlapping windows then add each item once, and merge; otherwise an item is added to each of its windows.
        `ops.rolling` and windows of items merge too, unless the accumulator has `remove`.
        """
        return False

    def factory(self) -> Callable[[], Accumulator[A_contra, R_co]]:
        """Return the function that creates the state of one pane.

        Windows ask for it once, and call it for each pane.
        """
        return self.accumulator

    def bound(self, shape: Shape) -> Self:
        """Return the aggregate for a stream of this shape.

        In it, field names have become functions that know the item type.
        """
        return self

    def in_columns(self) -> ColumnsAggregate | str:
        """Return the same aggregate over columns for all panes, or the reason why there is none."""
        return f"the aggregate {self.name} takes items one by one"

    def check(self, item_type: Any, where: str) -> None:  # most aggregates have nothing to check
        """Raise GraphError if the item type lacks one of the fields."""


class Assigner(ABC):
    """The rule that assigns items to windows."""

    @property
    def evenly(self) -> tuple[int, int, int] | None:
        """Return size, slide and offset, ns, of regular windows; None for all others.

        Regular windows have one size, and begin one slide apart.
        """
        return None

    @property
    def overlaps(self) -> bool:
        """Return True if an item can be in several windows.

        If False, the last window found may be cached.
        """
        return True

    @property
    def counts(self) -> tuple[int, int] | None:
        """Return size and slide, in items, of windows by count; None for windows by time."""
        return None

    @property
    def merges(self) -> bool:
        """Return True if touching windows of a key merge."""
        return False

    @property
    def reach(self) -> int | None:
        """Return the length of windows that begin at their item and merge, ns; None for all others."""
        return None

    @property
    def is_endless(self) -> bool:
        """Return True if windows end only with the stream."""
        return False

    @abstractmethod
    def assign(self, ts: int) -> tuple[tuple[int, int], ...]:
        """Return the windows [start, end) of an event time, ns; empty if there are none."""
