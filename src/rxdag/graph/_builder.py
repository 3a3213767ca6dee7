"""Nodes and edges by name, for YAML and for users who prefer this form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rxdag.contract import RAISE, AnyOperator, FanIn, OnError, OnErrorName, Sink, Source
from rxdag.errors import GraphError, did_you_mean, shown, text_of
from rxdag.graph._dag import Dag
from rxdag.graph._node import Input, Node, Thing
from rxdag.graph._stream import SinkNode

if TYPE_CHECKING:
    from typing import Self


@dataclass(frozen=True)
class _Edge:
    producer: str
    consumer: str
    port: str
    input: str | None


class DagBuilder:
    """A builder of dags by node and edge names; `build` reports all problems at once.

    Args:
        name: Name of the dag.

    Example:
        >>> builder = rxdag.DagBuilder("squares")
        >>> _ = builder.node("numbers", sources.range(4)).node("square", ops.map(lambda x: x * x))
        >>> _ = builder.node("out", sinks.collect()).edge("numbers", "square").edge("square", "out")
        >>> rxdag.run(builder.build())["out"]
        [0, 1, 4, 9]
    """

    def __init__(self, name: str, /) -> None:
        self.name = name
        self._things: dict[str, tuple[Thing, OnError | OnErrorName]] = {}
        self._edges: list[_Edge] = []
        self._problems: list[str] = []

    def node(
        self,
        name: str,
        thing: Source[Any] | Sink[Any, Any] | AnyOperator,
        /,
        *,
        on_error: OnError | OnErrorName = RAISE,
    ) -> Self:
        """Add a node."""
        if name in self._things:
            self._problems.append(f'node "{name}" is defined twice')
        elif not isinstance(thing, Source | Sink | AnyOperator):
            self._problems.append(f'node "{name}" must be a source, an operator or a sink, got {shown(thing)}')
        else:
            self._things[name] = (thing, on_error)
        return self

    def edge(self, producer: str, consumer: str, /, *, port: str | None = None, input: str | None = None) -> Self:
        """Add an edge.

        Args:
            producer: Name of the node that emits.
            consumer: Name of the node that receives.
            port: Output port of the producer; "out" by default.
            input: Input of the consumer, such as "0" or "1"; by default the next free one.
        """
        self._edges.append(_Edge(producer, consumer, port or "out", input))
        return self

    def build(self) -> Dag:
        """Check the definition and return the dag.

        Raises:
            GraphError: Lists all problems: unknown or duplicate names, duplicate edges, cycles with their path, a
                source with an input, an operator without one, a dead end, an empty dag.
        """
        problems = [*self._problems, *self._unknown(), *self._doubled(), *self._arity()]
        if not self._things:
            problems.append("must have a node, got none")
        order, cycle = self._sorted()
        if cycle:
            problems.append("must have no cycle, got " + " -> ".join(cycle))
        if problems:
            raise GraphError(f'dag "{self.name}": ' + "; ".join(problems))
        nodes: dict[str, Node] = {}
        for name in order:
            thing, on_error = self._things[name]
            try:
                nodes[name] = Node(thing, tuple(self._inputs(name, nodes)), name, on_error)
            except GraphError as error:
                problems.append(text_of(error))
                break
        if problems:
            raise GraphError(f'dag "{self.name}": ' + "; ".join(problems))
        ends: list[SinkNode[Any, Any]] = [SinkNode(n) for n in nodes.values() if isinstance(n.thing, Sink)]
        return Dag(*ends, name=self.name)

    def _inputs(self, name: str, nodes: dict[str, Node]) -> list[Input]:
        own = [e for e in self._edges if e.consumer == name]
        slots: list[_Edge | None] = [None] * len(own)
        for edge in own:
            if edge.input is not None:
                slots[int(edge.input)] = edge
        rest = iter([e for e in own if e.input is None])
        filled = [e if e is not None else next(rest) for e in slots]
        return [Input(nodes[e.producer], nodes[e.producer].checked_port(e.port)) for e in filled]

    def _unknown(self) -> list[str]:
        known = self._things
        ends = dict.fromkeys(n for e in self._edges for n in (e.producer, e.consumer) if n not in known)
        return [f'node "{name}" is not known{did_you_mean(name, known)}' for name in ends]

    def _doubled(self) -> list[str]:
        seen: set[tuple[str, str, str]] = set()
        out: list[str] = []
        for e in self._edges:
            one = (e.producer, e.port, e.consumer)
            if one in seen:
                out.append(f'edge "{e.producer}" -> "{e.consumer}" is given twice')
            seen.add(one)
        return out

    def _arity(self) -> list[str]:
        out: list[str] = []
        for name, (thing, _) in self._things.items():
            own = [e for e in self._edges if e.consumer == name]
            if isinstance(thing, Source):
                if own:
                    out.append(f'source "{name}" takes no input, got {len(own)}')
            elif isinstance(thing, FanIn):
                if not own:
                    out.append(f'"{name}" takes one input or more, got none')
                out += self._bad_inputs(name, own)
            elif len(own) != 1:
                out.append(f'"{name}" takes exactly one input, got {len(own)}')
            if not isinstance(thing, Sink) and not any(e.producer == name for e in self._edges):
                out.append(f'"{name}" must lead to a sink, got no outgoing edge')
        return out

    @staticmethod
    def _bad_inputs(name: str, own: list[_Edge]) -> list[str]:
        given = [e.input for e in own if e.input is not None]
        allowed = {str(i) for i in range(len(own))}
        bad = sorted({i for i in given if i not in allowed or given.count(i) > 1})
        return [f'"{name}": inputs must be 0 to {len(own) - 1}, each once, got {", ".join(bad)}'] if bad else []

    def _sorted(self) -> tuple[list[str], list[str]]:
        """Return the names with producers first, and the path of a cycle if there is one."""
        feeds: dict[str, list[str]] = {name: [] for name in self._things}
        for e in self._edges:
            if e.consumer in feeds and e.producer in feeds:
                feeds[e.consumer].append(e.producer)
        order: list[str] = []
        state: dict[str, int] = {}
        for start in feeds:
            path = [start]
            walks = [iter(feeds[start])] if start not in state else []
            state.setdefault(start, 1)
            while walks:
                for name in walks[-1]:
                    if state.get(name) == 1:
                        return [], [*reversed(path[path.index(name) :]), path[-1]]
                    if name not in state:
                        state[name] = 1
                        path.append(name)
                        walks.append(iter(feeds[name]))
                        break
                else:
                    walks.pop()
                    state[path[-1]] = 2
                    order.append(path.pop())
        return order, []
