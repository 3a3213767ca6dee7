"""The host of a region of columns: hands runs of items from kernel to kernel."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rxdag.compiler._host import Outlet, RunContext, node_error
from rxdag.compiler._ledger import SIDES, Ledger
from rxdag.compiler._parking import Parking
from rxdag.compiler._region_host import Member, RegionEnded, RegionHost
from rxdag.compiler._region_plan import RegionPlan
from rxdag.contract import Chunk, Kernel, OnError, RowFailed, Splitter
from rxdag.schedulers import Segment

if TYPE_CHECKING:
    from rxdag.columns import Columns, Known


class _Exit:
    """A main port of a node: its reader outside, or inside, or none; and what is known of its items."""

    __slots__ = ("behind", "keyed", "outlet", "timed")

    def __init__(self, outlet: Outlet | None, behind: str | None, *, timed: bool, keyed: bool) -> None:
        self.outlet = outlet
        self.behind = behind
        self.timed = timed
        self.keyed = keyed


class MemberEmit:
    """The exits of a kernel that works on columns."""

    def __init__(self, host: ColumnsHost, member: Member, exits: dict[str, _Exit]) -> None:
        self._host = host
        self._member = member
        self._ledger = member.ledger
        self._exits = exits
        self._main = exits.get("out")

    def __call__(self, columns: Columns, /) -> None:
        if self._main is None:
            raise TypeError(f'node "{self._member.name}" has no port "out"; its kernel must use emit.to(port, columns)')
        self._send("out", self._main, columns)

    def made(self, columns: Columns, /) -> None:
        self(columns)

    def to(self, port: str, columns: Columns, /) -> None:
        exit_ = self._exits.get(port)
        if exit_ is None:
            raise TypeError(f'node "{self._member.name}" has no port "{port}"')
        self._send(port, exit_, columns)

    def _send(self, port: str, exit_: _Exit, columns: Columns) -> None:
        n = columns.n
        if not n:
            return
        if self._member.passes:
            self._ledger.passed += n
        else:
            self._ledger.made += n
        self._host.sent[self._member.name, port] += n
        if columns.key is not None and not exit_.keyed:
            columns = columns.keyed(None)
        if columns.ts is not None and not exit_.timed:
            columns = columns.untimed()
        if exit_.outlet is not None:
            exit_.outlet.put_columns(columns)
        elif exit_.behind is not None:
            self._host.feed(exit_.behind, columns)

    def rows(self, values: list[Any], columns: Columns, /) -> None:
        emit = self._member.emit
        nothing = [None] * columns.n
        beside = (columns.times() or nothing, columns.sequences() or nothing, columns.keys() or nothing)
        for value, ts, sequence, key in zip(values, *beside, strict=True):
            emit(value, ts=ts, sequence=sequence, key=key)

    def watermark(self, watermark: int, /) -> None:
        self._host.pass_mark(self._member.name, watermark)

    def late(self, columns: Columns, /) -> None:
        self._ledger.late += columns.n
        outlet = self._member.outlets.get("late")
        if outlet is not None and columns.n:
            outlet.put_rows(columns)

    def absorbed(self, n: int, /) -> None:
        self._ledger.absorbed += n

    def filtered(self, n: int, /) -> None:
        self._ledger.filtered += n

    def dropped(self, n: int, reason: str, /) -> None:
        if n:
            self._ledger.drop(reason, n)

    def unassigned(self, n: int, /) -> None:
        self._ledger.unassigned += n

    def unrouted(self, n: int, /) -> None:
        self._ledger.unrouted += n


class ColumnsHost(RegionHost):
    """Hands runs of items, as columns, from kernel to kernel.

    Args:
        region: Its nodes and links.
        makes: Make the kernel of each node.
        segment: Where it runs.
        context: Of the run.
        policies: What each node does with an item on which it fails.
        shapes: Of each port, by node and port: whether it has event time, and keys.
        item_type: Of what comes in, for rows that become columns.
        parked: So many items may wait for more in front of it; 0 if something comes out but at watermarks.
    """

    def __init__(
        self,
        region: RegionPlan,
        makes: dict[str, Callable[[], Kernel]],
        segment: Segment,
        context: RunContext,
        policies: dict[str, OnError],
        shapes: dict[str, tuple[bool, bool]],
        item_type: Any,
        *,
        parked: int,
    ) -> None:
        super().__init__(region, makes, segment, context, policies)
        self.sent: defaultdict[tuple[str, str], int] = defaultdict(int)
        """Items that left a node by a main port."""
        self._shapes = shapes
        self._item_type = item_type
        self._known: Known | None = None
        self._emits: dict[str, MemberEmit] = {}
        self._meeting: dict[str, list[Columns]] = {}
        self._failed_at: int | None = None
        self._failure: Exception | None = None
        self._parking: Parking | None = None
        if parked:
            self._parking = Parking(parked, lambda: self.members[self.names[0]].kernel, self._columns_of)
            segment.when_idle.append(self._unpark)

    def open(self) -> None:
        from rxdag.columns import Known  # it loads numpy

        super().open()
        self._known = Known.of_type(self._item_type)
        for name, member in self.members.items():
            ports = {port for owner, port in (*self.region.after, *self.exits) if owner == name}
            exits = {port: self._exit(name, port) for port in {*ports, *self._main_ports(member)}}
            self._emits[name] = MemberEmit(self, member, exits)

    @staticmethod
    def _main_ports(member: Member) -> tuple[str, ...]:
        kernel = member.kernel
        if not isinstance(kernel, Splitter):
            return ("out",)
        return (*(port for port, _ in kernel.conditions), *(() if kernel.default is None else (kernel.default,)))

    def _exit(self, name: str, port: str) -> _Exit:
        timed, keyed = self._shapes[f"{name}.{port}"]
        behind = next(iter(self.region.after.get((name, port), ())), None)  # no port has several readers in it
        return _Exit(self.exits.get((name, port)), behind, timed=timed, keyed=keyed)

    def emit_of(self, member: Member) -> Any:
        return self._emits[member.name] if member.kernel.gives_columns else member.emit

    # ---- input

    def take(self, input: int, chunk: Chunk) -> None:
        columns: Columns | None
        if self._parking is None or chunk.marks or not len(chunk):
            self._unpark()
            columns = chunk.columns if chunk.columns is not None or not chunk.items else self._columns_of(chunk)
        else:
            columns = self._parking.add(chunk)
            if columns is None:
                return
        self._run(input, columns, chunk.marks)

    def _columns_of(self, chunk: Chunk) -> Columns:
        return columns_of(chunk, self._item_type, self._known)

    def _unpark(self) -> None:
        """Let go of what is parked: nothing more is here that it could wait for."""
        columns = None if self._parking is None else self._parking.take()
        if columns is not None:
            self._run(0, columns, ())
            if not self.is_ended:
                self.flush()

    def _run(self, input: int, columns: Columns | None, marks: tuple[tuple[int, int], ...]) -> None:
        at = 0
        try:
            for position, mark in marks:
                if position > at and columns is not None:
                    self.wake(input)
                    at, came = position, columns[at:position]
                    self.feed(self.names[0], came)
                self.mark(input, mark)
            if columns is not None and at < columns.n:
                self.wake(input)
                at, came = columns.n, columns[at:] if at else columns
                self.feed(self.names[0], came)
        except RegionEnded:
            self.members[self.names[0]].ledger.arrived += 0 if columns is None else columns.n - at
            self._settle_failed()

    def inputs_ended(self, error: Exception | None) -> None:
        self._unpark()
        super().inputs_ended(error)

    def restart(self) -> None:
        self._unpark()
        super().restart()

    def held(self) -> int:
        return super().held() + (0 if self._parking is None else self._parking.n)

    def discard(self) -> None:
        entry = self.members[self.names[0]].ledger
        n = 0 if self._parking is None else self._parking.clear()
        entry.arrived += n
        entry.discarded += n
        super().discard()

    def feed(self, name: str, columns: Columns) -> None:
        """Hand a run of items to a node; an item on which it fails is dealt with, and the run goes on behind it."""
        if not columns.n:
            return
        member = self.members[name]
        if name in self._meeting:
            self._meeting[name].append(columns)
            return
        member.ledger.arrived += columns.n
        join = self.region.joins.get(name)
        while columns.n:
            try:
                if join is None:
                    member.kernel.on_columns(columns, self._emits[name])
                else:
                    self._split(member, join, columns)
                return
            except RegionEnded:
                raise
            except RowFailed as failed:
                head = columns[: failed.index]
                member.ledger.arrived -= head.n
                self.feed(name, head)
                if not self.bury_of(member, columns.row(failed.index), failed.cause):
                    self._failed_at = None if columns.index is None else int(columns.index[failed.index])
                    raise RegionEnded from None
                columns = columns[failed.index + 1 :]
            except Exception as error:  # the kernel itself is wrong
                member.ledger.failed += 1
                self.fail(node_error(name, error, columns.row(0)))
                raise RegionEnded from None

    def _split(self, member: Member, join: str, columns: Columns) -> None:
        """Send a run through the branches of a route, and on from where they meet, in its order."""
        from rxdag.columns import rejoined  # it loads numpy, which columns have done

        self._meeting[join] = []
        try:
            member.kernel.on_columns(columns.placed(), self._emits[member.name])
        except RegionEnded:
            self._meet(join, rejoined)
            if self._failure is not None:
                super().fail(self._failure)
            raise
        except BaseException:
            del self._meeting[join]
            raise
        self._meet(join, rejoined)

    def fail(self, error: Exception) -> None:
        """End with an error; inside a split, once what came before it in other branches has gone on."""
        if self._meeting:
            self._failure = error
        else:
            super().fail(error)

    def _meet(self, join: str, rejoined: Callable[[list[Columns]], Columns]) -> None:
        parts = self._meeting.pop(join)
        if not parts:
            return
        whole = rejoined(parts)
        failed_at, index = self._failed_at, whole.index
        if failed_at is not None and index is not None:
            # What comes before the item that failed goes on, in whatever branch it is.
            rest = whole.where(index >= failed_at)
            whole = whole.where(index < failed_at)
            self.members[join].ledger.arrived += rest.n
            self.members[join].ledger.discarded += rest.n
            self._failed_at = None
        whole.index = None
        self.feed(join, whole)

    def _settle_failed(self) -> None:
        """Count as discarded what nodes had taken in and not sent on when the region failed."""
        for member in self.members.values():
            ledger = member.ledger
            held = 0 if self._is_discarded else member.kernel.held()
            ledger.discarded += ledger.arrived - ledger.spent_otherwise - ledger.passed - held

    # ---- books

    def books(self) -> list[tuple[str, Ledger, dict[str, str]]]:
        out: list[tuple[str, Ledger, dict[str, str]]] = []
        n_parked = 0 if self._parking is None else self._parking.n
        for name, member in self.members.items():
            ledger = member.ledger.copy()
            ledger.held = 0 if self._is_discarded else member.kernel.held()
            if name == self.names[0]:
                ledger.arrived += n_parked
                ledger.held += n_parked
            main = {port: self.sent[name, port] for port in self._main_ports(member)}
            if not member.kernel.gives_columns:
                main = {"out": ledger.passed + ledger.made}
            real = {port: outlet.out for (owner, port), outlet in self.exits.items() if owner == name}
            left = {port: getattr(ledger, count) for port, count in SIDES.items()}
            ledger.out = {**main, **left, **real}
            out.append((name, ledger, SIDES))
        return out


def columns_of(chunk: Chunk, item_type: Any, known: Known | None = None) -> Columns:
    """The columns of a chunk of rows that has some."""
    from rxdag.columns import Columns, code_values, ints_of  # they load numpy

    columns = Columns.from_items(chunk.items, item_type, known)
    if chunk.ts is not None:
        columns = columns.timed(ints_of(chunk.ts), None if chunk.sequence is None else ints_of(chunk.sequence))
    return columns if chunk.key is None else columns.keyed(code_values(chunk.key))
