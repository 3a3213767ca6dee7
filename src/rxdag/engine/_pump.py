"""Pumps: they move items from a source or a gate into a segment while nothing downstream blocks."""

from __future__ import annotations

from mypy_extensions import i64

from rxdag.contract import FLUSHED
from rxdag.engine._domain import QUANTUM
from rxdag.engine._gate import Ended, Gate, Rested
from rxdag.engine._node import Node
from rxdag.engine._point import Point


class Pump(Point):
    """Feeds a segment. It never waits: it is parked while blocked, and woken when unblocked.

    Attributes:
        queued: True if it is due for a turn; the driver sets it.
        index: Its index among the pumps of its domain.
        is_finished: True if it moves no more items.
        is_starved: True if there was nothing to move when it had its last turn.
        is_parked: True if something was in the way at its last turn.
        may_wait: True if its turn may take long before it moves anything.
        busy_ns: Time spent in its turns, with the work of the nodes behind it, ns.
        gates: The gates at which its segment ends.
    """

    def __init__(self, name: str, node: str) -> None:
        super().__init__(name)
        self.node = node
        self.queued = False
        self.index = 0
        self.is_finished = False
        self.is_starved = False
        self.is_parked = False
        self.may_wait = False
        self.busy_ns: i64 = 0
        self.gates: list[Gate] = []

    def wake(self) -> None:
        """Ask the driver for a turn. Thread-safe."""
        self.domain.driver.wake(self)

    def on_open(self) -> None:
        self.wake()

    def step(self) -> None:
        """Move items until it is blocked, there are no more, or the turn is over."""
        raise NotImplementedError

    def begin_receipt(self, receipt: i64) -> None:
        """Note in the gates behind when the items that are moved next were received."""
        for gate in self.gates:
            gate.receipts.begin(gate.place_behind(), receipt)

    def end_receipt(self) -> None:
        """Note that these items were moved."""
        for gate in self.gates:
            gate.receipts.note(gate.place_behind())

    def park(self) -> None:
        """Note that something is in the way: the gates behind know that somebody waits."""
        self.is_parked = True
        now = self.domain.ticks()
        for gate in self.gates:
            gate.note_waiting(now)


class GatePump(Pump):
    """Empties a gate into the node behind it.

    Args:
        name: Of the edge.
        node: Name of the node behind the gate.
        gate: The gate that it empties.
    """

    def __init__(self, name: str, node: str, gate: Gate) -> None:
        super().__init__(name, node)
        self.gate = gate
        self.out: Node
        """The node behind the gate, or its inlet."""
        self.marks_without_room = False
        """True if watermarks are delivered even while something is in the way."""
        self.ends_without_room = True
        """The same for the end; False before a node that must take its inputs in turn."""
        self.is_caught = False
        """True if a node behind catches a failure of the gate."""

    def readers(self) -> list[Node]:
        return [self.out]

    def step(self) -> None:
        if self.is_finished:
            return
        domain = self.domain
        self.is_starved = False
        self.is_parked = False
        if not self.blocked:
            began: i64 = domain.ticks()
            gate = self.gate
            receipt: i64 = gate.receipt(domain.quantum) if gate.receipts.are_there else -1
            domain.received_at = receipt
            if receipt < 0:
                self.feed(domain.quantum)
            else:
                self.begin_receipt(receipt)
                self.feed(domain.quantum)
                self.end_receipt()
            # take_turns() compares this with its limit, which saves one clock reading per turn.
            domain.measured_at = domain.ticks()
            self.busy_ns += domain.measured_at - began
            if self.is_finished or self.is_starved:
                return
            if not self.blocked:
                domain.again(self)
                return
        if not self.pass_what_needs_no_room():
            self.park()

    def feed(self, quantum: i64) -> None:
        """Move up to `quantum` items; blocks and requests of the domain are checked before each."""
        gate = self.gate
        queue = gate.queue
        domain = self.domain
        out = self.out
        n: i64 = 0
        while n < quantum:
            # Before each item, so that a cancel or a full gate takes effect within one call of user code.
            if self.blocked or domain.stop:
                return
            if domain.is_timed and domain.is_over(n):
                return
            entry: Rested | None = None
            if queue:  # an exception would take longer than the test
                try:
                    entry = queue.popleft()
                except IndexError:
                    entry = None  # dropped meanwhile by the domain that fills the gate
            if entry is None:
                self.is_starved = True
                # Read only by gates of size 0, which then accept one item for the waiting reader.
                gate.is_wanted = True
                return
            if isinstance(entry, tuple):
                n += 1
                # Counted before the call, so that the books hold if it does not return.
                gate.taken += 1
                if gate.max_bytes:
                    gate.bytes_out += entry[4]
                if gate.is_full:
                    self.ask_to_reopen()
                out.push(entry[0], entry[1], entry[2], entry[3])
            elif isinstance(entry, int):
                out.mark(entry)
            elif isinstance(entry, Ended):
                self.finish(entry.error)
                return
            else:
                if quantum < QUANTUM and len(entry) > quantum - n:  # inputs take turns, item by item
                    queue.appendleft(entry[quantum - n :])
                    entry = entry[: quantum - n]
                n += len(entry)
                gate.taken += len(entry)
                if gate.is_full:
                    self.ask_to_reopen()
                out.push_columns(entry)

    def ask_to_reopen(self) -> None:
        """Ask the domain that fills the gate to check for space again."""
        gate = self.gate
        if gate.domain is self.domain:
            gate.reopen()
        # A guess from this side, which avoids most calls; reopen() decides in the domain that owns the counts.
        elif gate.may_open():
            gate.domain.driver.call(gate.reopen)

    def pass_what_needs_no_room(self) -> bool:
        """Deliver the end, and watermarks where they set nothing free, though something is in the way; False if items come first."""
        queue = self.gate.queue
        while queue:
            entry = queue[0]
            if isinstance(entry, int) and (self.marks_without_room or (entry >= FLUSHED and self.ends_without_room)):
                queue.popleft()
                self.out.mark(entry)
            elif isinstance(entry, Ended) and self.ends_without_room:
                queue.popleft()
                self.finish(entry.error)
                return True
            else:
                return False
        self.is_starved = True
        return True

    def finish(self, error: Exception | None) -> None:
        """Pass the end on."""
        self.is_finished = True
        self.out.end(error)
        if error is not None and error is self.gate.failure and not self.is_caught:
            self.domain.run.fail(error)  # no node has failed: the gate itself has

    def release(self, reader: Node) -> None:
        """Discard the items in the gate: the node after it takes nothing more."""
        if self.is_finished and self.gate.is_abandoned:
            return
        self.is_finished = True
        gate = self.gate
        # Not at once, since the node that fills the gate may be on the stack.
        if gate.domain is self.domain:
            gate.domain.retire(self)
        else:
            gate.domain.driver.call(gate.abandon)

    def retire(self) -> None:
        self.gate.abandon()

    def cancel(self) -> None:
        self.is_finished = True
