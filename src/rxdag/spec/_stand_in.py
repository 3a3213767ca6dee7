"""Stand-ins for nodes that are wrong, so that those that read them can be checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rxdag.contract import Reader, Shape, Source, SourceContext
from rxdag.graph import Stream, from_source


@dataclass(frozen=True)
class _StandIn(Source[Any]):
    shape: Shape

    def open(self, context: SourceContext) -> Reader:
        raise TypeError("a stand-in is never run")


def stand_ins() -> list[Stream[Any]]:
    """Return a stream with everything that a stream can have, and one with nothing.

    A problem that a node has behind both does not follow from the node that they stand for.
    """
    shapes = (Shape(timed=True, keyed=True, ordered=True), Shape())
    return [from_source(_StandIn(shape)) for shape in shapes]


def apart(stream: Stream[Any]) -> Stream[Any]:
    """Return a stand-in of the shape of a stream."""
    return from_source(_StandIn(stream.node.port_shape(stream.port)))


def is_stand_in(made: Any) -> bool:
    """Return whether a thing is a stand-in, which has any port."""
    return isinstance(made, Stream) and isinstance(made.node.thing, _StandIn)
