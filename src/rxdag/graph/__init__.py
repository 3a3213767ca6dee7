"""The graph: frozen data and checks. No reactivex, clock, thread or I/O here.

Internal: not part of the API; may change in any release.
"""

from rxdag.graph._builder import DagBuilder
from rxdag.graph._dag import Dag, Edge
from rxdag.graph._draw import parameters
from rxdag.graph._fan_in import checked_stream, fan_in
from rxdag.graph._from_source import from_source
from rxdag.graph._node import Input, Node, Thing, checked_name
from rxdag.graph._picture import bundle
from rxdag.graph._runner import Runner
from rxdag.graph._stream import (
    ForeignOperator,
    KeyedRoutes,
    KeyedStream,
    Routes,
    SinkNode,
    Stream,
    WindowedStream,
    stream_of,
)

__all__ = [
    "Dag",
    "DagBuilder",
    "Edge",
    "ForeignOperator",
    "Input",
    "KeyedRoutes",
    "KeyedStream",
    "Node",
    "Routes",
    "Runner",
    "SinkNode",
    "Stream",
    "Thing",
    "WindowedStream",
    "bundle",
    "checked_name",
    "checked_stream",
    "fan_in",
    "from_source",
    "parameters",
    "stream_of",
]
