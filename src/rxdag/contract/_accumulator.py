"""Accumulators: the running state of an aggregate in one pane."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from operator import attrgetter
from typing import Any, ClassVar, Generic, TypeVar

from mypy_extensions import i64, mypyc_attr

from rxdag._saved_rows import SavedRows
from rxdag.contract._kernel import BadProgram

A_contra = TypeVar("A_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)


@mypyc_attr(allow_interpreted_subclasses=True)
class Accumulator(ABC, Generic[A_contra, R_co]):
    """The running state of an aggregate in one pane.

    For an item that is itself invalid, `add` raises `BadItem` before it changes anything.
    """

    state: ClassVar[tuple[str, ...]] = ()
    """Names of the attributes that a snapshot holds."""

    def check(self, item: A_contra, /) -> None:  # most accept any item
        """Raise the error that `add` would raise for the item.

        `agg.named` checks all its parts before it adds the item to any.
        """

    @abstractmethod
    def add(self, item: A_contra, /) -> None:
        """Add one item."""

    def add_at(self, item: A_contra, ts: i64, sequence: Any, /) -> None:
        """Add one item with event time and sequence, for aggregates that need them."""
        self.add(item)

    def remove(self, item: A_contra, /) -> bool:
        """Remove the oldest item, for `ops.rolling` and windows of items; return False if it cannot.

        If False, all remaining items are added again. After a removal, the result must equal exactly that of a new
        accumulator over the remaining items. Sums of floats cannot remove an item; define `merge` for them instead.
        """
        return False

    def can_remove(self) -> bool:
        """Return True if `remove` is implemented."""
        return any("remove" in vars(cls) for cls in type(self).__mro__ if cls is not Accumulator)

    @abstractmethod
    def result(self) -> R_co:
        """Return the result of the pane."""

    def result_in(self, start: int, end: int, /) -> R_co:
        """Return the result for the window [start, end), ns, for aggregates that need it."""
        return self.result()

    def can_merge(self) -> bool:
        """Return True if `merge` is implemented."""
        return any("merge" in vars(cls) for cls in type(self).__mro__ if cls is not Accumulator)

    def merge(self, other: Any, /) -> None:  # Any: pyright rejects an override of `Self` in a generic base
        """Merge a younger accumulator into this one; only windows that merge call it."""
        raise BadProgram(f"{type(self).__name__} must have a method merge for windows that merge")

    def snapshot(self) -> list[Any]:
        """Return the state as plain data."""
        return [getattr(self, name) for name in self.state]

    @classmethod
    def snapshots(cls, accumulators: list[Any]) -> Sequence[list[Any]]:
        """Return the state of one or more accumulators of this class, as `snapshot` of each.

        Override it if you override `snapshot` and windows have many keys: saving by column is several times faster.
        """
        own: Any = cls.snapshot
        first: Any = Accumulator
        if own is not first.snapshot or not cls.state:
            return [each.snapshot() for each in accumulators]
        return SavedRows(*[list(map(attrgetter(name), accumulators)) for name in cls.state])

    def restore(self, saved: list[Any]) -> None:
        """Load the result of `snapshot`."""
        for name, value in zip(self.state, saved, strict=True):
            setattr(self, name, value)


def snapshots_of(accumulators: list[Any]) -> Sequence[list[Any]]:
    """Return the state of each accumulator."""
    kinds: set[Any] = set(map(type, accumulators))
    if len(kinds) != 1:
        return [each.snapshot() for each in accumulators]
    states: Sequence[list[Any]] = kinds.pop().snapshots(accumulators)
    return states
