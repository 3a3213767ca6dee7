"""What a full gate does, and where a gate stands by the user's wish."""

from __future__ import annotations

import enum
from dataclasses import dataclass


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
