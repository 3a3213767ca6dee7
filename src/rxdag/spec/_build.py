"""From a document to a dag: connects the nodes, and checks the graph as a whole."""

from __future__ import annotations

from typing import Any, cast

from rxdag.contract import AnyOperator, Overflow, Sink, Source
from rxdag.errors import RxDagError, shown, text_of
from rxdag.graph import Dag, Routes, SinkNode, Stream, from_source
from rxdag.spec._document import Document
from rxdag.spec._feeds import Feed
from rxdag.spec._node import SpecNode


def build_dag(document: Document) -> Dag:
    """Connect the nodes.

    Raises:
        SpecError: Lists all problems of the document and the graph.
    """
    dag = connected(document)
    document.context.problems.check()
    return cast("Dag", dag)  # without one, a problem has been reported


def connected(document: Document) -> Dag | None:
    """Return the dag of the nodes that can be connected, and report problems; None if no sink is among them."""
    builder = _Build(document)
    for name in document.nodes:
        builder.make(name)
    problems = document.context.problems
    if not problems.found:  # otherwise the reader may be a node with problems
        builder.check_ends()
    sinks: list[SinkNode[Any, Any]] = [made for made in builder.made.values() if isinstance(made, SinkNode)]
    if not sinks and not problems.found:
        document.context.at("nodes").tell(document.tree, "must have a sink, got none")
    try:
        return Dag(*sinks, name=document.name) if sinks else None
    except RxDagError as error:
        document.context.tell(document.tree, text_of(error))
        return None


class _Build:
    """The nodes made so far: a stream, routes or a sink each; None for invalid ones."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self.made: dict[str, Any] = {}
        self._is_read: set[str] = set()

    def make(self, name: str) -> None:
        """Make a node after its producers; without recursion, since a chain may be long."""
        stack = [name]
        while stack:
            at = stack[-1]
            if at in self.made:
                stack.pop()
                continue
            node = self._document.nodes.get(at)
            if node is None:  # it has problems, which have been reported
                self.made[at] = None
                stack.pop()
                continue
            first = [feed.producer for feed in node.feeds.values() if feed.producer not in self.made]
            if first:
                stack += reversed(first)
                continue
            stack.pop()
            self.made[at] = self._made(node)

    def _made(self, node: SpecNode) -> Any:
        context = self._document.context.at("nodes").at(node.name)
        streams: dict[str, Stream[Any]] = {}
        for name, feed in node.feeds.items():
            stream = self._stream(feed)
            if stream is not None:
                streams[name] = stream
        if len(streams) < len(node.feeds):
            return None  # its feed has problems, which have been reported
        try:
            return self._connected(node, streams)
        except RxDagError as error:
            context.tell(node.tree, text_of(error))
        except TypeError as error:  # of the user's own function
            context.tell(node.tree, f"{node.found.name}: {text_of(error)}")
        return None

    def _connected(self, node: SpecNode, streams: dict[str, Stream[Any]]) -> Any:
        found = node.found
        policy: dict[str, Any] = {} if node.on_error is None else {"on_error": node.on_error}
        if found.takes_streams:
            made: Any = found.fn(*streams.values(), *node.args, **node.named)
            if not hasattr(made, "named"):
                raise RxDagError(f"{found.name}: must return a stream, got {shown(made)}")
            named: Stream[Any] = made.named(node.name)
            return named
        if "other" in found.inputs:
            thing: Any = found.fn(streams.pop("other"), *node.args, **node.named)
        else:
            thing = node.args[0]
        if found.role == "source":
            _check_kind(thing, Source, found.name)
            source: Source[Any] = thing
            start: Stream[Any] = from_source(source, name=node.name, **policy)
            return start
        stream = next(iter(streams.values()))
        if found.role == "sink":
            _check_kind(thing, Sink, found.name)
            return stream.to(thing, name=node.name, **policy)
        _check_kind(thing, AnyOperator, found.name)
        return _loose(stream).pipe(thing, name=node.name, **policy)

    def _stream(self, feed: Feed) -> Stream[Any] | None:
        made = self.made[feed.producer]
        if made is None:
            return None
        self._is_read.add(feed.producer)
        try:
            stream = _port(made, feed)
            if feed.buffered is not None:
                gate = dict(feed.buffered)
                if "overflow" in gate:
                    gate["overflow"] = Overflow(gate["overflow"])
                stream = stream.buffered(**gate)
            return stream if feed.on is None else stream.on(feed.on)
        except RxDagError as error:
            self._document.context.problems.add(feed.tree.mark, feed.path, text_of(error))
            return None

    def check_ends(self) -> None:
        """Report nodes that lead nowhere."""
        for name, node in self._document.nodes.items():
            if node.found.role != "sink" and name not in self._is_read and self.made[name] is not None:
                context = self._document.context.at("nodes").at(name)
                context.tell(node.tree, f"must lead to a sink, and nothing reads it: add input: {name} to another node")


def _loose(stream: Any) -> Any:
    """Return the stream as `Any`: a spec does not determine the overload of `pipe`."""
    return stream


def _port(made: Any, feed: Feed) -> Stream[Any]:
    routes: Any = made
    if isinstance(made, Routes):
        if feed.port == "out":
            ports = ", ".join(f"{feed.producer}.{port}" for port in routes)
            raise RxDagError(f'"{feed.producer}" is a route; take one of its ports: {ports}')
        stream: Stream[Any] = routes[feed.port]
        return stream
    sink: Any = made
    if isinstance(made, SinkNode):
        if feed.port != "dead":
            raise RxDagError(f'"{feed.producer}" is a sink; its only output is port "dead": {feed.producer}.dead')
        dead: Stream[Any] = sink.dead
        return dead
    stream = made
    return stream if feed.port == "out" else stream.side(feed.port)


def _check_kind(thing: Any, kind: type[Any], name: str) -> None:
    if not isinstance(thing, kind):
        words = {Source: "a source", Sink: "a sink"}.get(kind, "an operator")
        raise RxDagError(f"{name}: must make {words}, got {shown(thing)}")
