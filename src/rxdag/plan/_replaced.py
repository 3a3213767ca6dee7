"""Files that sinks replace: each by one sink of a graph, or the last to end would win."""

from __future__ import annotations

import re
from os.path import basename, exists, isfile, realpath

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
        _check_different(sink_of.setdefault(realpath(path), name), name, shown(path))
    for pattern in [path for path in sink_of if "*" in basename(path)]:
        is_one = re.compile(re.escape(pattern).replace(r"\*", "[0-9]+"), re.DOTALL).fullmatch
        for path in filter(is_one, sink_of):
            _check_different(sink_of[pattern], sink_of[path], shown(path))


def _check_different(one: str, other: str, path: str) -> None:
    if one != other:
        raise CompileError(
            f'sinks "{one}" and "{other}": must write different files, got {path} for both; '
            "merge their streams, or choose another file"
        )
