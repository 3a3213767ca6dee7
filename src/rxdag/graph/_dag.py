"""Dags: named, frozen, checked definitions."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import FrameType
from typing import Any

from rxdag.contract import AnyOperator, Boundary, Foreign, Sink, Source, note_as
from rxdag.errors import GraphError, GraphWarning, did_you_mean, shown
from rxdag.graph._draw import describe, mermaid
from rxdag.graph._node import Node, Thing, checked_name
from rxdag.graph._picture import bundle
from rxdag.graph._silence import silent_sources
from rxdag.graph._stream import SinkNode


@dataclass(frozen=True)
class Edge:
    """A link from an output port to an input.

    Attributes:
        producer: Name of the node that emits.
        port: Output port of the producer.
        consumer: Name of the node that receives.
        input: Index of the consumer's input, from 0.
        boundary: The gate requested by the user, if any.
    """

    producer: str
    port: str
    consumer: str
    input: int
    boundary: Boundary | None = None

    def __str__(self) -> str:
        port = "" if self.port == "out" else f".{self.port}"
        return f"{self.producer}{port} -> {self.consumer}"


class Dag:
    """A set of sinks with all their ancestors, checked and frozen.

    Args:
        sinks: Nodes returned by `.to(...)`; all their ancestors belong to the dag.
        name: Name of the dag, for messages and metrics.

    Attributes:
        nodes: The nodes by name, producers before consumers.
        edges: The links, in the order of their consumers.
        job: Name of the dag, and with `shard` the share of the worker: "bars 0/2". Checkpoints and rows in databases
            belong to a job.

    Raises:
        GraphError: If there are no sinks, or two nodes have the same name. All problems are reported at once.

    Example:
        >>> trades = rxdag.from_source(sources.simulated_trades(trades=100), name="trades")
        >>> large = trades.pipe(ops.filter(col.qty > 1), name="large").to(sinks.collect(), name="out")
        >>> dag = rxdag.Dag(large, trades.to(sinks.null(), name="all"), name="sizes")
        >>> list(dag.nodes), dag.sinks
        (['trades', 'large', 'out', 'all'], ('out', 'all'))
    """

    def __init__(self, *sinks: SinkNode[Any, Any], name: str = "dag") -> None:
        self.name = self.job = checked_name(name, "dag")
        for sink in sinks:
            if not isinstance(sink, SinkNode):
                hint = "; end the stream with .to(sink)" if hasattr(sink, "pipe") else ""
                raise GraphError(f'dag "{name}": takes sinks, got {shown(sink)}{hint}')
        if not sinks:
            raise GraphError(f'dag "{name}": must have one sink or more, got none; end a stream with .to(sink)')
        self._assemble(ancestors(sink.node for sink in sinks))
        self._warn_of_loose_sinks()
        self._warn_of_silence()

    @classmethod
    def glance(cls, sink: SinkNode[Any, Any]) -> Dag:
        """Return the dag of a single sink, to inspect a stream without its other sinks."""
        dag = object.__new__(cls)
        dag.name = dag.job = "glance"
        dag._assemble(ancestors([sink.node]))
        return dag

    def _assemble(self, nodes: list[Node]) -> None:
        names = named(nodes, self.name)
        self.nodes: Mapping[str, Node] = {names[node]: node for node in nodes}
        self.edges = tuple(
            Edge(names[i.producer], i.port, names[node], index, i.boundary)
            for node in nodes
            for index, i in enumerate(node.inputs)
        )

    def _warn_of_loose_sinks(self) -> None:
        """Warn once of each sink that is attached to this dag and was not passed to any dag."""
        for node in self.nodes.values():
            node.is_spoken_for = True
        for node in self.nodes.values():
            for sink in node.sinks:
                if not sink.is_spoken_for:
                    sink.is_spoken_for = True
                    warnings.warn(
                        f'dag "{self.name}": {sink.where} is attached to {node.where} but was not passed; it will '
                        "not run",
                        GraphWarning,
                        stacklevel=_users_level(),
                    )

    def _warn_of_silence(self) -> None:
        """Warn of joins that hold what comes while a live source is silent."""
        for join in self.nodes.values():
            names = ", ".join(sorted(source.where for source in silent_sources(join)))
            if not names:
                continue
            warnings.warn(
                f'dag "{self.name}": {join.where} must not wait for live sources without an idle timeout, got {names}; '
                "while one is silent, the join holds all items of the others: pass idle_timeout= to ops.event_time",
                GraphWarning,
                stacklevel=_users_level(),
            )

    def __repr__(self) -> str:
        return f"<Dag {self.name}: {len(self.nodes)} nodes, {len(self.edges)} edges>"

    @property
    def sinks(self) -> tuple[str, ...]:
        """Return the names of the sinks, in order."""
        return tuple(name for name, node in self.nodes.items() if isinstance(node.thing, Sink))

    @property
    def sources(self) -> tuple[str, ...]:
        """Return the names of the sources, in order."""
        return tuple(name for name, node in self.nodes.items() if isinstance(node.thing, Source))

    def replace(self, nodes: Mapping[str, Source[Any] | Sink[Any, Any]], /) -> Dag:
        """Return a copy of the dag with other sources or sinks, for tests and backtests.

        Args:
            nodes: Replacements by node name: a source for a source, a sink for a sink.

        Raises:
            GraphError: If a name is unknown or the kinds differ. All problems are reported at once.
        """
        problems: list[str] = []
        for name, thing in nodes.items():
            node = self.nodes.get(name)
            if node is None:
                problems.append(f'node "{name}" is not known{did_you_mean(name, self.nodes)}')
            elif not isinstance(thing, Source if isinstance(node.thing, Source) else Sink) or not isinstance(
                node.thing, Source | Sink
            ):
                problems.append(f'node "{name}" is {_kind(node)} and can only be replaced by one, got {shown(thing)}')
        if problems:
            raise GraphError(f'dag "{self.name}": replace: ' + "; ".join(problems))
        return self._with(nodes, self.job)

    def shard(self, worker: int, workers: int, /) -> Dag:
        """Return a copy of the dag for one of several workers.

        In the copy, each `ops.shard` passes only the items of that worker. Sinks of files write "bars-0.csv" instead of
        "bars.csv", and journals are written to the folder "feed-0" instead of "feed", so that workers can run beside
        each other; checkpoints and rows in databases belong to the worker.

        Args:
            worker: Index of the worker, from 0.
            workers: Number of workers.

        Raises:
            GraphError: If there is no such worker, or no operator of the dag divides the items.
        """
        if type(worker) is not int or type(workers) is not int or not 0 <= worker < workers:
            raise GraphError(
                f'dag "{self.name}": shard: must be worker 0 to n - 1 of n, got {shown(worker)} of {shown(workers)}'
            )
        if not any(_divides(node.thing) for node in self.nodes.values()):
            raise GraphError(
                f'dag "{self.name}": shard: must have an ops.shard(key), got none; without one, each worker would '
                "process all items"
            )
        if workers == 1:
            return self
        parts: dict[str, Thing] = {}
        for name, node in self.nodes.items():
            if isinstance(node.thing, AnyOperator | Sink | Source):
                parts[name] = node.thing.shard(worker, workers)
                note_as(parts[name], node.thing)
        return self._with(parts, f"{self.name} {worker}/{workers}")

    def _with(self, things: Mapping[str, Thing], job: str) -> Dag:
        """Return the same dag with other contents of some nodes."""
        new: dict[Node, Node] = {}
        for name, node in self.nodes.items():
            inputs = tuple(replace(i, producer=new[i.producer]) for i in node.inputs)
            new[node] = Node(things.get(name, node.thing), inputs, name, node.on_error, node.identity)
        dag = object.__new__(Dag)
        dag.name, dag.job = self.name, job
        dag._assemble(list(new.values()))
        return dag

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """Return the picture for a notebook."""
        return bundle(self, self.describe())

    def describe(self) -> str:
        """Return the dag as text: one line per node, with its inputs."""
        return describe(self.name, self.nodes, self.edges)

    def mermaid(self) -> str:
        """Return the dag as a Mermaid flowchart."""
        return mermaid(self.nodes, self.edges)


def _users_level() -> int:
    """Return the stack level of the user's own line, for `warnings.warn` in the caller."""
    frame = inspect.currentframe()
    level = 0
    while frame is not None and (level == 0 or _is_ours(frame)):
        frame, level = frame.f_back, level + 1
    return level


