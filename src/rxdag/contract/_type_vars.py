"""Type variables of aggregates: Any until a stream defines them, so that an aggregate can be kept in a variable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import TypeVar  # those of Python 3.13, known to type checkers without the package

    ItemT = TypeVar("ItemT", default=Any)
    ValueT = TypeVar("ValueT", default=Any)
else:
    from typing import TypeVar

    ItemT = TypeVar("ItemT")
    ValueT = TypeVar("ValueT")
