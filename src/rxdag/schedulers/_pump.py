"""Pumps: what moves chunks from a source or a gate into a segment, if there is room behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from rxdag.contract import END, Chunk, Read
from rxdag.schedulers._flow import FlowScheduler
from rxdag.schedulers._gate import Gate
from rxdag.schedulers._handover import Handover


class Limiter(Protocol):
    """A node that can say how many items it takes now."""

    def want(self) -> int | None: ...


class Segment:
    """A part of the graph that runs synchronously: its waiting work, the gates behind it, the nodes that limit it."""

    def __init__(self, name: str, scheduler: FlowScheduler) -> None:
        self.name = name
        self.scheduler = scheduler
        self.handover = Handover()
        self.pumps: list[Pump] = []

    def wake(self) -> None:
        """Go on with what was suspended for want of room; from any thread."""
        self.scheduler.call(self.run)

    def run(self) -> None:
        """Do what waits; with nothing left, the pumps may go on. Called by the scheduler's thread only."""
        was_suspended = self.handover.is_suspended
        self.handover.run()
        if was_suspended and not self.handover.is_suspended:
            for pump in self.pumps:
                pump.wake()


class Pump:
    """Moves chunks from a supply into a segment. It never waits: without room it parks, and is woken.

    Args:
        name: For messages.
        segment: Where the chunks go.
        supply: Gives up to that many items: a chunk, None for nothing now, or END. Raises what ends it.
        push: Takes a chunk.
        end: Takes the terminal signal.
    """

    def __init__(
        self,
        name: str,
        segment: Segment,
        supply: Callable[[int], Read],
        push: Callable[[Chunk], None],
        end: Callable[[Exception | None], None],
    ) -> None:
        self.name = name
        self.segment = segment
        self.scheduler = segment.scheduler
        self.gates: tuple[Gate, ...] = ()
        self.limiters: tuple[Limiter, ...] = ()
        self.expands = False
        self.queued = False
        self.is_finished = False
        self.is_starved = False
        self.parked_on: Gate | None = None
        self._supply = supply
        self._push = push
        self._end = end
        segment.pumps.append(self)
        self.scheduler.pumps.append(self)

    def wake(self) -> None:
        """Give it a turn; from any thread."""
        self.scheduler.wake(self)

    def room(self) -> int:
        """Most items that may move now; 0 if it is parked."""
        room = self.scheduler.quantum
        for limiter in self.limiters:
            want = limiter.want()
            if want is not None:
                room = min(room, want if want == 0 or not self.expands else 1)
        for gate in self.gates:
            free = gate.room()
            if free is not None and free < room:
                if free == 0 and gate.park(self):
                    self.parked_on = gate
                    return 0
                room = max(free, 1)
        return room

    def step(self) -> None:
        """Move one chunk."""
        segment = self.segment
        # A wake may have been on its way while the last step ended; a suspended segment wakes its pumps when it is done.
        if self.is_finished or segment.handover.is_suspended:
            return
        self.is_starved = False
        self.parked_on = None
        room = self.room()
        if room == 0:
            return
        try:
            read = self._supply(room)
        except Exception as error:  # noqa: BLE001, RUF100  # whatever ends a supply ends the stream
            self._finish(error)
            return
        if read is None:
            self.is_starved = True
            return
        if read is END:
            self._finish(None)
            return
        self._push(read)
        segment.run()
        self.wake()

    def _finish(self, error: Exception | None) -> None:
        self.is_finished = True
        self._end(error)
        self.segment.run()

    def stop(self) -> None:
        """Have no more turns: nobody reads what it would move."""
        self.is_finished = True
