"""SavedRows: a list of lists that is stored as columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, overload


class SavedRows(Sequence[list[Any]]):
    """A list of lists of one length, kept as columns: the form in which a long state is saved fastest.

    It equals the list, and `rxdag.codec` saves it as one. The columns are those of the list alone: nobody else changes
    them later.

    Args:
        columns: One or more columns of the same length; a column may be `SavedRows` itself.
        is_frozen: True if it is known that none of their members can change.
    """

    __slots__ = ("columns", "is_frozen")
    __hash__ = None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]  # as lists

    def __init__(self, *columns: Sequence[Any], is_frozen: bool = False) -> None:
        self.columns = columns
        self.is_frozen = is_frozen

    def __len__(self) -> int:
        return len(self.columns[0])

    def __iter__(self) -> Iterator[list[Any]]:
        return map(list, zip(*self.columns, strict=True))

    @overload
    def __getitem__(self, at: int) -> list[Any]: ...
    @overload
    def __getitem__(self, at: slice[Any, Any, Any]) -> Sequence[list[Any]]: ...
    def __getitem__(self, at: int | slice[Any, Any, Any]) -> Any:
        if isinstance(at, slice):
            return SavedRows(*(column[at] for column in self.columns), is_frozen=self.is_frozen)
        return [column[at] for column in self.columns]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, SavedRows):
            return list(self) == list(other)
        return list(self) == other if isinstance(other, list) else NotImplemented

    def __repr__(self) -> str:
        return repr(list(self))
