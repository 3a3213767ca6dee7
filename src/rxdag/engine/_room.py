"""Room: the number of items that a source may read now, so that they fit downstream."""

from __future__ import annotations

from typing import Protocol

from mypy_extensions import i64

from rxdag.engine._gate import Gate


class Limiter(Protocol):
    """A node that limits how many items it takes now."""

    def wants(self) -> int | None:
        """Return the most items it takes; None for any number."""
        ...


class Room:
    """The gates and resting nodes that an output reaches without passing a gate.

    Args:
        gates: The gates that an item may enter.
        limiters: Nodes on the way that limit how many items they take.
        expands: True if one item may become several on the way to a limiter or a gate.
    """

    def __init__(
        self, gates: tuple[Gate, ...] = (), limiters: tuple[Limiter, ...] = (), *, expands: bool = False
    ) -> None:
        self.gates = gates
        self.limiters = limiters
        self.expands = expands

    def measure(self, most: i64) -> i64:
        """Return how many items may be read, up to `most` and at least 1."""
        room = most
        for limiter in self.limiters:
            want = limiter.wants()
            if want is not None:
                if self.expands:
                    # One item may become any number of items before the limit.
                    return 1
                if want < room:
                    room = want
        for gate in self.gates:
            free = gate.room()
            if free < room:
                room = free
        # At least 1, since blocking, not this method, decides whether anything may be read.
        return room if room > 0 else 1
