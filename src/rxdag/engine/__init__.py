"""The engine: nodes that call each other, gates, pumps, and the domains that run them.

Internal: not part of the API; may change in any release.
"""

from rxdag.engine._batch_sink_node import BatchSinkNode
from rxdag.engine._branches import Cut, Fork, KeyEnd, Lane, Watch, Watcher
from rxdag.engine._columns_node import ColumnsNode, SplitNode
from rxdag.engine._context import RunContext
from rxdag.engine._domain import COLUMNS_QUANTUM, QUANTUM, Domain
from rxdag.engine._emit import KernelEmit
from rxdag.engine._faults import node_error
from rxdag.engine._gate import Gate
from rxdag.engine._gather_node import GatherNode
from rxdag.engine._guarded import Guarded
from rxdag.engine._inlet import Inlet
from rxdag.engine._inner_node import InnerNode
from rxdag.engine._kernel_node import KernelNode
from rxdag.engine._ledger import EXITS, LEAVINGS, SIDES, EdgeBook, Ledger
from rxdag.engine._meeting import Meeting
from rxdag.engine._merge_node import MergeNode
from rxdag.engine._node import NOWHERE, Exit, Node
from rxdag.engine._point import ITEM, Point
from rxdag.engine._pump import GatePump, Pump
from rxdag.engine._room import Limiter, Room
from rxdag.engine._rows_node import RowsNode
from rxdag.engine._shortcut import Shortcut
from rxdag.engine._sink_node import SinkNode
from rxdag.engine._snapshot import block, restore, snapshot
from rxdag.engine._source_node import SourceNode
from rxdag.engine._stateless_node import StatelessNode
from rxdag.engine._step_node import ReleaseNode, StepNode
from rxdag.engine._writes import BOUNDS_NS, Writes

__all__ = [
    "BOUNDS_NS",
    "ITEM",
    "COLUMNS_QUANTUM",
    "EXITS",
    "LEAVINGS",
    "NOWHERE",
    "QUANTUM",
    "SIDES",
    "BatchSinkNode",
    "ColumnsNode",
    "Cut",
    "Domain",
    "EdgeBook",
    "Exit",
    "Fork",
    "Gate",
    "GatePump",
    "GatherNode",
    "Guarded",
    "Inlet",
    "InnerNode",
    "KernelEmit",
    "KernelNode",
    "KeyEnd",
    "Lane",
    "Ledger",
    "Limiter",
    "Meeting",
    "MergeNode",
    "Node",
    "Point",
    "Pump",
    "ReleaseNode",
    "Room",
    "RowsNode",
    "RunContext",
    "Shortcut",
    "SinkNode",
    "SourceNode",
    "StatelessNode",
    "SplitNode",
    "StepNode",
    "Watch",
    "Watcher",
    "Writes",
    "node_error",
    "block",
    "restore",
    "snapshot",
]
