"""Pumps: what moves chunks from a source or a gate into a segment, if there is room behind it."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from rxdag.contract import END, Chunk, Read
from rxdag.schedulers._flow import QUANTUM, FlowScheduler
from rxdag.schedulers._gate import Gate
from rxdag.schedulers._handover import Handover, Work
from rxdag.schedulers._room import Room


class Segment:
    """A part of the graph that runs synchronously: its waiting work, the gates behind it, the nodes that limit it.

    A node that finds no room for all it makes of one item suspends the work at hand. Until that is resumed only pumps
    that cannot overtake it may go on: those that reach none of the edges on which it waits.
    """

    def __init__(self, name: str, scheduler: FlowScheduler) -> None:
        self.name = name
        self.scheduler = scheduler
        self.handover = Handover()
        self.pumps: list[Pump] = []
        self.suspended: dict[Hashable, list[Work]] = {}
        self._waits_on: dict[Hashable, set[object]] = {}
        self._deferred: list[tuple[Callable[[], None], frozenset[object]]] = []
        self.when_idle: list[Callable[[], None]] = []
        """Called when a pump has nothing to move: what waits for more need not wait longer."""

    def run(self) -> None:
        """Do what waits, as far as there is room. Called by the scheduler's thread only."""
        self.handover.run()
        owner = self.handover.suspended_by
        if owner is not None:
            stack = self.suspended[owner] = self.handover.set_aside()
            self._waits_on[owner] = {getattr(fn, "__self__", None) for fn, _ in stack} | {owner}

    def resume(self, owner: Hashable) -> None:
        """Go on with the work that the owner suspended."""
        stack = self.suspended.pop(owner, None)
        if stack is None:
            return
        del self._waits_on[owner]
        self.handover.stack = stack
        self.run()
        deferred, self._deferred = self._deferred, []
        for fn, reaches in deferred:
            self.when_clear(fn, reaches)
        for pump in self.pumps:
            pump.wake()

    def when_clear(self, fn: Callable[[], None], reaches: frozenset[object]) -> None:
        """Call `fn` now, or when no work is suspended that what it sends out could overtake."""
        if self.suspended and self.would_overtake(reaches):
            self._deferred.append((fn, reaches))
        else:
            fn()

    def would_overtake(self, reaches: frozenset[object]) -> bool:
        """True if what a pump moves could pass work that is suspended."""
        return any(not reaches.isdisjoint(waits) for waits in self._waits_on.values())

    def waiting(self) -> list[Work]:
        """All work that waits, suspended or not."""
        return [*self.handover.stack, *self.handover.fresh, *(w for stack in self.suspended.values() for w in stack)]

    def clear(self) -> None:
        """Forget the work that waits."""
        self.handover.stack.clear()
        self.handover.fresh.clear()
        self.suspended.clear()
        self._waits_on.clear()


class Pump:
    """Moves chunks from a supply into a segment. It never waits: without room it parks, and is woken.

    Args:
        name: For messages.
        node: Where the way of its chunks begins.
        segment: Where the chunks go.
        supply: Gives up to that many items: a chunk, None for nothing now, or END. Raises what ends it.
        push: Takes a chunk.
        end: Takes the terminal signal.
        needs_no_room: Called while there is none: True if what the supply gives next is the end, or watermarks alone.
        has_items: True if what the supply gives next has items.
    """

    def __init__(
        self,
        name: str,
        node: str,
        segment: Segment,
        supply: Callable[[int], Read],
        push: Callable[[Chunk], None],
        end: Callable[[Exception | None], None],
        needs_no_room: Callable[[], bool] = lambda: False,
        has_items: Callable[[], bool] = lambda: True,
    ) -> None:
        self.name = name
        self.node = node
        self.segment = segment
        self.scheduler = segment.scheduler
        self.busy_ns = 0
        """How long it has taken to read chunks and to work on them in the segment."""
        self.behind = Room()
        self.wide = 0
        """So many items may move at once if the quantum is a full one: what takes them works on many at once."""
        self.reaches: frozenset[object] = frozenset()
        """Hosts and edges that its chunks pass in the segment."""
        self.queued = False
        self.is_finished = False
        self.is_starved = False
        self.is_ending = False
        """True if its supply will end now: that needs no room."""
        self.is_parked = False
        self.parked_on: Gate | None = None
        self._supply = supply
        self._push = push
        self._end = end
        self._needs_no_room = needs_no_room
        self._has_items = has_items
        self._waits_with_items = False
        self._ticks = self.scheduler.ticks
        self.index = len(self.scheduler.pumps)
        segment.pumps.append(self)
        self.scheduler.pumps.append(self)

    def wake(self) -> None:
        """Give it a turn; from any thread."""
        self.scheduler.wake(self)

    def room(self) -> int:
        """Most items that may move now; 0 if it is parked."""
        quantum = self.scheduler.quantum
        room = self.behind.measure(self.wide if self.wide and quantum >= QUANTUM else quantum, self)
        self.parked_on = self.behind.full
        return room

    def step(self) -> None:
        """Move one chunk."""
        segment = self.segment
        if self.is_finished:  # a wake may have been on its way while the last step ended
            return
        if segment.suspended and segment.would_overtake(self.reaches):
            return  # woken when the work is resumed
        if self._waits_with_items and self._is_waiting():
            return
        self.is_starved = False
        self.parked_on = None
        room = 1 if self.is_ending else self.room()
        self.is_parked = room == 0 and not self._needs_no_room()
        if self.is_parked:
            self._waits_with_items = self._has_items()
            return
        began = self._ticks()
        try:
            read = self._supply(room)
        except Exception as error:  # whatever ends a supply ends the stream
            self._finish(error)
            self.busy_ns += self._ticks() - began
            return
        if read is None:
            self.is_starved = True
            for fn in segment.when_idle:
                fn()
            segment.run()
            return
        if read is END:
            self._finish(None)  # which gives out what was held
            self.busy_ns += self._ticks() - began
            return
        self._push(read)
        segment.run()
        self.busy_ns += self._ticks() - began
        self.scheduler.again(self)

    def _is_waiting(self) -> bool:
        """True if what woke it is not the gate on which its items wait.

        That gate says when there is room enough to be worth while. Watermarks that wait are no reason to hold up the
        items that come after them.
        """
        self._waits_with_items = self.behind.is_waited_for(self) and not self.is_ending and not self._needs_no_room()
        return self._waits_with_items

    def _finish(self, error: Exception | None) -> None:
        self.is_finished = True
        self._end(error)
        self.segment.run()

    def stop(self) -> None:
        """Have no more turns: nobody reads what it would move."""
        self.is_finished = True
