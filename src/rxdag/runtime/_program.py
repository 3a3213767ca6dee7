"""Program: the parts of one run, and its books."""

from __future__ import annotations

from dataclasses import dataclass, field

from rxdag.contract import Sink
from rxdag.engine import (
    SIDES,
    EdgeBook,
    Exit,
    Gate,
    KernelNode,
    Ledger,
    Node,
    Point,
    Pump,
    RunContext,
    SinkNode,
    SourceNode,
    Watch,
    Watcher,
)
from rxdag.engine.drivers import FlowScheduler
from rxdag.errors import RxDagError
from rxdag.graph import Edge
from rxdag.plan import Plan


@dataclass
class Link:
    """The nodes and exits along an edge, from its producer to its consumer.

    Attributes:
        exits: Exits that an item leaves by: that of the producer, then of a fork and a lane if there are any between.
        owners: The nodes of these exits.
        entry: End of the edge: the consumer, its inlet, or the node that builds columns for it.
        behind: Nodes between the gate and the consumer, each with its exit.
        gate: The gate on the edge, if there is one.
        restored: Items that rested on the edge when it took up the state of another run.
    """

    exits: list[Exit]
    owners: list[Point]
    entry: Node
    behind: list[tuple[Point, Exit]] = field(default_factory=lambda: list[tuple[Point, Exit]]())
    gate: Gate | None = None
    restored: int = 0


def place_of(edge: Edge) -> str:
    """Return the place of an edge in a graph, as text: no other edge has the same."""
    return f"{edge.producer}.{edge.port} -> {edge.consumer}[{edge.input}]"


@dataclass
class Program:
    """The parts of one run.

    Attributes:
        plan: The plan it was made from.
        schedulers: The serial domains, by name.
        nodes: The nodes of the dag, by name.
        helpers: Forks, lanes, cuts and others that the wiring has added, by their place.
        links: The link of each edge.
        gates: The gates, by edge.
        pumps: The pumps, which feed the segments.
    """

    plan: Plan
    schedulers: dict[str, FlowScheduler]
    nodes: dict[str, Node] = field(default_factory=lambda: dict[str, Node]())
    helpers: dict[str, Point] = field(default_factory=lambda: dict[str, Point]())
    links: dict[Edge, Link] = field(default_factory=lambda: dict[Edge, Link]())
    gates: dict[Edge, Gate] = field(default_factory=lambda: dict[Edge, Gate]())
    pumps: list[Pump] = field(default_factory=lambda: list[Pump]())

    @property
    def sources(self) -> list[SourceNode]:
        """The sources."""
        return [node for node in self.nodes.values() if isinstance(node, SourceNode)]

    @property
    def sinks(self) -> list[SinkNode]:
        """The sinks."""
        return [node for node in self.nodes.values() if isinstance(node, SinkNode)]

    def ledgers(self) -> dict[str, Ledger]:
        """Return the current books of each node."""
        return {name: node.ledger() for name, node in self.nodes.items()}

    def problems(self, *, is_whole: bool) -> list[str]:
        """Return the violated laws of the books.

        Args:
            is_whole: True if all inputs have ended by themselves: operators hold nothing then.
        """
        out: list[str] = []
        for name, node in self.nodes.items():
            ledger = node.ledger()
            ports = {port for port in ledger.out if port in SIDES}
            sides = {"dead": "dead"} if isinstance(node, SourceNode) else {port: SIDES[port] for port in ports}
            out += ledger.problems(name, sides)
            if is_whole and ledger.held and isinstance(node, KernelNode):
                out.append(f"{name}: {ledger.held} items are held after the end")
        return out + [problem for edge in self.edges() for problem in edge.problems()]

    def edges(self) -> list[EdgeBook]:
        """Return the current book of each edge."""
        for node in self.nodes.values():
            node.sync()
        books: list[EdgeBook] = []
        for edge, link in self.links.items():
            gate = link.gate
            held = sum(owner.resting_at(exit_) for owner, exit_ in zip(link.owners, link.exits, strict=True))
            lost = sum(int(exit_.lost) for exit_ in link.exits)
            received = int(gate.taken) if gate is not None else link.entry.received()
            dropped = 0
            if gate is not None:
                rests = sum(owner.resting_at(exit_) for owner, exit_ in link.behind)
                gone = sum(int(exit_.lost) for _, exit_ in link.behind)
                received -= rests + gone
                held += gate.n + rests
                lost += gone
                lost += int(gate.lost)
                dropped = int(gate.n_dropped)
            sent = int(link.exits[0].n)
            books.append(EdgeBook(str(edge), sent, received, dropped, lost, held, link.restored))
        return books

    def watermarks(self) -> dict[str, int]:
        """Return the watermark at the output of each operator that has one."""
        return {name: int(node.watermark) for name, node in self.nodes.items() if isinstance(node, KernelNode)}

    def busy_ns(self) -> dict[str, int]:
        """Return how long items were read and worked on, ns, by the node where their way begins."""
        found: dict[str, int] = {}
        for pump in self.pumps:
            found[pump.node] = found.get(pump.node, 0) + int(pump.busy_ns)
        return found

    def observe(self, name: str, watcher: Watcher, run: RunContext, port: str | None = None) -> None:
        """Attach a watcher to a port of a node, by default the main one, or to the inputs of a sink, before the run starts."""
        node = self.plan.dag.nodes[name]
        if isinstance(node.thing, Sink) and port is None:
            edge = self.plan.topology.into[name][0]
            link = self.links[edge]
            if link.gate is not None:
                pump = link.gate.reader
                pump.out = Watch(name, pump.out, watcher, run)
            else:
                link.exits[-1].out = Watch(name, link.exits[-1].out, watcher, run)
            return
        port = port or node.ports[0]
        made = self.nodes[name]
        # A port for items that leave otherwise has an exit only if somebody takes them.
        exit_ = next((each for each in made.exits if each.port == port), None) or self.add_exit(name, port)
        exit_.out = Watch(name, exit_.out, watcher, run)
        if isinstance(made, Point):
            made.note_readers()

    def add_exit(self, name: str, port: str) -> Exit:
        """Give a node the exit of a port."""
        shape = self.plan.topology.nodes[name].port_shape(port)
        exit_ = Exit(port, shape.timed, shape.keyed)
        made = self.nodes[name]
        assert isinstance(made, Point)
        made.add_exit(exit_)
        return exit_

    def give_up_unread(self) -> None:
        """Count items without a reader as discarded: the run may have ended before its nodes could."""
        domains = {node.domain: None for node in self.nodes.values()}
        for gate in self.gates.values():
            if gate.reader.is_finished:
                gate.abandon()
        while any(domain.retired for domain in domains):
            for domain in domains:
                domain.retire_all()

    def discard_waiting(self) -> None:
        """Count items that rest in nodes and gates as discarded, since they will not be taken."""
        for node in [*self.nodes.values(), *self.helpers.values()]:
            if isinstance(node, Point):
                node.clear()
        for gate in self.gates.values():
            gate.abandon()


def unbalanced(problems: list[str]) -> RxDagError:
    """Return the error of a run whose books do not balance."""
    return RxDagError(
        f"run: the books must balance, got {'; '.join(problems)}; each item must leave its kernel by one exit or be "
        "counted in held(); if all kernels here are rxdag's, please report this as a bug of rxdag"
    )
