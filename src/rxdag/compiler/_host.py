"""Hosts: what stands between the ports and a node: it counts, guards user code, and sends the end on."""

from __future__ import annotations

import copy
from asyncio import Future
from collections.abc import Awaitable, Callable, Mapping
from itertools import repeat
from random import Random
from typing import TYPE_CHECKING, Any, Final, Protocol

from rxdag.compiler._ledger import SIDES, Ledger
from rxdag.contract import DEAD, IDLE, SKIP, BadItem, Chunk, Clock, DeadLetter, Kernel, OnError
from rxdag.errors import NodeError, named_text, shown, trace_of
from rxdag.schedulers import Inlet, Port, Segment

if TYPE_CHECKING:
    from rxdag.columns import Columns


_NO_ITEM: Final = object()


class RunContext(Protocol):
    """What hosts need of a run."""

    clock: Clock
    random: Random
    """For what varies at random, as waits; seeded in virtual time."""

    @property
    def error(self) -> Exception | None:
        """What the run has failed with, if it has."""
        ...

    @property
    def may_succeed(self) -> bool:
        """False once a node has failed or the run was cancelled: no sink may look complete then."""
        ...

    def spawn(self, node: str, work: Awaitable[Any], then: Callable[[Future[Any]], None] | None = None) -> None:
        """Run it as a task of the run's loop; `then` is called at its end, or its failure is the run's."""
        ...

    def fail(self, error: Exception) -> None:
        """A node failed; from any thread."""
        ...

    def source_ended(self, name: str) -> None:
        """A source is closed; from any thread."""
        ...

    def sink_ready(self, name: str) -> None:
        """A sink has taken everything, and waits to be closed with all the others; from any thread."""
        ...

    def sink_ended(self, name: str, result: object) -> None:
        """A sink is closed; from any thread."""
        ...


class Outlet:
    """One output port of a node, with the chunk that it is filling."""

    __slots__ = ("items", "itemwise", "key", "keyed", "marks", "name", "out", "port", "sequence", "timed", "ts")

    def __init__(self, name: str, port: Port, *, timed: bool, keyed: bool, itemwise: bool) -> None:
        self.name = name
        self.port = port
        self.timed = timed
        self.keyed = keyed
        self.itemwise = itemwise
        self.out = 0
        self.renew()

    def renew(self) -> None:
        """Start an empty chunk."""
        self.items: list[Any] = []
        self.ts: list[int] | None = [] if self.timed else None
        self.sequence: list[int] | None = [] if self.timed else None
        self.key: list[Any] | None = [] if self.keyed else None
        self.marks: list[tuple[int, int]] = []

    def put(self, item: Any, ts: int, sequence: int, key: Any) -> None:
        """Add an item to the chunk, or hand it over at once."""
        if self.itemwise:
            self.out += 1
            if self.port.is_seen:
                timed, keyed = self.timed, self.keyed
                chunk = Chunk([item], [ts] if timed else None, [sequence] if timed else None, [key] if keyed else None)
                self.port.on_next(chunk)
            return
        self.items.append(item)
        if self.ts is not None and self.sequence is not None:
            self.ts.append(ts)
            self.sequence.append(sequence)
        if self.key is not None:
            self.key.append(key)

    def put_columns(self, columns: Columns) -> None:
        """Hand over a run of items as it is, behind what the chunk holds."""
        if self.itemwise:
            self.put_rows(columns)
            return
        self.flush()
        self.out += columns.n
        if self.port.is_seen:
            self.port.on_next(Chunk(columns))

    def put_rows(self, columns: Columns) -> None:
        """Add a run of items to the chunk, one by one."""
        none = repeat(None, columns.n)
        times: Any = columns.times() or repeat(0, columns.n)
        sequences: Any = columns.sequences() or repeat(0, columns.n)
        for row in zip(columns.rows(), times, sequences, columns.keys() or none, strict=True):
            self.put(*row)

    def mark(self, watermark: int) -> None:
        """Add a watermark to the chunk, or hand it over at once."""
        if self.itemwise:
            self.port.on_next(Chunk([], marks=((0, watermark),)))
            return
        at = len(self.items)
        if self.marks and self.marks[-1][0] == at and watermark != IDLE:
            self.marks[-1] = (at, watermark)
        else:
            self.marks.append((at, watermark))

    def flush(self) -> None:
        """Hand over the chunk."""
        items, marks = self.items, self.marks
        if not items and not marks:
            return
        self.out += len(items)
        if self.port.is_seen:
            self.port.on_next(Chunk(items, self.ts, self.sequence, self.key, tuple(marks) if marks else ()))
        # As renew, with nothing made that is there already.
        self.items = []
        if self.timed:
            self.ts, self.sequence = [], []
        if self.keyed:
            self.key = []
        if marks:
            self.marks = []


