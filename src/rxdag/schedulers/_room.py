"""Room: how many items fit behind an output now."""

from __future__ import annotations

from typing import Protocol

from rxdag.schedulers._gate import Gate, Waiter


class Limiter(Protocol):
    """A node that can say how many items it takes now."""

    def want(self) -> int | None: ...


class Room:
    """What an output reaches without passing a gate.

    Args:
        gates: What an item may enter: the one with the least room governs.
        limiters: Nodes on the way that say how many they take.
        choices: Where an item goes one of several ways, what is behind each of them.
        expands: True if items become many before a limiter.
    """

    __slots__ = ("choices", "expands", "full", "gates", "limiters", "waits")

    def __init__(
        self,
        gates: tuple[Gate, ...] = (),
        limiters: tuple[Limiter, ...] = (),
        choices: tuple[tuple[Room, ...], ...] = (),
        *,
        expands: bool = False,
    ) -> None:
        self.gates = gates
        self.limiters = limiters
        self.choices = choices
        self.expands = expands
        self.full: Gate | None = None
        """The gate that had no room when it was measured last."""
        self.waits: tuple[Gate, ...] = ()
        """The gates on which the waiter was parked then."""

    def measure(self, most: int, waiter: Waiter, *, least: int = 0) -> int:
        """Most items that may go now, up to `most`; 0 if the waiter is parked, or a node on the way takes nothing.

        Args:
            most: No more than that.
            waiter: Whom the gates wake.
            least: What a node that takes nothing counts for.
        """
        room = most
        self.full = None
        self.waits = ()
        for limiter in self.limiters:
            want = limiter.want()
            if want is not None:
                room = min(room, max(want, least) if want == 0 or not self.expands else 1)
        for gate in self.gates:
            free = gate.room()
            if free is not None and free < room:
                if free == 0 and gate.park(waiter):
                    self.full = gate
                    self.waits = (gate,)
                    return 0
                room = max(free, 1)
        for ways in self.choices:
            if room:
                room = self._choose(ways, room, waiter)
        return room

    def _choose(self, ways: tuple[Room, ...], most: int, waiter: Waiter) -> int:
        while True:  # gates are emptied meanwhile: until one is parked on, there may be room
            free = _free(ways, most)
            if free:
                return free
            full = [gate for way in ways for gate in way.all_full()]
            if full and all(gate.park(waiter) for gate in full):
                self.full = full[0]
                self.waits = tuple(full)
                return 0
            if not full and any(way.refuses for way in ways):
                return 0

    def is_waited_for(self, waiter: Waiter) -> bool:
        """True if the waiter is parked still: no gate on which it was has said that there is room."""
        return bool(self.waits) and all(gate.has_parked(waiter) for gate in self.waits)

    def free(self, most: int) -> int:
        """As `measure`, and nobody is parked."""
        for limiter in self.limiters:
            want = limiter.want()
            if want is not None:
                most = min(most, want if want == 0 or not self.expands else 1)
        for gate in self.gates:
            free = gate.room()
            if free is not None:
                most = min(most, free)
        for ways in self.choices:
            most = min(most, _free(ways, most))
        return most

    @property
    def is_over(self) -> bool:
        """True if an item waits behind it for which there was no room."""
        return any(gate.is_over for gate in self.gates) or any(way.is_over for ways in self.choices for way in ways)

    @property
    def refuses(self) -> bool:
        """True if a node on the way takes nothing."""
        return any(limiter.want() == 0 for limiter in self.limiters) or any(
            way.refuses for ways in self.choices for way in ways
        )

    def all_full(self) -> list[Gate]:
        """The gates without room."""
        return [gate for gate in self.gates if gate.room() == 0] + [
            gate for ways in self.choices for way in ways for gate in way.all_full()
        ]


def _free(ways: tuple[Room, ...], most: int) -> int:
    """Most items that may go one of several ways: one if any has room, and waits at its own way if that has none."""
    rooms = [way.free(most) for way in ways]
    least = min(rooms)
    if least or not any(rooms):
        return least
    return 0 if any(way.is_over for way in ways) else 1
