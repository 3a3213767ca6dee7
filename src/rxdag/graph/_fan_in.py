"""Streams as the inputs of a node."""

from __future__ import annotations

from typing import Any, cast

from rxdag.contract import FanIn
from rxdag.errors import GraphError, shown
from rxdag.graph._node import Node
from rxdag.graph._stream import Stream, stream_of


def checked_stream(stream: Any, where: str) -> Stream[Any]:
    """Return a stream.

    Raises:
        GraphError: If it is not a stream.
    """
    if not isinstance(stream, Stream):
        raise GraphError(f"{where}: takes a stream, got {shown(stream)}")
    return stream  # pyright: ignore[reportUnknownVariableType]  # isinstance forgets the items


def fan_in(op: FanIn, streams: tuple[Stream[Any], ...]) -> Stream[Any]:
    """Put an operator with several inputs behind streams."""
    given: tuple[object, ...] = streams
    for each in given:
        if not isinstance(each, Stream):
            inner = cast("tuple[object, ...]", each) if isinstance(each, list | tuple) else ()  # items of any type
            is_group = any(isinstance(item, Stream) for item in inner)
            hint = f"; pass each stream as an argument, as {op.label}(*streams)" if is_group else ""
            raise GraphError(f"{op.label}: takes streams, got {shown(each)}{hint}")
    return stream_of(Node(op, tuple(s._input() for s in streams)))  # pyright: ignore[reportPrivateUsage]