class Host:
    """Base of the hosts: ports, books, faults and ends of one node, or of one fused run of nodes."""

    def __init__(self, name: str, segment: Segment, context: RunContext, policy: OnError) -> None:
        self.name = name
        self.segment = segment
        self.context = context
        self.policy = policy
        self.ledger = Ledger()
        self.outlets: dict[str, Outlet] = {}
        self.wires: list[Wire] = []
        self.is_ended = False
        self.is_caught = False
        """True if a node behind it goes on when it fails."""
        self.may_refuse = False
        """True if it can want nothing of one of several inputs."""
        self.rank = 0
        """Place among the nodes: timers that are due at one instant go by it."""
        self.reaches: frozenset[object] = frozenset()
        """Hosts and edges that its outputs pass in the segment."""
        self._open_inputs = 0

    def add_wire(self, wire: Wire) -> None:
        """Take one more input."""
        self.wires.append(wire)
        self._open_inputs += 1

    def want_from(self, input: int) -> int | None:
        """Most items it takes from an input now; None for any number."""
        return None

    def input_failed(self, input: int, error: Exception) -> bool:
        """True if it goes on although an input has failed."""
        return False

    def receive(self, input: int, chunk: Chunk) -> None:
        """Work on a chunk that came in."""
        raise TypeError(f"{type(self).__name__} takes no input")

    def books(self) -> list[tuple[str, Ledger, dict[str, str]]]:
        """Ledger of each node hosted, and which count each side port must equal."""
        self.ledger.out = {name: outlet.out for name, outlet in self.outlets.items()}
        self.ledger.held = self.held()
        sides = {port: SIDES[port] for port in self.outlets if port in SIDES}
        return [(self.name, self.ledger, sides)]

    def held(self) -> int:
        """Items that rest in the state."""
        return 0

    def flush(self) -> None:
        """Hand over what the outlets have."""
        for outlet in self.outlets.values():
            if outlet.items or outlet.marks:
                outlet.flush()

    # ---- faults

    def bury(
        self, ledger: Ledger, name: str, item: Any, error: Exception, outlets: Mapping[str, Any], attempts: int = 1
    ) -> bool:
        """Deal with an item that could not be worked on, as the policy says; False if the node has failed."""
        policy = self.policy.last
        if isinstance(error, BadItem) or policy is DEAD:
            ledger.dead += 1
            outlet = outlets.get("dead")
            if outlet is not None:
                outlet.put(DeadLetter(name, item, error, attempts, trace_of(error)), 0, 0, None)
            return True
        if policy is SKIP:
            ledger.drop("skipped")
            outlet = outlets.get("dropped")
            if outlet is not None:
                outlet.put(item, 0, 0, None)
            return True
        ledger.failed += 1
        self.fail(node_error(name, error, item))
        return False

    def fail(self, error: Exception) -> None:
        """End the node and the run with an error; what it has given out goes on."""
        if self.is_ended:
            return
        self.discard()
        self.finish(error)
        if self.is_caught:
            self.leave()  # the run goes on without it
        else:
            self.context.fail(error)

    def discard(self) -> None:
        """Count what is held as discarded."""

    # ---- ends

    def wire_ended(self, error: Exception | None) -> None:
        """One input has ended; the node ends with the last of them."""
        self._open_inputs -= 1
        if error is not None:
            self._input_error = error
        if self.is_ended:
            return
        if self._open_inputs == 0:
            self.inputs_ended(self._input_error)
        elif error is not None and (self.is_caught or self.may_refuse):
            # Nobody stops the other sources of a run that goes on; and what an input is refused would keep its end.
            self.inputs_ended(error)
            self.leave()

    _input_error: Exception | None = None

    def inputs_ended(self, error: Exception | None) -> None:
        """All inputs have ended."""
        if error is not None:
            self.discard()
        self.finish(error)

    def finish(self, error: Exception | None) -> None:
        """Give out what the outlets have, then the end."""
        if self.is_ended:
            return
        self.flush()
        self.is_ended = True
        for outlet in self.outlets.values():
            outlet.port.end(error)

    def leave(self) -> None:
        """Take nothing more: those before it may stop."""
        for wire in self.wires:
            wire.detach()

    def unused(self) -> None:
        """A port has lost its last reader; with none left on any port the node stops."""
        if not self.is_ended and not any(o.port.inlets for o in self.outlets.values()):
            self.is_ended = True
            self.discard()
            self.leave()

    def cancel(self) -> None:
        """Stop at once: what is held is discarded."""
        if not self.is_ended:
            self.is_ended = True
            self.discard()


