"""Domains: parts of a run that one thread at a time executes, with their pending work beside the pumps."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

from mypy_extensions import i64

if TYPE_CHECKING:
    from rxdag.engine._context import RunContext
    from rxdag.engine._gather_node import GatherNode
    from rxdag.engine._kernel_node import KernelNode
    from rxdag.engine._node import Node
    from rxdag.engine._point import Point
    from rxdag.engine._pump import Pump
    from rxdag.engine._sink_node import SinkNode


_MOST_UNSEEN: Final = 16
"""Most items between two readings of the clock."""
_QUICK_NS: Final = 20_000
"""Time of the items between two readings, ns, up to which the next reading may be farther away."""
TURNS_NS: Final = 1_000_000
"""Time for which pumps take turns before the driver checks its timers again, ns."""
QUANTUM: Final = 1024
"""Most items that a pump moves in one turn, unless a run wants fewer."""
NODE_TURNS: Final = 256
"""Most turns that nodes with more to do take before a pump has one."""
COLUMNS_QUANTUM: Final = 16384
"""The same for columns, where a call costs little more for many items than for few."""


class Timer(Protocol):
    """A call that is due at a time."""

    when: int

    def cancel(self) -> None:
        """Forget the call."""
        ...


class Driver(Protocol):
    """A scheduler that runs a domain: on a thread, on an event loop or in virtual time."""

    def wake(self, pump: Any, /) -> None:
        """Schedule a turn of a pump. Thread-safe."""
        ...

    def again(self, pump: Any, /) -> None:
        """Schedule another turn of a pump, from its own turn."""
        ...

    def call(self, fn: Callable[[], None], /) -> None:
        """Call a function on the domain's thread, soon. Thread-safe."""
        ...

    def begin_read(self) -> None:
        """Note that a read begins that may block: the state of the domain may be saved meanwhile."""
        ...

    def end_read(self) -> None:
        """Note the end of such a read; it waits until the state is saved."""
        ...

    def at(self, when: int, fn: Callable[[], None], /, *, is_background: bool = False, rank: int = 0) -> Timer:
        """Call a function at a time, ns since the epoch. Thread-safe."""
        ...


