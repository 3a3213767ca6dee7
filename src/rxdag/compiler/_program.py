"""Program: what one run consists of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rxdag.compiler._host import Host, Outlet, Wire
from rxdag.compiler._kernel_host import KernelHost
from rxdag.compiler._ledger import EdgeBook, Ledger
from rxdag.compiler._plan import Plan
from rxdag.compiler._region_host import RegionHost
from rxdag.compiler._sink_host import SinkHost
from rxdag.compiler._source_host import SourceHost
from rxdag.contract import Chunk, Sink
from rxdag.errors import CompileError
from rxdag.graph import Edge
from rxdag.schedulers import FlowScheduler, Gate, Inlet, Pump, Segment


@dataclass
class Program:
    """What one run consists of.

    Attributes:
        plan: What it was lowered from.
        schedulers: The serial domains, by name.
        segments: By number.
        hosts: In the order of the nodes; a fused run has one.
        gates: By edge.
        ends: The producing outlet and the consuming wire of each edge between hosts.
    """

    plan: Plan
    schedulers: dict[str, FlowScheduler]
    segments: dict[int, Segment] = field(default_factory=lambda: dict[int, Segment]())
    hosts: list[Host] = field(default_factory=lambda: list[Host]())
    gates: dict[Edge, Gate] = field(default_factory=lambda: dict[Edge, Gate]())
    ends: dict[Edge, tuple[Outlet, Wire]] = field(default_factory=lambda: dict[Edge, tuple[Outlet, Wire]]())

    @property
    def sources(self) -> list[SourceHost]:
        return [host for host in self.hosts if isinstance(host, SourceHost)]

    @property
    def sinks(self) -> list[SinkHost]:
        return [host for host in self.hosts if isinstance(host, SinkHost)]

    @property
    def pumps(self) -> list[Pump]:
        return [pump for segment in self.segments.values() for pump in segment.pumps]

    def nodes(self) -> dict[str, tuple[Ledger, dict[str, str]]]:
        """Ledger of each node, and which count each of its side ports must equal."""
        found = {name: (ledger, sides) for host in self.hosts for name, ledger, sides in host.books()}
        return {name: found[name] for name in self.plan.dag.nodes}

    def edges(self) -> list[EdgeBook]:
        """Book of each edge between hosts."""
        books: list[EdgeBook] = []
        for edge, (outlet, wire) in self.ends.items():
            gate = self.gates.get(edge)
            rests, discarded, dropped = (gate.held, gate.discarded, gate.dropped) if gate is not None else (0, 0, 0)
            books.append(
                EdgeBook(
                    str(edge), outlet.out, wire.received, dropped, discarded + wire.discarded + wire.unsent(), rests
                )
            )
        return books

    def watermarks(self) -> dict[str, int]:
        """The watermark at the output of each node that has one."""
        found: dict[str, int] = {}
        for host in self.hosts:
            if isinstance(host, KernelHost):
                found[host.name] = host.watermark
            elif isinstance(host, RegionHost):
                found |= host.watermarks()
        return found

    def busy_ns(self) -> dict[str, int]:
        """How long chunks were read and worked on, by the node where their way begins."""
        found: dict[str, int] = {}
        for pump in self.pumps:
            found[pump.node] = found.get(pump.node, 0) + pump.busy_ns
        return found

    def observe(self, name: str, inlet: Inlet) -> None:
        """Have an inlet see what comes out of a node, or what goes into a sink.

        Raises:
            CompileError: If the node is inside a fused loop, where nothing can be seen.
        """
        node = self.plan.dag.nodes[name]
        inlet = _InRows(inlet)
        if isinstance(node.thing, Sink):
            edge = self.plan.topology.into[name][0]
            wire = self.ends[edge][1]
            wire.watchers = (*wire.watchers, inlet)
            return
        host = next(h for h in self.hosts if name in (h.names if isinstance(h, RegionHost) else (h.name,)))
        port = node.ports[0]
        outlet = host.exits.get((name, port)) if isinstance(host, RegionHost) else host.outlets[port]
        if outlet is None:
            raise CompileError(
                f'observable: node "{name}" must be at the edge of a fused region, got one inside it; '
                f"compile with fuse=False to see it"
            )
        outlet.port.watch(inlet)

    def discard_waiting(self) -> None:
        """Count what waits inside segments and rests in gates as discarded: nobody will take it."""
        for segment in self.segments.values():
            for fn, arg in segment.waiting():
                owner: Any = getattr(fn, "__self__", None)
                if (isinstance(owner, Wire) and hasattr(arg, "items")) or (
                    isinstance(owner, Gate) and hasattr(arg, "items")
                ):
                    owner.discarded += len(arg.items)
            segment.clear()
        for gate in self.gates.values():
            gate.abandon()


class _InRows:
    """Hands what it sees to an inlet, columns as rows."""

    def __init__(self, inlet: Inlet) -> None:
        self._inlet = inlet

    def on_next(self, chunk: Chunk, /) -> None:
        self._inlet.on_next(chunk.rows())

    def end(self, error: Exception | None, /) -> None:
        self._inlet.end(error)