def restarted(kernel: Kernel, make: Callable[[], Kernel]) -> Kernel:
    """A new kernel that has taken up a deep copy of the state of another."""
    fresh = make()
    fresh.restore(copy.deepcopy(kernel.snapshot()))
    fresh.watermark = kernel.watermark
    return fresh


def node_error(name: str, error: Exception, item: Any = _NO_ITEM) -> NodeError:
    """The error of a node whose user code failed on an item, or at a watermark, a timer or the end."""
    if item is _NO_ITEM:
        made = NodeError(f'node "{name}" failed: {named_text(error)}', node=name)
    else:
        made = NodeError(f'node "{name}" failed on {shown(item)}: {named_text(error)}', node=name, item=item)
    made.__cause__ = error
    return made


class Wire:
    """The end of an edge at its consumer; counts what comes in.

    Args:
        name: Of the edge.
        host: The consumer.
        input: Which input of it.
    """

    def __init__(self, name: str, host: Host, input: int) -> None:
        self.name = name
        self.host = host
        self.input = input
        self.received = 0
        self.discarded = 0
        self.takes_columns = False
        self.outlet: Outlet | None = None
        self.on_detach: list[Any] = []
        self.watchers: tuple[Inlet, ...] = ()
        self._sent_at_detach: int | None = None
        self._is_ended = False

    def want(self) -> int | None:
        """Most items that its consumer takes from it now."""
        return self.host.want_from(self.input)

    def on_next(self, chunk: Chunk, /) -> None:
        items = chunk.items
        self.received += len(items)
        if items.__class__ is not list and not self.takes_columns:
            chunk = chunk.rows()
        for watcher in self.watchers:
            watcher.on_next(chunk)
        self.host.receive(self.input, chunk)

    def end(self, error: Exception | None, /) -> None:
        if not self._is_ended:
            self._is_ended = True
            if error is not None and self.host.input_failed(self.input, error):
                error = None
            self.host.wire_ended(error)

    def detach(self) -> None:
        """Leave the producer: what it still sends is discarded."""
        if self._is_ended:
            return
        self._is_ended = True
        if self.outlet is not None:
            self.left(self.outlet)
            self.outlet.port.detach(self)
        for fn in self.on_detach:
            fn()

    def left(self, outlet: Outlet) -> None:
        """Remember what the producer had given out when this edge left it."""
        self.outlet = outlet
        self._sent_at_detach = outlet.out

    def unsent(self) -> int:
        """Items that the producer gave out after this edge had left it."""
        if self.outlet is None or self._sent_at_detach is None:
            return 0
        return self.outlet.out - self._sent_at_detach
