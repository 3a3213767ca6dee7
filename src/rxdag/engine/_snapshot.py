"""Snapshots: the state of nodes as plain data, taken between two items and restored into the same nodes of a later run.

What rests in nodes and gates is part of it, and so is how far sources are. Timers are not: kernels know when they are
due, and they are set anew when the nodes are opened. Counts are not either: the books of the next run open with what
rests. Exits are saved by port, so that a graph that has got another one can take the state up.
"""

from __future__ import annotations

from typing import Any, Final

from rxdag.contract import Chunk, joined
from rxdag.engine._branches import Fork
from rxdag.engine._gate import Ended, Gate
from rxdag.engine._gather_node import GatherNode
from rxdag.engine._inner_node import InnerNode
from rxdag.engine._kernel_node import KernelNode
from rxdag.engine._node import NOWHERE, Node, block_all
from rxdag.engine._point import COLUMNS, END, INPUT_COLUMNS, ITEM, MARK, Entry, Point
from rxdag.engine._pump import GatePump
from rxdag.engine._rows_node import Rows, RowsNode
from rxdag.engine._sink_node import SinkNode
from rxdag.engine._source_node import SourceNode
from rxdag.engine._step_node import StepNode
from rxdag.errors import RxDagError

_FIELDS: Final[tuple[tuple[type[Node], tuple[str, ...]], ...]] = (
    (Node, ("watermark", "is_ended")),
    (
        KernelNode,
        (
            *("open_inputs", "held_mark", "lingering", "input_error", "ended_inputs"),
            *("is_end_called", "is_forgotten", "is_drained", "is_quiet", "said_idle"),
        ),
    ),
    (RowsNode, ("told",)),
    (GatherNode, ("told", "waiting", "items", "times", "sequences", "keys", "before")),
    (StepNode, ("attempts", "given", "is_waiting", "due")),
    (InnerNode, ("drains",)),
    (SinkNode, ("is_closed", "ending", "own_error")),
    (SourceNode, ("is_finished", "is_closed")),
    (GatePump, ("is_finished",)),
    (Gate, ("is_abandoned", "is_wanted", "failure")),
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
    saved["unread"] = [exit_.port for exit_ in node.exits if exit_.out is not NOWHERE and not exit_.is_read]
    if isinstance(node, Point):
        saved["pending"] = [_with_ports(node, entry) for entry in node.pending]
    if isinstance(node, KernelNode):
        saved["kernel"] = node.kernel.snapshot()
        saved["kernel watermark"] = node.kernel.watermark
        saved["kernel is paused"] = node.kernel.is_paused
        saved["emit"] = node.emit.snapshot()
        saved["marks"] = node.marks.snapshot()
        saved["inlets"] = [snapshot(inlet) for inlet in node.inlets]
    elif isinstance(node, SourceNode):
        saved |= _position(node)
    elif isinstance(node, SinkNode):
        chunk = joined(node.unwritten())
        saved["unwritten"] = (chunk.items, chunk.ts, chunk.sequence, chunk.key)
        node.save()
        saved["writer"] = node.saved
    elif isinstance(node, Gate):
        saved["is_full"] = node.is_full
        saved["queue"] = [_resting(entry) for entry in node.queue]
    return saved


def restore(node: Node, saved: dict[str, Any]) -> None:
    """Restore the result of `snapshot` in a linked, unopened node; all nodes first, then `block` for each."""
    for kind, names in _FIELDS:
        if isinstance(node, kind):
            for name in names:
                setattr(node, name, saved[name])
    node.is_restored = True
    for exit_ in node.exits:
        if exit_.port in saved["unread"] and exit_.is_read:
            exit_.is_read = False
            node.live -= 1
    if isinstance(node, Point):
        node.pending.extend(_with_exits(node, entry) for entry in saved["pending"])
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
    elif isinstance(node, GatherNode):
        node.take_over()
    elif isinstance(node, SourceNode):
        node.position = saved["position"]
        node.was_open = saved["was_open"]
        if saved["chunk"] is not None:
            items, *beside = saved["chunk"]
            node.chunk = Chunk(_restored_columns(items) if items.__class__ is dict else items, *beside)
    elif isinstance(node, SinkNode):
        node.hold_unwritten(*saved["unwritten"])
        node.saved = saved["writer"]
    elif isinstance(node, Gate):
        node.is_full = saved["is_full"]
        node.queue.extend(_rested(entry) for entry in saved["queue"])
        for entry in node.queue:
            if isinstance(entry, tuple):  # else a watermark or the end, or columns
                node.came += 1
                node.bytes_in += entry[4] if len(entry) > 4 else 0
            elif not isinstance(entry, int | Ended):
                node.came += len(entry)


def _resting(entry: Any) -> Any:
    """Return what rests in a gate as plain data: columns as a dict, the end as a tuple of its error alone."""
    if entry.__class__ is Ended:
        return (entry.error,)
    return entry if entry.__class__ in (tuple, int) else _saved_columns(entry)


def _rested(saved: Any) -> Any:
    """Return what rested in a gate."""
    if saved.__class__ is dict:
        return _restored_columns(saved)
    return Ended(saved[0]) if saved.__class__ is tuple and len(saved) == 1 else saved


def _saved_columns(columns: Any) -> dict[str, Any]:
    from rxdag.columns import saved_columns  # it loads numpy, which columns have done

    return saved_columns(columns)


def _restored_columns(saved: dict[str, Any]) -> Any:
    from rxdag.columns import restored_columns  # it loads numpy

    return restored_columns(saved)


def block(node: Node) -> None:
    """Block the points above a restored node that rests or is full."""
    if isinstance(node, Point) and node.pending:
        node.rest()
    elif isinstance(node, Gate) and node.is_full:
        block_all(node.up)


def _with_ports(node: Point, entry: Entry) -> tuple[Any, ...]:
    """Return an entry with ports in place of exits: of its own, or of those that it is still to go out by."""
    kind: int = entry[0]
    what: Any = entry[2]
    if kind in (COLUMNS, INPUT_COLUMNS):
        what = what.left() if isinstance(what, Rows) else _saved_columns(what)
    if kind in (ITEM, COLUMNS):
        return (kind, entry[1].port, what, *entry[3:])
    if kind in (MARK, END) or isinstance(node, Fork):
        return (kind, [exit_.port for exit_ in node.exits[entry[1] :]], what, *entry[3:])
    return (kind, entry[1], what, *entry[3:])


def _with_exits(node: Point, entry: Any) -> Any:
    """Return an entry with exits in place of ports; one for several exits goes on at the first that it was saved with."""
    kind: int = entry[0]
    ports = [exit_.port for exit_ in node.exits]
    what: Any = entry[2]
    if kind in (COLUMNS, INPUT_COLUMNS):
        what = Rows(*what) if what.__class__ is tuple else _restored_columns(what)
    if kind in (ITEM, COLUMNS):
        return (kind, node.exits[ports.index(entry[1])], what, *entry[3:])
    if kind in (MARK, END) or isinstance(node, Fork):
        at = next((i for i, port in enumerate(ports) if port in entry[1]), len(ports))
        return (kind, at, what, *entry[3:])
    return (kind, entry[1], what, *entry[3:])


def _position(node: SourceNode) -> dict[str, Any]:
    """Return the position of a source, and the items that it has read but not passed on."""
    reader = node.reader
    position = None if reader is None else node.position if node.is_reading else reader.position()
    if position is None and reader is not None and not node.is_closed:
        raise RxDagError(f'source "{node.name}": its reader must have a method position, to continue after a restart')
    saved: dict[str, Any] = {"position": position, "was_open": reader is not None, "chunk": None}
    if node.chunk is not None:
        _, rest = node.chunk.split(int(node.at))
        marks = tuple((place - int(node.at), mark) for place, mark in node.chunk.marks[int(node.next_mark) :])
        items = rest.items if rest.columns is None else _saved_columns(rest.columns)
        saved["chunk"] = (items, rest.ts, rest.sequence, rest.key, marks)
    return saved
