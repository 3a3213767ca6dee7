"""Files that sinks replace: each by one sink of a graph, or the last to end would win."""

from __future__ import annotations

from os.path import exists, isfile, realpath

from rxdag.contract import Sink
from rxdag.errors import CompileError, shown
from rxdag.plan._topology import Topology


def check_replaced(topology: Topology) -> None:
    """Check that no two sinks replace one file.

    Raises:
        CompileError: If two sinks replace the same file.
    """
    sink_of: dict[str, str] = {}
    for name, node in topology.nodes.items():
        path = node.thing.replaces if isinstance(node.thing, Sink) else None
        if path is None or (exists(path) and not isfile(path)):  # a device may have several writers
            continue
        other = sink_of.setdefault(realpath(path), name)
        if other != name:
            raise CompileError(
                f'sinks "{other}" and "{name}": must write different files, got {shown(path)} for both; '
                "merge their streams, or choose another file"
            )
