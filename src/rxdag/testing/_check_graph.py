"""A graph driven by calls, without an engine: kernels are called directly, and the whole state can be saved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, Literal

from rxdag.contract import (
    END,
    ENDED,
    MIN,
    SKIP,
    AnyOperator,
    Foreign,
    InnerKernel,
    Kernel,
    Read,
    Sink,
    Source,
)
from rxdag.engine.drivers import VirtualClock
from rxdag.graph import Dag, Edge, Node
from rxdag.testing._check_columns import ColumnsNode
from rxdag.testing._check_node import DrivenNode
from rxdag.testing._check_streams import ReadContext, StreamsNode

Lane = Literal["rows", "columns"]

_STEPS: Final = (0, 0, 0, 10**6, 10**6, 4 * 10**8, 4 * 10**8, 9 * 10**8, 9 * 10**8, 3 * 10**9)
"""Advances of the clock before a turn, ns; one is drawn."""
_MOST_TURNS: Final = 100_000


@dataclass
class _Way:
    """An edge into a node."""

    node: DrivenNode
    input: int
    timed: bool
    keyed: bool

    def take(self, kind: str, *what: Any) -> None:
        self.node.inbox.append([self.input, kind, *what])


@dataclass
class _End:
    """An edge into a sink: keeps items with time, sequence, key, the watermark before them and their arrival."""

    timed: bool
    keyed: bool
    clock: VirtualClock
    fail: Callable[[Exception], None]
    items: list[Any] = field(default_factory=lambda: list[Any]())
    watermark: int = MIN

    def take(self, kind: str, *what: Any) -> None:
        if kind == "item":
            self.items.append((*what, self.watermark, self.clock.now()))
        elif kind == "mark":
            self.watermark = max(self.watermark, what[0])
        elif kind == "fail":
            self.fail(what[0])


class _Feed:
    """A source, read one item at a time, and its position."""

    def __init__(self, source: Source[Any], clock: VirtualClock) -> None:
        self._source = source
        self._context = ReadContext(clock, self._bad)
        self._reader = source.open(self._context)
        self.ways: dict[str, list[Any]] = {}
        self.position = 0
        self.is_over = False

    def _bad(self, item: object, error: Exception) -> None:
        raise error

    @property
    def due(self) -> int | None:
        """Time at which it wants to be read again."""
        return None if self.is_over else self._context.due

    def give(self) -> bool:
        """Push the next item; return False if there is none now."""
        if self.is_over:
            return False
        self._context.due = None
        try:
            read: Read = self._reader.read(1)
        except Exception as error:
            self._end("fail", error)
            return True
        if read is None:
            return False
        if read is END:
            self._end("mark", ENDED)
            return True
        self.position += 1
        chunk = read.rows()
        before = [mark for place, mark in chunk.marks if place == 0]
        behind = [mark for place, mark in chunk.marks if place > 0]
        for way in self.ways.get("out", ()):
            for mark in before if way.timed else ():
                way.take("mark", mark)
            for item in chunk.items:
                at = (0, 0) if chunk.ts is None or chunk.sequence is None else (chunk.ts[0], chunk.sequence[0])
                way.take("item", item, *at, None if chunk.key is None else chunk.key[0])
            for mark in behind if way.timed else ():
                way.take("mark", mark)
        return True

    def _end(self, kind: str, what: Any) -> None:
        self.is_over = True
        self._reader.close()
        for ways in self.ways.values():
            for way in ways:
                way.take(kind, what)

    def skip_to(self, position: int, *, is_over: bool) -> None:
        """Continue where another run has stopped."""
        while self.position < position:
            self._reader.read(1)
            self.position += 1
        if is_over:
            self.is_over = True
            self._reader.close()


@dataclass
class Driven:
    """A graph driven turn by turn: in each turn the clock may advance, and every source delivers one or more items.

    Args:
        dag: The graph.
        lane: "columns" to run nodes on columns where possible.
        seed: Seed of random choices: clock steps, items per turn, and room downstream.
        operator: Changes an operator before its kernel is made.
        skips: True to skip items that fail, whatever the nodes' policies.

    Attributes:
        outputs: Items received by each sink, with time, sequence, key, the watermark before each, and the time of
            arrival.
        error: Error of the graph; None without one.
        turn: Number of turns so far.
    """

    dag: Dag
    lane: Lane = "rows"
    seed: int = 0
    operator: Callable[[str, Any], Any] = field(default=lambda name, operator: operator)
    skips: bool = False

    def __post_init__(self) -> None:
        self.clock = VirtualClock()
        self.nodes: dict[str, DrivenNode] = {}
        self.feeds: dict[str, _Feed] = {}
        self._ends: dict[str, _End] = {}
        self.error: Exception | None = None
        self.turn = 0
        self.columns: list[str] = []
        """Names of the nodes that work on columns."""
        self._restored: dict[str, int] = {}
        things = self.dag.nodes
        meets = any(isinstance(node.thing, AnyOperator) and len(node.inputs) > 1 for node in things.values())
        # Where inputs meet, several items per turn would arrive in another order than on rows.
        self._most = 1 if self.lane == "rows" or meets else 6
        for name, node in things.items():
            if isinstance(node.thing, Source):
                self.feeds[name] = _Feed(node.thing, self.clock)
            elif not isinstance(node.thing, Sink):
                self.nodes[name] = self._driven(name, node)
                self.nodes[name].room = self._room
        for edge in self.dag.edges:
            holder = self.feeds.get(edge.producer) or self.nodes[edge.producer]
            holder.ways.setdefault(edge.port, []).append(self._way(edge))

    def _driven(self, name: str, node: Node) -> DrivenNode:
        operator = self.operator(name, _operator(node))
        kernel: Kernel = operator.kernel()
        policy = SKIP if self.skips else node.on_error
        n = len(node.inputs)
        if isinstance(kernel, InnerKernel):
            return StreamsNode(name, kernel, policy, n, self.clock)
        by_clock = operator.clock_for(node.in_shape) == "processing"
        in_columns = kernel.in_columns() if self.lane == "columns" and not by_clock else ""
        if isinstance(in_columns, str):
            driven = DrivenNode(name, kernel, policy, n, self.clock, by_clock=by_clock)
            driven.fires_before = kernel.fires_before and node.in_shape.ordered and n == 1
            return driven
        self.columns.append(name)
        shape = node.in_shape
        return ColumnsNode(
            name,
            in_columns,
            policy,
            n,
            self.clock,
            item_types=[each.shape.item_type for each in node.inputs],
            most=self._most,
            is_last=all(self._is_sink(edge.consumer) or edge.producer != name for edge in self.dag.edges),
            timed=shape.timed,
            keyed=shape.keyed,
        )

    def _is_sink(self, name: str) -> bool:
        return isinstance(self.dag.nodes[name].thing, Sink)

    def _way(self, edge: Edge) -> _Way | _End:
        shape = self.dag.nodes[edge.producer].port_shape(edge.port)
        node = self.nodes.get(edge.consumer)
        if node is None:
            end = self._ends[edge.consumer] = _End(shape.timed, shape.keyed, self.clock, self._fail)
            return end
        return _Way(node, edge.input, shape.timed, shape.keyed)

    @property
    def outputs(self) -> dict[str, list[Any]]:
        """Items received by each sink."""
        return {name: end.items for name, end in self._ends.items()}

    def _fail(self, error: Exception) -> None:
        self.error = self.error or error

    def _drawn(self, what: str) -> Random:
        """Return the random choices of this turn: the same in every run of a seed."""
        return Random(f"{self.seed} {self.turn} {what}")

    def _room(self) -> int:
        return self._drawn("room").choice((0, 1, 2))

    def open(self) -> None:
        """Begin a run that is new."""
        for node in self.nodes.values():
            node.open()
        self._settle()

    def run(self, turns: int | None = None) -> None:
        """Make a number of turns; by default until nothing is left to do."""
        while self.error is None and (turns is None or self.turn < turns) and self._go():
            self.turn += 1
            if self.turn > _MOST_TURNS:
                raise RuntimeError(f"driven: must end within {_MOST_TURNS:,} turns")

    def _go(self) -> bool:
        """Make one turn; False if nothing is left to happen."""
        dues = [node.due for node in self.nodes.values() if node.is_parked]
        if any(due is not None for due in dues):  # nothing goes in until then
            return self._advance_to_next()
        drawn = self._drawn("step")
        self._advance_to(self.clock.now() + drawn.choice(_STEPS))
        gave = False
        for _ in range(drawn.randint(1, self._most)):
            for feed in self.feeds.values():
                gave = feed.give() or gave
        self._settle()
        return gave or self._read() or self._advance_to_next() or any(node.waits for node in self.nodes.values())

    def _read(self) -> bool:
        read = [node.read() for node in self.nodes.values() if isinstance(node, StreamsNode)]
        self._settle()
        return any(read)

    def _advance_to_next(self) -> bool:
        """Move the clock to the next due time; False if there is none."""
        due = self._next_due()
        if due is None:
            return False
        self._advance_to(due)
        return True

    def _next_due(self) -> int | None:
        holders: Sequence[Any] = (*self.nodes.values(), *self.feeds.values())
        return min((holder.due for holder in holders if holder.due is not None), default=None)

    def _advance_to(self, when: int) -> None:
        """Move the clock, and fire everything due on the way."""
        while True:
            nodes = [node for node in self.nodes.values() if node.due is not None and node.due <= when]
            if not nodes:
                break
            node = min(nodes, key=lambda node: node.due or 0)
            self.clock.advance_to(node.due or 0)
            node.fire()
            self._settle()
        self.clock.advance_to(when)

    def _settle(self) -> None:
        """Let every node take in its waiting inputs, the last nodes first."""
        nodes = list(reversed(self.nodes.values()))
        while self.error is None and any(node.step() for node in nodes):
            pass
        for node in nodes:
            node.release()
        if any(node.next_entry() is not None for node in nodes) and self.error is None:
            self._settle()

    @property
    def has_streams(self) -> bool:
        """True if arrival times also depend on tasks, which start over with a run."""
        return any(isinstance(node, StreamsNode) for node in self.nodes.values())

    def problems(self) -> list[str]:
        """Return the violated laws of the books."""
        found = [node.problem(self._restored.get(name, 0)) for name, node in self.nodes.items()]
        return [problem for problem in found if problem is not None]

    def save(self) -> dict[str, Any]:
        """Return the whole state as plain data, by owner."""
        feeds = {name: [feed.position, feed.is_over] for name, feed in self.feeds.items()}
        ends = {name: end.watermark for name, end in self._ends.items()}
        run = {"now": self.clock.now(), "turn": self.turn, "feeds": feeds, "ends": ends}
        return {"run": run, **{_where(name): node.save() for name, node in self.nodes.items()}}

    def load(self, saved: dict[str, Any]) -> None:
        """Restore the result of `save`, in place of `open`."""
        run = saved["run"]
        self.clock.advance_to(run["now"])
        self.turn = run["turn"]
        for name, watermark in run["ends"].items():
            self._ends[name].watermark = watermark
        for name, (position, is_over) in run["feeds"].items():
            self.feeds[name].skip_to(position, is_over=is_over)
        for name, node in self.nodes.items():
            node.load(saved[_where(name)])
            self._restored[name] = 0 if node.is_ended else node.kernel.held()

    def close(self) -> None:
        """Close everything that is open."""
        for node in self.nodes.values():
            if isinstance(node, StreamsNode):
                node.close()


def _operator(node: Node) -> Any:
    thing: Any = node.thing
    return thing.bound(node.in_shape)


def _where(name: str) -> str:
    return f'node "{name}"'


def can_drive(dag: Dag) -> bool:
    """Return True if all nodes of a graph have kernels."""
    return not any(isinstance(node.thing, Foreign) for node in dag.nodes.values())