class Domain:
    """Nodes that one thread at a time runs.

    Attributes:
        driver: Gives it its turns.
        ticks: Monotonic count of ns, for measuring durations.
        measured_at: When the last turn of a pump ended, by `ticks`.
        received_at: Receipt of the items that a pump passed on last; -1 if none was taken.
        quantum: Maximum number of items that a pump moves in one turn.
        stop: True if the running loop must return at once; read between items, set from any thread.
        is_called: True if the driver has calls to make first; it sets and clears this.
        is_unsettled: True if `settle` has returned early.
        ready: Pumps that are due for a turn, in the order in which they were woken; used if `is_in_order`.
        is_in_order: True if the domain gives pumps their turns itself, in that order; else the driver chooses each one.
        turn_of: The pump that has its turn, if `is_in_order`; else None.
        is_looked_for: True if the driver has something new to check: a timer, or a request to stop.
        deadline: Time by `ticks` at which pumps must return; checked between items by `is_over` if `is_timed`.
        resting: Nodes that rest.
        retired: Nodes that have ended and still hold items or resources.
        unwritten: Nodes that have gathered items and must hand them on after this turn: sinks, and nodes that build columns.
        patient: Sinks that have gathered items, of a bounded number, and may gather more in the next turns of this pump.
        deferred: Nodes whose timer was due while they rested.
        opened: Nodes that are due for a turn of their own, since there is room behind them.
        raised: Exception that the driver must raise unchanged, such as SystemExit from user code.
    """

    def __init__(self, quantum: int) -> None:
        self.run: RunContext
        self.quantum: i64 = quantum
        self.driver: Driver
        self.ticks: Callable[[], int]
        self.measured_at: i64 = 0
        self.received_at: i64 = -1
        self.ready: deque[Pump] = deque()
        self.is_in_order = False
        self.turn_of: Pump | None = None
        self.is_looked_for = False
        self.stop = False
        self.is_called = False
        self.is_unsettled = False
        self.is_timed = False
        self.deadline: i64 = 0
        self.looked_at: i64 = 0
        """Last reading of the clock by `is_over`."""
        self.n_unseen: i64 = 0
        """Items that it lets pass before it reads the clock again."""
        self.look_at: i64 = 0
        """Number of the item before which it does."""
        self.resting: list[Point] = []
        self.retired: deque[Node] = deque()
        self.unwritten: list[SinkNode | GatherNode] = []
        self.patient: list[SinkNode] = []
        self.in_turns = False
        """True while pumps take turns: patient sinks wait for the end of these."""
        self.deferred: list[KernelNode] = []
        self.opened: deque[KernelNode] = deque()
        self.n_turns: i64 = NODE_TURNS
        """Turns that these, and nodes that rest though nothing blocks them, may still take before a pump."""
        self.raised: BaseException | None = None

    def again(self, pump: Pump) -> None:
        """Schedule another turn of a pump, from a turn in this domain."""
        if not self.is_in_order:
            self.driver.again(pump)
        elif not pump.queued and not pump.is_finished:
            pump.queued = True
            self.ready.append(pump)

    def take_turns(self) -> None:
        """Run the pumps that are ready, until the driver has other work."""
        until = self.end_of_turns(self.ticks())
        self.in_turns = True
        before: Pump | None = None
        try:
            while self.ready:
                pump = self.turn_of = self.ready.popleft()
                pump.queued = False
                # The nodes behind another pump may be slow.
                if self.patient and (pump.may_wait or pump is not before):
                    self.write_patient()
                before = pump
                self.n_turns = NODE_TURNS
                pump.step()
                if self.is_called:
                    return  # the driver settles before it calls
                self.settle()
                if self.is_called or self.is_unsettled or self.is_looked_for or self.raised is not None:
                    return
                if self.measured_at >= until:
                    return
        finally:
            self.turn_of = None
            self.in_turns = False

    def write_patient(self) -> None:
        """Let patient sinks write, before something that may take long."""
        while self.patient and not self.stop:
            sink = self.patient.pop()
            sink.is_gathering = False
            sink.write_out()

    def end_of_turns(self, now: i64) -> i64:
        """Return the time by `ticks` at which turns that begin now must end, so that the driver checks its timers."""
        end: i64 = now + TURNS_NS
        return self.deadline if self.is_timed and self.deadline < end else end

    def is_over(self, n: i64) -> bool:
        """Return True if a turn of a pump that has moved `n` items is over, if `is_timed`.

        While items are quick, the clock is read after 1, 2, 4, 8, 16 and then every 16 items.
        """
        if n == 0:  # a pump moves one item at least, even if the deadline has passed
            self.look_at = self.n_unseen = 1
            self.looked_at = 0
            return False
        if n < self.look_at:
            return False
        now: i64 = self.ticks()
        is_quick = now - self.looked_at <= _QUICK_NS
        self.n_unseen = min(2 * self.n_unseen, _MOST_UNSEEN) if is_quick else 1
        self.looked_at = now
        self.look_at = n + self.n_unseen
        return now >= self.deadline

    def is_free(self) -> bool:
        """Return True if nothing but the running pump has work to do."""
        if not self.is_in_order or self.stop or self.is_looked_for:
            return False
        return not (self.ready or self.opened or self.unwritten or self.patient or self.resting or self.deferred)

    def must_give_back(self) -> bool:
        """Return True if the running node should yield the thread."""
        return self.stop or (self.is_timed and self.ticks() >= self.deadline)

    def retire(self, node: Node) -> None:
        """Schedule the release of the resources of a node that has ended."""
        self.retired.append(node)
        # Ends the running loop, so that the driver settles before it feeds anything more.
        self.stop = True

    def retire_all(self) -> None:
        """Release the resources of all nodes that have ended, at the end of the run."""
        while self.retired:
            self.retired.popleft().retire()

    def open_up(self, node: KernelNode) -> None:
        """Schedule a turn of a node before anything new is fed."""
        self.opened.append(node)
        # As in retire(): the running loop returns, and settle() runs before the next pump.
        self.stop = True

    def interrupt_for(self, error: BaseException) -> None:
        """Note an error of user code that is to end the process, for the driver to raise; do nothing for others."""
        if isinstance(error, KeyboardInterrupt | SystemExit):
            if self.raised is None:
                self.raised = error
            self.stop = True

    def forget(self, node: Point) -> None:
        """Note that a node no longer rests."""
        if node in self.resting:
            self.resting.remove(node)

    def settle(self) -> None:
        """Do all pending work: retire nodes, resume resting nodes, write sinks, fire timers that were put off.

        It returns early if the driver has other work first; `settle_some` is then called before any pump. Nodes
        that have taken `NODE_TURNS` turns go on after a pump, since what they have to do may be endless.
        """
        while self.raised is None:
            self.stop = self.is_called  # resting nodes then continue item by item, since a call may cancel
            if self.is_called or (self.is_timed and self.ticks() >= self.deadline):
                self.is_unsettled = self.waits()
                return
            if not self.settle_one():
                break
        self.is_unsettled = False

    def settle_some(self) -> None:
        """Do one piece of pending work, so that the others cannot starve it."""
        self.stop = self.is_called
        if self.raised is None and not self.settle_one():
            self.is_unsettled = False

    def waits(self) -> bool:
        """Return True if there is something to settle before pumps have their turns."""
        if self.retired or self.unwritten or self.patient:
            return True
        if self.n_turns and (self.opened or self.next_to_resume() is not None):
            return True
        # The timer of a resting node is not work yet: the node must resume first.
        return any(not node.must_wait() for node in self.deferred)

    def has_more(self) -> bool:
        """Return True if nodes go on after a turn of a pump."""
        return self.n_turns == 0 and (len(self.opened) > 0 or self.next_to_resume() is not None)

    def settle_one(self) -> bool:
        """Do one piece of pending work; return False if there is none."""
        if self.retired:
            self.retired.popleft().retire()
            return True
        best = self.next_to_resume() if self.resting and self.n_turns else None
        if best is not None:
            self.resting.remove(best)
            best.resume()
            if best.is_resting:
                self.resting.append(best)
                if best.can_resume():  # it only gives back
                    self.n_turns -= 1
            return True
        if self.opened and self.n_turns:
            self.n_turns -= 1
            self.opened.popleft().go_on()
            return True
        if self.unwritten:
            sink = self.unwritten.pop()
            sink.is_gathering = False
            sink.write_out()
            return True
        if self.patient and not self.in_turns:
            patient = self.patient.pop()
            patient.is_gathering = False
            patient.write_out()
            return True
        return bool(self.deferred) and self.fire_deferred()

    def next_to_resume(self) -> Point | None:
        """Return the resting node that can continue; of several the last one in the order of the graph."""
        best: Point | None = None
        for node in self.resting:
            if node.can_resume() and (best is None or node.place > best.place):
                best = node
        return best

    def fire_deferred(self) -> bool:
        """Fire a timer whose node no longer rests; False if there is none."""
        for i, node in enumerate(self.deferred):
            if not node.must_wait():
                del self.deferred[i]
                node.fire()
                return True
        return False
