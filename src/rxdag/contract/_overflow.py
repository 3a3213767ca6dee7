"""What a full gate does, and where a gate stands by the user's wish."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Overflow(enum.Enum):
    """What a full gate does with an item that arrives."""

    BLOCK = "block"
    DROP_OLDEST = "drop_oldest"
    DROP_NEWEST = "drop_newest"
    DROP_TAIL = "drop_tail"
    DROP_BUFFER = "drop_buffer"
    ERROR = "error"


@dataclass(frozen=True)
class Boundary:
    """A gate that the user asked for on an edge.

    Attributes:
        max_items: Most items that rest in the gate; None for the default.
        overflow: What happens to an item that finds it full.
        scheduler: Name of the thread on which what follows runs; None to stay.
    """

    max_items: int | None = None
    overflow: Overflow = Overflow.BLOCK
    scheduler: str | None = None
