"""Accumulators: the running state of an aggregate in one pane."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from operator import attrgetter
from typing import Any, ClassVar, Final, Generic, TypeVar

from mypy_extensions import i64, mypyc_attr

from rxdag._saved_rows import SavedRows
from rxdag.contract._kernel import BadProgram
from rxdag.errors import StateError, text_of

A_contra = TypeVar("A_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)


@mypyc_attr(allow_interpreted_subclasses=True)
class Accumulator(ABC, Generic[A_contra, R_co]):
    """The running state of an aggregate in one pane.

    For an item that is itself invalid, `add` raises `BadItem` before it changes anything. What `check`, `add`, `merge` and
    `restore` return is ignored.
    """

    state: ClassVar[tuple[str, ...]] = ()
    """Names of the attributes that a snapshot holds."""
    state_version: ClassVar[int] = 1
    """Version of the form of the state: raise it when you change the form, and define `migrate`."""

    def check(self, item: A_contra, /) -> object:  # most accept any item
        """Raise the error that `add` would raise for the item.

        `agg.named` checks all its parts before it adds the item to any.
        """

    @abstractmethod
    def add(self, item: A_contra, /) -> object:
        """Add one item."""

    def add_at(self, item: A_contra, ts: i64, sequence: Any, /) -> object:
        """Add one item with event time and sequence, for aggregates that need them."""
        return self.add(item)

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

    def merge(self, other: Any, /) -> object:  # Any: pyright rejects an override of `Self` in a generic base
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
        return SavedRows(*columns_of(accumulators, cls.state))

    def restore(self, saved: list[Any]) -> object:
        """Load the result of `snapshot`."""
        for name, value in zip(self.state, saved, strict=True):
            setattr(self, name, value)
        return None

    def migrate(self, saved: list[Any], version: int) -> list[Any]:
        """Return what `snapshot` gave at an older `state_version` in the form of this one.

        Called before `restore`, in a run that continues from a checkpoint of an older program.

        Args:
            saved: The state; it is not used elsewhere, and may be changed.
            version: The `state_version` of the accumulator that saved it, 1 or more.

        Raises:
            StateError: If state of that version cannot be taken up.
        """
        raise StateError(f"{type(self).__name__} must define migrate to read state of version {version}, got none")


_AT_ONCE: Final = 512
"""Number of objects whose attributes are read together: as many as the cache of a processor holds."""


def columns_of(objects: list[Any], names: Sequence[str]) -> list[list[Any]]:
    """Return attributes of objects, a list for each name."""
    getters: list[Any] = [attrgetter(name) for name in names]
    columns: list[list[Any]] = [[] for _ in names]
    for first in range(0, len(objects), _AT_ONCE):
        some = objects[first : first + _AT_ONCE]
        for column, get in zip(columns, getters, strict=True):
            column.extend(map(get, some))
    return columns


_TAG: Final = {"state_version", "state"}
"""Keys of a state with its version; a state of version 1 is saved as it is."""


def snapshots_of(accumulators: list[Any]) -> Sequence[Any]:
    """Return the state of each accumulator, for `take_up`."""
    kinds: set[Any] = set(map(type, accumulators))
    if len(kinds) != 1:
        return [with_versions(type(each), [each.snapshot()])[0] for each in accumulators]
    kind = kinds.pop()
    return with_versions(kind, kind.snapshots(accumulators))


def with_versions(kind: Any, states: Sequence[list[Any]]) -> Sequence[Any]:
    """Return the states of accumulators of a class, each with its version."""
    version: int = kind.state_version
    return states if version == 1 else [{"state_version": version, "state": state} for state in states]


def take_up(accumulator: Any, saved: Any) -> None:
    """Load a state that `snapshots_of` returned, perhaps in an older program.

    Raises:
        StateError: If it cannot be migrated.
    """
    accumulator.restore(migrated(accumulator, saved))


def migrated(accumulator: Any, saved: Any) -> list[Any]:
    """Return a saved state without its version, in the form of the present one.

    Raises:
        StateError: If it is of a newer version, or cannot be migrated.
    """
    is_tagged = saved.__class__ is dict and saved.keys() == _TAG
    state: list[Any] = saved["state"] if is_tagged else saved
    version: int = saved["state_version"] if is_tagged else 1
    kind: Any = accumulator.__class__
    if version == kind.state_version:
        return state
    if version > kind.state_version:
        raise StateError(
            f"the state of {kind.__name__} must be of version {kind.state_version} or older, got {version}; run the newer "
            "program"
        )
    try:
        made: list[Any] = accumulator.migrate(state, version)
    except Exception as error:  # the program's own code
        raise StateError(
            f"migrate of {kind.__name__} must take state of version {version}, got {type(error).__name__}: "
            f"{text_of(error)}; correct it"
        ) from error
    return made