def _is_ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] == "rxdag"


def _divides(thing: Thing) -> bool:
    """Return True for an operator that divides the items between workers."""
    return isinstance(thing, AnyOperator) and thing.divides and thing.shard(0, 2) is not thing


def _kind(node: Node) -> str:
    if isinstance(node.thing, Source):
        return "a source"
    return "a sink" if isinstance(node.thing, Sink) else "an operator"


def ancestors(ends: Iterable[Node]) -> list[Node]:
    """Return all nodes that feed these, producers first, in the order of a walk from the first end."""
    done: dict[Node, None] = {}
    stack = [(node, False) for node in reversed(list(ends))]
    while stack:
        node, is_open = stack.pop()
        if node in done:
            continue
        if is_open:
            done[node] = None
            continue
        stack.append((node, True))
        stack += [(i.producer, False) for i in reversed(node.inputs) if i.producer not in done]
    return list(done)


def named(nodes: list[Node], dag: str) -> dict[Node, str]:
    """Return the names of all nodes: the user's, or else the label, numbered to be unique.

    Raises:
        GraphError: If the user gave two nodes the same name.
    """
    given: dict[str, Node] = {}
    doubled: dict[str, None] = {}
    for node in nodes:
        if node.name is not None:
            if node.name in given:
                doubled[node.name] = None
            given[node.name] = node
    if doubled:
        listed = ", ".join(f'"{name}"' for name in doubled)
        raise GraphError(f'dag "{dag}": each name must belong to one node, got twice: {listed}')
    names: dict[Node, str] = {}
    counts: dict[str, int] = {}
    for node in nodes:
        if node.name is not None:
            names[node] = node.name
            continue
        label = "rx" if isinstance(node.thing, Foreign) else node.label
        while True:
            counts[label] = counts.get(label, 0) + 1
            name = label if counts[label] == 1 else f"{label}_{counts[label]}"
            if name not in given:
                break
        names[node] = name
    return names
