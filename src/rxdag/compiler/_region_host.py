"""The host of a region: the nodes that run as one, with their books, watermarks and ends."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from rxdag.compiler._emit import HostEmit
from rxdag.compiler._host import Host, Outlet, RunContext, node_error, restarted
from rxdag.compiler._input_marks import InputMarks
from rxdag.compiler._ledger import Ledger
from rxdag.compiler._region_plan import RegionPlan
from rxdag.contract import ENDED, FLUSHED, IDLE, MAX, MIN, Chunk, Kernel, OnError
from rxdag.schedulers import Segment

Row = Any


class RegionEnded(Exception):  # unwinds a region that has failed
    """The region has failed: what runs in it must stop."""


class Member:
    """One node of a region, as its slow exits see it."""

    def __init__(self, host: RegionHost, name: str, kernel: Kernel, policy: OnError) -> None:
        self.name = name
        self.kernel = kernel
        self.policy = policy
        self.passes = kernel.passes
        self.ledger = Ledger()
        self.outlets: dict[str, Any] = {}
        self.rows: list[Row] = []
        self.watermark = MIN
        self.is_idle = False
        self.emit = HostEmit(self)
        self._host = host

    def mark(self, watermark: int) -> None:
        """The node has made a watermark."""
        self._host.pass_mark(self.name, watermark)


class Inner:
    """Takes what a node emits when no item is at hand, for what is behind it in the region."""

    timed = True  # takes watermarks: the region passes them on itself

    def __init__(self, rows: list[Row], *, timed: bool, keyed: bool, is_read: bool = True) -> None:
        self._rows = rows
        self._is_read = is_read
        self._timed = timed
        self._keyed = keyed

    def put(self, item: Any, ts: int, sequence: int, key: Any) -> None:
        if not self._is_read:
            return
        row = (item, *((ts, sequence) if self._timed else ()), *((key,) if self._keyed else ()))
        self._rows.append(row if len(row) > 1 else item)

    def mark(self, watermark: int) -> None: ...


class RegionHost(Host):
    """Runs the nodes of a region; a subclass says how they take in what comes.

    Args:
        region: Its nodes and links.
        makes: Make the kernel of each node.
        segment: Where it runs.
        context: Of the run.
        policies: What each node does with an item on which its user code fails.
    """

    def __init__(
        self,
        region: RegionPlan,
        makes: dict[str, Callable[[], Kernel]],
        segment: Segment,
        context: RunContext,
        policies: dict[str, OnError],
    ) -> None:
        self.names = region.nodes
        super().__init__(self.names[0], segment, context, policies[self.names[0]])
        self.region = region
        self._makes = makes
        self.members = {name: Member(self, name, makes[name](), policies[name]) for name in self.names}
        self.exits: dict[tuple[str, str], Outlet] = {}
        self._marks = InputMarks(0)
        self._end_called: set[str] = set()
        self._is_discarded = False

    def add_exit(self, name: str, port: str, outlet: Outlet) -> None:
        """Add a port that is read outside."""
        self.exits[name, port] = outlet
        self.members[name].outlets[port] = outlet
        self.outlets[f"{name}.{port}"] = outlet

    def add_inner(self, name: str, port: str, *, timed: bool, keyed: bool) -> None:
        """Add a port that is read inside."""
        member = self.members[name]
        member.outlets[port] = Inner(member.rows, timed=timed, keyed=keyed)

    def add_unread(self, name: str, port: str) -> None:
        """Add a port that nobody reads: what is emitted there is counted, and gone."""
        self.members[name].outlets[port] = Inner([], timed=False, keyed=False, is_read=False)

    def open(self) -> None:
        """Get ready, once all exits are there."""
        self._marks = InputMarks(len(self.wires))
        for member in self.members.values():
            member.emit.open()

    def watermarks(self) -> dict[str, int]:
        """The watermark at the output of each node."""
        return {name: member.watermark for name, member in self.members.items()}

    def restart(self) -> None:
        """Go on with new kernels that have taken up deep copies of the state of these."""
        for member in self.members.values():
            member.kernel = restarted(member.kernel, self._makes[member.name])

    # ---- input

    def receive(self, input: int, chunk: Chunk) -> None:
        if self.is_ended:
            entry = self.members[self.names[0]]
            entry.ledger.arrived += len(chunk.items)
            entry.ledger.unread += len(chunk.items)
            return
        self.take(input, chunk)
        if not self.is_ended:
            self.flush()

    @abstractmethod
    def take(self, input: int, chunk: Chunk) -> None:
        """Work on a chunk, marks and all; what is not looked at since the region fails is counted."""

    def release(self, member: Member) -> None:
        """Have what a node gave out with no item at hand go on to what is behind it."""

    # ---- watermarks and ends

    def mark(self, input: int, mark: int) -> None:
        """A watermark came in; of several inputs the least counts."""
        self._enter(self._marks.advance(input, mark))

    def wake(self, input: int) -> None:
        """Items come: an input that was idle is not so any more."""
        if self._marks.some_idle:
            self._enter(self._marks.wake(input))

    def _enter(self, marks: tuple[int, ...]) -> None:
        for mark in marks:
            if not self.is_ended:
                self._pass_to(self.names[0], mark)

    def pass_mark(self, name: str, watermark: int) -> None:
        """A node has made a watermark: those behind it get it."""
        member = self.members[name]
        member.watermark = max(member.watermark, watermark)
        member.is_idle = watermark == IDLE
        for (owner, _), outlet in self.exits.items():
            if owner == name and (outlet.timed or watermark >= FLUSHED):
                outlet.mark(watermark)
        for (owner, _), readers in self.region.after.items():
            if owner == name:
                for behind in readers:
                    self._pass_to(behind, watermark)

    def _pass_to(self, name: str, mark: int) -> None:
        """A watermark comes to a node: it gives out what that sets free, and passes it on."""
        member = self.members[name]
        if (mark == member.watermark if member.is_idle else mark == IDLE) and not member.kernel.makes_time:
            pass  # it falls idle, or is active again
        elif mark <= member.watermark:
            return
        if self._waits(name, mark):
            return
        kernel = member.kernel
        if mark >= FLUSHED:
            if mark == ENDED:
                kernel.watermark = MAX
                self._guard(member, lambda: kernel.on_watermark(MAX, self.emit_of(member)))
            if name not in self._end_called:
                self._end_called.add(name)
                self._guard(member, lambda: kernel.on_end(self.emit_of(member)))
        elif kernel.makes_time:
            return
        elif mark > kernel.watermark:
            kernel.watermark = mark
            if mark >= kernel.wake:
                self._guard(member, lambda: kernel.on_watermark(mark, self.emit_of(member)))
        self.pass_mark(name, mark)

    def emit_of(self, member: Member) -> Any:
        """The exits of a node where no item is at hand."""
        return member.emit

    def _waits(self, name: str, mark: int) -> bool:
        """True if a node where branches meet has not had the mark from all of them."""
        if name not in self.region.joins.values():
            return False
        before = [owner for (owner, _), readers in self.region.after.items() if name in readers]
        parting = set(self.region.joins)
        others = [self.members[owner] for owner in before if owner not in parting]
        if mark == IDLE:
            return not all(other.is_idle for other in others)
        return any(other.watermark < mark for other in others)

    def _guard(self, member: Member, fn: Callable[[], None]) -> None:
        """Call into a kernel where no single item is at hand; what it gives out goes on to what is behind it."""
        failure: Exception | None = None
        try:
            fn()
        except RegionEnded:
            raise
        except Exception as error:
            failure = error
        self.release(member)
        if failure is not None:
            self.fail(node_error(member.name, failure))
            raise RegionEnded from failure

    def bury_of(self, member: Member, item: Any, error: Exception) -> bool:
        """Deal with an item on which a node failed; False if the region has failed."""
        self.policy = member.policy
        blamed = member.kernel.blame(item, error)
        return self.bury(member.ledger, member.name, item, blamed, member.outlets)

    def held(self) -> int:
        return 0 if self._is_discarded else sum(member.kernel.held() for member in self.members.values())

    def discard(self) -> None:
        if not self._is_discarded:
            for member in self.members.values():
                member.ledger.discarded += member.kernel.held()
            self._is_discarded = True
