"""Overflow policies of gates, and gates that the user places."""

from __future__ import annotations

import enum
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Final

from rxdag.contract._arguments import flag
from rxdag.contract._functions import check_function
from rxdag.errors import GraphError, did_you_mean, shown


class Overflow(enum.Enum):
    """Policy of a full gate for an arriving item.

    Example:
        >>> quotes = rxdag.from_source(sources.range(1_000), name="quotes")
        >>> newest = quotes.buffered(max_items=1, overflow=rxdag.Overflow.DROP_OLDEST)
        >>> newest.to(sinks.null()).node.inputs[0].boundary.overflow
        <Overflow.DROP_OLDEST: 'drop_oldest'>
    """

    BLOCK = "block"
    """The producer waits."""
    DROP_OLDEST = "drop_oldest"
    """The item that has waited longest is dropped."""
    DROP_NEWEST = "drop_newest"
    """The item that arrives is dropped."""
    DROP_TAIL = "drop_tail"
    """The item that arrived last is dropped, and the new one takes its place."""
    DROP_BUFFER = "drop_buffer"
    """All waiting items are dropped."""
    ERROR = "error"
    """The run fails with a `BufferOverflow`."""


@dataclass(frozen=True)
class Boundary:
    """A gate that the user asked for on an edge.

    Attributes:
        max_items: Maximum number of items in the gate; None for the default.
        overflow: Policy for an item that finds it full.
        delay_error: With Overflow.ERROR, True to deliver the items in it before the error.
        scheduler: Name of the thread on which the following nodes run; None for no change.
        max_bytes: Maximum number of bytes in the gate; None for no limit.
        size_of: Size of an item, bytes.
    """

    max_items: int | None = None
    overflow: Overflow = Overflow.BLOCK
    scheduler: str | None = None
    delay_error: bool = True
    max_bytes: int | None = None
    size_of: Callable[[Any], int] | None = None


_POLICIES: Final = tuple(policy.value for policy in Overflow)
_ELSEWHERE: Final = {
    "backpressure": "block",
    "wait": "block",
    "drop": "drop_newest",
    "dropnew": "drop_newest",
    "drophead": "drop_oldest",
    "latest": "drop_oldest",
    "keeplatest": "drop_oldest",
    "raise": "error",
    "fail": "error",
}
"""Names of these policies in RxJava, Pekko and others, in lower case without underscores."""


def checked_overflow(
    where: str,
    max_items: int,
    overflow: Overflow | str,
    *,
    delay_error: bool = True,
    size_of: Callable[[Any], int] | None = None,
) -> Overflow:
    """Return the policy, else raise GraphError: for an invalid bound, an unknown name, or conflicting arguments."""
    if size_of is not None:
        check_function(size_of, f"{where}: size_of", "the item", instead="")
    if overflow not in (*Overflow, *_POLICIES):
        near = did_you_mean(overflow, _POLICIES, _ELSEWHERE) if isinstance(overflow, str) else ""
        raise GraphError(f"{where}: overflow must be one of {', '.join(_POLICIES)}, got {shown(overflow)}{near}")
    policy = Overflow(overflow)
    least = 0 if policy is Overflow.DROP_NEWEST else 1
    if isinstance(max_items, bool) or not isinstance(max_items, Integral) or max_items < least:
        hint = "" if least == 0 else ', or 0 with overflow="drop_newest"'
        raise GraphError(f"{where}: max_items must be {least} or more{hint}, got {shown(max_items)}")
    flag(delay_error, f"{where}: delay_error")
    if not delay_error and policy is not Overflow.ERROR:
        raise GraphError(f'{where}: delay_error goes with overflow="error", got "{policy.value}"')
    return policy


def size_of(item: Any) -> int:
    """Return the size of an item in bytes: itself and its parts, one level deep, by `sys.getsizeof`."""
    return sys.getsizeof(item) + sum(sys.getsizeof(each) for each in _held(item))


def _held(item: Any) -> Iterable[Any]:
    if isinstance(item, dict):
        return [each for pair in item.items() for each in pair]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(item, list | tuple | set | frozenset):
        return item  # pyright: ignore[reportUnknownVariableType]
    if hasattr(item, "__dict__"):
        return list(item.__dict__.values())
    fields: Any = getattr(item, "__struct_fields__", None) or getattr(item, "__slots__", ())
    return [getattr(item, name, None) for name in ((fields,) if isinstance(fields, str) else fields)]
