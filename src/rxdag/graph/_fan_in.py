"""Streams as the inputs of a node."""

from __future__ import annotations

from typing import Any

from rxdag.contract import FanIn
from rxdag.errors import GraphError, shown
from rxdag.graph._node import Node
from rxdag.graph._stream import Stream, stream_of


def checked_stream(stream: Any, where: str) -> Stream[Any]:
    """Return a stream.

    Raises:
        GraphError: If it is none.
    """
    if not isinstance(stream, Stream):
        raise GraphError(f"{where}: takes a stream, got {shown(stream)}")
    return stream  # pyright: ignore[reportUnknownVariableType]  # isinstance forgets the items


def fan_in(op: FanIn, streams: tuple[Stream[Any], ...]) -> Stream[Any]:
    """Put an operator with several inputs behind streams."""
    for stream in streams:
        if not isinstance(stream, Stream):
            many = isinstance(stream, list | tuple) and any(isinstance(each, Stream) for each in stream)
            hint = f"; pass each stream as an argument, as {op.label}(*streams)" if many else ""
            raise GraphError(f"{op.label}: takes streams, got {shown(stream)}{hint}")
    return stream_of(Node(op, tuple(s._input() for s in streams)))  # pyright: ignore[reportPrivateUsage]
