"""from_source: the first stream of a graph."""

from __future__ import annotations

from typing import TypeVar

from rxdag.contract import RAISE, OnError, OnErrorName, Source, is_frame
from rxdag.errors import GraphError, shown
from rxdag.graph._node import Node
from rxdag.graph._stream import Stream

T = TypeVar("T")


def from_source(source: Source[T], /, *, name: str | None = None, on_error: OnError | OnErrorName = RAISE) -> Stream[T]:
    """Create a stream from a source.

    Args:
        source: A source from `rxdag.sources`, or your own.
        name: Name of the node; by default that of the source.
        on_error: What to do with malformed input: end the run (default), skip it, or send it to port "dead".

    Example:
        >>> trades = rxdag.from_source(sources.jsonl("trades.jsonl", Trade), name="trades", on_error="dead")
        >>> readings = rxdag.from_source(sources.iterable([21.5, 21.7]))
        >>> readings.collect()
        [21.5, 21.7]
    """
    if not isinstance(source, Source):
        raise GraphError(f"from_source: takes a source, got {_with_advice(source)}")
    return Stream(Node(source, (), name, on_error), boundary=source.boundary)


def _with_advice(thing: object) -> str:
    """Return an object that is not a source as text, with advice on how to make one of it."""
    if is_frame(thing):
        return f"a {type(thing).__name__}; sources.arrow(...) makes one of a frame or table"
    if isinstance(thing, str):
        return f"{shown(thing)}; sources.csv(path, Type), parquet or jsonl make one of a file"
    return f"{shown(thing)}; sources.iterable(...) makes one of an iterable"
