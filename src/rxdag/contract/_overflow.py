"""What a full gate does, and where a gate stands by the user's wish."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from rxdag.errors import GraphError


class Overflow(enum.Enum):
    """What a full gate does with an item that arrives."""

    BLOCK = "block"
    """The producer waits."""
    DROP_OLDEST = "drop_oldest"
    """The item that has rested longest is dropped."""
    DROP_NEWEST = "drop_newest"
    """The item that arrives is dropped."""
    DROP_TAIL = "drop_tail"
    """The item that came in last is dropped, and the one that arrives takes its place."""
    DROP_BUFFER = "drop_buffer"
    """All that rests is dropped."""
    ERROR = "error"
    """The run fails with a `BufferOverflow`."""


@dataclass(frozen=True)
class Boundary:
    """A gate that the user asked for on an edge.

    Attributes:
        max_items: Most items that rest in the gate; None for the default.
        overflow: What happens to an item that finds it full.
        delay_error: With Overflow.ERROR, whether what rests goes out before the error.
        scheduler: Name of the thread on which what follows runs; None to stay.
    """

    max_items: int | None = None
    overflow: Overflow = Overflow.BLOCK
    scheduler: str | None = None
    delay_error: bool = True


_POLICIES: Final = tuple(policy.value for policy in Overflow)


def checked_overflow(where: str, max_items: int, overflow: Overflow | str, *, delay_error: bool = True) -> Overflow:
    """Return the policy, else raise GraphError: for a bound that is none, a name that is not known, what does not go together."""
    if overflow not in (*Overflow, *_POLICIES):
        raise GraphError(f"{where}: overflow must be one of {', '.join(_POLICIES)}, got {overflow!r}")
    policy = Overflow(overflow)
    least = 0 if policy is Overflow.DROP_NEWEST else 1
    if isinstance(max_items, bool) or not isinstance(max_items, int) or max_items < least:
        hint = "" if least == 0 else ', or 0 with overflow="drop_newest"'
        raise GraphError(f"{where}: max_items must be {least} or more{hint}, got {max_items!r}")
    if not delay_error and policy is not Overflow.ERROR:
        raise GraphError(f'{where}: delay_error goes with overflow="error", got "{policy.value}"')
    return policy
