"""Snapshots: the state of nodes as plain data, taken between two items and restored into the same nodes of a later run.

A snapshot holds the items that rest in nodes and gates, the positions of sources, and all counts, so that the books
continue. It holds no timers: kernels know when theirs are due, and set them again when the nodes are opened.
"""

from __future__ import annotations

from typing import Any, Final

from rxdag.contract import Chunk
from rxdag.engine._gate import Ended, Gate
from rxdag.engine._gather_node import GatherNode
from rxdag.engine._inner_node import InnerNode
from rxdag.engine._kernel_node import KernelNode
from rxdag.engine._node import Node, block_all
from rxdag.engine._point import COLUMNS, ITEM, Entry, Point
from rxdag.engine._pump import GatePump
from rxdag.engine._rows_node import Rows, RowsNode
from rxdag.engine._sink_node import SinkNode
from rxdag.engine._source_node import SourceNode
from rxdag.engine._step_node import StepNode
from rxdag.errors import RxDagError

_FIELDS: Final[tuple[tuple[type[Node], tuple[str, ...]], ...]] = (
    (
        Node,
        (
            *("came", "passed", "absorbed", "filtered", "late", "dead", "unassigned", "unrouted", "failed"),
            *("discarded", "unread", "made", "retried", "dropped", "watermark", "is_ended", "live"),
        ),
    ),
    (
        KernelNode,
        (
            *("open_inputs", "held_mark", "lingering", "input_error", "ended_inputs"),
            *("is_end_called", "is_forgotten", "is_drained", "is_quiet", "said_idle"),
        ),
    ),
    (RowsNode, ("told",)),
    (GatherNode, ("told", "waiting")),
    (StepNode, ("attempts", "given", "is_waiting", "due")),
    (InnerNode, ("came_inside", "drains")),
    (
        SinkNode,
        ("gathered", "times", "sequences", "keys", "is_closed", "ending", "own_error", "attempts"),
    ),
    (SourceNode, ("is_finished", "is_closed", "n_dropped")),
    (GatePump, ("is_finished",)),
    (
        Gate,
        (
            *("taken", "lost", "n_dropped", "bytes_in", "bytes_out", "bytes_dropped", "high_water", "waits"),
            *("is_abandoned", "is_wanted", "failure"),
        ),
    ),
)
"""Attributes that are saved unchanged, by class of node."""


def snapshot(node: Node) -> dict[str, Any]:
    """Return the state of a node as plain data; call it between two items, and only if `why_no_snapshot` returns None.

    Raises:
        RxDagError: If the reader of a source has no position.
    """
    node.sync()
    saved: dict[str, Any] = {}
    for kind, names in _FIELDS:
        if isinstance(node, kind):
            for name in names:
                value = getattr(node, name)
                saved[name] = value.copy() if isinstance(value, list | set | dict) else value
    saved["exits"] = [(int(exit_.n), int(exit_.lost), exit_.is_read) for exit_ in node.exits]
    if isinstance(node, Point):
        saved["pending"] = [_with_index(node, entry) for entry in node.pending]
    if isinstance(node, KernelNode):
        saved["kernel"] = node.kernel.snapshot()
        saved["kernel watermark"] = node.kernel.watermark
        saved["kernel is paused"] = node.kernel.is_paused
        saved["emit"] = node.emit.snapshot()
        saved["marks"] = node.marks.snapshot()
        saved["inlets"] = [snapshot(inlet) for inlet in node.inlets]
    elif isinstance(node, SourceNode):
        saved |= _position(node)
    elif isinstance(node, Gate):
        saved["is_full"] = node.is_full
        saved["queue"] = [(entry.error,) if isinstance(entry, Ended) else entry for entry in node.queue]
    return saved


def restore(node: Node, saved: dict[str, Any]) -> None:
    """Restore the result of `snapshot` in a linked, unopened node; all nodes first, then `block` for each."""
    for kind, names in _FIELDS:
        if isinstance(node, kind):
            for name in names:
                setattr(node, name, saved[name])
    node.is_restored = True
    for exit_, (n, lost, is_read) in zip(node.exits, saved["exits"], strict=True):
        exit_.n, exit_.lost, exit_.is_read = n, lost, is_read
    if isinstance(node, Point):
        node.pending.extend(_with_exit(node, entry) for entry in saved["pending"])
        if node.is_ended:
            # As in seal().
            node.blocked += 1
    if isinstance(node, KernelNode):
        node.kernel.restore(saved["kernel"])
        node.kernel.watermark = saved["kernel watermark"]
        node.kernel.is_paused = saved["kernel is paused"]
        node.emit.restore(saved["emit"])
        node.marks.restore(saved["marks"])
        for inlet, each in zip(node.inlets, saved["inlets"], strict=True):
            restore(inlet, each)
    elif isinstance(node, SourceNode):
        node.position = saved["position"]
        node.was_open = saved["was_open"]
        if saved["chunk"] is not None:
            node.chunk = Chunk(*saved["chunk"])
    elif isinstance(node, Gate):
        node.is_full = saved["is_full"]
        node.queue.extend(_rested(entry) for entry in saved["queue"])


def _rested(entry: Any) -> Any:
    """Return the entries that rested in a gate; the end is saved as a tuple of only its error."""
    return Ended(entry[0]) if entry.__class__ is tuple and len(entry) == 1 else entry


def block(node: Node) -> None:
    """Block the points above a restored node that rests or is full."""
    if isinstance(node, Point) and node.pending:
        node.rest()
    elif isinstance(node, Gate) and node.is_full:
        block_all(node.up)


def _with_index(node: Point, entry: Entry) -> tuple[Any, ...]:
    """Return an entry with the index of its exit in place of that."""
    if entry[0] not in (ITEM, COLUMNS):
        return entry
    what: Any = entry[2]
    if isinstance(what, Rows):
        what = what.left()
    return (entry[0], node.exits.index(entry[1]), what, *entry[3:])


def _with_exit(node: Point, entry: Any) -> Any:
    if entry[0] not in (ITEM, COLUMNS):
        return entry
    what: Any = entry[2]
    if entry[0] == COLUMNS and isinstance(node, RowsNode):
        what = Rows(*what)
    return (entry[0], node.exits[entry[1]], what, *entry[3:])


def _position(node: SourceNode) -> dict[str, Any]:
    """Return the position of a source, and the items that it has read but not passed on."""
    reader = node.reader
    position = None if reader is None else reader.position()
    if position is None and reader is not None and not node.is_closed:
        raise RxDagError(f'source "{node.name}": its reader must have a method position, to continue after a restart')
    saved: dict[str, Any] = {"position": position, "was_open": reader is not None, "chunk": None}
    if node.chunk is not None:
        _, rest = node.chunk.split(int(node.at))
        marks = tuple((place - int(node.at), mark) for place, mark in node.chunk.marks[int(node.next_mark) :])
        saved["chunk"] = (rest.items, rest.ts, rest.sequence, rest.key, marks)
    return saved
