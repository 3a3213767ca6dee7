"""Limits: each pump, and each node that makes many of one, is told what is behind it."""

from __future__ import annotations

from dataclasses import dataclass, field

from rxdag.compiler._host import Host, Wire
from rxdag.compiler._inner_host import InnerHost
from rxdag.compiler._kernel_host import KernelHost
from rxdag.compiler._plan import WIDE, Plan
from rxdag.compiler._program import Program
from rxdag.compiler._sink_host import SinkHost
from rxdag.compiler._source_host import SourceHost
from rxdag.compiler._step_hosts import ReleaseHost, StepHost
from rxdag.graph import Edge
from rxdag.schedulers import Gate, Limiter, Pump, Room


@dataclass
class _Behind:
    """What a node's outputs reach without passing a gate."""

    gates: dict[Gate, None] = field(default_factory=lambda: dict[Gate, None]())
    limiters: dict[Limiter, bool] = field(default_factory=lambda: dict[Limiter, bool]())
    """Nodes that say how many items they take; True if items become many on the way."""
    choices: dict[tuple[Room, ...], None] = field(default_factory=lambda: dict[tuple[Room, ...], None]())
    """Where an item goes one of several ways, what is behind each."""
    reaches: set[object] = field(default_factory=lambda: set[object]())

    def add(self, host: Host, wire: Wire | None, behind: _Behind) -> None:
        """Add a consumer, and what is behind it."""
        expands = isinstance(host, StepHost) and host.expands
        is_open = not isinstance(host, ReleaseHost | InnerHost)
        for limiter, is_many in behind.limiters.items() if is_open else ():
            self.limiters[limiter] = self.limiters.get(limiter, False) or is_many or expands
        if wire is not None and isinstance(host, SinkHost | KernelHost) and host.has_want:
            self.limiters.setdefault(wire, False)
        if is_open:  # the others take items whether there is room behind them or not
            self.gates |= behind.gates
            self.choices |= behind.choices
        self.reaches |= behind.reaches
        self.reaches.add(host)
        if wire is not None:
            self.reaches.add(wire)

    def split(self, ways: list[_Behind]) -> None:
        """Add several ways, of which an item goes one."""
        for way in ways:
            self.reaches |= way.reaches
        self.choices[tuple(way.room() for way in ways)] = None

    def room(self) -> Room:
        """The same, to be measured."""
        limiters = self.limiters
        return Room(tuple(self.gates), tuple(limiters), tuple(self.choices), expands=any(limiters.values()))


def limit(plan: Plan, program: Program, host_of: dict[str, Host]) -> None:
    """Tell each pump, and each node that makes many of one, what is behind it."""
    topology = plan.topology
    turns = plan.turns
    behind: dict[str, _Behind] = {}

    def reach(into: _Behind, edge: Edge) -> None:
        gate = program.gates.get(edge)
        if gate is not None:
            into.gates[gate] = None
            into.reaches.add(gate)
        else:
            wire = program.ends[edge][1] if edge in program.ends else None
            into.add(host_of[edge.consumer], wire, behind[edge.consumer])

    for name in reversed(topology.nodes):
        own = behind[name] = _Behind()
        ways = {edge.port: _Behind() for edge in topology.out_of[name]} if topology.is_choice(name) else {}
        for edge in topology.out_of[name]:
            reach(ways.get(edge.port, own), edge)
        if ways:
            own.split(list(ways.values()))
        host = host_of[name]
        host.reaches = frozenset(own.reaches | {host})
        if isinstance(host, ReleaseHost | InnerHost) or (isinstance(host, StepHost) and host.expands):
            host.behind = own.room()
        if isinstance(host, SourceHost):
            _tell(host.pump, own)
            out = topology.out_of[name]
            wide = min((0 if edge in program.gates else turns.get(edge.consumer, 0) for edge in out), default=0)
            if wide > WIDE or host.source.knows_backlog:  # rows that are made one by one would be waited for
                host.pump.wide = wide
    for edge, gate in program.gates.items():
        if gate.reader is not None:
            entry = _Behind()
            entry.add(host_of[edge.consumer], program.ends[edge][1], behind[edge.consumer])
            _tell(gate.reader, entry)
            gate.reader.wide = turns.get(edge.consumer, 0)


def _tell(pump: Pump, behind: _Behind) -> None:
    pump.behind = behind.room()
    pump.reaches = frozenset(behind.reaches)
