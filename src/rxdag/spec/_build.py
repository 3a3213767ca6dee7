"""From a document to a dag: connects the nodes, and checks the graph as a whole."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, cast

from rxdag.contract import AnyOperator, Overflow, Sink, Source
from rxdag.errors import RxDagError, shown, text_of
from rxdag.graph import Dag, Routes, SinkNode, Stream, from_source
from rxdag.spec._document import Document
from rxdag.spec._feeds import Feed
from rxdag.spec._node import SpecNode
from rxdag.spec._stand_in import apart, is_stand_in, stand_ins


def build_dag(document: Document) -> Dag:
    """Connect the nodes.

    Raises:
        SpecError: Lists all problems of the document and the graph.
    """
    dag = connected(document)
    document.context.problems.check()
    return cast("Dag", dag)  # without one, a problem has been reported


def connected(document: Document) -> Dag | None:
    """Return the dag of the nodes without problems, and report the problems of the others; None if no sink is among them."""
    builder = _Build(document)
    for name in document.nodes:
        builder.make(name)
    sinks: list[SinkNode[Any, Any]] = [
        made for name in builder.sound for made in builder.made[name] if isinstance(made, SinkNode)
    ]
    try:
        return Dag(*sinks, name=document.name) if sinks else None
    except RxDagError as error:
        document.context.tell(document.tree, text_of(error))
        return None


class _Build:
    """The nodes that have been made: each a stream, routes or a sink.

    A node that is wrong has two stand-ins, so that those behind it are checked as well.
    """

    def __init__(self, document: Document) -> None:
        self._document = document
        self.made: dict[str, Sequence[Any]] = {}
        self.sound: list[str] = []

    def make(self, name: str) -> None:
        """Make a node after its producers; without recursion, since a chain may be long."""
        stack = [name]
        while stack:
            at = stack[-1]
            if at in self.made:
                stack.pop()
                continue
            node = self._document.nodes.get(at)
            if node is None:  # it is wrong, and that has been told
                self.made[at] = stand_ins()
                stack.pop()
                continue
            first = [
                feed.producer for feed in node.feeds.values() if feed is not None and feed.producer not in self.made
            ]
            if first:
                stack += reversed(first)
                continue
            stack.pop()
            self.made[at] = self._made(node)

    def _made(self, node: SpecNode) -> Sequence[Any]:
        """Return what a node makes of each alternative of the streams that feed it; tell problems that all of them have."""
        feeds = {name: self._streams(feed) for name, feed in node.feeds.items()}
        is_fed = all(feed is not None and feed.producer in self.sound for feed in node.feeds.values())
        is_sound = node.is_sound and is_fed and not any(map(is_stand_in, itertools.chain(*feeds.values())))
        if not is_sound:  # what is wrong is not attached to the dag of the others
            feeds = {name: [apart(stream) for stream in streams] for name, streams in feeds.items()}
        n = max(map(len, feeds.values()), default=1)
        tries = [
            self._tried(node, {name: each[min(i, len(each) - 1)] for name, each in feeds.items()}) for i in range(n)
        ]
        common = [problem for problem in tries[0][1] if all(problem in problems for _, problems in tries)]
        for problem in common:
            self._document.context.at("nodes").at(node.name).tell(node.tree, problem)
        if is_sound and not common:
            self.sound.append(node.name)
        return [made for made, _ in tries if made is not None] or stand_ins()

    def _tried(self, node: SpecNode, streams: dict[str, Any]) -> tuple[Any, list[str]]:
        thing, problems = node.thing, list[str]()
        if node.found.takes_streams:
            name = {"name": node.name} if node.found.takes_name else {}
            thing, problems = node.call.make(*streams.values(), **name)
        elif node.call.needs_streams:
            thing, problems = node.call.make(streams.pop("other"))
        if thing is None:
            return None, problems
        try:
            return _connected(node, thing, streams), problems
        except RxDagError as error:
            return None, [*problems, text_of(error)]

    def _streams(self, feed: Feed | None) -> Sequence[Stream[Any]]:
        """Return the stream of a feed, or stand-ins where it is wrong."""
        if feed is None:
            return stand_ins()
        try:
            return [_stream(made, feed) for made in self.made[feed.producer]]
        except RxDagError as error:
            self._document.context.problems.add(feed.tree.mark, feed.path, text_of(error))
            return stand_ins()


def _connected(node: SpecNode, thing: Any, streams: dict[str, Any]) -> Any:
    found = node.found
    policy: dict[str, Any] = {} if node.on_error is None else {"on_error": node.on_error}
    if found.takes_streams:
        if not hasattr(thing, "named"):
            raise RxDagError(f"{found.name}: must return a stream, got {shown(thing)}")
        return thing.named(node.name)
    if found.role == "source":
        _check_kind(thing, Source, found.name)
        return from_source(thing, name=node.name, **policy)
    stream: Any = next(iter(streams.values()))
    if found.role == "sink":
        _check_kind(thing, Sink, found.name)
        return stream.to(thing, name=node.name, **policy)
    _check_kind(thing, AnyOperator, found.name)
    return stream.pipe(thing, name=node.name, **policy)


def _stream(made: Any, feed: Feed) -> Stream[Any]:
    stream: Any = made if is_stand_in(made) else _port(made, feed)
    if feed.buffered is not None:
        gate = dict(feed.buffered)
        if "overflow" in gate:
            gate["overflow"] = Overflow(gate["overflow"])
        stream = stream.buffered(**gate)
    made_stream: Stream[Any] = stream if feed.on is None else stream.on(feed.on)
    return made_stream


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
