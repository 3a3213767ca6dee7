"""The host of a region: runs its generated loops, and keeps the books of each of its nodes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from types import TracebackType
from typing import Any

from rxdag.compiler._emit import HostEmit
from rxdag.compiler._host import Host, Outlet, RunContext, node_error, restarted
from rxdag.compiler._ledger import Ledger
from rxdag.compiler._weave import Woven
from rxdag.contract import ENDED, FLUSHED, MAX, MIN, Chunk, Kernel, OnError
from rxdag.schedulers import Segment

_Row = Any


class RegionEnded(Exception):  # unwinds the loops of a region that has failed
    """The region has failed: its loops must stop."""


class _Member:
    """One node of a region, as its slow exits see it."""

    def __init__(self, host: RegionHost, name: str, kernel: Kernel, policy: OnError) -> None:
        self.name = name
        self.kernel = kernel
        self.policy = policy
        self.passes = kernel.passes
        self.ledger = Ledger()
        self.outlets: dict[str, Any] = {}
        self.rows: list[_Row] = []
        self.watermark = MIN
        self.emit = HostEmit(self)
        self._host = host

    def mark(self, watermark: int) -> None:
        """The node has made a watermark."""
        self._host.pass_mark(self.name, watermark)

    def buffer(self, *, timed: bool, keyed: bool) -> _Inner:
        """The outlet of a port that is read inside the region."""
        return _Inner(self.rows, timed=timed, keyed=keyed)


class _Inner:
    """Takes what a node emits when no item is at hand, for the loop behind it."""

    timed = True  # takes watermarks: the region passes them on itself

    def __init__(self, rows: list[_Row], *, timed: bool, keyed: bool, is_read: bool = True) -> None:
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
    """Runs the generated loops of a region.

    Args:
        woven: The loops.
        makes: Make the kernel of each node.
        segment: Where it runs.
        context: Of the run.
        policies: What each node does with an item on which its user code fails.
    """

    def __init__(
        self,
        woven: Woven,
        makes: dict[str, Callable[[], Kernel]],
        segment: Segment,
        context: RunContext,
        policies: dict[str, OnError],
    ) -> None:
        self.names = woven.plan.nodes
        super().__init__(self.names[0], segment, context, policies[self.names[0]])
        self._woven = woven
        self._makes = makes
        self.members = {name: _Member(self, name, makes[name](), policies[name]) for name in self.names}
        self.exits: dict[tuple[str, str], Outlet] = {}
        self._counts: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._end_called: set[str] = set()
        self._is_discarded = False
        self._bind()

    def _bind(self) -> None:
        self._kernels = tuple(member.kernel for member in self.members.values())
        self._emits = tuple(member.emit for member in self.members.values())

    def add_exit(self, name: str, port: str, outlet: Outlet) -> None:
        """Add a port that is read outside."""
        self.exits[name, port] = outlet
        self.members[name].outlets[port] = outlet
        self.outlets[f"{name}.{port}"] = outlet

    def add_inner(self, name: str, port: str, *, timed: bool, keyed: bool) -> None:
        """Add a port that is read inside."""
        self.members[name].outlets[port] = self.members[name].buffer(timed=timed, keyed=keyed)

    def add_unread(self, name: str, port: str) -> None:
        """Add a port that nobody reads: what is emitted there is counted, and gone."""
        self.members[name].outlets[port] = _Inner([], timed=False, keyed=False, is_read=False)

    def open(self) -> None:
        """Get ready, once all exits are there."""
        for member in self.members.values():
            member.emit.open()

    def watermarks(self) -> dict[str, int]:
        """The watermark at the output of each node."""
        return {name: member.watermark for name, member in self.members.items()}

    def restart(self) -> None:
        """Go on with new kernels that have taken up deep copies of the state of these."""
        for member in self.members.values():
            member.kernel = restarted(member.kernel, self._makes[member.name])
        self._bind()

    # ---- input

    def receive(self, input: int, chunk: Chunk) -> None:
        n = len(chunk.items)
        entry = self.members[self.names[0]]
        entry.ledger.arrived += n
        if self.is_ended:
            entry.ledger.unread += n
            return
        rows = rows_of(chunk)
        try:
            at = 0
            for position, mark in chunk.marks:
                if position > at:
                    self._drive(self.names[0], islice(rows, position - at))
                    at = position
                self._mark(mark)
            self._drive(self.names[0], rows)
        except RegionEnded:
            entry.ledger.discarded += sum(1 for _ in rows)
        if not self.is_ended:
            self.flush()

    def _drive(self, where: str, rows: Iterable[_Row]) -> None:
        """Run a loop over rows; an item on which a node fails is dealt with, and the loop goes on behind it."""
        loop = self._woven.loops[where]
        iterator = iter(rows)
        while True:
            try:
                loop(iterator, self._kernels, self._emits, self.exits, self._woven.constants, self._counts)
                return
            except RegionEnded as ended:
                # The item at hand got as far as the node whose watermark brought the failure.
                self.members[self._where(loop, ended)[0]].ledger.discarded += 1
                self._discard_rows(where, iterator)
                raise
            except Exception as error:
                if not self._fault(loop, error):
                    self._discard_rows(where, iterator)
                    raise RegionEnded from None

    def _discard_rows(self, where: str, rows: Iterator[_Row]) -> None:
        """What a loop has pulled and not looked at; what comes behind a window's output is its reader's loss."""
        left = sum(1 for _ in rows)
        name = where.removesuffix(".out") if where != self.names[0] else None
        reader = self.names[0] if name is None else self._woven.plan.after[name, "out"]
        self.members[reader].ledger.discarded += left

    def _fault(self, loop: Callable[..., None], error: Exception) -> bool:
        """Deal with the item on which a node failed; False if the region has failed."""
        name, item, trace = self._where(loop, error)
        error.__traceback__ = trace.tb_next or trace
        member = self.members[name]
        self.policy = member.policy
        blamed = member.kernel.blame(item, error)
        return self.bury(member.ledger, name, item, blamed, member.outlets.get("dead"))

    def _where(self, loop: Callable[..., None], error: Exception) -> tuple[str, Any, TracebackType]:
        """The node, by the line of the loop, and the item, by its local."""
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code is not loop.__code__:
            trace = trace.tb_next
        if trace is None:
            raise error
        line = trace.tb_lineno - 1
        return self._woven.nodes[line], trace.tb_frame.f_locals.get(self._woven.inputs[line]), trace

    # ---- watermarks and ends

    def _mark(self, mark: int) -> None:
        entry = self.members[self.names[0]]
        if mark > entry.watermark and not self.is_ended:
            self._pass_to(self.names[0], mark)

    def pass_mark(self, name: str, watermark: int) -> None:
        """A node has made a watermark: those behind it get it."""
        member = self.members[name]
        member.watermark = max(member.watermark, watermark)
        for (owner, _), outlet in self.exits.items():
            if owner == name and (outlet.timed or watermark >= FLUSHED):
                outlet.mark(watermark)
        for (owner, _), behind in self._woven.plan.after.items():
            if owner == name:
                self._pass_to(behind, watermark)

    def _pass_to(self, name: str, mark: int) -> None:
        """A watermark comes to a node: it gives out what that sets free, and passes it on."""
        member = self.members[name]
        if mark <= member.watermark or (self._waits(name, mark)):
            return
        kernel = member.kernel
        if mark >= FLUSHED:
            if mark == ENDED:
                kernel.watermark = MAX
                self._guard(member, lambda: kernel.on_watermark(MAX, member.emit))
            if name not in self._end_called:
                self._end_called.add(name)
                self._guard(member, lambda: kernel.on_end(member.emit))
        elif kernel.makes_time:
            return
        else:
            kernel.watermark = mark
            if mark >= kernel.wake:
                self._guard(member, lambda: kernel.on_watermark(mark, member.emit))
        self.pass_mark(name, mark)

    def _waits(self, name: str, mark: int) -> bool:
        """True if a node where branches meet has not had the mark from all of them."""
        if name not in self._woven.plan.joins.values():
            return False
        before = [owner for (owner, _), behind in self._woven.plan.after.items() if behind == name]
        routes = set(self._woven.plan.joins)
        return any(self.members[owner].watermark < mark for owner in before if owner not in routes)

    def _guard(self, member: _Member, fn: Callable[[], None]) -> None:
        """Call into a kernel where no single item is at hand; what it gives out runs through the loop behind it."""
        failure: Exception | None = None
        try:
            fn()
        except RegionEnded:
            raise
        except Exception as error:
            failure = error
        rows, member.rows[:] = list(member.rows), []
        if rows:
            self._drive(f"{member.name}.out", rows)
        if failure is not None:
            self.fail(node_error(member.name, failure, None))
            raise RegionEnded from failure

    def held(self) -> int:
        return 0 if self._is_discarded else sum(member.kernel.held() for member in self.members.values())

    def discard(self) -> None:
        if not self._is_discarded:
            for member in self.members.values():
                member.ledger.discarded += member.kernel.held()
            self._is_discarded = True

    # ---- books

    def books(self) -> list[tuple[str, Ledger, dict[str, str]]]:
        """Ledger of each node: what came in, from what left the node before it; what went out, from the exits."""
        plan = self._woven.plan
        sent: dict[tuple[str, str], int] = {}
        out: list[tuple[str, Ledger, dict[str, str]]] = []
        for name, member in self.members.items():
            ledger = member.ledger.copy()
            before = [port for port, behind in plan.after.items() if behind == name]
            ledger.arrived += sum(sent.get(port, 0) for port in before)
            ports: dict[str, int] = {}
            for (owner, exit_), n in self._counts.items():
                if owner != name:
                    continue
                if exit_.startswith("to "):
                    ports[exit_[3:]] = n
                elif exit_.startswith("dropped "):
                    ledger.drop(exit_[8:], n)
                else:
                    setattr(ledger, exit_, getattr(ledger, exit_) + n)
            ledger.held = 0 if self._is_discarded else member.kernel.held()
            if member.passes:
                ledger.passed = ledger.arrived - ledger.spent_otherwise
            main = ports or {"out": ledger.passed + ledger.made}
            sent |= {(name, port): n for port, n in main.items()}
            real = {port: outlet.out for (owner, port), outlet in self.exits.items() if owner == name}
            ledger.out = {**main, "late": ledger.late, "dead": ledger.dead, **real}
            out.append((name, ledger, {"late": "late", "dead": "dead"}))
        return out


def rows_of(chunk: Chunk) -> Iterator[_Row]:
    """The items of a chunk, each with its time, sequence and key if it has them."""
    columns: list[list[Any]] = [chunk.items]
    if chunk.ts is not None and chunk.sequence is not None:
        columns += [chunk.ts, chunk.sequence]
    if chunk.key is not None:
        columns.append(chunk.key)
    return iter(chunk.items) if len(columns) == 1 else iter(zip(*columns, strict=True))
